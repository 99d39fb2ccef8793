//! The inputs of a Dockerfile: what it names in its folder, and the images that it is built on.

use crate::support::registry::Registry;
use crate::support::{Output, Repository, input_digest};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::process::Command;

/// Files of which each has a content of its own, so that it can be found in an image.
const FILES: [&str; 12] = [
    "a.txt",
    "b.txt",
    "c.md",
    "src/one.rs",
    "src/two.rs",
    "src/deep/three.rs",
    "docs/guide.md",
    "docs/image.txt",
    "conf/prod.conf",
    "conf/test.conf",
    "with space.txt",
    ".hidden",
];

/// A repository with the component `web`: these files and this Dockerfile.
fn web(dockerfile: &str, more: &[(&str, &str)]) -> Repository {
    let repository = Repository::empty();
    repository.write("hephy.yaml", "components: {web: {platforms: [linux/amd64]}}\n");
    for file in FILES {
        repository.write(&format!("web/{file}"), &format!("content of {file};"));
    }
    repository.write("web/Dockerfile", dockerfile);
    for (path, text) in more {
        repository.write(path, text);
    }
    repository.commit("Add the site");
    repository
}

/// The files of which a change changes the input digest.
fn listed(repository: &Repository) -> BTreeSet<&'static str> {
    let before = input_digest(repository);
    let is_listed = |file: &&str| {
        let path = format!("web/{file}");
        repository.write(&path, "another content");
        let is_listed = input_digest(repository) != before;
        repository.write(&path, &format!("content of {file};"));
        is_listed
    };
    FILES.into_iter().filter(is_listed).collect()
}

/// The files of which the content is in the image that buildah makes.
fn read_by_buildah(repository: &Repository) -> BTreeSet<&'static str> {
    repository.up();
    let text = text_of_image(repository, "linux-amd64");
    FILES.into_iter().filter(|file| text.contains(&format!("content of {file};"))).collect()
}

/// The layers of what was built, as one text.
pub(crate) fn text_of_image(repository: &Repository, platform: &str) -> String {
    let blobs = repository.path().join(".hephy/build/web").join(platform).join("blobs/sha256");
    let mut text = String::new();
    for blob in blobs.read_dir().expect("blobs") {
        let bytes = std::fs::read(blob.expect("a blob").path()).expect("read the blob");
        let mut inside = vec![];
        if flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut inside).is_ok() {
            text.push_str(&String::from_utf8_lossy(&inside));
        }
    }
    text
}

