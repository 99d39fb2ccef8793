//! hephy in the workflows of GitHub and the jobs of GitLab, and what it compares with there.

use super::{Hephy, Repository};
use serde_json::Value;

pub(crate) const MAIN: &str = "refs/heads/main";
/// What GitHub and GitLab write where there is no commit.
pub(crate) const ZEROS: &str = "0000000000000000000000000000000000000000";

/// A repository with two components and three commits on `main`; the last two changed one component each.
pub(crate) fn origin() -> Repository {
    let origin = Repository::named("origin");
    origin.git(["config", "uploadpack.allowFilter", "true"]);
    origin.write("hephy.yaml", CONFIGURATION).write("app/run", "1\n").write("web/run", "1\n").commit("Begin");
    origin.write("app/run", "2\n").commit("Change the app");
    origin.write("web/run", "2\n").commit("Change the web");
    origin
}

const CONFIGURATION: &str = "\
components:
  app: {path: app, prebuilt: {linux/amd64: run}}
  web: {path: web, prebuilt: {linux/amd64: run}}
";
pub(crate) const APP: &str = "app: `app/run` changed";
pub(crate) const WEB: &str = "web: `web/run` changed";

/// The base and its reason, then the components with a change that explains them.
#[track_caller]
pub(crate) fn explained(hephy: Hephy) -> Vec<String> {
    let output = hephy.args(["--emit", "json"]).run().exits(0);
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let base = &plan["base"];
    let (kind, confidence) = (text(&base["kind"]), text(&base["confidence"]));
    let base = format!("{kind} {confidence} {}: {}", text(&base["reference"]), text(&base["reason"]));
    let components = plan["components"].as_array().expect("components").iter();
    let changed = components.filter(|component| component["reason"]["code"] == "inputs-changed");
    let line = |component: &Value| {
        let (name, path) = (text(&component["name"]), text(&component["reason"]["path"]));
        format!("{name}: `{path}` changed")
    };
    [base].into_iter().chain(changed.map(line)).collect()
}

/// `hephy plan` in a workflow of GitHub.
pub(crate) fn github(checkout: &Repository, event: &str, reference: &str, payload: &str) -> Hephy {
    workflow(checkout, "plan", event, reference, payload).env("HEPHY_LAYOUT", "images")
}

/// Any verb of hephy in a workflow of GitHub.
pub(crate) fn workflow(
    checkout: &Repository,
    verb: &str,
    event: &str,
    reference: &str,
    payload: &str,
) -> Hephy {
    let file = checkout.beside("event.json");
    let repository = r#""repository": {"id": 7, "default_branch": "main"}"#;
    std::fs::write(&file, format!("{{{repository}, {payload}}}")).expect("write the event");
    let name = reference.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
    let hephy = checkout.hephy([verb]);
    let hephy =
        hephy.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", event).env("GITHUB_REF", reference);
    hephy.env("GITHUB_REF_NAME", name).env("GITHUB_SHA", checkout.id("HEAD")).env("GITHUB_EVENT_PATH", file)
}

pub(crate) fn push(before: &str, forced: bool) -> String {
    format!(r#""before": "{before}", "forced": {forced}, "created": false, "deleted": false"#)
}

/// `hephy plan` in a job of GitLab.
pub(crate) fn gitlab(checkout: &Repository, variables: &[(&str, &str)]) -> Hephy {
    let hephy = checkout.hephy(["plan"]).env("HEPHY_LAYOUT", "images");
    let hephy = hephy.env("CI_JOB_ID", "1").env("CI_PROJECT_ID", "2").env("CI_DEFAULT_BRANCH", "main");
    let hephy = hephy.env("CI_COMMIT_SHA", checkout.id("HEAD"));
    variables.iter().fold(hephy, |hephy, (name, value)| hephy.env(name, value))
}

/// A pull request that changes the app, on a `main` that went on with the web: `refs/pull/5/head` and its merge.
pub(crate) fn pull_request() -> (Repository, String) {
    let origin = origin();
    let old_base = origin.id("main~1");
    origin.git(["checkout", "--quiet", "-b", "fix", &old_base]);
    origin.write("app/run", "3\n").commit("One").write("docs", "x\n").commit("Two");
    origin.git(["update-ref", "refs/pull/5/head", "fix"]);
    origin.git(["checkout", "--quiet", "--detach", "main"]);
    origin.git(["merge", "--quiet", "--no-ff", "--message", "Merge", "fix"]);
    origin.git(["update-ref", "refs/pull/5/merge", "HEAD"]);
    let sides = format!(
        r#""pull_request": {{"head": {{"sha": "{}", "repo": {{"id": 7}}}}, "base": {{"sha": "{old_base}"}}}}"#,
        origin.id("fix")
    );
    (origin, sides)
}

pub(crate) fn requested(checkout: &Repository, event: &str, payload: &str) -> Hephy {
    let hephy = github(checkout, event, "refs/pull/5/merge", payload);
    hephy.env("GITHUB_BASE_REF", "main").env("GITHUB_HEAD_REF", "fix")
}

/// How many git processes hephy starts.
pub(crate) fn git_processes(checkout: &Repository, hephy: Hephy) -> usize {
    let trace = checkout.beside("trace");
    hephy.env("GIT_TRACE2_EVENT", &trace).run().exits(0);
    let trace = std::fs::read_to_string(trace).expect("git wrote its trace");
    // What git itself starts has the id of its parent in its own.
    let is_ours = |line: &&str| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["event"] == "start" && !event["sid"].as_str().is_some_and(|sid| sid.contains('/'))
    };
    trace.lines().filter(is_ours).count()
}
