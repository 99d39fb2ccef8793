//! The inputs of a Dockerfile: what it names in its folder, and below the images that it is built on.

mod base_images;

use crate::support::{Repository, input_digest};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::fs::symlink;

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
