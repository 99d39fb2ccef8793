//! `base-images: pin`: the lock file says what components are built on, against a real registry.

use crate::plan_dockerfile::text_of_image;
use crate::support::registry::Registry;
use crate::support::{Output, Repository};

/// A registry with the images `base:1` and `other:1`, and two components with pins, of which only `web` uses one yet.
fn pinned() -> (Registry, Repository) {
    let registry = Registry::start();
    registry.publish("base:1", "first");
    let repository = Repository::empty();
    repository.write(
        "hephy.yaml",
        "base-images: pin\ncomponents: {api: {platforms: [linux/amd64]}, web: {platforms: [linux/amd64]}}\n",
    );
    repository.write("api/Dockerfile", "FROM scratch\nCOPY a.txt /\n").write("api/a.txt", "a");
    let dockerfile = format!("FROM {}\nCOPY a.txt /x/\n", registry.image("base:1"));
    repository.write("web/Dockerfile", &dockerfile).write("web/a.txt", "a").commit("Begin");
    (registry, repository)
}

fn lock(repository: &Repository) -> String {
    std::fs::read_to_string(repository.path().join("hephy.lock")).expect("a lock file")
}

fn update(repository: &Repository) -> Output {
    repository.hephy(["plan", "--update-pins"]).run().exits(0)
}

#[track_caller]
fn up(registry: &Registry, repository: &Repository) -> Output {
    registry.hephy(repository, &["up"]).run().exits(0)
}

#[test]
fn a_base_image_without_a_pin_is_an_error_that_says_what_to_do() {
    let (registry, repository) = pinned();
    let output = repository.hephy(["plan"]).run().exits(2);
    let name = registry.image("base:1");
    let expected = format!("plan `web`: its base image `{name}` is not in `hephy.lock`");
    assert!(output.error().ends_with(&expected), "{output}");
    output.says("hint: run `hephy plan --update-pins`, and commit `hephy.lock`");
    // What needs no pin is planned without one.
    repository.hephy(["plan", "--only", "api"]).run().exits(0);
}

#[test]
fn pins_are_what_counts_and_what_is_built_upon_until_somebody_moves_them() {
    // Given pins of what the names mean today,
    let (mut registry, repository) = pinned();
    let name = registry.image("base:1");
    let first = update(&repository);
    assert!(first.stdout.starts_with(&format!("{name}: sha256:")), "{first}");
    assert_eq!(lock(&repository).lines().filter(|line| line.contains("sha256:")).count(), 1);
    repository.commit("Pin");
    update(&repository).says("nothing to do");
    let built = up(&registry, &repository).stdout;
    // when a name means another image, then nothing is built, and the pin is still what is built upon.
    registry.publish("base:1", "second");
    assert_eq!(repository.decisions(), ["api (linux/amd64): reuse", "web (linux/amd64): reuse"]);
    std::fs::remove_dir_all(repository.path().join(".hephy")).expect("forget the images");
    assert_eq!(up(&registry, &repository).stdout, built);
    // When somebody moves the pin, then what is built on it is built, for that reason, and nothing else.
    let moved = update(&repository);
    assert!(
        moved.stdout.starts_with(&format!("{name}: sha256:")) && moved.stdout.contains(" -> sha256:"),
        "{moved}"
    );
    repository.commit("Move the pin");
    assert_eq!(
        repository.decisions(),
        [
            "api (linux/amd64): reuse",
            "web (linux/amd64): build, no file it reads changed since `HEAD^1`, and still no image of its inputs exists: \
             `hephy.lock` changed"
        ]
    );
    assert_ne!(up(&registry, &repository).stdout, built);
    // No registry is asked.
    registry.stop();
    assert_eq!(repository.decisions(), ["api (linux/amd64): reuse", "web (linux/amd64): reuse"]);
    // A registry that cannot tell leaves the file as it is.
    let before = lock(&repository);
    let output = repository.hephy(["plan", "--update-pins"]).run().exits(4);
    assert!(output.error().contains(&format!("find out what the base image `{name}` is")), "{output}");
    assert_eq!(lock(&repository), before);
}

#[test]
fn a_component_at_the_root_reads_only_its_own_pins() {
    // Given a component whose context is the whole repository,
    let registry = Registry::start();
    registry.publish("base:1", "first");
    let repository = Repository::empty();
    repository
        .write("hephy.yaml", "base-images: pin\ncomponents: {web: {path: ., platforms: [linux/amd64]}}\n");
    let dockerfile = format!("FROM {}\nCOPY . /x/\n", registry.image("base:1"));
    repository.write("Dockerfile", &dockerfile).write("a.txt", "a").commit("Begin");
    update(&repository);
    repository.commit("Pin");
    up(&registry, &repository);
    // when the pins of others change, then it is not built,
    let more = format!("{}  \"unused:1\": sha256:{}\n", lock(&repository), "0".repeat(64));
    repository.write("hephy.lock", &more).commit("Pin another");
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    // because the file is not in its image.
    let text = text_of_image(&repository, "linux-amd64");
    assert!(text.contains("a.txt") && !text.contains("hephy.lock"), "{text:?}");
    // What nothing is built on goes with the next update; `--only` leaves it.
    repository.hephy(["plan", "--update-pins", "--only", "web"]).run().exits(0).says("nothing to do");
    let gone = update(&repository);
    assert!(gone.stdout.contains("unused:1: ") && gone.stdout.contains("nothing is built on it"), "{gone}");
}

#[test]
fn a_plan_of_other_pins_is_not_followed() {
    let (registry, repository) = pinned();
    update(&repository);
    repository.commit("Pin");
    let file = repository.beside("plan.json");
    repository.hephy(["plan", "--output"]).args([&file]).run().exits(0);
    registry.publish("base:1", "second");
    update(&repository);
    let output = registry.hephy(&repository, &["build", "--plan"]).args([&file]).run().exits(2);
    assert!(
        output.error().contains("what it is built from differs from what the plan was made of"),
        "{output}"
    );
}

#[test]
fn what_cannot_be_pinned_is_refused() {
    let (registry, repository) = pinned();
    update(&repository);
    let name = registry.image("base:1");
    for (dockerfile, expected) in [
        (
            format!("FROM {name} AS {name}\nCOPY a.txt /x/\n"),
            "cannot be pinned, because its name is not clear",
        ),
        ("ARG TAG\nFROM base:$TAG\nCOPY a.txt /x/\n".to_owned(), "cannot be pinned: "),
        ("FROM other:2\n".to_owned(), "`other:2` is not in `hephy.lock`"),
    ] {
        repository.write("web/Dockerfile", &dockerfile);
        let output = repository.hephy(["plan"]).run().exits(2);
        assert!(output.error().contains(expected), "{output}");
    }
    // A digest in the Dockerfile is a pin.
    repository.write("web/Dockerfile", &format!("FROM other@sha256:{}\n", "0".repeat(64)));
    repository.hephy(["plan"]).run().exits(0);
    // Where nobody would read the file, it is not written.
    repository.write("hephy.yaml", "components: {web: {platforms: [linux/amd64]}}\n");
    repository
        .hephy(["plan", "--update-pins"])
        .run()
        .exits(2)
        .says("write `base-images: pin` into hephy.yaml");
}
