//! One commit, one set of digests: whichever way hephy is called, and wherever.

use crate::support::{Repository, layers, prebuilt, write_program};
use std::path::{Path, PathBuf};

/// An app for two platforms.
fn app() -> Repository {
    let repository = Repository::app();
    repository.write("hephy.yaml", &prebuilt("linux/amd64: run, linux/arm64: run-arm64"));
    repository.write("app/run-arm64", "arm\n").commit("Add a platform");
    repository
}

/// Saves the plan of `repository` beside it.
fn save_plan(repository: &Repository) -> PathBuf {
    let file = repository.beside("plan.json");
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    std::fs::write(&file, plan).expect("write the plan");
    file
}

#[test]
fn a_second_run_builds_nothing() {
    let repository = app();
    let first = repository.hephy(["up"]).run().exits(0).says("✔ build  app (linux/arm64)");
    let index = std::fs::read(repository.path().join(".hephy/oci/index.json")).expect("an index");
    let second = repository.hephy(["up"]).run().exits(0);
    assert_eq!(second.stdout, first.stdout);
    assert!(!second.stderr.contains(" build  ") && !second.stderr.contains(" push  "), "{second}");
    assert_eq!(std::fs::read(repository.path().join(".hephy/oci/index.json")).expect("an index"), index);
}

#[test]
fn the_verbs_one_by_one_reach_what_up_reaches() {
    // Given a plan as a file,
    let repository = app();
    let plan = save_plan(&repository).to_string_lossy().into_owned();
    // when build, push and deploy follow it one by one,
    repository.hephy(["build", "--plan", &plan]).run().exits(0);
    assert_eq!(repository.tags(), Vec::<String>::new());
    let pushed = repository.hephy(["push", "--plan", &plan]).run().exits(0);
    repository.hephy(["deploy", "--plan", &plan]).run().exits(0).says("no cluster is configured");
    let release =
        std::fs::read_to_string(repository.path().join(".hephy/release/k8s-app.yaml")).expect("a release");
    // then they reach what `up` reaches from nothing.
    std::fs::remove_dir_all(repository.path().join(".hephy")).expect("forget everything");
    assert_eq!(repository.up(), pushed.stdout);
    let again =
        std::fs::read_to_string(repository.path().join(".hephy/release/k8s-app.yaml")).expect("a release");
    assert_eq!(again, release);
    assert!(release.contains(pushed.stdout.trim()), "{release}");
}

#[test]
fn a_plan_is_the_same_bytes_every_time() {
    let repository = app();
    let plan =
        |flags: &[&str]| repository.hephy(["plan", "--emit", "json"]).args(flags).run().exits(0).stdout;
    let first = plan(&[]);
    assert_eq!(plan(&[]), first);
    // Read from a file and written again, nothing is lost.
    let file = save_plan(&repository).to_string_lossy().into_owned();
    assert_eq!(plan(&["--plan", &file]), first);
    repository.up();
    let reused = plan(&[]);
    assert_ne!(reused, first);
    let file = save_plan(&repository).to_string_lossy().into_owned();
    assert_eq!(plan(&["--plan", &file]), reused);
}

#[test]
fn a_plan_is_refused_where_its_inputs_are_other_ones() {
    // Given a plan, and a program that changed since it was made,
    let repository = app();
    let plan = save_plan(&repository).to_string_lossy().into_owned();
    repository.write("app/run", "changed\n").commit("Change the program");
    // when it is built, then it is refused: the image would be found by who looks for the old program.
    let output = crate::support::refused(&repository, &["build", "--plan", &plan], 2);
    assert_eq!(
        output.error(),
        "error: build app (linux/amd64): what it is built from differs from what the plan was made of"
    );
    // What deploys manifests too is refused for being another commit.
    let output = crate::support::refused(&repository, &["up", "--plan", &plan], 2);
    assert!(output.error().starts_with("error: read manifests: the plan was made of commit"), "{output}");
    // A change that the component does not read is none.
    repository.write("app/run", "#!/bin/sh\n").write("docs/notes", "new\n").commit("Take it back");
    repository.hephy(["build", "--plan", &plan]).run().exits(0);
}

