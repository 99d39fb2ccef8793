//! Which folders are components when `hephy.yaml` names none: git's own list of files says what there is.

use crate::support::Repository;

/// The components that are planned, each with where it was found.
#[track_caller]
fn origins(repository: &Repository) -> Vec<String> {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    let components = plan["components"].as_array().expect("components");
    let origin = |component: &serde_json::Value| component["origin"].as_str().expect("an origin").to_owned();
    components.iter().map(origin).collect()
}

#[test]
fn what_is_committed_or_could_be_counts_and_what_git_ignores_does_not() {
    let repository = Repository::empty();
    repository.write(".gitignore", "/out/\n").write("gone/Dockerfile", "FROM scratch\n");
    repository.write("api/Dockerfile", "FROM scratch\n").commit("Begin");
    repository.write("web/Dockerfile", "FROM scratch\n").write("out/Dockerfile", "FROM scratch\n");
    std::fs::remove_dir_all(repository.path().join("gone")).expect("remove the folder");
    assert_eq!(origins(&repository), ["api/Dockerfile", "web/Dockerfile"]);
    // What was added although the folder is ignored is part of the commit.
    repository.git(["add", "--force", "out/Dockerfile"]);
    assert_eq!(origins(&repository), ["api/Dockerfile", "out/Dockerfile", "web/Dockerfile"]);
}

#[test]
fn repositories_within_are_looked_through() {
    let inner = Repository::named("inner");
    inner.write("api/Dockerfile", "FROM scratch\n").commit("Begin");
    let url = inner.path().to_string_lossy().into_owned();
    let repository = Repository::empty();
    repository.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "lib"]);
    repository.commit("Add a submodule");
    // A clone that nobody added lies there as a folder of which git lists nothing.
    repository.git(["clone", "--quiet", &url, "copy"]);
    std::fs::rename(repository.path().join("copy/api"), repository.path().join("copy/web")).expect("rename");
    assert_eq!(origins(&repository), ["lib/api/Dockerfile", "copy/web/Dockerfile"]);
    // Changes in a submodule make git name all of it as changed.
    repository.write("lib/api/new", "");
    assert_eq!(origins(&repository), ["lib/api/Dockerfile", "copy/web/Dockerfile"]);
}

#[test]
fn a_definition_that_a_sparse_checkout_leaves_out_is_no_component() {
    let repository = Repository::empty();
    repository.write("api/Dockerfile", "FROM scratch\n").write("web/Dockerfile", "FROM scratch\n");
    repository.commit("Begin");
    repository.git(["sparse-checkout", "set", "api"]);
    assert_eq!(origins(&repository), ["api/Dockerfile"]);
}
