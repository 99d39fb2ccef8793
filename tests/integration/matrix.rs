//! One job for each leg: the matrix of a plan, jobs that build one leg, the join, and the gate behind them.

use crate::support::{Output, Repository, prebuilt, shows};
use serde_json::Value;
use std::path::PathBuf;

/// The app for two platforms, and a worker for one, that never fails the others.
fn two_components() -> Repository {
    let repository = Repository::app();
    repository.write(
        "hephy.yaml",
        "components:\n  app: {path: app, prebuilt: {linux/amd64: run, linux/arm64: run-arm64}}\n  \
         worker: {path: worker, fail-fast: false, prebuilt: {linux/amd64: run}}\n\
         runners: {linux/arm64: [self-hosted, arm64]}\nignore: [\"**/*.md\"]\n",
    );
    repository
        .write("app/run-arm64", "arm\n")
        .write("worker/run", "worker\n")
        .write("worker/notes.md", "notes\n");
    repository.commit("Add a platform and a worker");
    repository
}

fn plan_file(repository: &Repository) -> PathBuf {
    let file = repository.path().join(".hephy/plan.json");
    repository.hephy(["plan", "--output"]).args([&file]).run().exits(0);
    file
}

/// A verb that follows the plan in `.hephy`.
fn follow(repository: &Repository, arguments: &[&str]) -> Output {
    repository.hephy(arguments).args(["--plan", ".hephy/plan.json"]).run()
}

/// The values of an output file of GitHub, by name.
fn outputs(text: &str) -> Vec<(String, String)> {
    let mut lines = text.lines();
    let mut found = vec![];
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").expect("a heredoc");
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        found.push((name.to_owned(), value.join("\n")));
    }
    found
}

