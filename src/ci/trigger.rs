//! What started this run, in words that fit every CI system.

/// The event behind a run. It is not called an event, because those are what `report` listens to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Commits arrived on a branch.
    Push(Push),
    /// Somebody asks for a branch to be merged; GitLab calls it a merge request.
    PullRequest(PullRequest),
    /// The forge tries a merge before it makes it.
    MergeQueue {
        base: Option<String>,
        target: Option<String>,
    },
    Tag,
    Release,
    Schedule,
    /// A person, another pipeline or another event started it; nothing was pushed.
    Manual,
    /// Nobody said: a laptop, or a CI system that we do not know.
    #[default]
    Unknown,
}

/// What a push says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Push {
    /// What the branch was before; `None` for a new branch.
    pub(crate) before: Option<String>,
    /// History was rewritten, so `before` is not an ancestor.
    pub(crate) forced: bool,
}

/// What a pull request says about its commits. CI systems check out different ones of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PullRequest {
    /// The commit that the forge made by merging the head into the target.
    pub(crate) merge: Option<String>,
    /// The commit that somebody wants merged.
    pub(crate) head: Option<String>,
    /// Where the head left the target branch.
    pub(crate) fork_point: Option<String>,
    /// A commit of the target branch, not always its newest.
    pub(crate) target_commit: Option<String>,
    /// What the run started on, where that is the target branch and nothing of the pull request.
    pub(crate) target_tip: Option<String>,
    /// The branch that it is to be merged into.
    pub(crate) target: Option<String>,
    pub(crate) source: Source,
}

/// Whose code a pull request brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// A branch of the repository whose rights this run has.
    Own,
    /// Another repository.
    Fork,
    /// The CI system did not say, so it must be taken for a fork.
    #[default]
    Unknown,
}

/// A full commit id; zeros stand for no commit.
pub(super) fn commit(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_ids_are_commits() {
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        let sha256 = format!("{sha1}0123456789abcdef01234567");
        for (text, expected) in [
            (sha1, Some(sha1)),
            (sha256.as_str(), Some(sha256.as_str())),
            ("0000000000000000000000000000000000000000", None),
            ("01234567", None),
            ("--output=/tmp/x", None),
            ("main", None),
            ("", None),
        ] {
            assert_eq!(commit(text).as_deref(), expected);
        }
    }
}
