//! The pull request of a fork: it is built, and nothing of it leaves this machine.

use crate::support::{Hephy, Repository, shows};

/// hephy in the workflow of a pull request; no registry of the name answers, so any attempt to push would fail.
fn requested(repository: &Repository, verb: &str, event: &str, head_repository: &str) -> Hephy {
    let file = repository.beside("event.json");
    let id = repository.id("HEAD");
    let payload = format!(
        r#"{{"repository": {{"id": 7}}, "pull_request": {{"head": {{"sha": "{id}", "repo": {head_repository}}}}}}}"#
    );
    std::fs::write(&file, payload).expect("write the event");
    let hephy = repository.hephy([verb, "--registry", "registry.invalid/acme/shop", "--all"]);
    let hephy = hephy.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", event).env("GITHUB_SHA", id);
    hephy.env("GITHUB_BASE_REF", "main").env("GITHUB_EVENT_PATH", file)
}

const FORK: &str = r#"{"id": 8}"#;

#[test]
fn up_builds_and_leaves_it_at_that() {
    let repository = Repository::app();
    for event in ["pull_request", "pull_request_target"] {
        let output = requested(&repository, "up", event, FORK).env("NO_COLOR", "1").run().exits(0);
        assert_eq!(output.stdout, "");
        let last = output.stderr.lines().last();
        let expected = "built, and neither pushed nor deployed: the pull request comes from a fork";
        assert_eq!(last, Some(expected), "{output}");
        output.says("✔ build  app (linux/amd64)");
    }
    let preview = requested(&repository, "up", "pull_request", FORK).args(["--dry-run"]).run().exits(0);
    assert!(preview.stdout.contains("push    nothing: the pull request comes from a fork"), "{preview}");
}

#[test]
fn push_and_deploy_refuse() {
    let repository = Repository::app();
    let refused =
        |verb| requested(&repository, verb, "pull_request", FORK).env("NO_COLOR", "1").run().exits(2);
    shows!(refused("push"), @r#"
    ------- stderr -------
    error: push: the pull request comes from a fork, and the code of others is not published
    hint: use `hephy build` or `hephy up`, which build and leave it at that; or run this after the merge
    ------- exit Some(2)
    "#);
    shows!(refused("deploy"), @r#"
    ------- stderr -------
    error: deploy: the pull request comes from a fork, and the code of others is not published
    hint: use `hephy build` or `hephy up`, which build and leave it at that; or run this after the merge
    ------- exit Some(2)
    "#);
}

#[test]
fn doubt_counts_as_a_fork_and_an_own_branch_does_not() {
    let repository = Repository::app();
    let broken = repository.beside("broken.json");
    std::fs::write(&broken, "{").expect("write the event");
    let hephy = requested(&repository, "up", "pull_request", FORK).env("GITHUB_EVENT_PATH", broken);
    let output = hephy.run().exits(0).says("the event file of this run is not what the CI system documents");
    output.says("the CI system does not say whether the pull request comes from a fork");
    // A branch of the repository itself is pushed, which here cannot succeed.
    let output = requested(&repository, "up", "pull_request", r#"{"id": 7}"#).run();
    assert_ne!(output.code, Some(0), "{output}");
    assert!(output.error().contains("registry.invalid"), "{output}");
}

#[test]
fn what_stays_on_this_machine_is_made_for_a_fork_too() {
    let repository = Repository::app();
    let hephy = repository.hephy(["up", "--layout", "images"]).env("GITHUB_ACTIONS", "true");
    // Without an event file the code may be anybody's.
    let output = hephy.env("GITHUB_EVENT_NAME", "pull_request").run().exits(0);
    assert!(output.stdout.starts_with("app@sha256:"), "{output}");
}

#[test]
fn one_image_elsewhere_is_enough_to_withhold_a_fork() {
    // Given a fork whose first image would stay on this machine, and whose second would not,
    let repository = Repository::app();
    let images = "127.0.0.1:1/shop\nregistry.invalid/acme/shop";
    let up = repository.hephy(["up"]).env("GITHUB_ACTIONS", "true").env("HEPHY_IMAGES", images);
    let output = up.env("GITHUB_EVENT_NAME", "pull_request").args(["--all"]).run().exits(0);
    output.says("built, and neither pushed nor deployed: the CI system does not say");
}

#[test]
fn the_gate_of_a_fork_judges_the_jobs_alone() {
    let repository = Repository::app();
    let verify = |results: &str| {
        let hephy = requested(&repository, "plan", "pull_request", FORK).env("HEPHY_RESULTS", results);
        hephy.args(["--verify", "--may-skip", "publish"]).env("NO_COLOR", "1").run()
    };
    let results = |build: &str| {
        format!(
            r#"{{"plan": {{"result": "success", "outputs": {{"any": "true"}}}}, "build": {{"result": "{build}"}}, "publish": {{"result": "skipped"}}}}"#
        )
    };
    let output = verify(&results("success")).exits(0);
    output.says(
        "verified: every job did what was planned; nothing was published: the pull request comes from a fork",
    );
    verify(&results("skipped"))
        .exits(3)
        .says("job `build`: it was skipped, although the plan has something to build");
}
