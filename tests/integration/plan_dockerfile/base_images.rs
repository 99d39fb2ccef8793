//! The images that a Dockerfile is built on: what they mean when it is planned is an input, and what is built.

use super::{text_of_image, web};
use crate::support::registry::Registry;
use crate::support::{Output, Repository};
use std::process::Command;

/// A registry with the image `base:1`, and a component that is built on it.
fn on_base(dockerfile: &str) -> (Registry, Repository) {
    let registry = Registry::start();
    registry.publish("base:1", "first");
    let repository = web(&dockerfile.replace("BASE", &registry.image("base:1")), &[]);
    (registry, repository)
}

#[track_caller]
fn up(registry: &Registry, repository: &Repository) -> Output {
    registry.hephy(repository, &["up"]).run().exits(0)
}

#[test]
fn a_base_image_that_moved_is_a_reason_to_build() {
    let (registry, repository) = on_base("ARG TAG=1\nFROM BASE\nCOPY a.txt /x/\n");
    repository.write("other", "x").commit("Change something else");
    let first = up(&registry, &repository).stdout;
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    registry.publish("base:1", "second");
    let name = registry.image("base:1");
    assert_eq!(
        repository.decisions(),
        [format!(
            "web (linux/amd64): build, no file it reads changed since `HEAD^1`, and still no image of its inputs \
             exists: `{name}` may be another image now, or the base was not built here either"
        )]
    );
    assert_ne!(up(&registry, &repository).stdout, first);
    // The name moves back: the first image is there, and it is reused.
    registry.publish("base:1", "first");
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    assert_eq!(up(&registry, &repository).stdout, first);
}

#[test]
fn a_build_uses_the_base_image_that_the_plan_saw() {
    let (registry, repository) =
        on_base("FROM BASE AS one\nFROM scratch\nCOPY --from=one /app/run /\nCOPY --from=BASE /app/run /2\n");
    let plan = registry.hephy(&repository, &["plan", "--emit", "json"]).run().exits(0).stdout;
    let expected = up(&registry, &repository).stdout;
    std::fs::remove_dir_all(repository.path().join(".hephy")).expect("forget the image");
    registry.publish("base:1", "second");
    let file = repository.beside("plan.json");
    std::fs::write(&file, plan).expect("write the plan");
    let replayed = registry.hephy(&repository, &["up", "--plan"]).args([&file]).run().exits(0);
    assert_eq!(replayed.stdout, expected);
}

#[test]
fn each_platform_is_built_on_its_own_base_image() {
    let registry = Registry::start();
    registry.publish_index("base:1");
    let name = registry.image("base:1");
    let variable = name.replace("base:1", "base:$TAG");
    let dockerfile = format!(
        "ARG TAG=1\nFROM {variable} AS one\nCOPY a.txt /x/\nFROM scratch\nCOPY --from=one /app/run /1\n\
         COPY --from={name} /app/run /2\n"
    );
    let repository = web(&dockerfile, &[]);
    repository
        .write("hephy.yaml", "components: {web: {platforms: [linux/amd64, linux/arm64]}}\n")
        .commit("Build two");
    let plan = registry.hephy(&repository, &["plan", "--emit", "json"]).run().exits(0).stdout;
    // Another image under this name is not what the plan saw.
    registry.publish("base:1", "another");
    let file = repository.beside("plan.json");
    std::fs::write(&file, plan).expect("write the plan");
    registry.hephy(&repository, &["up", "--plan"]).args([&file]).run().exits(0);
    for (platform, expected) in [("linux-amd64", "for amd64"), ("linux-arm64", "for arm64")] {
        let text = text_of_image(&repository, platform);
        let programs: Vec<&str> = text.split('\0').filter(|text| text.starts_with("for ")).collect();
        assert_eq!(programs, [expected, expected], "{platform}");
    }
}

#[test]
fn a_stage_with_the_name_of_its_image_is_not_hidden_by_it() {
    let (registry, repository) =
        on_base("FROM BASE AS BASE\nCOPY a.txt /x/\nFROM scratch\nCOPY --from=BASE /x/a.txt /app/run /\n");
    up(&registry, &repository);
    registry.publish("base:1", "second");
    up(&registry, &repository);
    let text = text_of_image(&repository, "linux-amd64");
    assert!(text.contains("content of a.txt") && text.contains("second"), "{text:?}");
}

#[test]
fn a_base_image_that_cannot_be_asked_for_is_no_proof() {
    let (mut registry, repository) = on_base("FROM BASE\nCOPY a.txt /x/\n");
    up(&registry, &repository);
    let name = registry.image("base:1");
    let unproven =
        format!("web (linux/amd64): build, nothing proves that its base image `{name}` is the same");
    let missing = registry.image("base:2");
    let original = std::fs::read_to_string(repository.path().join("web/Dockerfile")).expect("a Dockerfile");
    repository.write("web/Dockerfile", &original.replace("base:1", "base:2"));
    let output = repository.hephy(["plan"]).run().exits(0);
    assert!(output.stderr.contains(&format!("`{missing}` is: the registry does not have it")), "{output}");
    assert!(repository.decisions()[0].contains("nothing proves"));
    repository.write("web/Dockerfile", &original);
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    // Who does not want to ask takes the name for the image.
    let configuration =
        std::fs::read_to_string(repository.path().join("hephy.yaml")).expect("a configuration");
    repository.write("hephy.yaml", &format!("base-images: offline\n{configuration}")).commit("Ask nobody");
    up(&registry, &repository).says("✔ build  web");
    registry.stop();
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    repository.write("hephy.yaml", &configuration).commit("Ask again");
    assert_eq!(repository.decisions(), [unproven]);
}

#[test]
fn a_base_image_that_is_pinned_is_not_asked_for() {
    let nowhere = "127.0.0.1:1/base@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let repository = web(&format!("FROM {nowhere}\nCOPY a.txt /x/\n"), &[]);
    let output = repository.hephy(["plan"]).run().exits(0);
    assert!(!output.stderr.contains("base image"), "{output}");
}

#[test]
fn what_only_the_base_image_knows_is_found_out_by_the_build() {
    let registry = Registry::start();
    let base = registry.image("trigger:1");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\nENV DIR=docs\nONBUILD COPY b.txt /y/\n")
        .expect("write the Dockerfile");
    for arguments in [
        &["build", "--quiet", "--format", "docker", "--isolation", "chroot", "--tag", &base, "."][..],
        &["push", "--quiet", "--tls-verify=false", &base],
    ] {
        let output = Command::new("buildah").args(arguments).current_dir(folder.path()).output();
        let output = output.expect("buildah starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let repository = web(&format!("FROM {base}\nCOPY a.txt /x/\n"), &[]);
    let refused = registry.hephy(&repository, &["up"]).run().exits(3);
    assert!(refused.error().contains("it has `ONBUILD COPY b.txt /y/`"), "{refused}");
    let watched = "components: {web: {platforms: [linux/amd64], watch: [\"web/**\"]}}\n";
    repository.write("hephy.yaml", watched).commit("Watch the folder");
    up(&registry, &repository);
}
