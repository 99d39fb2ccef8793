//! The base: with which commit HEAD is compared, as an ordered list of answers that are tried until one is there.
//!
//! The comparison only explains decisions, so a wrong base costs a good reason and never a build.

mod published;

pub(crate) use published::{Origin, published};

use crate::ci::{PullRequest, Push, Trigger};
use crate::git::Comparison;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `--base` or `--since`.
    Asked,
    /// What the branch was before a push.
    BeforePush,
    /// The target side of a merge that the forge made.
    MergeParent,
    /// Where a merge request left its target, as the forge says.
    ForkPoint,
    /// Where a pull request left its target, as git says.
    Target,
    /// The commit that a merge queue builds upon.
    Queue,
    /// What the published images of a branch say that they were built from.
    Registry,
    DefaultBranch,
    Parent,
    /// There is nothing to compare with.
    Nothing,
}

/// How surely the base is the one that the event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confidence {
    Exact,
    /// It may be older or newer than what is meant.
    Likely,
    /// Better than nothing; no fetch is spent on it.
    Guess,
    Nothing,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Asked,
        Self::BeforePush,
        Self::MergeParent,
        Self::ForkPoint,
        Self::Target,
        Self::Queue,
        Self::Registry,
        Self::DefaultBranch,
        Self::Parent,
        Self::Nothing,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::BeforePush => "before-push",
            Self::MergeParent => "merge-parent",
            Self::ForkPoint => "fork-point",
            Self::Target => "target",
            Self::Queue => "queue",
            Self::Registry => "registry",
            Self::DefaultBranch => "default-branch",
            Self::Parent => "parent",
            Self::Nothing => "nothing",
        }
    }
}

impl Confidence {
    pub(crate) const ALL: [Self; 4] = [Self::Exact, Self::Likely, Self::Guess, Self::Nothing];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Likely => "likely",
            Self::Guess => "guess",
            Self::Nothing => "nothing",
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) reference: String,
    pub(crate) comparison: Comparison,
    pub(crate) kind: Kind,
    pub(crate) confidence: Confidence,
    /// What the reference is, so that "REFERENCE, REASON, is not in this clone" is a sentence.
    pub(crate) reason: String,
}

/// One answer, or where to ask for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Known(Choice),
    /// The published images of this branch.
    Published(String),
}

/// The answers, best first, and why there is none if none of them is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choices {
    pub(crate) list: Vec<Answer>,
    pub(crate) otherwise: &'static str,
}

/// What the user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    Base(&'a str),
    /// The last common commit with this ref.
    Since(&'a str),
}

/// What is known of HEAD.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    pub(crate) id: &'a str,
    /// Empty for the first commit, and where a shallow clone ends.
    pub(crate) parents: &'a [String],
    pub(crate) is_shallow: bool,
    /// The default branch as a ref, which may not be in the clone.
    pub(crate) default_branch: Option<&'a str>,
    /// The name of the default branch.
    pub(crate) default_name: Option<&'a str>,
    /// The name of the branch that runs.
    pub(crate) branch: Option<&'a str>,
    /// HEAD is a commit of the default branch, so comparing with that branch says nothing.
    pub(crate) is_on_default: bool,
}

/// The answers for what the user asks, else for what started the run.
pub(crate) fn bases(asked: Option<Asked<'_>>, trigger: &Trigger, head: &Head<'_>) -> Choices {
    if let Some(asked) = asked {
        return Choices { list: known(named(asked)), otherwise: "the base that was asked for is not there" };
    }
    let own = head.branch.or(head.default_name);
    let (list, otherwise) = match trigger {
        Trigger::Push(push) => (of_push(push, head), no_parent(head)),
        Trigger::PullRequest(request) => (known(pull_request(request, head)), no_parent(head)),
        Trigger::MergeQueue { base, target } => {
            let base = base.as_ref().map(|id| {
                let reason = "what this entry of the merge queue is built upon";
                choice(id, Comparison::Tree, Kind::Queue, Confidence::Likely, reason)
            });
            let list = chain([base, target.as_deref().and_then(of_target), parent(head)]);
            (known(list), no_parent(head))
        }
        Trigger::Tag | Trigger::Release => (
            published_first(head.default_name, vec![]),
            "a tag is compared with nothing: its images are found by what they are built from",
        ),
        Trigger::Schedule => (published_first(own, vec![]), "nothing was pushed: a scheduled run"),
        Trigger::Manual => {
            let branch = chain([default_branch(head, Confidence::Guess)]);
            (published_first(own, branch), "nothing was pushed: a run that somebody started")
        }
        Trigger::Unknown => {
            let branch = default_branch(head, Confidence::Likely);
            // On the default branch's own commit a laptop asks for nothing: a run without changes costs two requests.
            let own = own.filter(|_| branch.is_some());
            (published_first(own, chain([branch, parent(head)])), no_parent(head))
        }
    };
    Choices { list, otherwise }
}

