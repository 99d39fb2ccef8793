//! What other tools are known to get wrong (docs/how-it-decides.md lists all rows): each test has the repository and the
//! event of the report, and asserts the base, every component and why it is built or not.

use crate::support::workflows::{MAIN, ZEROS, github, gitlab, origin, pull_request, push, requested};
use crate::support::{Hephy, Repository};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// The base, then each component with what happens to it, the code and the sentence of the reason.
#[track_caller]
fn decided(hephy: Hephy) -> Vec<String> {
    let output = hephy.args(["--emit", "json"]).run().exits(0);
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let base = format!("{} {}", text(&plan["base"]["kind"]), text(&plan["base"]["reference"]));
    let line = |component: &Value| {
        let (action, reason) = (&component["legs"][0]["action"], &component["reason"]);
        format!(
            "{}: {}, {}, {}",
            text(&component["name"]),
            text(action),
            text(&reason["code"]),
            text(&reason["text"])
        )
    };
    let components = plan["components"].as_array().expect("components").iter().map(line);
    [base].into_iter().chain(components).collect()
}

/// Builds what a checkout of `reference` has to build into the layout that `decided` asks, which is beside the origin.
#[track_caller]
fn built(origin: &Repository, reference: &str, only: &str) {
    let checkout = Repository::checkout_of(origin, reference, None);
    checkout.hephy(["up", "--only", only, "--layout"]).args([origin.beside("images")]).run().exits(0);
}

/// A plan of GitHub that asks the same layout.
fn asked(origin: &Repository, hephy: Hephy) -> Hephy {
    hephy.env("HEPHY_LAYOUT", origin.beside("images"))
}

/// A workflow that a push started.
fn pushed(origin: &Repository, checkout: &Repository, before: &str) -> Hephy {
    asked(origin, github(checkout, "push", MAIN, &push(before, false)))
}

const EXISTS: &str = "reuse, unchanged, an image of these inputs exists";

#[test]
fn a_build_that_failed_is_made_up_for_by_the_next_push() {
    // Given a commit that changed the app, whose build failed (GitLab #25029: the next push is green without it),
    let origin = origin();
    built(&origin, "refs/heads/main", "web");
    let before = origin.id("main");
    origin.write("docs/a", "x\n").commit("Document");
    built(&origin, "refs/heads/main", "web");
    // when a push changes nothing that a component reads,
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    let found = decided(pushed(&origin, &checkout, &before));
    // then what was not built is, although the difference does not name it.
    let app = format!(
        "app: build, hint-miss, no file it reads changed since `{before}`, and still no image of its inputs exists: the \
         base was not built here either"
    );
    assert_eq!(found, [format!("before-push {before}"), app, format!("web: {EXISTS}")]);
    // GitLab gives the same base and gets the same answer.
    let variables = [
        ("CI_PIPELINE_SOURCE", "push"),
        ("CI_COMMIT_BEFORE_SHA", before.as_str()),
        ("CI_COMMIT_REF_NAME", "main"),
    ];
    assert_eq!(decided(asked(&origin, gitlab(&checkout, &variables))), found);
}

