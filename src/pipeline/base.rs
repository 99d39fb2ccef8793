//! The base: the answers of `detect::base` are tried until one is there, with a fetch where it is worth one.

use super::{Run, published};
use crate::ci::Subject;
use crate::detect::base::{self, Answer, Asked, Choice, Confidence, Head, Kind};
use crate::failure::Failure;
use crate::git::{self, Checkout, Comparison, GitError};
use crate::mask::Mask;
use crate::plan::{Base, Target};
use bstr::BString;

/// More commits of published images are not tried one by one: each costs questions to git.
const MOST_TRIED: usize = 3;

/// A base, and what changed since.
type Found = (Base, Vec<BString>);

/// The base and what changed since. Only a base that the user asks for may fail: all others explain, and the plan is
/// the same without them.
pub(super) async fn compare(run: &Run, checkout: &Checkout, target: &Target) -> Result<Found, Failure> {
    let settings = &run.settings;
    let since = settings.since.as_deref().map(Asked::Since);
    let asked = settings.base.as_deref().map(Asked::Base).or(since);
    let choices = base::bases(asked, &run.ci.trigger, &head(run, checkout, named_default(run).as_deref()));
    // The second name of what was asked for is a guess at the first, and one fetch looks for both.
    let most = if asked.is_some() { 1 } else { usize::MAX };
    let mut search = Search { run, checkout, most, is_online: true, failures: vec![], first_error: None };
    let mut of_registry = None;
    for answers in choices.list.chunk_by(is_alike) {
        let found = match answers {
            [Answer::Published(branch)] => {
                let (commits, problem) = published::ask(run, checkout, target, branch).await;
                of_registry = problem;
                search.newest_of(&commits).await?
            }
            answers => search.among(&answers.iter().filter_map(known).collect::<Vec<_>>()).await?,
        };
        if let Some((base, changes)) = found {
            let reason = [base.reason].into_iter().chain(of_registry).collect::<Vec<_>>().join("; ");
            return Ok((Base { reason, ..base }, changes));
        }
    }
    let Search { failures, first_error, .. } = search;
    if let Some(error) = first_error.filter(|_| asked.is_some()) {
        return Err(Failure { evidence: failures, ..error.into() });
    }
    let reasons = if failures.is_empty() { vec![choices.otherwise.to_owned()] } else { failures };
    let reason = reasons.into_iter().chain(of_registry).collect::<Vec<_>>().join("; ");
    let (kind, confidence) = (Kind::Nothing, Confidence::Nothing);
    Ok((Base { reference: None, commit: None, kind, confidence, reason }, vec![]))
}

/// Answers of the same confidence are looked for in the clone before a fetch is spent on the first of them.
fn is_alike(left: &Answer, right: &Answer) -> bool {
    matches!((left, right), (Answer::Known(left), Answer::Known(right)) if left.confidence == right.confidence)
}

fn known(answer: &Answer) -> Option<&Choice> {
    match answer {
        Answer::Known(choice) => Some(choice),
        Answer::Published(_) => None,
    }
}

/// What was tried so far.
struct Search<'a> {
    run: &'a Run,
    checkout: &'a Checkout,
    /// How many answers of the same confidence are worth a fetch.
    most: usize,
    is_online: bool,
    /// Why better answers were not there.
    failures: Vec<String>,
    first_error: Option<GitError>,
}

impl Search<'_> {
    /// The first of these answers that is there: first in the clone, then with a fetch.
    async fn among(&mut self, same: &[&Choice]) -> Result<Option<Found>, Failure> {
        for choice in same {
            match changes(self.run, self.checkout, choice).await {
                Ok(changes) => {
                    let commit = known_commit(self.checkout, choice);
                    return Ok(Some((chosen(choice, commit, &self.failures), changes)));
                }
                Err(error @ GitError::OptionLikeBase { .. }) => return Err(error.into()),
                Err(error) => drop(self.first_error.get_or_insert(error)),
            }
        }
        for choice in same.iter().take(self.most) {
            if !self.is_online || choice.confidence == Confidence::Guess {
                self.failures.push(missing(choice));
                continue;
            }
            match heal(self.run, self.checkout, choice).await {
                Ok((commit, changes)) => {
                    return Ok(Some((
                        chosen(&unproven(self.checkout, choice), Some(commit), &self.failures),
                        changes,
                    )));
                }
                Err(error) => {
                    self.is_online = !error.is_offline();
                    let absent = match error {
                        GitError::NoAncestor { .. } => format!("`{}`, {}", choice.reference, choice.reason),
                        _ => missing(choice),
                    };
                    // The plan is data and printed as it is, and git quotes addresses, which may hold a token.
                    let why = Mask::new(self.run.ci.secrets.clone()).lines(&Failure::from(error).headline);
                    self.failures.push(format!("{absent} ({why})"));
                }
            }
        }
        Ok(None)
    }

    /// The newest of these commits, as git says, else the first that is there, one by one.
    async fn newest_of(&mut self, commits: &[Choice]) -> Result<Option<Found>, Failure> {
        let head = &self.checkout.commit.id;
        let ids: Vec<&str> = commits.iter().map(|choice| choice.reference.as_str()).collect();
        if ids.len() > 1
            && !ids.contains(&head.as_str())
            && let Ok((id, changes)) = git::newest_ancestor(&self.run.root, &ids).await
            && let Some(choice) = commits.iter().find(|choice| choice.reference == id)
        {
            return Ok(Some((chosen(choice, Some(id), &self.failures), changes)));
        }
        let (same, others): (Vec<&Choice>, Vec<&Choice>) =
            commits.iter().partition(|choice| choice.reference == *head);
        for choice in same.into_iter().chain(others).take(MOST_TRIED) {
            let found = self.among(&[choice]).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

async fn changes(run: &Run, checkout: &Checkout, choice: &Choice) -> Result<Vec<BString>, GitError> {
    if choice.comparison == Comparison::Ancestor && choice.reference == checkout.commit.id {
        return Ok(vec![]);
    }
    git::changes(&run.root, &choice.reference, choice.comparison).await
}

/// An answer for which a shallow clone had to be healed: whether it is an ancestor is not known there.
fn unproven(checkout: &Checkout, choice: &Choice) -> Choice {
    if choice.comparison != Comparison::Ancestor || !checkout.is_shallow {
        return choice.clone();
    }
    let reason = format!("{} (this shallow clone cannot tell whether it is an ancestor)", choice.reason);
    Choice { confidence: Confidence::Likely, reason, ..choice.clone() }
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
        (Comparison::Tree | Comparison::Ancestor, _) if is_id => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// The default branch as the CI system names it.
fn named_default(run: &Run) -> Option<String> {
    run.ci.default_branch.as_deref().map(git::remote_branch)
}

fn head<'a>(run: &'a Run, checkout: &'a Checkout, named: Option<&'a str>) -> Head<'a> {
    let is_on_default = run.ci.default_branch.is_some() && run.ci.reference == run.ci.default_branch;
    let default_branch = named.or(checkout.default_branch.as_deref());
    let branch = match &run.ci.sources.subject {
        Subject::Branch(name) => Some(name),
        Subject::Tag(_) | Subject::PullRequest(_) => None,
        Subject::Unknown => checkout.commit.branch.as_ref(),
    };
    Head {
        id: &checkout.commit.id,
        parents: &checkout.parents,
        is_shallow: checkout.is_shallow,
        default_branch,
        default_name: run.ci.default_branch.as_deref().or(default_branch.and_then(git::branch_name)),
        branch: branch.map(String::as_str),
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
