//! Every event of GitHub Actions as the documented webhook payloads write it, cut down to what is near the fields used.

use super::super::Ci;
use super::*;

const SHA: &str = "1111111111111111111111111111111111111111";
const BASE: &str = "2222222222222222222222222222222222222222";
const HEAD: &str = "3333333333333333333333333333333333333333";
const ZEROS: &str = "0000000000000000000000000000000000000000";

/// What a workflow of this event on this ref reads.
fn ci(event: &str, reference: &str, more: &[(&str, &str)], payload: &str) -> Ci {
    let job = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "Acme/Shop"),
        ("GITHUB_SERVER_URL", "https://forge.example"),
        ("GITHUB_SHA", SHA),
        ("GITHUB_EVENT_NAME", event),
        ("GITHUB_REF", reference),
        ("GITHUB_REF_NAME", reference.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/")),
        ("GITHUB_REF_TYPE", if reference.starts_with("refs/tags/") { "tag" } else { "branch" }),
    ];
    // The first of a name counts.
    Ci::of_event(&[more, &job].concat(), Some(payload))
}

fn push(before: &str, forced: bool) -> String {
    format!(
        r#"{{"ref": "refs/heads/main", "before": "{before}", "after": "{SHA}", "created": {created}, "deleted": false,
        "forced": {forced}, "base_ref": null, "compare": "", "commits": [{{"id": "{SHA}", "added": ["a"]}}],
        "head_commit": null, "repository": {{"id": 7, "full_name": "Acme/Shop", "default_branch": "main"}},
        "pusher": {{"name": "ada"}}}}"#,
        created = before == ZEROS,
    )
}

fn request(head_repository: &str) -> String {
    format!(
        r#"{{"action": "synchronize", "number": 5, "before": "{ZEROS}",
        "pull_request": {{"number": 5, "merged": false, "merge_commit_sha": null,
          "head": {{"label": "x", "ref": "fix", "sha": "{HEAD}", "repo": {head_repository}}},
          "base": {{"label": "y", "ref": "main", "sha": "{BASE}", "repo": {{"id": 7}}}}}},
        "repository": {{"id": 7, "full_name": "Acme/Shop", "default_branch": "main"}}}}"#
    )
}

const REQUEST: [(&str, &str); 2] = [("GITHUB_BASE_REF", "main"), ("GITHUB_HEAD_REF", "fix")];

fn pushed(before: Option<&str>, forced: bool) -> Trigger {
    Trigger::Push(Push { before: before.map(str::to_owned), forced })
}

#[test]
fn events_of_branches_and_tags() {
    let repository = r#"{"repository": {"id": 7, "default_branch": "main"}}"#;
    for (event, reference, payload, expected) in [
        ("push", "refs/heads/main", push(BASE, false), pushed(Some(BASE), false)),
        ("push", "refs/heads/new", push(ZEROS, false), pushed(None, false)),
        ("push", "refs/heads/fix", push(BASE, true), pushed(Some(BASE), true)),
        ("push", "refs/tags/v1", push(ZEROS, false), Trigger::Tag),
        ("release", "refs/tags/v1", repository.to_owned(), Trigger::Release),
        ("schedule", "refs/heads/main", repository.to_owned(), Trigger::Schedule),
        ("workflow_dispatch", "refs/heads/main", repository.to_owned(), Trigger::Manual),
        ("repository_dispatch", "refs/heads/main", repository.to_owned(), Trigger::Manual),
        ("delete", "refs/heads/main", repository.to_owned(), Trigger::Manual),
        ("workflow_run", "refs/heads/main", repository.to_owned(), Trigger::Manual),
    ] {
        let first = ci(event, reference, &[], &payload);
        assert_eq!(first.trigger, expected, "{event} on {reference}");
        assert_eq!(first.default_branch.as_deref(), Some("main"));
        assert_eq!(first.warnings, [""; 0]);
        // A re-run has the same payload, and must get the same answer.
        let again = ci(event, reference, &[("GITHUB_RUN_ATTEMPT", "2")], &payload);
        assert_eq!(again.trigger, expected);
    }
}

#[test]
fn a_merge_queue_names_its_base_and_its_target() {
    let payload = format!(
        r#"{{"action": "checks_requested", "merge_group": {{"head_sha": "{SHA}",
        "head_ref": "refs/heads/gh-readonly-queue/main/pr-5-{BASE}", "base_sha": "{BASE}", "base_ref": "refs/heads/main"}},
        "repository": {{"id": 7, "default_branch": "main"}}}}"#
    );
    let ci = ci("merge_group", "refs/heads/gh-readonly-queue/main/pr-5", &[], &payload);
    let expected = Trigger::MergeQueue { base: Some(BASE.to_owned()), target: Some("main".to_owned()) };
    assert_eq!(ci.trigger, expected);
}