#[test]
fn what_buildah_reads_is_exactly_what_counts() {
    let dockerignore = |text: &'static str| vec![("web/.dockerignore", text)];
    for (dockerfile, more) in [
        ("FROM scratch\nCOPY a.txt src/deep /x/\n", vec![]),
        ("FROM scratch\nCOPY . .\n", vec![]),
        ("FROM scratch\nCOPY *.txt src/o*.rs c?md /x/\nADD [\"with space.txt\", \"/x/\"]\n", vec![]),
        ("FROM scratch\nCOPY s* /x/\n", vec![]),
        ("FROM scratch\nCOPY . .\n", dockerignore("**/*.md\n!docs/guide.md\nsrc\n")),
        ("FROM scratch\nCOPY . .\n", dockerignore("*\n!src\n!Dockerfile\nsrc/deep\n")),
        ("FROM scratch\nCOPY . .\n", dockerignore("docs\nconf/*.conf\n.*\n/src/deep/\n*.txt\n")),
        ("FROM scratch\nCOPY src conf/ /x/\n", dockerignore("# comment\n**/t*\n")),
        ("FROM scratch\nCOPY docs /x/\n", vec![("web/Dockerfile.dockerignore", "docs/image.txt\n")]),
        (
            "ARG DIR=docs\nFROM scratch AS first\nARG DIR\nENV WHERE=conf\nCOPY $DIR/guide.md /x/\n\
             FROM first\nCOPY ${WHERE}/prod.conf /x/\n",
            vec![],
        ),
        (
            "FROM scratch AS a\nCOPY src /src\nFROM scratch\nCOPY --from=a /src/two.rs /x/\nCOPY a.txt /x/\n",
            vec![],
        ),
    ] {
        let repository = web(dockerfile, &more);
        let (listed, read) = (listed(&repository), read_by_buildah(&repository));
        assert!(read.is_subset(&listed), "{dockerfile}{more:?}: {read:?} is read, {listed:?} is listed");
        // A stage may copy more than the image keeps.
        if !dockerfile.contains("--from") {
            assert_eq!(read, listed, "{dockerfile}{more:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is copied and whatever is left out, buildah puts nothing into the image that does not count.
    #[test]
    fn buildah_reads_nothing_that_does_not_count(
        sources in prop::collection::vec(
            select(&[".", "src", "src/", "./docs", "/conf", "*", "*.txt", "s*", "src/*.rs", "src/d*", "conf/[pt]*.conf", "?.txt"]),
            1..3,
        ),
        left_out in prop::collection::vec(
            select(&[
                "*", "**", "*.txt", "**/*.md", "**/*.rs", "src", "src/", "/docs", "docs/**", "conf/*", "**/deep", "src/*/three.rs",
                "!src", "!docs/guide.md", "!**/one.rs", "!a.txt", "!/conf", "!*.md", "!conf/", "# src", "", " docs ", "./b.txt",
                "[ab].txt", "**/t*", "**.txt", "s**", "!src/deep/",
            ]),
            0..6,
        ),
    ) {
        let dockerfile = format!("FROM scratch\nCOPY {} /x/\n", sources.join(" "));
        let repository = web(&dockerfile, &[("web/.dockerignore", &left_out.join("\n"))]);
        // Where nothing is left to copy, there is no image either.
        if repository.hephy(["build"]).run().code == Some(0) {
            let (listed, read) = (listed(&repository), read_by_buildah(&repository));
            prop_assert!(read.is_subset(&listed), "{read:?} is read, {listed:?} is listed");
        }
    }
}

#[test]
fn what_cannot_be_known_counts_the_whole_folder() {
    // Nobody has to be asked what a digest means.
    let read_by_another =
        format!("# syntax=example.com/other@sha256:{}\nFROM scratch\nCOPY a.txt /x/\n", "0".repeat(64));
    for (dockerfile, more) in [
        ("FROM scratch\nARG DIR\nCOPY $DIR/a.txt /x/\n", vec![]),
        (&read_by_another, vec![]),
        ("FROM scratch\nCOPY ../web/a.txt /x/\n", vec![]),
        ("NONSENSE\n", vec![]),
        ("FROM scratch\nRUN --mount=target=/x true\n", vec![("web/.dockerignore", "*\n")]),
    ] {
        assert_eq!(listed(&web(dockerfile, &more)).len(), FILES.len(), "{dockerfile}");
    }
}

#[test]
fn a_source_behind_a_symbolic_link_counts() {
    let repository = web("FROM scratch\nCOPY link /x/\nCOPY folder/guide.md /x/\nCOPY l*k.txt /x/\n", &[]);
    for (target, link) in [("a.txt", "link"), ("docs", "folder"), ("/conf/prod.conf", "look.txt")] {
        symlink(target, repository.path().join("web").join(link)).expect("create the link");
    }
    repository.commit("Link");
    let (listed, read) = (listed(&repository), read_by_buildah(&repository));
    assert!(read.contains("a.txt") && read.contains("docs/guide.md"), "{read:?}");
    assert!(read.is_subset(&listed), "{read:?} is read, {listed:?} is listed");
}

#[test]
fn reasons_name_the_line() {
    let repository = web("FROM scratch\nCOPY a.txt /x/\nCOPY src /y/\n", &[]);
    repository.up();
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    repository.write("web/docs/guide.md", "new").commit("Write the guide");
    assert_eq!(repository.decisions(), ["web (linux/amd64): reuse"]);
    repository.write("web/src/one.rs", "new").commit("Change a source");
    assert_eq!(
        repository.decisions(),
        ["web (linux/amd64): build, `web/src/one.rs` changed: `Dockerfile:3` copies it"]
    );
    repository.up();
    repository.write("web/Dockerfile", "FROM scratch\nCOPY src /y/\n").commit("Copy less");
    assert_eq!(
        repository.decisions(),
        ["web (linux/amd64): build, `web/Dockerfile` changed: it is the Dockerfile of `web`"]
    );
}

#[test]
fn of_two_dockerfiles_the_one_that_counts_is_built() {
    // buildah alone would take the other one.
    let repository =
        web("FROM scratch\nCOPY a.txt /x/\n", &[("web/Containerfile", "FROM scratch\nCOPY b.txt /x/\n")]);
    assert_eq!(read_by_buildah(&repository), BTreeSet::from(["a.txt"]));
}

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
