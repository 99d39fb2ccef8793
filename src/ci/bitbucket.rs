//! Bitbucket Pipelines.

use super::trigger::{PullRequest, Push, Source, Trigger, commit};
use super::{About, Ci, Host, Lookup, Sources, Subject};

/// Reads the variables that Bitbucket predefines. It has no registry, and does not say what a branch was before.
pub(super) fn read(lookup: Lookup<'_>, blank: Ci) -> Ci {
    Ci {
        host: Host::Bitbucket,
        trigger: trigger(lookup),
        sources: sources(lookup, blank.sources.clone()),
        reference: lookup("BITBUCKET_BRANCH").or_else(|| lookup("BITBUCKET_TAG")),
        ..blank
    }
}

fn sources(lookup: Lookup<'_>, blank: Sources) -> Sources {
    let request = lookup("BITBUCKET_PR_ID").map(Subject::PullRequest);
    let tag = || lookup("BITBUCKET_TAG").map(Subject::Tag);
    let branch = || lookup("BITBUCKET_BRANCH").map(Subject::Branch);
    Sources {
        subject: request.or_else(tag).or_else(branch).unwrap_or_default(),
        about: About {
            title: lookup("BITBUCKET_REPO_SLUG"),
            url: lookup("BITBUCKET_GIT_HTTP_ORIGIN"),
            ..About::default()
        },
        base_branch: lookup("BITBUCKET_PR_DESTINATION_BRANCH"),
        started_on: lookup("BITBUCKET_COMMIT").as_deref().and_then(commit),
        ..blank
    }
}

fn trigger(lookup: Lookup<'_>) -> Trigger {
    match () {
        () if lookup("BITBUCKET_PR_ID").is_some() => Trigger::PullRequest(PullRequest {
            target_commit: lookup("BITBUCKET_PR_DESTINATION_COMMIT").filter(|id| is_commit(id)),
            target: lookup("BITBUCKET_PR_DESTINATION_BRANCH"),
            // Pipelines of a pull request run in the repository that the branch is in.
            source: Source::Own,
            ..PullRequest::default()
        }),
        () if lookup("BITBUCKET_TAG").is_some() => Trigger::Tag,
        () if lookup("BITBUCKET_BRANCH").is_some() => Trigger::Push(Push::default()),
        () => Trigger::Manual,
    }
}

/// Bitbucket shortens some ids.
fn is_commit(id: &str) -> bool {
    (7..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::Ci;
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";
    const BASE: &str = "2222222222222222222222222222222222222222";

    fn read(variables: &[(&str, &str)]) -> Ci {
        let job = [("CI", "true"), ("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_COMMIT", SHA)];
        Ci::of_variables(&[job.as_slice(), variables].concat())
    }

    #[test]
    fn a_pipeline_of_each_kind() {
        let request = PullRequest {
            target_commit: Some(BASE.to_owned()),
            target: Some("main".to_owned()),
            source: Source::Own,
            ..PullRequest::default()
        };
        for (variables, expected, reference) in [
            (&[("BITBUCKET_BRANCH", "main")][..], Trigger::Push(Push::default()), Some("main")),
            (&[("BITBUCKET_TAG", "v1")], Trigger::Tag, Some("v1")),
            (&[], Trigger::Manual, None),
            (
                &[
                    ("BITBUCKET_BRANCH", "fix/price"),
                    ("BITBUCKET_PR_ID", "7"),
                    ("BITBUCKET_PR_DESTINATION_BRANCH", "main"),
                    ("BITBUCKET_PR_DESTINATION_COMMIT", BASE),
                ],
                Trigger::PullRequest(request),
                Some("fix/price"),
            ),
        ] {
            let ci = read(variables);
            assert_eq!((ci.host, ci.trigger), (Host::Bitbucket, expected), "{variables:?}");
            assert_eq!(ci.reference.as_deref(), reference);
        }
    }
}
