//! The gate: red for a leg that is missing, one too many, and a job that was left out although the plan had work for it.

use crate::support::registry::Registry;
use crate::support::{Output, Repository};
use serde_json::{Value, json};

const BOTH: &str = "components:\n  app: {path: app, prebuilt: {linux/amd64: run, linux/arm64: arm}}\n";
const ONE: &str = "components:\n  app: {path: app, prebuilt: {linux/amd64: run}}\n";

/// The app for two platforms, pushed to a registry.
fn pushed() -> (Registry, Repository) {
    let registry = Registry::start();
    let repository = Repository::app();
    repository.write("app/arm", "arm\n").write("hephy.yaml", BOTH).commit("Build for two");
    run(&registry, &repository, &["push"]).exits(2);
    run(&registry, &repository, &["build"]).exits(0);
    run(&registry, &repository, &["push"]).exits(0);
    (registry, repository)
}

fn run(registry: &Registry, repository: &Repository, arguments: &[&str]) -> Output {
    registry.hephy(repository, arguments).args(["--registry", &registry.image("shop")]).run()
}

/// What GitHub says about the jobs before the gate.
fn needs(any: &str, build: &str) -> String {
    json!({"plan": {"result": "success", "outputs": {"any": any}}, "build": {"result": build, "outputs": {}}})
        .to_string()
}

#[test]
fn a_leg_that_the_plan_does_not_have_is_red() {
    let (registry, repository) = pushed();
    run(&registry, &repository, &["plan", "--verify"]).exits(0).says("verified");
    // When the plan of the same commit has a platform less than what its tag has,
    let file = repository.beside("plan.json");
    let plan = run(&registry, &repository, &["plan", "--emit", "json"]).exits(0).stdout;
    let mut plan: Value = serde_json::from_str(&plan).expect("JSON");
    plan["components"][0]["legs"]
        .as_array_mut()
        .expect("legs")
        .retain(|leg| leg["platform"] == "linux/amd64");
    std::fs::write(&file, plan.to_string()).expect("write the plan");
    // then the gate names the leg that nobody planned.
    let output = repository.hephy(["plan", "--verify", "--plan"]).args([&file]).run().exits(4);
    let tag = format!("{}:sha-{}", registry.image("shop/app"), repository.short_id());
    let expected = format!("app (linux/arm64): it is in `{tag}`, and the plan does not have it");
    assert!(output.error().ends_with(&expected), "{output}");
}

#[test]
fn an_image_without_its_blobs_is_red() {
    let (registry, repository) = pushed();
    run(&registry, &repository, &["plan", "--verify"]).exits(0);
    // When somebody deletes what an image is made of, and its manifest stays,
    registry.forget_layers("shop/app");
    // then the gate does not say that the image is there.
    let output = run(&registry, &repository, &["plan", "--verify"]).exits(4);
    assert!(output.error().contains("is gone from"), "{output}");
}

#[test]
fn a_platform_that_the_last_image_had_is_not_lost_in_silence() {
    let (registry, repository) = pushed();
    let before = repository.short_id();
    // Given a commit without the second platform,
    repository.write("hephy.yaml", ONE).commit("Build for one");
    // then no tag moves to what it makes,
    let output = run(&registry, &repository, &["push"]).exits(2);
    let old = format!("{}:sha-{before}", registry.image("shop/app"));
    let expected = format!("push: join `app`: `{old}` has linux/arm64, and the plan does not");
    assert!(output.error().ends_with(&expected), "{output}");
    // unless somebody says that it is meant.
    run(&registry, &repository, &["push", "--drop-platforms"]).exits(0).says("tagged `sha-");
    // With a layout it is the same.
    repository.write("hephy.yaml", BOTH).commit("Build for two again");
    repository.hephy(["up"]).run().exits(0);
    repository.write("hephy.yaml", ONE).commit("Build for one again");
    let output = repository.hephy(["up"]).run().exits(2);
    assert!(output.error().contains("has linux/arm64, and the plan does not"), "{output}");
    repository.hephy(["up", "--drop-platforms"]).run().exits(0);
}

#[test]
fn a_job_that_was_skipped_is_red_unless_the_plan_wanted_that() {
    let (registry, repository) = pushed();
    let verify = |results: &str, more: &[&str]| {
        let arguments = [&["plan", "--verify", "--results", results], more].concat();
        run(&registry, &repository, &arguments)
    };
    verify(&needs("true", "success"), &[]).exits(0).says("verified");
    verify(&needs("false", "skipped"), &[]).exits(0).says("verified");
    let output = verify(&needs("true", "skipped"), &[]).exits(3);
    let expected = "verify the plan: job `build`: it was skipped, although the plan has something to build";
    assert!(output.error().ends_with(expected), "{output}");
    for result in ["failure", "cancelled"] {
        // The images are there all the same: an earlier run has pushed them.
        verify(&needs("true", result), &[]).exits(3);
    }
    verify(&needs("true", "skipped"), &["--may-skip", "build"]).exits(0);
    verify(&needs("true", "skipped"), &["--may-skip", "deploy"]).exits(2).says("no job `deploy`");
    verify("{}", &[]).exits(2).says("read `--results`: it names no job");
}

#[test]
fn the_plan_that_the_jobs_followed_says_whether_there_was_work() {
    let repository = Repository::app();
    let file = repository.beside("plan.json");
    repository.hephy(["plan", "--output"]).args([&file]).run().exits(0);
    repository.hephy(["up"]).run().exits(0);
    // A skip that a job claims to be planned was not.
    let results = needs("false", "skipped");
    let verify = || repository.hephy(["plan", "--verify", "--results", &results, "--plan"]).args([&file]);
    let output = verify().run().exits(3);
    assert!(output.error().contains("it was skipped, although the plan has something to build"), "{output}");
    repository.hephy(["plan", "--output"]).args([&file]).run().exits(0);
    verify().run().exits(0);
}
