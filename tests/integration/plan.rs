//! What is built and what is not, and why: the plan of made repositories with finished programs.

use crate::support::{Repository, prebuilt};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};

const REUSED: [&str; 1] = ["app (linux/amd64): reuse"];
const UNCHANGED_AND_MISSING: [&str; 1] = [
    "app (linux/amd64): build, no file it reads changed since `HEAD`, and still no image of its inputs exists: the base \
     was not built here either",
];

/// The app, built once, with this further configuration of it.
fn built_app(keys: &str) -> Repository {
    let repository = Repository::app();
    repository
        .write("hephy.yaml", &prebuilt("linux/amd64: run").replace("path: app", &format!("path: app{keys}")));
    repository.commit("Configure the app");
    repository.up();
    assert_eq!(repository.decisions(), REUSED);
    repository
}

#[test]
fn the_first_run_builds_everything_although_nothing_changed() {
    let repository = Repository::app();
    assert_eq!(repository.decisions(), ["app (linux/amd64): build, no image of these inputs exists yet"]);
    assert_eq!(repository.decisions_with(&["--base", "HEAD"]), UNCHANGED_AND_MISSING);
}

#[test]
fn a_commit_that_no_component_reads_builds_nothing() {
    let repository = built_app("");
    let before = repository.up();
    repository.write("docs/prices.md", "# Prices\n").commit("Write about prices");
    assert_eq!(repository.decisions(), REUSED);
    // The image of before gets the tag of the new commit too.
    assert_eq!(repository.up(), before);
    assert!(repository.tags().contains(&format!("app:sha-{}", repository.short_id())));
}

#[test]
fn a_change_is_named_in_the_reason() {
    let repository = built_app("");
    repository.write("app/run", "#!/bin/sh\nexit\n").commit("Change the app");
    assert_eq!(
        repository.decisions(),
        ["app (linux/amd64): build, `app/run` changed: it is the program of `app`"]
    );
    // Whatever it is compared with, the content decides.
    assert_eq!(repository.decisions_with(&["--base", "HEAD"]), UNCHANGED_AND_MISSING);
}

#[test]
fn an_image_that_is_gone_is_built_again() {
    let repository = built_app("");
    let before = repository.up();
    std::fs::remove_dir_all(repository.path().join(".hephy/oci")).expect("remove the images");
    assert!(repository.decisions()[0].contains(": build, "));
    assert_eq!(repository.up(), before);
}

#[test]
fn a_watched_file_is_an_input() {
    let repository = built_app(", watch: [\"shared/**/*.css\"]");
    repository
        .write("shared/deep/style.css", "a {}\n")
        .write("shared/notes", "no style\n")
        .commit("Add a style");
    assert_eq!(
        repository.decisions(),
        ["app (linux/amd64): build, `shared/deep/style.css` changed: `app` watches `shared/**/*.css`"]
    );
    repository.up();
    repository.write("shared/notes", "still no style\n").commit("Add notes");
    assert_eq!(repository.decisions(), REUSED);
}

#[test]
fn a_watched_file_that_git_ignores_is_an_input() {
    let repository = built_app(", watch: [\"generated/*.css\"]");
    repository.write(".gitignore", "generated/\n").commit("Ignore what is generated");
    assert_eq!(repository.decisions(), REUSED);
    repository.write("generated/style.css", "a {}\n");
    assert!(repository.decisions()[0].contains(": build, "));
    repository.up();
    repository.write("generated/other", "not watched\n");
    assert_eq!(repository.decisions(), REUSED);
}

#[test]
fn an_ignored_file_is_no_input() {
    // Given a program that is a folder with notes in it,
    let repository = Repository::app();
    let configuration = prebuilt("linux/amd64: dist").replace("path: app", "path: app, bin: run");
    repository.write("hephy.yaml", &format!("{configuration}ignore: [\"**/*.md\"]\n"));
    repository.write("app/dist/run", "run\n").write("app/dist/notes.md", "one\n").commit("Add a folder");
    repository.up();
    // when the notes change, then nothing is built; when the program changes, it is.
    repository.write("app/dist/notes.md", "two\n").commit("Change the notes");
    assert_eq!(repository.decisions(), REUSED);
    repository.write("app/dist/run", "run faster\n").commit("Change the program");
    assert_eq!(
        repository.decisions(),
        ["app (linux/amd64): build, `app/dist/run` changed: it is the program of `app`"]
    );
}

#[test]
fn only_the_platform_whose_program_changed_is_built() {
    let repository = Repository::app();
    repository.write("hephy.yaml", &prebuilt("linux/amd64: run, linux/arm64: run-arm64"));
    repository.write("app/run-arm64", "arm\n").commit("Add a platform");
    let before = repository.up();
    repository.write("app/run-arm64", "arm, faster\n").commit("Change one platform");
    assert_eq!(
        repository.decisions(),
        [
            "app (linux/amd64): reuse",
            "app (linux/arm64): build, `app/run-arm64` changed: it is the program of `app`"
        ]
    );
    let output = repository.hephy(["up"]).run().exits(0);
    assert!(!output.stderr.contains("build  app (linux/amd64)"), "{output}");
    assert_ne!(output.stdout, before);
}

