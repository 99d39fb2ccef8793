//! Checkouts in which something is missing: what is built without it must not be taken for the whole.

use crate::support::{Repository, prebuilt, refused, shows};

/// The app, whose program lies in a submodule, built once.
fn app_in_a_submodule() -> (Repository, Repository) {
    let inner = Repository::named("inner");
    inner.write("dist/run", "one\n").commit("Add a program");
    let repository = Repository::app();
    let source = inner.path().to_string_lossy().into_owned();
    repository.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "app/inner"]);
    repository.write("hephy.yaml", &prebuilt("linux/amd64: inner/dist/run")).commit("Use the submodule");
    repository.up();
    assert_eq!(repository.decisions(), ["app (linux/amd64): reuse"]);
    (repository, inner)
}

#[test]
fn another_commit_of_a_submodule_is_built() {
    let (repository, _inner) = app_in_a_submodule();
    let before = repository.up();
    // Given a submodule that has moved on, committed in both repositories,
    repository.write("app/inner/dist/run", "two\n");
    repository.git(["-C", "app/inner", "commit", "--quiet", "--all", "--message", "Change the program"]);
    repository.commit("Move the submodule");
    assert_eq!(repository.git(["status", "--porcelain"]), "");
    // when it is planned, then it is built, and the image is another one.
    assert!(repository.decisions()[0].contains(": build, "));
    assert_ne!(repository.up(), before);
    // And what is changed in a submodule without a commit is an input as well.
    repository.write("app/inner/dist/run", "three\n");
    assert!(repository.decisions()[0].contains(": build, "));
}

#[test]
fn a_submodule_that_is_not_checked_out_is_an_error() {
    let (repository, _inner) = app_in_a_submodule();
    repository.git(["submodule", "--quiet", "deinit", "--force", "--all"]);
    std::fs::remove_dir_all(repository.path().join(".hephy")).expect("forget everything");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: plan: list the inputs of `app`: the submodule `app/inner` is not checked out
    hint: run `git submodule update --init --recursive`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_sparse_checkout_is_not_the_whole() {
    // Given a program that is a folder of which a part is left out of the checkout,
    let repository = Repository::app();
    repository
        .write("hephy.yaml", &prebuilt("linux/amd64: dist").replace("path: app", "path: app, bin: run"));
    repository.write("app/dist/run", "run\n").write("app/dist/data/x", "data\n").commit("Add a folder");
    let whole = repository.up();
    repository.git(["sparse-checkout", "set", "--no-cone", "/*", "!/app/dist/data/"]);
    assert!(!repository.path().join("app/dist/data").exists());
    assert_eq!(repository.git(["status", "--porcelain"]), "");
    // when it is built, then it does not find the image of the whole, and its own is not found by the whole.
    let part = repository.up();
    assert_ne!(part, whole);
    repository.git(["sparse-checkout", "disable"]);
    assert_eq!(repository.up(), whole);
}

#[test]
fn a_shallow_clone_builds_what_a_whole_one_builds() {
    let repository = Repository::app();
    repository.write("docs/x", "x\n").commit("Add words");
    let shallow = repository.beside("shallow");
    let source = format!("file://{}", repository.path().display());
    repository.git(["clone", "--quiet", "--depth=1", &source, &shallow.to_string_lossy()]);
    let output = crate::support::hephy(&shallow).args(["up"]).run().exits(0);
    assert_eq!(output.stdout, repository.up());
}

#[test]
fn a_configuration_by_another_name_is_not_passed_over() {
    let repository = Repository::app();
    repository.git(["mv", "hephy.yaml", "hephy.yml"]);
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: read `hephy.yml`: the configuration is called `hephy.yaml`
    hint: rename it, or name it with `--config`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_manifest_whose_name_is_no_text_is_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let repository = Repository::app();
    let name = std::ffi::OsStr::from_bytes(b"k8s/caf\xe9.yaml");
    std::fs::write(repository.path().join(name), crate::support::MANIFEST).expect("write the manifest");
    repository.commit("Add a manifest");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: plan: read manifests: the name of `k8s/caf�.yaml` is not UTF-8
    hint: rename it
    ------- exit Some(2)
    "#);
}
