//! Events as GitHub really sends them: every example that Octokit collects, read from the event file of a workflow.

use crate::support::Repository;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the examples, one below it for each server.
fn examples() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/run");
    let output = Command::new(script).arg("webhooks-examples").output().expect("the script starts");
    assert!(output.status.success(), "tools: {}", String::from_utf8_lossy(&output.stderr));
    let programs = String::from_utf8(output.stdout).expect("UTF-8");
    // The package has no programs; it lies beside the folder for them.
    Path::new(programs.trim()).parent().expect("a folder").join("@octokit/webhooks-examples")
}

/// The payloads of each event that this server's list has.
fn payloads(server: &str) -> BTreeMap<String, Vec<Value>> {
    let text = std::fs::read_to_string(examples().join(server).join("index.json")).expect("the examples");
    let events: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let event = |event: &Value| {
        let examples = event["examples"].as_array().expect("examples").clone();
        (event["name"].as_str().expect("a name").to_owned(), examples)
    };
    events.iter().map(event).collect()
}

/// What the plan of a workflow says that it was compared with, and why.
fn base(repository: &Repository, event: &str, payload: &Value) -> String {
    let file = repository.beside("event.json");
    std::fs::write(&file, payload.to_string()).expect("write the event");
    let default = payload["repository"]["default_branch"].as_str().unwrap_or("main");
    // The variables of a runner for this event; a tag is what a release and the push of a tag run on.
    let reference = match event {
        "push" => payload["ref"].as_str().expect("a ref").to_owned(),
        "release" => "refs/tags/v1".to_owned(),
        "pull_request" => "refs/pull/2/merge".to_owned(),
        _ => format!("refs/heads/{default}"),
    };
    let name = reference.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
    let hephy = repository.hephy(["plan", "--layout", "images", "--emit", "json"]);
    let hephy =
        hephy.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", event).env("GITHUB_REF", &reference);
    let hephy = hephy.env("GITHUB_REF_NAME", name).env("GITHUB_SHA", repository.id("HEAD"));
    let hephy = match event {
        "pull_request" => hephy.env("GITHUB_BASE_REF", default).env("GITHUB_HEAD_REF", "fix"),
        _ => hephy,
    };
    let output = hephy.env("GITHUB_EVENT_PATH", file).run().exits(0);
    assert!(!output.stderr.contains("event file"), "{event}: {output}");
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
    format!(
        "{}: {}",
        plan["base"]["kind"].as_str().expect("a kind"),
        plan["base"]["reason"].as_str().expect("a reason")
    )
}

/// The text of a field of the payload.
fn field<'a>(payload: &'a Value, path: &str) -> &'a str {
    payload.pointer(path).and_then(Value::as_str).expect(path)
}

/// What must stand in the base of this event: that it was understood, and the commit that it names.
fn expected(event: &str, payload: &Value) -> String {
    match event {
        "push" if field(payload, "/ref").starts_with("refs/tags/") => {
            "nothing: a tag is compared with nothing".to_owned()
        }
        // All examples of a branch create it.
        "push" => "parent: the parent commit".to_owned(),
        "release" => "nothing: a tag is compared with nothing".to_owned(),
        "pull_request" => {
            let target = field(payload, "/pull_request/base/sha");
            format!(
                "parent: the parent commit; `{target}`, a commit of the pull request's target branch, is not in"
            )
        }
        "merge_group" => {
            let upon = field(payload, "/merge_group/base_sha");
            format!(
                "parent: the parent commit; `{upon}`, what this entry of the merge queue is built upon, is not in"
            )
        }
        "schedule" => "nothing: nothing was pushed: a scheduled run".to_owned(),
        _ => "nothing: nothing was pushed: a run that somebody started".to_owned(),
    }
}

#[test]
fn every_example_of_an_event_is_understood() {
    let repository = Repository::app();
    repository.write("app/run", "2\n").commit("Change the app");
    let known = payloads("api.github.com");
    for (event, count) in [
        ("push", 7),
        ("pull_request", 29),
        ("merge_group", 2),
        ("release", 13),
        ("workflow_dispatch", 2),
        ("repository_dispatch", 2),
        ("workflow_run", 5),
        ("create", 5),
        ("delete", 4),
        ("deployment", 4),
    ] {
        let payloads = &known[event];
        assert_eq!(payloads.len(), count, "{event}");
        for payload in payloads {
            let found = base(&repository, event, payload);
            assert!(found.starts_with(&expected(event, payload)), "{event}: {found}");
        }
    }
    // A schedule sends the repository alone, like this one without the rest.
    let payload = serde_json::json!({"schedule": "0 5 * * *", "repository": known["push"][0]["repository"]});
    assert!(base(&repository, "schedule", &payload).starts_with(&expected("schedule", &payload)));
}

#[test]
fn older_servers_say_the_same() {
    let repository = Repository::app();
    repository.write("app/run", "2\n").commit("Change the app");
    for server in ["ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"] {
        let known = payloads(server);
        for event in ["push", "pull_request", "release"] {
            let payload = known[event].first().unwrap_or_else(|| panic!("{server}: {event}"));
            let found = base(&repository, event, payload);
            assert!(found.starts_with(&expected(event, payload)), "{server} {event}: {found}");
        }
    }
}
