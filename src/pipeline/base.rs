//! The base: the answers of `detect::base` are tried until one is there, with a fetch where it is worth one.

use super::Run;
use crate::detect::base::{self, Asked, Choice, Confidence, Head, Kind};
use crate::failure::Failure;
use crate::git::{self, Checkout, Comparison, GitError};
use crate::mask::Mask;
use crate::plan::Base;
use bstr::BString;

/// The base and what changed since. Only a base that the user asks for may fail: all others explain, and the plan is
/// the same without them.
pub(super) async fn compare(run: &Run, checkout: &Checkout) -> Result<(Base, Vec<BString>), Failure> {
    let settings = &run.settings;
    let since = settings.since.as_deref().map(Asked::Since);
    let asked = settings.base.as_deref().map(Asked::Base).or(since);
    let choices = base::bases(asked, &run.ci.trigger, &head(run, checkout, named_default(run).as_deref()));
    let (mut failures, mut first_error) = (vec![], None);
    let mut is_online = true;
    // Answers of the same confidence are looked for in the clone before a fetch is spent on the first of them.
    for same in choices.list.chunk_by(|left, right| left.confidence == right.confidence) {
        for choice in same {
            match git::changes(&run.root, &choice.reference, choice.comparison).await {
                Ok(changes) => {
                    return Ok((chosen(choice, known_commit(checkout, choice), &failures), changes));
                }
                Err(error @ GitError::OptionLikeBase { .. }) => return Err(error.into()),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        // The second name of what was asked for is a guess at the first, and one fetch looks for both.
        let most = if asked.is_some() { 1 } else { same.len() };
        for choice in same.iter().take(most) {
            if !is_online || choice.confidence == Confidence::Guess {
                failures.push(missing(choice));
                continue;
            }
            match heal(run, checkout, choice).await {
                Ok((commit, changes)) => return Ok((chosen(choice, Some(commit), &failures), changes)),
                Err(error) => {
                    is_online = !error.is_offline();
                    // The plan is data and printed as it is, and git quotes addresses, which may hold a token.
                    let why = Mask::new(run.ci.secrets.clone()).lines(&Failure::from(error).headline);
                    failures.push(format!("{} ({why})", missing(choice)));
                }
            }
        }
    }
    if let Some(error) = first_error.filter(|_| asked.is_some()) {
        return Err(Failure { evidence: failures, ..error.into() });
    }
    let reason = if failures.is_empty() { choices.otherwise.to_owned() } else { failures.join("; ") };
    let (kind, confidence) = (Kind::Nothing, Confidence::Nothing);
    Ok((Base { reference: None, commit: None, kind, confidence, reason }, vec![]))
}

async fn heal(run: &Run, checkout: &Checkout, choice: &Choice) -> Result<(String, Vec<BString>), GitError> {
    let commit = git::heal(&run.root, checkout.is_shallow, &choice.reference, choice.comparison).await?;
    let changes = git::changes(&run.root, &commit, Comparison::Tree).await?;
    Ok((commit, changes))
}

/// The commit that HEAD was compared with, where that needs no further question to git.
fn known_commit(checkout: &Checkout, choice: &Choice) -> Option<String> {
    let name = &choice.reference;
    let is_id = matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (choice.comparison, name.as_str()) {
        (Comparison::Tree, "HEAD^1" | "HEAD^" | "HEAD~1" | "HEAD~") => checkout.parents.first().cloned(),
        (Comparison::Tree, "HEAD") => Some(checkout.commit.id.clone()),
        (Comparison::Tree, _) if is_id => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// The default branch as the CI system names it.
fn named_default(run: &Run) -> Option<String> {
    run.ci.default_branch.as_deref().map(git::remote_branch)
}

fn head<'a>(run: &'a Run, checkout: &'a Checkout, named: Option<&'a str>) -> Head<'a> {
    let is_on_default = run.ci.default_branch.is_some() && run.ci.reference == run.ci.default_branch;
    Head {
        id: &checkout.commit.id,
        parents: &checkout.parents,
        is_shallow: checkout.is_shallow,
        default_branch: named.or(checkout.default_branch.as_deref()),
        is_on_default,
    }
}

fn chosen(choice: &Choice, commit: Option<String>, failures: &[String]) -> Base {
    let better = failures.iter().map(|failure| format!("; {failure}"));
    Base {
        reference: Some(choice.reference.clone()),
        commit,
        kind: choice.kind,
        confidence: choice.confidence,
        reason: [choice.reason.clone()].into_iter().chain(better).collect(),
    }
}

fn missing(choice: &Choice) -> String {
    format!("`{}`, {}, is not in this clone, or not all of it", choice.reference, choice.reason)
}