#[test]
fn a_github_matrix_has_the_legs_to_build_and_their_runners() {
    let repository = two_components();
    let file = repository.beside("github-output");
    std::fs::write(&file, "earlier=1\n").expect("write the file");
    let output = repository.hephy(["plan", "--emit", "github"]).env("GITHUB_OUTPUT", &file).run().exits(0);
    let matrix: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let legs = matrix["include"].as_array().expect("legs");
    let leg = |leg: &Value| format!("{} {} {}", leg["name"], leg["runner"], leg["platform"]);
    assert_eq!(
        legs.iter().map(leg).collect::<Vec<_>>(),
        [
            r#""app-linux-amd64" "ubuntu-24.04" "linux/amd64""#,
            r#""app-linux-arm64" ["self-hosted","arm64"] "linux/arm64""#,
            r#""worker-linux-amd64" "ubuntu-24.04" "linux/amd64""#,
        ]
    );
    let text = std::fs::read_to_string(&file).expect("the outputs");
    let outputs = outputs(text.strip_prefix("earlier=1\n").expect("what was there stays"));
    let expected = [
        ("matrix", output.stdout.trim()),
        ("any", "true"),
        ("count", "3"),
        ("nested", "false"),
        ("fail-fast", "false"),
    ];
    assert_eq!(outputs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_plan_of_nothing_is_a_matrix_that_can_be_guarded_and_a_pipeline() {
    let repository = Repository::app();
    repository.up();
    let file = repository.beside("github-output");
    let output = repository.hephy(["plan", "--emit", "github"]).env("GITHUB_OUTPUT", &file).run().exits(0);
    assert_eq!(output.stdout, "{\"include\":[]}\n");
    let outputs = outputs(&std::fs::read_to_string(&file).expect("the outputs"));
    assert!(outputs.contains(&("any".to_owned(), "false".to_owned())), "{outputs:?}");
    let output = repository.hephy(["plan", "--emit", "gitlab"]).run().exits(0);
    let pipeline: Value = serde_saphyr::from_str(&output.stdout).expect("YAML");
    assert_eq!(pipeline["nothing-to-build"]["script"][0], "true");
}

#[test]
fn legs_are_built_and_pushed_by_jobs_of_their_own_and_joined_by_the_last() {
    // Given what one run makes of a commit,
    let repository = two_components();
    let whole = repository.hephy(["up", "--layout"]).args([repository.beside("whole")]).run().exits(0).stdout;
    std::fs::remove_dir_all(repository.path().join(".hephy/build")).expect("another machine");
    // when each leg has a job,
    plan_file(&repository);
    for leg in ["app-linux-amd64", "app-linux-arm64", "worker-linux-amd64"] {
        assert_eq!(follow(&repository, &["push"]).code, Some(2));
        follow(&repository, &["build", "--leg", leg]).exits(0);
        let pushed =
            follow(&repository, &["push", "--leg", leg]).exits(0).says("joins platforms and moves tags");
        assert_eq!(pushed.stdout.lines().count(), 1, "{pushed}");
        assert!(!repository.tags().iter().any(|tag| tag.contains("sha-")), "{:?}", repository.tags());
        std::fs::remove_dir_all(repository.path().join(".hephy/build")).expect("another machine");
    }
    // then a push of the whole plan joins them into the same images.
    let joined = follow(&repository, &["push"]).exits(0).stdout;
    let digests =
        |text: &str| text.lines().map(|line| line.split('@').nth(1).map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(digests(&joined), digests(&whole));
    assert!(repository.tags().contains(&format!("app:sha-{}", repository.short_id())));
}

#[test]
fn components_and_platforms_select_legs() {
    let repository = two_components();
    plan_file(&repository);
    let output = follow(&repository, &["build", "app", "--platform", "aarch64"]).exits(0);
    assert!(output.stderr.contains("app (linux/arm64)"), "{output}");
    assert!(!output.stderr.contains("app (linux/amd64)") && !output.stderr.contains("worker"), "{output}");
    let built = repository.path().join(".hephy/build");
    assert!(built.join("app/linux-arm64").exists() && !built.join("app/linux-amd64").exists());
}

#[test]
fn a_selection_of_nothing_is_an_error() {
    let repository = two_components();
    plan_file(&repository);
    shows!(follow(&repository, &["build", "ap"]).exits(2), @r#"
    ------- stderr -------
    error: select `ap`: the plan has no such component
    hint: the plan has app, worker
    ------- exit Some(2)
    "#);
    shows!(follow(&repository, &["push", "--leg", "app-linux-riscv64"]).exits(2), @r#"
    ------- stderr -------
    error: select `app-linux-riscv64`: the plan has no such leg
    hint: the plan has app-linux-amd64, app-linux-arm64, worker-linux-amd64
    ------- exit Some(2)
    "#);
    shows!(follow(&repository, &["build", "worker", "--platform", "linux/arm64"]).exits(2), @r#"
    ------- stderr -------
    error: select legs: no leg of the plan is of a component, a platform and a name that were asked for
    hint: the plan has app-linux-amd64, app-linux-arm64, worker-linux-amd64
    ------- exit Some(2)
    "#);
}

#[test]
fn a_plan_for_one_platform_says_what_it_leaves_out_and_moves_no_tag() {
    let repository = two_components();
    let output =
        repository.hephy(["plan", "--platform", "arm64", "--output", ".hephy/plan.json"]).run().exits(0);
    assert!(output.stdout.contains("`--platform` asks for `linux/arm64` only"), "{output}");
    follow(&repository, &["build"]).exits(0);
    let pushed = follow(&repository, &["push"]).exits(2);
    assert_eq!(
        pushed.error(),
        "error: join platforms: the plan leaves out app (linux/amd64), worker (linux/amd64), which nobody has pushed"
    );
    assert!(!repository.tags().iter().any(|tag| tag.contains("sha-")), "{:?}", repository.tags());
    // Once the others are there, the same push joins them.
    repository.hephy(["build", "--platform", "amd64"]).run().exits(0);
    repository.hephy(["push", "--platform", "amd64"]).run().exits(0);
    follow(&repository, &["push"]).exits(0);
}

#[test]
fn the_gate_is_red_for_every_leg_that_is_missing() {
    let repository = two_components();
    plan_file(&repository);
    let output = follow(&repository, &["plan", "--verify"]).exits(4);
    assert!(output.error().starts_with("error: verify the plan: 3 legs are not what it says, the first of them app (linux/amd64): nothing was pushed to `app:in-"), "{output}");
    for leg in ["app-linux-amd64", "app-linux-arm64"] {
        follow(&repository, &["build", "--leg", leg]).exits(0);
        follow(&repository, &["push", "--leg", leg]).exits(0);
    }
    let output = follow(&repository, &["plan", "--verify"]).exits(4);
    assert!(output.error().contains("worker (linux/amd64): nothing was pushed"), "{output}");
    follow(&repository, &["build", "worker"]).exits(0);
    follow(&repository, &["push", "worker"]).exits(0);
    follow(&repository, &["plan", "--verify"]).exits(0).says("verified");
    // An image that the plan wanted to reuse may be gone by then.
    plan_file(&repository);
    std::fs::remove_dir_all(repository.path().join(".hephy/oci")).expect("remove the images");
    let output = follow(&repository, &["plan", "--verify"]).exits(4);
    assert!(output.error().contains("3 legs are not what it says"), "{output}");
    assert!(
        output.stderr.contains("worker (linux/amd64): the image that was to be reused is gone"),
        "{output}"
    );
}

#[test]
fn a_saved_plan_is_printed_again_without_repository_and_git() {
    let repository = two_components();
    let file = plan_file(&repository);
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let replay = |emit: &str| {
        let output =
            crate::support::hephy(elsewhere.path()).args(["plan", "--emit", emit, "--replay"]).args([&file]);
        output.env("PATH", elsewhere.path()).run().exits(0).stdout
    };
    for emit in ["text", "github", "gitlab"] {
        let made = repository.hephy(["plan", "--emit", emit]).run().exits(0).stdout;
        assert_eq!(replay(emit), made, "{emit}");
    }
    assert_eq!(replay("json"), std::fs::read_to_string(&file).expect("the plan"));
}

#[test]
fn a_path_is_explained_by_those_who_read_it() {
    let repository = Repository::app();
    let keys =
        prebuilt("linux/amd64: dist").replace("path: app", "path: app, bin: run, watch: [\"shared/*.css\"]");
    repository.write(
        "hephy.yaml",
        &format!(
            "{keys}  web: {{path: web, needs: [app], prebuilt: {{linux/amd64: x}}}}\nignore: [\"**/*.md\"]\n"
        ),
    );
    repository.write("app/dist/run", "run\n").write("app/dist/notes.md", "notes\n").write("web/x", "x\n");
    repository.write("shared/a.css", "a {}\n").write("README", "read me\n").commit("Add files");
    let explain = |subject: &str| repository.hephy(["plan", "--explain", subject]).run().exits(0).stdout;
    shows!(["./app/dist/run", "app/dist/", "shared/a.css", "README", "app/dist/new", "web/new", "app", "web"].map(explain).concat(), @r#"
    ./app/dist/run
      read by `app`: it is the program of `app`
      read by `web`: `app`, which it needs, reads it
    app/dist/: 2 files
      read by `app`: it is the program of `app` (1 file)
      read by `web`: `app`, which it needs, reads it (1 file)
      ignored by `**/*.md` (1 file)
    shared/a.css
      read by `app`: `app` watches `shared/*.css`
      read by `web`: `app`, which it needs, reads it
    README
      no component reads it
    app/dist/new: no such file here
      read by `app`: it is the program of `app`
      read by `web`: `app`, which it needs, reads it
    web/new: no such file here
      no component reads it
    app: 2 files
      not by backend: no `backend` key
      built by prebuilt: `prebuilt`
      not by spin: no `spin.toml` with a `spin_manifest_version`
      not by helm: no `Chart.yaml` with an `apiVersion` that is no part of another chart
      not by bake: no `docker-bake.hcl` or `docker-bake.json`
      not by dockerfile: no `Dockerfile` or `Containerfile`, and not one of another name such as `Dockerfile.prod` that git lists
      not by ko: no `.ko.yaml` below the root, and no Go file with `package main` in a module
      not by cargo: no `Cargo.toml`
      not by jib: no plugin of jib in a build file, which is read only where nothing else is
      not by apko: no `apko.yaml` or `melange.yaml` with packages and repositories
      not by buildpacks: no `project.toml` with a table of buildpacks, and no `Procfile`
      not by railpack: no `railpack.json`
      not by nixpacks: no `nixpacks.toml`
      read by `app`: `app` watches `shared/*.css` (1 file)
      read by `app`: it is the program of `app` (1 file)
      to build: `app/dist/run` changed: it is the program of `app` (and 1 more change)
    web
      not by backend: no `backend` key
      built by prebuilt: `prebuilt`
      not by spin: no `spin.toml` with a `spin_manifest_version`
      not by helm: no `Chart.yaml` with an `apiVersion` that is no part of another chart
      not by bake: no `docker-bake.hcl` or `docker-bake.json`
      not by dockerfile: no `Dockerfile` or `Containerfile`, and not one of another name such as `Dockerfile.prod` that git lists
      not by ko: no `.ko.yaml` below the root, and no Go file with `package main` in a module
      not by cargo: no `Cargo.toml`
      not by jib: no plugin of jib in a build file, which is read only where nothing else is
      not by apko: no `apko.yaml` or `melange.yaml` with packages and repositories
      not by buildpacks: no `project.toml` with a table of buildpacks, and no `Procfile`
      not by railpack: no `railpack.json`
      not by nixpacks: no `nixpacks.toml`
      read by `web`: everything that `app`, which it needs, reads
      read by `web`: it is the program of `web`
      to build: `web/x` changed: it is the program of `web` (and 2 more changes)
    "#);
    repository.hephy(["plan", "--explain", "../x"]).run().exits(2);
}

#[test]
fn a_failed_leg_without_fail_fast_lets_the_others_finish() {
    for (fail_fast, expected) in [("true", false), ("false", true)] {
        // Given a leg that fails at once, because its program is missing, and one that takes longer,
        let repository = Repository::app();
        let missing =
            format!("  bad: {{path: app, fail-fast: {fail_fast}, prebuilt: {{linux/amd64: missing}}}}\n");
        let others: String = (0..8)
            .map(|number| format!("  c{number}: {{path: app, prebuilt: {{linux/amd64: run}}}}\n"))
            .collect();
        repository.write("hephy.yaml", &format!("components:\n{missing}{others}")).commit("Add components");
        // when they are built, then the run fails, and the others are built only if this one does not stop them.
        let output = repository.hephy(["build"]).run();
        assert_ne!(output.code, Some(0), "{output}");
        let all = (0..8).all(|number| output.stderr.contains(&format!("✔ build  c{number} ")));
        assert_eq!(all, expected, "{output}");
    }
}