#[test]
fn a_pull_request_runs_on_its_merge_and_its_kind_on_the_target() {
    let own = PullRequest {
        merge: Some(SHA.to_owned()),
        head: Some(HEAD.to_owned()),
        fork_point: None,
        target_commit: Some(BASE.to_owned()),
        target_tip: None,
        target: Some("main".to_owned()),
        source: Source::Own,
    };
    let request_of_own = request(r#"{"id": 7}"#);
    let read = |event: &str, more: &[(&str, &str)]| {
        ci(event, "refs/pull/5/merge", &[more, &REQUEST].concat(), &request_of_own)
    };
    let merge = read("pull_request", &[]);
    assert_eq!(merge.trigger, Trigger::PullRequest(own.clone()));
    assert_eq!(merge.reference.as_deref(), Some("fix"));
    let on_target = PullRequest { merge: None, target_tip: Some(SHA.to_owned()), ..own.clone() };
    assert_eq!(read("pull_request_target", &[]).trigger, Trigger::PullRequest(on_target));
    // Forgejo runs on the head itself.
    let on_head = PullRequest { merge: None, ..own };
    assert_eq!(read("pull_request", &[("GITHUB_SHA", HEAD)]).trigger, Trigger::PullRequest(on_head));
}

#[test]
fn a_fork_is_known_and_doubt_counts_as_a_fork() {
    for (payload, expected) in [
        (request(r#"{"id": 7, "fork": false}"#), Source::Own),
        // A repository that is itself a fork of another one.
        (request(r#"{"id": 7, "fork": true}"#), Source::Own),
        (request(r#"{"id": 8, "fork": true}"#), Source::Fork),
        (request("null"), Source::Fork),
        ("{}".to_owned(), Source::Unknown),
        ("not JSON".to_owned(), Source::Unknown),
    ] {
        for event in ["pull_request", "pull_request_target"] {
            let ci = ci(event, "refs/pull/5/merge", &REQUEST, &payload);
            let Trigger::PullRequest(request) = &ci.trigger else { panic!("{:?}", ci.trigger) };
            assert_eq!(request.source, expected, "{payload}");
        }
    }
}

#[test]
fn a_broken_event_file_costs_a_warning() {
    for payload in ["", "[]", "{", "null", r#"{"before": 5}"#, "\u{feff}{}", &"[".repeat(100_000)] {
        let ci = ci("push", "refs/heads/main", &[], payload);
        assert_eq!(ci.trigger, pushed(None, false), "{payload:.20}");
        assert_eq!(ci.warnings.len(), 1, "{payload:.20}");
    }
    // What looks like a ref or an option never becomes one.
    let strange = push("--output=/tmp/x", false);
    assert_eq!(ci("push", "refs/heads/main", &[], &strange).trigger, pushed(None, false));
}

#[test]
fn registries_are_those_of_the_forge() {
    let token = ("GITHUB_TOKEN", "ghs_hunter2");
    let github = ci("push", "refs/heads/main", &[token], "{}");
    assert_eq!((github.host, github.registry.as_deref()), (Host::GitHub, Some("ghcr.io/acme/shop")));
    assert!(!format!("{github:?}").contains("hunter2"));
    for name in ["FORGEJO_ACTIONS", "GITEA_ACTIONS"] {
        let ci = ci("push", "refs/heads/main", &[token, (name, "true")], "{}");
        assert_eq!((ci.host, ci.registry.as_deref()), (Host::Forgejo, Some("forge.example/acme/shop")));
        assert_eq!(ci.registry_login.map(|login| login.host).as_deref(), Some("forge.example"));
    }
}

#[test]
fn a_run_that_follows_a_pull_request_is_its_run() {
    let payload = |event: &str, head_repository: u8| {
        format!(
            r#"{{"action": "completed", "workflow_run": {{"id": 1, "event": "{event}", "head_sha": "{HEAD}", "head_branch": "fix",
            "head_repository": {{"id": {head_repository}}}}}, "repository": {{"id": 7, "default_branch": "main"}}}}"#
        )
    };
    for (event, repository, expected) in [
        ("push", 7, None),
        ("pull_request", 7, Some(Source::Own)),
        ("pull_request", 8, Some(Source::Fork)),
        ("pull_request_target", 8, Some(Source::Fork)),
    ] {
        let expected = expected.map_or(Trigger::Manual, |source| {
            let (head, target_tip) = (Some(HEAD.to_owned()), Some(SHA.to_owned()));
            Trigger::PullRequest(PullRequest { head, target_tip, source, ..PullRequest::default() })
        });
        assert_eq!(ci("workflow_run", "refs/heads/main", &[], &payload(event, repository)).trigger, expected);
    }
}

#[test]
fn tags_and_labels_have_their_sources() {
    let branch = |name: &str| Subject::Branch(name.to_owned());
    let number = || Subject::PullRequest("5".to_owned());
    let following = format!(
        r#"{{"workflow_run": {{"event": "pull_request", "head_sha": "{HEAD}", "head_repository": {{"id": 7}}}},
        "repository": {{"id": 7}}}}"#
    );
    let own = request(r#"{"id": 7}"#);
    for (event, reference, payload, expected) in [
        ("push", "refs/heads/feat/a", "{}", branch("feat/a")),
        ("push", "refs/tags/v1", "{}", Subject::Tag("v1".to_owned())),
        ("pull_request", "refs/pull/5/merge", &own, number()),
        // It runs on the target branch, and its image must not become that of the branch.
        ("pull_request_target", "refs/heads/main", &own, number()),
        ("pull_request_target", "refs/heads/main", "{}", Subject::Unknown),
        ("workflow_run", "refs/heads/main", &following, Subject::Unknown),
        ("schedule", "refs/heads/main", "{}", branch("main")),
    ] {
        let sources = ci(event, reference, &[], payload).sources;
        assert_eq!(sources.subject, expected, "{event} {reference}");
        assert_eq!((sources.event.as_deref(), sources.started_on.as_deref()), (Some(event), Some(SHA)));
    }
}

#[test]
fn the_repository_is_described_by_the_event_or_the_variables() {
    let payload = r#"{"base_ref": "refs/heads/dev", "repository": {"id": 7, "name": "shop", "description": "Sells",
        "html_url": "https://forge.example/acme/shop", "license": {"key": "mit", "spdx_id": "MIT"}}}"#;
    let sources = ci("push", "refs/tags/v1", &[], payload).sources;
    assert_eq!(sources.base_branch.as_deref(), Some("dev"));
    let expected = About {
        title: Some("shop".to_owned()),
        description: Some("Sells".to_owned()),
        url: Some("https://forge.example/acme/shop".to_owned()),
        licence: Some("MIT".to_owned()),
    };
    assert_eq!(sources.about, expected);
    let about = ci("schedule", "refs/heads/main", &[], "{}").sources.about;
    let expected = About {
        title: Some("Shop".to_owned()),
        url: Some("https://forge.example/Acme/Shop".to_owned()),
        ..About::default()
    };
    assert_eq!(about, expected);
}

