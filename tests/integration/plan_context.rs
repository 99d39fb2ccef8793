//! A Dockerfile that copies from another folder than its own, builds one of its stages, or lies above other components:
//! what counts is what the build reads.

use crate::support::Repository;
use std::collections::BTreeSet;

/// The files of the repository, of which each has a content of its own.
const FILES: [&str; 8] = [
    "root.txt",
    "api/own.txt",
    "api/inner/deep.txt",
    "shared/lib.txt",
    "shared/skip.md",
    "web/own.txt",
    "docs/guide.txt",
    "ignored/out.txt",
];

/// A repository with this `hephy.yaml`, in which `api` and `api/inner` have Dockerfiles.
fn shop(configuration: &str, dockerfile: &str) -> Repository {
    let repository = Repository::empty();
    repository.write("hephy.yaml", configuration).write("api/Dockerfile", dockerfile);
    repository.write("api/inner/Dockerfile", "FROM scratch\nCOPY deep.txt /\n");
    repository.write(".dockerignore", "**/*.md\nhephy.yaml\n").write(".gitignore", "/ignored/\n");
    for file in FILES {
        repository.write(file, &format!("content of {file};"));
    }
    repository.commit("Add the shop");
    repository
}

/// The input digest of a component's only leg.
#[track_caller]
fn input_digest(repository: &Repository, component: &str) -> String {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).expect("a plan is JSON");
    let components = plan["components"].as_array().expect("a list");
    let planned = components.iter().find(|planned| planned["name"] == component).expect("the component");
    planned["legs"][0]["input_digest"].as_str().expect("a digest").to_owned()
}

/// The files of which a change changes the input digest.
fn listed(repository: &Repository, component: &str) -> BTreeSet<&'static str> {
    let before = input_digest(repository, component);
    let is_listed = |file: &&str| {
        repository.write(file, "another content");
        let is_listed = input_digest(repository, component) != before;
        repository.write(file, &format!("content of {file};"));
        is_listed
    };
    FILES.into_iter().filter(is_listed).collect()
}

/// The files of which the content is in the image that buildah makes.
fn read_by_buildah(repository: &Repository, component: &str) -> BTreeSet<&'static str> {
    repository.hephy(["build", component]).run().exits(0);
    let platform = if cfg!(target_arch = "x86_64") { "linux-amd64" } else { "linux-arm64" };
    let blobs = repository.path().join(".hephy/build").join(component).join(platform).join("blobs/sha256");
    let mut text = String::new();
    for blob in blobs.read_dir().expect("blobs") {
        let bytes = std::fs::read(blob.expect("a blob").path()).expect("read the blob");
        let mut unpacked = vec![];
        let packed = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*bytes), &mut unpacked);
        text += &String::from_utf8_lossy(if packed.is_ok() { &unpacked } else { &bytes });
    }
    FILES.into_iter().filter(|file| text.contains(&format!("content of {file};"))).collect()
}

#[test]
fn inputs_are_what_the_build_reads_of_its_context() {
    for (keys, dockerfile, expected) in [
        // From the root of the repository, and from a folder beside.
        (
            "context: ..",
            "FROM scratch\nCOPY shared api/own.txt /x/\n",
            &["shared/lib.txt", "api/own.txt"][..],
        ),
        ("context: ../shared", "FROM scratch\nCOPY . /x/\n", &["shared/lib.txt", "shared/skip.md"]),
        // A component in a folder below is read like everything else, and so is what git ignores.
        ("watch: []", "FROM scratch\nCOPY . /x/\n", &["api/own.txt", "api/inner/deep.txt"]),
        ("context: ..", "FROM scratch\nCOPY ignored web /x/\n", &["ignored/out.txt", "web/own.txt"]),
        // Of the stages only those that the image is made of.
        (
            "target: prod",
            "FROM scratch AS base\nCOPY own.txt /x/\nFROM base AS test\nCOPY inner /y/\nFROM base AS prod\nFROM test\n",
            &["api/own.txt"],
        ),
        (
            "context: .., target: prod",
            "FROM scratch AS assets\nCOPY web /w/\nFROM scratch AS unused\nCOPY docs /d/\nFROM scratch AS prod\n\
             COPY --from=assets /w /w/\nCOPY root.txt /\nFROM prod AS debug\nCOPY shared /s/\n",
            &["web/own.txt", "root.txt"],
        ),
    ] {
        let repository = shop(&format!("components: {{api: {{{keys}}}}}\n"), dockerfile);
        let expected: BTreeSet<&str> = expected.iter().copied().collect();
        assert_eq!(read_by_buildah(&repository, "api"), expected, "buildah: {keys} {dockerfile}");
        assert_eq!(listed(&repository, "api"), expected, "hephy: {keys} {dockerfile}");
    }
}

#[test]
fn the_nearest_definition_makes_the_component_and_every_reader_is_named() {
    // Given a component in the folder of another, found by their Dockerfiles,
    let repository = shop("ignore: [\"docs/**\"]\n", "FROM scratch\nCOPY . /x/\n");
    let explained = |path: &str| repository.hephy(["plan", "--explain", path]).run().exits(0).stdout;
    // when a file of the inner one is explained, then both read it: the outer one copies the whole folder.
    let text = explained("api/inner/deep.txt");
    assert!(
        text.contains("read by `api`: `Dockerfile:2` copies it")
            && text.contains("read by `inner`: `Dockerfile:2` copies it"),
        "{text}"
    );
    // A file of the outer one belongs to it alone, and what nobody reads to nobody.
    let text = explained("api/own.txt");
    assert!(text.contains("by `api`: ") && !text.contains("by `inner`: "), "{text}");
    let text = explained("web/own.txt");
    assert!(!text.contains("by `api`: ") && !text.contains("by `inner`: "), "{text}");
    let text = explained("docs/guide.txt");
    assert!(text.contains("docs/**"), "{text}");
    // With `watch`, the outer one reads a file elsewhere too, and says so.
    repository.write("hephy.yaml", "components:\n  api: {watch: [\"web/**\"]}\n");
    let text = explained("web/own.txt");
    assert!(text.contains("`api` watches `web/**`"), "{text}");
    assert_eq!(
        listed(&repository, "api"),
        BTreeSet::from(["api/own.txt", "api/inner/deep.txt", "web/own.txt"])
    );
}

#[test]
fn a_context_stays_in_the_repository() {
    let repository = shop("components: {api: {context: ../..}}\n", "FROM scratch\nCOPY . /\n");
    let output = repository.hephy(["plan"]).run().exits(2);
    assert_eq!(output.error(), "error: `hephy.yaml:1:29`: `../..` leads out of the repository");
}
