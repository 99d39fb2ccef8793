//! Checkouts that are not as they should be, and work all the same.

use crate::support::{Repository, prebuilt, shows};

#[test]
fn a_detached_head_has_no_branch() {
    let repository = Repository::app();
    repository.git(["checkout", "--quiet", "--detach"]);
    shows!(repository.hephy(["plan"]).run().exits(0), @r#"
    commit [ID]; compared with nothing (the first commit); images go to the layout `.hephy/oci`
    ┌─────────────────────────────────────────────────────────────────────────────────────┐
    │ component   platform      decision   backend    why                                 │
    ╞═════════════════════════════════════════════════════════════════════════════════════╡
    │ app         linux/amd64   build      prebuilt   no image of these inputs exists yet │
    └─────────────────────────────────────────────────────────────────────────────────────┘
    app is tagged sha-[ID]
    ------- stderr -------
    ------- exit Some(0)
    "#);
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(plan["commit"]["branch"], serde_json::Value::Null);
}

#[test]
fn a_dirty_tree_is_built_as_it_is_and_never_moves_the_tag_of_its_commit() {
    // Given a commit whose image is tagged,
    let repository = Repository::app();
    let id = repository.short_id();
    repository.hephy(["up"]).run().exits(0);
    assert_eq!(repository.tags(), [format!("app:sha-{id}")]);
    let clean = repository.digest(&format!("app:sha-{id}"));
    // when a file is changed and not committed,
    repository.write("app/run", "#!/bin/sh\nexit 1\n");
    repository.hephy(["up"]).run().exits(0).says(&format!("differs from commit {id}"));
    // then the new image has a tag of its own, and the commit's tag is where it was.
    assert_eq!(repository.tags(), [format!("app:sha-{id}"), format!("app:sha-{id}-dirty")]);
    assert_eq!(repository.digest(&format!("app:sha-{id}")), clean);
    assert_ne!(repository.digest(&format!("app:sha-{id}-dirty")), clean);
    // And when the change is taken back, then so is the image.
    repository.write("app/run", "#!/bin/sh\n");
    let output = repository.hephy(["up"]).run().exits(0).says("= plan   app  reuse");
    assert_eq!(output.stdout, format!("app@{clean}\n"));
}

#[test]
fn a_file_that_git_does_not_know_makes_a_tree_dirty() {
    let repository = Repository::app();
    repository.write("notes", "mine\n");
    repository.hephy(["up"]).run().exits(0).says("tagged `-dirty`");
    assert_eq!(repository.tags(), [format!("app:sha-{}-dirty", repository.short_id())]);
}

#[test]
fn spaces_and_letters_of_all_kinds_in_paths() {
    // Given a repository and a component whose folders have spaces and more,
    let repository = Repository::named("my shop ö");
    let programs = prebuilt("linux/amd64: \"the program é\", linux/arm64: \"dist dir\"")
        .replace("path: app", "path: \"my app ü\", bin: \"run me\"");
    repository.write("hephy.yaml", &programs).write("my app ü/the program é", "program\n");
    repository
        .write("my app ü/dist dir/run me", "program\n")
        .write("my app ü/dist dir/tab\tand\nline", "data\n");
    repository.write("k8s/the app.yaml", crate::support::MANIFEST).commit("Add the app");
    // when it is built twice, then both runs end well, and the second has nothing to build.
    let first = repository.hephy(["up"]).run().exits(0).says("✔ build  app (linux/arm64)");
    let second = repository.hephy(["up"]).run().exits(0).says("= plan   app  reuse");
    assert_eq!(first.stdout, second.stdout);
    let release = std::fs::read_to_string(repository.path().join(".hephy/release/k8s-the-app.yaml"));
    let image = first.stdout.trim();
    assert!(release.expect("the release is written").contains(image), "{image}");
}

#[test]
fn a_folder_below_the_root_is_as_good_as_the_root() {
    let repository = Repository::app();
    let at_root = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let below = crate::support::hephy(&repository.path().join("app"))
        .args(["plan", "--emit", "json"])
        .run()
        .exits(0)
        .stdout;
    assert_eq!(at_root, below);
}

#[test]
fn a_linked_worktree_is_a_checkout() {
    let repository = Repository::app();
    let worktree = repository.beside("second");
    repository.git(["worktree", "add", "--quiet", "--detach", &worktree.to_string_lossy()]);
    let first = repository.hephy(["up"]).run().exits(0);
    let second = crate::support::hephy(&worktree).args(["up"]).run().exits(0);
    assert_eq!(first.stdout, second.stdout);
}