#[test]
fn an_entry_of_a_merge_queue_builds_what_a_failed_one_before_it_changed() {
    // Given a queue in which the first entry changed the app and failed, and the second one changes the web
    // (nrwl/nx-set-shas #140),
    let origin = origin();
    built(&origin, "refs/heads/main", "app");
    origin.git(["checkout", "--quiet", "-b", "queue"]);
    let first = origin.write("app/run", "3\n").commit("First").id("HEAD");
    origin.write("web/run", "3\n").commit("Second");
    let payload = format!(r#""merge_group": {{"base_sha": "{first}", "base_ref": "refs/heads/main"}}"#);
    let checkout = Repository::checkout_of(&origin, "refs/heads/queue", None);
    let hephy = github(&checkout, "merge_group", "refs/heads/gh-readonly-queue/main/pr-6", &payload);
    let found = decided(asked(&origin, hephy));
    // then both are built.
    assert_eq!(found[0], format!("queue {first}"));
    assert!(found[1].starts_with("app: build, hint-miss, no file it reads changed since"), "{found:?}");
    assert_eq!(found[2], "web: build, inputs-changed, `web/run` changed: it is the program of `web`");
}

#[test]
fn a_revert_reuses_the_image_of_before_and_gives_it_the_tag() {
    let origin = origin();
    built(&origin, "refs/heads/main", "app,web");
    let before = origin.write("app/run", "3\n").commit("Change the app").id("HEAD");
    origin.git(["revert", "--no-edit", "HEAD"]);
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let found = decided(pushed(&origin, &checkout, &before));
    let app = format!(
        "app: reuse, built-before, an image of these inputs exists, although `app/run` changed since `{before}`: this was \
         built before"
    );
    assert_eq!(found, [format!("before-push {before}"), app, format!("web: {EXISTS}")]);
    // A rollback must be deployed like anything else, so its commit gets the tags.
    let output = checkout.hephy(["up", "--layout"]).args([origin.beside("images")]).run().exits(0);
    output.says(&format!("tagged `sha-{}`", checkout.short_id()));
}

#[test]
fn thousands_of_files_that_move_change_both_sides() {
    // Given more files than any list of an API has (3,000) or git compares for renames (1,000),
    let origin = Repository::named("origin");
    origin.write(
        "hephy.yaml",
        "components:\n  app: {path: app, bin: run, prebuilt: {linux/amd64: .}}\n  \
         web: {path: web, bin: run, prebuilt: {linux/amd64: .}}\n  zoo: {path: zoo, prebuilt: {linux/amd64: run}}\n",
    );
    for number in 0..3001 {
        origin.write(&format!("app/data/{number}"), &number.to_string());
    }
    for name in ["app", "web", "zoo"] {
        origin.write(&format!("{name}/run"), "1\n");
    }
    let before = origin.commit("Begin").id("HEAD");
    origin.git(["mv", "app/data", "web/data"]);
    origin.write("zoo/run", "2\n").commit("Move");
    // when they move from one component to another, then both are built, and what comes last in the list, too.
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    let found = decided(pushed(&origin, &checkout, &before));
    assert_eq!(
        found,
        [
            format!("before-push {before}"),
            "app: build, inputs-changed, `app/data/0` changed: it is the program of `app` (and 3000 more changes)".to_owned(),
            "web: build, inputs-changed, `web/data/0` changed: it is the program of `web` (and 3000 more changes)".to_owned(),
            "zoo: build, inputs-changed, `zoo/run` changed: it is the program of `zoo`".to_owned(),
        ]
    );
}

#[test]
fn a_run_by_hand_on_a_merge_commit_builds_what_has_no_image() {
    // `git log -1` names no file of a merge (dorny/paths-filter #235).
    let (origin, _) = pull_request();
    origin.git(["branch", "--force", "main", "HEAD"]);
    built(&origin, "refs/heads/main", "web");
    for event in ["workflow_dispatch", "schedule"] {
        for depth in [None, Some(1)] {
            let checkout = Repository::checkout_of(&origin, MAIN, depth);
            let found = decided(asked(&origin, github(&checkout, event, MAIN, &push(ZEROS, false))));
            let app = "app: build, no-image, no image of these inputs exists yet";
            assert_eq!(found, ["nothing -", app, &format!("web: {EXISTS}")], "{event} {depth:?}");
        }
    }
}

#[test]
fn a_run_that_is_run_again_decides_as_it_did_although_the_branch_went_on() {
    let origin = origin();
    let (before, commit) = (origin.id("main~2"), origin.id("main"));
    origin.git(["branch", "old", &commit]);
    let decide = || {
        let checkout = Repository::checkout_of(&origin, "refs/heads/old", Some(1));
        decided(pushed(&origin, &checkout, &before))
    };
    let first = decide();
    assert!(first[1].contains("inputs-changed, `app/run`") && first[2].contains("`web/run`"), "{first:?}");
    origin.write("app/run", "9\n").commit("Go on");
    assert_eq!(decide(), first);
    // Once it is built, a run again builds nothing, and says that the images are from before.
    built(&origin, "refs/heads/old", "app,web");
    let again = decide();
    assert!(again[1..].iter().all(|line| line.contains(": reuse, built-before, ")), "{again:?}");
}

#[test]
fn a_change_that_landed_on_both_sides_is_not_one_of_the_pull_request() {
    // Given a pull request of which a part was already picked onto `main`,
    let origin = origin();
    origin.git(["checkout", "--quiet", "-b", "fix", "main"]);
    origin.write("web/run", "7\n").commit("Shared").write("app/run", "7\n").commit("Own");
    origin.git(["checkout", "--quiet", "main"]);
    origin.git(["cherry-pick", "fix~1"]);
    built(&origin, "refs/heads/main", "web");
    let base = origin.id("main~1");
    let sides = format!(
        r#""pull_request": {{"head": {{"sha": "{}", "repo": {{"id": 7}}}}, "base": {{"sha": "{base}"}}}}"#,
        origin.id("fix")
    );
    origin.git(["checkout", "--quiet", "--detach", "main"]);
    origin.git(["merge", "--quiet", "--no-ff", "--message", "Merge", "fix"]);
    origin.git(["update-ref", "refs/pull/5/merge", "HEAD"]);
    // then its merge differs from `main` by its own part only.
    let checkout = Repository::checkout_of(&origin, "refs/pull/5/merge", Some(2));
    let found = decided(asked(&origin, requested(&checkout, "pull_request", &sides)));
    let app = "app: build, inputs-changed, `app/run` changed: it is the program of `app`";
    assert_eq!(found, ["merge-parent HEAD^1", app, &format!("web: {EXISTS}")]);
}

#[test]
fn a_request_that_was_merged_is_compared_with_its_target() {
    // The event of a merged request runs on its target branch, at the merge or at one commit that squashes it.
    let (origin, payload) = pull_request();
    let merge = origin.id("HEAD");
    origin.git(["branch", "--force", "main", &merge]);
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let found = decided(asked(&origin, requested(&checkout, "pull_request", &payload)));
    assert_eq!(found[0], "merge-parent HEAD^1");
    assert_eq!(found[1], "app: build, inputs-changed, `app/run` changed: it is the program of `app`");
    assert!(found[2].starts_with("web: build, hint-miss, "), "{found:?}");
}

#[test]
fn a_tag_off_the_default_branch_is_found_by_its_content() {
    // `main...tag` names no file of a tag on main, and all of a branch of another.
    let origin = origin();
    built(&origin, "refs/heads/main", "app,web");
    origin.git(["checkout", "--quiet", "-b", "release", "main"]);
    origin.write("web/run", "8\n").commit("Fix").git(["tag", "v8"]);
    let checkout = Repository::checkout_of(&origin, "refs/tags/v8", Some(1));
    let found = decided(asked(&origin, github(&checkout, "push", "refs/tags/v8", &push(ZEROS, false))));
    let web = "web: build, no-image, no image of these inputs exists yet";
    assert_eq!(found, ["nothing -", &format!("app: {EXISTS}"), web]);
}

#[test]
fn a_path_that_is_no_utf_8_is_a_change() {
    let origin = Repository::named("origin");
    let configuration = "components: {app: {path: app, bin: run, prebuilt: {linux/amd64: .}}}\n";
    origin.write("hephy.yaml", configuration).write("app/run", "1\n");
    let before = origin.commit("Begin").id("HEAD");
    std::fs::write(origin.path().join("app").join(OsStr::from_bytes(b"z\xff")), "x").expect("write the file");
    origin.commit("Add a strange name");
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    let found = decided(pushed(&origin, &checkout, &before));
    let app = "app: build, inputs-changed, `app/z\u{fffd}` changed: it is the program of `app`";
    assert_eq!(found, [format!("before-push {before}"), app.to_owned()]);
}

#[test]
fn a_server_of_the_old_protocol_gets_to_the_same_answer() {
    // Protocol 0 refuses a commit that no ref points at, so the history is fetched instead.
    let origin = origin();
    let before = origin.id("main~1");
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    checkout.git(["config", "protocol.version", "0"]);
    let found = decided(pushed(&origin, &checkout, &before));
    let app = format!(
        "app: build, hint-miss, no file it reads changed since `{before}`, and still no image of its inputs exists: the \
         base was not built here either"
    );
    let web = "web: build, inputs-changed, `web/run` changed: it is the program of `web`";
    assert_eq!(found, [format!("before-push {before}"), app, web.to_owned()]);
}

#[test]
fn a_component_that_is_gone_changes_no_other() {
    // nrwl/nx #18112: a deleted project affects everything.
    let origin = origin();
    built(&origin, "refs/heads/main", "app,web");
    let before = origin.id("main");
    std::fs::remove_dir_all(origin.path().join("web")).expect("remove the component");
    let configuration = "components:\n  app: {path: app, prebuilt: {linux/amd64: run}}\n";
    origin.write("hephy.yaml", configuration).commit("Remove the web");
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    let found = decided(pushed(&origin, &checkout, &before));
    assert_eq!(found, [format!("before-push {before}"), format!("app: {EXISTS}")]);
}
