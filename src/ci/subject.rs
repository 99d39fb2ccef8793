//! What runs, and the repository that it is in, in words that fit every CI system.

/// The branch, tag or pull request that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subject {
    Branch(String),
    Tag(String),
    /// By its number.
    PullRequest(String),
    /// Nobody said.
    #[default]
    Unknown,
}

/// What a forge tells about a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// Its page.
    pub(crate) url: Option<String>,
    /// The SPDX name.
    pub(crate) licence: Option<String>,
}

/// What the tags and labels of images are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) subject: Subject,
    pub(crate) about: About,
    /// The branch that a pull request is for, or that a tag was pushed with.
    pub(crate) base_branch: Option<String>,
    /// The event by the name that the CI system has for it.
    pub(crate) event: Option<String>,
    /// The commit to name where that is not the one that is checked out.
    pub(crate) commit: Option<String>,
    /// The commit that the subject was when the run started.
    pub(crate) started_on: Option<String>,
    /// How many digits of a commit to show, if the user says.
    pub(crate) short_commit: Option<usize>,
    /// Where annotations go, if the user says: `DOCKER_METADATA_ANNOTATIONS_LEVELS`.
    pub(crate) annotation_levels: Option<String>,
}

impl Subject {
    /// Reads a full ref as git names it, and as GitHub names pull requests.
    pub(super) fn of_ref(name: &str) -> Self {
        let part = |prefix: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        match (part("refs/heads/"), part("refs/tags/"), part("refs/pull/")) {
            (Some(branch), ..) => Self::Branch(branch.to_owned()),
            (_, Some(tag), _) => Self::Tag(tag.to_owned()),
            (.., Some(request)) => {
                Self::PullRequest(request.strip_suffix("/merge").unwrap_or(request).to_owned())
            }
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_refs_say_what_runs() {
        for (name, expected) in [
            ("refs/heads/feat/a", Subject::Branch("feat/a".to_owned())),
            ("refs/tags/v1", Subject::Tag("v1".to_owned())),
            ("refs/pull/7/merge", Subject::PullRequest("7".to_owned())),
            ("refs/heads/", Subject::Unknown),
            ("main", Subject::Unknown),
        ] {
            assert_eq!(Subject::of_ref(name), expected);
        }
    }
}