/// The event says exactly what a branch was before it went on, and of a new or rewritten one only where it may have begun.
fn of_push(push: &Push, head: &Head<'_>) -> Vec<Answer> {
    let before = push.before.as_ref().map(|id| {
        let reason = match push.forced {
            false => "what the branch was before this push",
            true => "what the branch was before this forced push",
        };
        choice(id, Comparison::Tree, Kind::BeforePush, Confidence::Exact, reason)
    });
    // A new branch has published nothing.
    let published = match before.is_none() && !head.is_on_default {
        true => head.default_name,
        false => head.branch,
    };
    let default_branch = default_branch(head, Confidence::Likely);
    // The old side of a forced push may have left the default branch long ago.
    if push.forced && !head.is_on_default {
        return published_first(published, chain([default_branch, before, parent(head)]));
    }
    let rest = published_first(published, chain([default_branch, parent(head)]));
    before.map(Answer::Known).into_iter().chain(rest).collect()
}

fn published_first(branch: Option<&str>, rest: Vec<Choice>) -> Vec<Answer> {
    let published = branch.map(|name| Answer::Published(name.to_owned()));
    published.into_iter().chain(known(rest)).collect()
}

fn known(choices: Vec<Choice>) -> Vec<Answer> {
    choices.into_iter().map(Answer::Known).collect()
}

fn named(asked: Asked<'_>) -> Vec<Choice> {
    let (name, comparison, reason) = match asked {
        Asked::Base(name) => (name, Comparison::Tree, "named with `--base`"),
        Asked::Since(name) => {
            (name, Comparison::MergeBase, "the last common commit, asked for with `--since`")
        }
    };
    let as_named = choice(name, comparison, Kind::Asked, Confidence::Exact, reason);
    // CI checks out without local branches, and people say `main` all the same.
    let is_plain = !name.starts_with("refs/") && !name.starts_with('-') && name.bytes().all(is_of_name);
    let remote = is_plain.then(|| Choice { reference: format!("{REMOTE}{name}"), ..as_named.clone() });
    [as_named].into_iter().chain(remote).collect()
}

const REMOTE: &str = "refs/remotes/origin/";

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte) || !byte.is_ascii()
}

fn pull_request(request: &PullRequest, head: &Head<'_>) -> Vec<Choice> {
    let is_head = |commit: &Option<String>| commit.as_deref() == Some(head.id);
    if is_head(&request.target_tip) {
        let reason = "the parent commit: the target branch is checked out, and nothing of the pull request";
        return chain([parent(head).map(|choice| Choice { reason: reason.to_owned(), ..choice })]);
    }
    let is_merge_of_head = head.parents.len() > 1 && request.head.as_ref() == head.parents.get(1);
    // After the merge the same event may run on the target branch, where the last commit need not be a merge.
    let is_merge = is_merge_of_head || (is_head(&request.merge) && head.parents.len() != 1);
    let first_parent = is_merge.then(|| {
        let reason = "the first parent of the merge that this pull request is tried with";
        choice("HEAD^1", Comparison::Tree, Kind::MergeParent, Confidence::Exact, reason)
    });
    let fork_point = request.fork_point.as_ref().map(|id| {
        let reason = "where the merge request left its target branch";
        choice(id, Comparison::Tree, Kind::ForkPoint, Confidence::Exact, reason)
    });
    let target_commit = request.target_commit.as_ref().map(|id| {
        let reason = "a commit of the pull request's target branch";
        choice(id, Comparison::MergeBase, Kind::Target, Confidence::Likely, reason)
    });
    let target = request.target.as_deref().and_then(of_target);
    chain([first_parent, fork_point, target_commit, target, parent(head)])
}

/// The target branch of a pull request; `None` if its name is none that git takes.
fn of_target(name: &str) -> Option<Choice> {
    let is_name = name.bytes().all(is_of_name) && !name.contains("..");
    let reason = "the pull request's target branch";
    is_name.then(|| {
        choice(&format!("{REMOTE}{name}"), Comparison::MergeBase, Kind::Target, Confidence::Likely, reason)
    })
}

fn default_branch(head: &Head<'_>, confidence: Confidence) -> Option<Choice> {
    let name = head.default_branch.filter(|_| !head.is_on_default)?;
    Some(choice(name, Comparison::MergeBase, Kind::DefaultBranch, confidence, "the default branch"))
}

fn parent(head: &Head<'_>) -> Option<Choice> {
    head.parents.first()?;
    Some(choice("HEAD^1", Comparison::Tree, Kind::Parent, Confidence::Guess, "the parent commit"))
}

fn no_parent(head: &Head<'_>) -> &'static str {
    match head.is_shallow {
        true => "this shallow clone has only the commit itself",
        false => "the first commit",
    }
}

fn choice(
    reference: &str,
    comparison: Comparison,
    kind: Kind,
    confidence: Confidence,
    reason: &str,
) -> Choice {
    Choice { reference: reference.to_owned(), comparison, kind, confidence, reason: reason.to_owned() }
}

fn chain<const N: usize>(choices: [Option<Choice>; N]) -> Vec<Choice> {
    choices.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
