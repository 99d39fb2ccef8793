//! GitLab CI/CD.

use super::builder::of_gitlab;
use super::trigger::{PullRequest, Push, Source, Trigger, commit};
use super::{About, Ci, Host, Lookup, RegistryLogin, Sources, Subject};
use crate::secret::Secret;

/// Reads the variables that GitLab predefines.
pub(super) fn read(lookup: Lookup<'_>, blank: Ci) -> Ci {
    let token = lookup("CI_JOB_TOKEN").and_then(Secret::new);
    let login = lookup("CI_REGISTRY").zip(token).map(|(host, token)| RegistryLogin {
        host,
        user: lookup("CI_REGISTRY_USER").unwrap_or("gitlab-ci-token".to_owned()),
        token,
    });
    Ci {
        host: Host::GitLab,
        trigger: trigger(lookup),
        sources: sources(lookup, blank.sources.clone()),
        builder: of_gitlab(lookup),
        default_branch: lookup("CI_DEFAULT_BRANCH"),
        // In the pipeline of a merge request the name of the ref may be `refs/merge-requests/7/merge`.
        reference: lookup("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME").or_else(|| lookup("CI_COMMIT_REF_NAME")),
        registry: lookup("CI_REGISTRY_IMAGE"),
        registry_login: login,
        ..blank
    }
}