#[test]
fn a_push_without_a_build_says_so() {
    let repository = app();
    let plan = save_plan(&repository).to_string_lossy().into_owned();
    for verb in ["push", "deploy"] {
        let output = repository
            .hephy([verb, "--plan", &plan])
            .run()
            .exits(2)
            .says("hint: run `hephy build` and `hephy push` with the same plan first");
        assert!(output.error().contains("it was not built here"), "{output}");
        assert_eq!(repository.tags(), Vec::<String>::new());
    }
}

#[test]
fn forges_and_laptops_make_the_same_layers() {
    // Given what a laptop reaches,
    let repository = app();
    let laptop = repository.up();
    let layers = |layout: &Path| layers(&repository, layout, "app", &["amd64", "arm64"]);
    let expected = layers(&repository.path().join(".hephy/oci"));
    let id = repository.git(["rev-parse", "HEAD"]).trim().to_owned();
    repository.git(["checkout", "--quiet", "--detach"]);
    let github = [
        ("GITHUB_ACTIONS", "true"),
        ("CI", "true"),
        ("GITHUB_REPOSITORY", "Acme/Shop"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_SHA", &id),
        ("GITHUB_TOKEN", "ghs_hunter2hunter2"),
    ];
    let gitlab = [
        ("CI", "true"),
        ("CI_JOB_ID", "1"),
        ("CI_PROJECT_ID", "2"),
        ("CI_REGISTRY_IMAGE", "registry.example/acme/shop"),
        ("CI_COMMIT_REF_NAME", "main"),
        ("CI_JOB_TOKEN", "hunter2hunter2"),
    ];
    // when the forges run the same commit into a layout,
    for (name, variables) in [("github", github), ("gitlab", gitlab)] {
        let layout = repository.beside(name);
        let set = |call: crate::support::Hephy| {
            variables.iter().fold(call, |call, (name, value)| call.env(name, value))
        };
        let output = set(repository.hephy(["up", "--layout", &layout.to_string_lossy()])).run().exits(0);
        // then they build it, and the image holds the same; only what it says about itself is the forge's.
        assert!(output.stderr.contains("build  app (linux/arm64)"), "{output}");
        assert_eq!(layers(&layout), expected, "{name}: {laptop}, {output}");
        assert!(!output.to_string().contains("hunter2"), "{output}");
        // They know the branch although HEAD is detached.
        let plan = set(repository.hephy(["plan", "--emit", "json", "--layout", &layout.to_string_lossy()]))
            .run()
            .exits(0)
            .stdout;
        assert!(plan.contains("\"branch\": \"main\""), "{plan}");
    }
}

#[test]
fn an_edit_during_the_build_is_not_published() {
    // Given a Dockerfile component whose context somebody edits while it is built,
    let repository = Repository::empty();
    repository
        .write("web/page", "before\n")
        .write("web/Dockerfile", "FROM scratch\nCOPY page /\n")
        .commit("Web");
    let tools = repository.beside("tools");
    std::fs::create_dir(&tools).expect("create the folder");
    let program = tools.join("buildah");
    let page = repository.path().join("web/page");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] || echo edited > '{}'\nexec \"$REAL_BUILDAH\" \"$@\"\n",
        page.display()
    );
    write_program(&program, script);
    let path = std::env::var("PATH").expect("a path");
    let real = std::env::split_paths(&path).map(|folder| folder.join("buildah")).find(|path| path.is_file());
    // when it is brought up,
    let hephy = repository.hephy(["up"]).env("PATH", format!("{}:{path}", tools.display()));
    let output = hephy.env("REAL_BUILDAH", real.expect("buildah is installed")).run().exits(2);
    // then the image is not published, now or later.
    assert_eq!(
        output.error(),
        "error: build web (linux/amd64): what it is built from changed while it was built"
    );
    repository.write("web/page", "before\n");
    repository.hephy(["push"]).run().exits(2).says("hint: run `hephy build`");
}