#[test]
fn a_program_that_git_ignores_is_an_input() {
    let repository = Repository::app();
    repository
        .write("hephy.yaml", &prebuilt("linux/amd64: dist/run"))
        .write(".gitignore", "dist/\n")
        .commit("Ignore the program");
    repository.write("app/dist/run", "one\n");
    let first = repository.up();
    assert_eq!(repository.decisions(), REUSED);
    repository.write("app/dist/run", "two\n");
    assert!(repository.decisions()[0].contains(": build, "));
    assert_ne!(repository.up(), first);
}

#[test]
fn a_program_behind_a_symbolic_link_is_an_input() {
    // Given programs behind a link to a file, and behind a link to a folder above it, both of which git ignores,
    for (link, target, program) in [("app/run", "../out/run", "run"), ("app/dist", "../out", "dist/run")] {
        let repository = Repository::app();
        let _ = std::fs::remove_file(repository.path().join("app/run"));
        repository
            .write("hephy.yaml", &prebuilt(&format!("linux/amd64: {program}")))
            .write(".gitignore", "/out/\n");
        symlink(target, repository.path().join(link)).expect("create the link");
        repository.commit("Link to the program").write("out/run", "one\n");
        let first = repository.up();
        assert_eq!(repository.decisions(), REUSED);
        // when the program changes and the link does not, then it is built.
        repository.write("out/run", "two\n");
        assert!(repository.decisions()[0].contains(": build, "), "{link}");
        assert_ne!(repository.up(), first);
    }
}

#[test]
fn a_mode_and_the_target_of_a_link_are_inputs() {
    // Given a program that is a folder with a link and a script,
    let repository = Repository::app();
    repository
        .write("hephy.yaml", &prebuilt("linux/amd64: dist").replace("path: app", "path: app, bin: run"));
    repository.write("app/dist/run", "run\n").write("app/dist/one", "1\n").write("app/dist/two", "2\n");
    let link = repository.path().join("app/dist/link");
    symlink("one", &link).expect("create the link");
    repository.commit("Add a folder");
    let first = repository.up();
    // when the script becomes executable,
    std::fs::set_permissions(repository.path().join("app/dist/run"), PermissionsExt::from_mode(0o755))
        .expect("change the mode");
    repository.commit("Make it executable");
    assert_eq!(
        repository.decisions(),
        ["app (linux/amd64): build, `app/dist/run` changed: it is the program of `app`"]
    );
    let second = repository.up();
    // or when the link leads elsewhere, then it is built, and the images differ.
    std::fs::remove_file(&link).expect("remove the link");
    symlink("two", &link).expect("create the link");
    repository.commit("Link to another");
    assert_eq!(
        repository.decisions(),
        ["app (linux/amd64): build, `app/dist/link` changed: it is the program of `app`"]
    );
    let third = repository.up();
    assert!(first != second && second != third && first != third);
}

#[test]
fn file_names_of_any_bytes_are_inputs() {
    let repository = Repository::app();
    repository
        .write("hephy.yaml", &prebuilt("linux/amd64: dist").replace("path: app", "path: app, bin: run"));
    repository.write("app/dist/run", "run\n").commit("Add a folder");
    repository.up();
    for name in
        [&b"new\nline"[..], b"tab\there", b"\"quoted\"", b"latin-\xfc", b" space ", b"-dash", b"\xe2\x98\x83"]
    {
        let file = repository.path().join("app/dist").join(OsStr::from_bytes(name));
        for content in ["one", "two"] {
            std::fs::write(&file, content).expect("write the file");
            // A file is noticed before it is committed and after, and the same either way.
            let uncommitted = repository.hephy(["plan"]).run().exits(0).stdout;
            assert!(uncommitted.contains(" build "), "{name:?}: {uncommitted}");
            repository.commit("Change a strange file");
            let output = repository.hephy(["up"]).run().exits(0).says("✔ build  app (linux/amd64)");
            assert_eq!(repository.decisions(), REUSED, "{output}");
        }
    }
}

#[test]
fn what_needs_a_changed_component_is_built() {
    let repository = Repository::app();
    let component = |name: &str, needs: &str| {
        format!("  {name}: {{path: app, needs: [{needs}], prebuilt: {{linux/amd64: {name}}}}}\n")
    };
    let configuration = [
        component("base", ""),
        component("middle", "base"),
        component("other", ""),
        component("top", "middle"),
    ];
    repository.write("hephy.yaml", &format!("components:\n{}", configuration.concat()));
    for name in ["base", "middle", "other", "top"] {
        repository.write(&format!("app/{name}"), name);
    }
    std::fs::remove_file(repository.path().join("k8s/app.yaml")).expect("remove the manifest");
    repository.commit("Add four components").up();
    repository.write("app/base", "changed").commit("Change the base");
    assert_eq!(
        repository.decisions(),
        [
            "base (linux/amd64): build, `app/base` changed: it is the program of `base`",
            "middle (linux/amd64): build, `app/base` changed: `base`, which it needs, reads it",
            "other (linux/amd64): reuse",
            "top (linux/amd64): build, `app/base` changed: `middle`, which it needs, reads it",
        ]
    );
}