fn sources(lookup: Lookup<'_>, blank: Sources) -> Sources {
    let request = lookup("CI_MERGE_REQUEST_IID").map(Subject::PullRequest);
    let tag = || lookup("CI_COMMIT_TAG").map(Subject::Tag);
    let branch = || lookup("CI_COMMIT_BRANCH").map(Subject::Branch);
    let names_head = lookup("DOCKER_METADATA_PR_HEAD_SHA").as_deref() == Some("true");
    let head = lookup("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").filter(|_| names_head);
    Sources {
        subject: request.or_else(tag).or_else(branch).unwrap_or_default(),
        about: About {
            title: lookup("CI_PROJECT_TITLE").or_else(|| lookup("CI_PROJECT_NAME")),
            description: lookup("CI_PROJECT_DESCRIPTION"),
            url: lookup("CI_PROJECT_URL"),
            licence: None,
        },
        base_branch: lookup("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        event: lookup("CI_PIPELINE_SOURCE"),
        commit: head.as_deref().and_then(commit),
        started_on: lookup("CI_COMMIT_SHA").as_deref().and_then(commit),
        ..blank
    }
}

fn trigger(lookup: Lookup<'_>) -> Trigger {
    // A child of a merge request's pipeline has its variables, although its source is `parent_pipeline`.
    if lookup("CI_MERGE_REQUEST_IID").is_some() || lookup("CI_MERGE_REQUEST_DIFF_BASE_SHA").is_some() {
        return Trigger::PullRequest(merge_request(lookup));
    }
    if lookup("CI_COMMIT_TAG").is_some() {
        return Trigger::Tag;
    }
    // Zeros in all pipelines that no push started, and in the first of a branch.
    let before = lookup("CI_COMMIT_BEFORE_SHA").as_deref().and_then(commit);
    match lookup("CI_PIPELINE_SOURCE").as_deref() {
        Some("push") => Trigger::Push(Push { before, forced: false }),
        Some("schedule") => Trigger::Schedule,
        None | Some("parent_pipeline") if before.is_some() => Trigger::Push(Push { before, forced: false }),
        None => Trigger::Unknown,
        // `web`, `api`, `chat`, `trigger`, `pipeline`, `parent_pipeline` and more.
        Some(_) => Trigger::Manual,
    }
}

fn merge_request(lookup: Lookup<'_>) -> PullRequest {
    let id = |name: &str| lookup(name).as_deref().and_then(commit);
    let is_merged =
        matches!(lookup("CI_MERGE_REQUEST_EVENT_TYPE").as_deref(), Some("merged_result" | "merge_train"));
    let checked_out = id("CI_COMMIT_SHA");
    let (merge, head) = match is_merged {
        true => (checked_out, id("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA")),
        false => (None, checked_out),
    };
    PullRequest {
        merge,
        head,
        fork_point: id("CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        target_commit: id("CI_MERGE_REQUEST_TARGET_BRANCH_SHA"),
        target_tip: None,
        target: lookup("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        source: source(lookup),
    }
}

/// A merge request of a fork runs in the fork, with the rights of the fork, unless a member of the target project
/// starts it there: only then does foreign code meet rights that are not its own.
fn source(lookup: Lookup<'_>) -> Source {
    match (lookup("CI_MERGE_REQUEST_SOURCE_PROJECT_ID"), lookup("CI_PROJECT_ID")) {
        (Some(source), Some(here)) if source == here => Source::Own,
        (Some(_), Some(_)) => Source::Fork,
        _ => Source::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ci;
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";
    const BASE: &str = "2222222222222222222222222222222222222222";
    const HEAD: &str = "3333333333333333333333333333333333333333";
    const TARGET: &str = "4444444444444444444444444444444444444444";
    const ZEROS: &str = "0000000000000000000000000000000000000000";

    fn read(variables: &[(&str, &str)]) -> Ci {
        let job = [
            ("CI", "true"),
            ("CI_JOB_ID", "1"),
            ("CI_PROJECT_ID", "2"),
            ("CI_REGISTRY_IMAGE", "registry.example/acme/shop"),
            ("CI_DEFAULT_BRANCH", "main"),
            ("CI_COMMIT_SHA", SHA),
        ];
        Ci::of_variables(&[job.as_slice(), variables].concat())
    }

    fn pushed(before: Option<&str>) -> Trigger {
        Trigger::Push(Push { before: before.map(str::to_owned), forced: false })
    }

    #[test]
    fn pipelines_without_a_merge_request() {
        for (variables, expected) in [
            (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BEFORE_SHA", BASE)][..], pushed(Some(BASE))),
            (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BEFORE_SHA", ZEROS)], pushed(None)),
            (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_TAG", "v1")], Trigger::Tag),
            (&[("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_BEFORE_SHA", ZEROS)], Trigger::Schedule),
            (&[("CI_PIPELINE_SOURCE", "web"), ("CI_COMMIT_BEFORE_SHA", ZEROS)], Trigger::Manual),
            (&[("CI_PIPELINE_SOURCE", "api")], Trigger::Manual),
            (&[("CI_PIPELINE_SOURCE", "trigger")], Trigger::Manual),
            (&[("CI_PIPELINE_SOURCE", "pipeline")], Trigger::Manual),
            (&[("CI_PIPELINE_SOURCE", "parent_pipeline"), ("CI_COMMIT_BEFORE_SHA", ZEROS)], Trigger::Manual),
            (
                &[("CI_PIPELINE_SOURCE", "parent_pipeline"), ("CI_COMMIT_BEFORE_SHA", BASE)],
                pushed(Some(BASE)),
            ),
            (&[], Trigger::Unknown),
        ] {
            let ci = read(variables);
            assert_eq!((ci.host, ci.trigger), (Host::GitLab, expected), "{variables:?}");
            assert_eq!(ci.default_branch.as_deref(), Some("main"));
            assert_eq!(ci.registry.as_deref(), Some("registry.example/acme/shop"));
        }
    }

    #[test]
    fn merge_requests_say_which_commit_is_checked_out() {
        let request = [
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", BASE),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix/price"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "2"),
            ("CI_COMMIT_BEFORE_SHA", ZEROS),
            ("CI_COMMIT_REF_NAME", "refs/merge-requests/7/merge"),
        ];
        let shas =
            [("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", HEAD), ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", TARGET)];
        let common = PullRequest {
            fork_point: Some(BASE.to_owned()),
            target: Some("main".to_owned()),
            source: Source::Own,
            ..PullRequest::default()
        };
        let detached = PullRequest { head: Some(SHA.to_owned()), ..common.clone() };
        let merged = PullRequest {
            merge: Some(SHA.to_owned()),
            head: Some(HEAD.to_owned()),
            target_commit: Some(TARGET.to_owned()),
            ..common
        };
        for (kind, more, expected) in [
            ("detached", &[][..], &detached),
            ("merged_result", &shas, &merged),
            ("merge_train", &shas, &merged),
        ] {
            let ci = read(&[&request[..], more, &[("CI_MERGE_REQUEST_EVENT_TYPE", kind)]].concat());
            assert_eq!(ci.trigger, Trigger::PullRequest(expected.clone()), "{kind}");
            assert_eq!(ci.reference.as_deref(), Some("fix/price"));
        }
        // A child pipeline of a merge request has its variables.
        let child = read(&[&request[1..], &[("CI_PIPELINE_SOURCE", "parent_pipeline")], &shas[..0]].concat());
        assert_eq!(child.trigger, Trigger::PullRequest(detached));
    }

    #[test]
    fn tags_and_labels_have_their_sources() {
        let project = [
            ("CI_PROJECT_TITLE", "Shop"),
            ("CI_PROJECT_NAME", "shop"),
            ("CI_PROJECT_DESCRIPTION", "Sells things"),
            ("CI_PROJECT_URL", "https://gitlab.example/acme/shop"),
            ("CI_PIPELINE_SOURCE", "schedule"),
        ];
        for (variables, expected) in [
            (&[("CI_COMMIT_BRANCH", "feat/a")][..], Subject::Branch("feat/a".to_owned())),
            (&[("CI_COMMIT_TAG", "v1")], Subject::Tag("v1".to_owned())),
            (&[("CI_MERGE_REQUEST_IID", "7")], Subject::PullRequest("7".to_owned())),
            (&[], Subject::Unknown),
        ] {
            let sources = read(&[&project[..], variables].concat()).sources;
            assert_eq!(sources.subject, expected);
            assert_eq!(sources.about.title.as_deref(), Some("Shop"));
            assert_eq!(sources.about.description.as_deref(), Some("Sells things"));
            assert_eq!(sources.about.url.as_deref(), Some("https://gitlab.example/acme/shop"));
            assert_eq!(
                (sources.event.as_deref(), sources.started_on.as_deref()),
                (Some("schedule"), Some(SHA))
            );
        }
    }

    #[test]
    fn a_fork_is_foreign_only_where_it_runs_with_rights_that_are_not_its_own() {
        let request = [("CI_MERGE_REQUEST_IID", "7"), ("CI_MERGE_REQUEST_PROJECT_ID", "2")];
        for (project, expected) in
            [(Some("2"), Source::Own), (Some("9"), Source::Fork), (None, Source::Unknown)]
        {
            let project: Vec<_> =
                project.map(|id| ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", id)).into_iter().collect();
            let ci = read(&[&request[..], &project].concat());
            let Trigger::PullRequest(request) = &ci.trigger else { panic!("{:?}", ci.trigger) };
            assert_eq!(request.source, expected);
        }
    }
}