#[test]
fn the_switches_of_the_action_are_read() {
    let switches = [("DOCKER_METADATA_PR_HEAD_SHA", "true"), ("DOCKER_METADATA_SHORT_SHA_LENGTH", "9")];
    let sources = ci("pull_request", "refs/pull/5/merge", &switches, &request(r#"{"id": 7}"#)).sources;
    assert_eq!((sources.commit.as_deref(), sources.short_commit), (Some(HEAD), Some(9)));
    assert_eq!(sources.base_branch.as_deref(), Some("main"));
}

/// Coverage-guided with `./dev fuzz`, some random bytes in an ordinary run. The first byte chooses the event.
#[test]
fn fuzz_event_file() {
    let events = ["push", "pull_request", "pull_request_target", "merge_group", "release", "workflow_run"];
    bolero::check!().for_each(|bytes: &[u8]| {
        let Some((first, text)) = bytes.split_first() else { return };
        let event = events[usize::from(*first) % events.len()];
        ci(event, "refs/heads/main", &[], &String::from_utf8_lossy(text));
    });
}

proptest::proptest! {
    #[test]
    fn no_event_file_makes_it_panic(text in ".{0,200}", before in ".{0,80}") {
        ci("push", "refs/heads/main", &[], &text);
        let payload = serde_json::json!({"before": before, "merge_group": {"base_sha": before, "base_ref": text}});
        for event in ["push", "merge_group", "pull_request", "workflow_run"] {
            ci(event, "refs/heads/main", &[], &payload.to_string());
        }
    }
}
