//! Called as people call it: a GitHub workflow run by act and a GitLab pipeline run by gitlab-ci-local reach what a
//! laptop reaches.

use crate::support::cluster::Cluster;
use crate::support::{Repository, layers, path_with};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a forge's script on `repository` and returns its report: input digests by component.
fn run_forge(
    forge: &str,
    repository: &Repository,
    cluster: &Cluster,
    registry: &str,
) -> BTreeMap<String, Vec<String>> {
    let out = repository.beside(forge);
    let mut command = script(forge, repository, registry, &out);
    command.env("HEPHY_KUBECONFIG", cluster.setting("HEPHY_TEST_KUBECONFIG"));
    let status = command.status().expect("the script starts");
    let log = std::fs::read_to_string(out.join("log")).unwrap_or_default();
    assert!(status.success(), "{forge}: {status}\n{log}");
    assert!(log.contains("the release is live") || log.contains("the release was already live"), "{log}");
    inputs(&out.join("report.json"))
}

/// The script that runs `repository` on a forge.
fn script(forge: &str, repository: &Repository, registry: &str, out: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forges").join(forge);
    let mut command = Command::new(script);
    command.arg(repository.path()).arg(env!("CARGO_BIN_EXE_hephy")).arg(registry).arg(out);
    command.env("PATH", path_with(&["act", "gitlab-ci-local"])).env("FORGE_SECONDS", "300");
    command
}

/// Runs `repository` on a forge with images going to a layout, and returns what the forge printed.
fn run_into_layout(forge: &str, repository: &Repository, layout: &Path) -> String {
    let out = repository.beside(forge);
    let status = script(forge, repository, "", &out).env("HEPHY_LAYOUT", layout).status();
    let log = std::fs::read_to_string(out.join("log")).unwrap_or_default();
    assert!(status.expect("the script starts").success(), "{forge}\n{log}");
    log
}

/// An app for two platforms and a worker for one.
fn matrix_repository() -> Repository {
    let repository = Repository::app();
    repository.write(
        "hephy.yaml",
        "components:\n  app: {path: app, prebuilt: {linux/amd64: run, linux/arm64: arm}}\n  \
         worker: {path: worker, prebuilt: {linux/amd64: run}}\n",
    );
    repository.write("app/arm", "arm\n").write("worker/run", "worker\n");
    repository.write(".github/workflows/hephy.yml", &own_file("workflows/github-matrix.yml"));
    repository.write(".github/actions/hephy/action.yml", &own_file("action.yml"));
    repository.write(".github/actions/hephy/shim/main.mjs", &own_file("shim/main.mjs"));
    repository.commit("Add a platform and a worker");
    repository
}

/// A file of hephy's own repository.
fn own_file(path: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    text.expect("a file of this repository")
}

/// The same repository with the reusable workflow, which it calls from a copy: nothing is fetched.
fn pipeline_repository() -> Repository {
    let repository = matrix_repository();
    for file in ["pipeline.yml", "legs.yml"] {
        let text = own_file(&format!(".github/workflows/{file}"));
        assert!(text.contains("uses: hephy/builder@v1"), "{text}");
        let text = text.replace("uses: hephy/builder@v1", "uses: ./.github/actions/hephy");
        repository.write(&format!(".github/workflows/{file}"), &text);
    }
    let caller = "on: push\njobs:\n  hephy:\n    uses: ./.github/workflows/pipeline.yml\n    with:\n      \
                  binary-path: ${{ vars.HEPHY_BINARY_PATH }}\n      registry: ${{ vars.HEPHY_REGISTRY }}\n";
    repository.write(".github/workflows/hephy.yml", caller).commit("Call the pipeline");
    repository
}

/// The layers of what is in `layout`. What an image says about itself is the forge's, what it holds is the same.
fn all_layers(repository: &Repository, layout: &Path) -> Vec<serde_json::Value> {
    let app = layers(repository, layout, "app", &["amd64", "arm64"]);
    [app, layers(repository, layout, "worker", &["amd64"])].concat()
}

/// The layers that one run makes of the commit.
fn layers_of_one_run(repository: &Repository) -> Vec<serde_json::Value> {
    let layout = repository.beside("laptop");
    repository.hephy(["up", "--layout"]).args([&layout]).run().exits(0);
    all_layers(repository, &layout)
}

fn inputs(report: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(report).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let component = |component: &serde_json::Value| {
        let legs = component["legs"].as_array().expect("legs").iter();
        (text(&component["name"]), legs.map(|leg| text(&leg["input_digest"])).collect())
    };
    report["components"].as_array().expect("components").iter().map(component).collect()
}

#[test]
fn both_forges_reach_the_plan_of_the_laptop_and_go_live() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    // Given what a laptop makes of a commit,
    let report = shop.beside("laptop.json");
    cluster.hephy(&shop, "up", "laptop").args(["--report"]).args([&report]).run().exits(0);
    let laptop = inputs(&report);
    assert_eq!(laptop.len(), 3);
    // when the forges build the same commit, each into a registry where nothing is yet,
    for forge in ["github", "gitlab"] {
        let found = run_forge(forge, &shop, &cluster, &cluster.registry(forge));
        // then the inputs are the same. The images have labels that name the forge.
        assert_eq!(found, laptop, "{forge}");
    }
}

/// Runs the workflow of `repository` twice on GitHub.
#[track_caller]
fn makes_what_one_run_makes_and_then_nothing(repository: &Repository) {
    let expected = layers_of_one_run(repository);
    let layout = repository.beside("github-images");
    let log = run_into_layout("github", repository, &layout);
    for text in ["build app-linux-amd64", "build app-linux-arm64", "build worker-linux-amd64", "verified: "] {
        assert!(log.contains(text), "`{text}` in {log}");
    }
    assert_eq!(all_layers(repository, &layout), expected, "{log}");
    // With nothing left to build, the legs are skipped, and the gate is green because the plan wanted that.
    let log = run_into_layout("github", repository, &layout);
    assert!(!log.contains("build app-linux-amd64") && log.contains("verified: "), "{log}");
}

#[test]
fn a_github_matrix_makes_what_one_run_makes_and_is_empty_the_second_time() {
    makes_what_one_run_makes_and_then_nothing(&matrix_repository());
}

#[test]
fn the_reusable_workflow_builds_publishes_and_is_guarded() {
    makes_what_one_run_makes_and_then_nothing(&pipeline_repository());
}

#[test]
fn every_workflow_is_one_for_actionlint() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["workflows", ".github/workflows"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| folder.read_dir().expect("a folder"));
    let files = files.map(|file| file.expect("an entry").path());
    // The rest of the first folder is for GitLab.
    let of_github = |path: &PathBuf| path.file_name().is_none_or(|name| name != "gitlab.yml");
    let files: Vec<PathBuf> = files.filter(of_github).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    let mut actionlint = Command::new("actionlint");
    actionlint
        .args(["-no-color", "-shellcheck=", "-pyflakes="])
        .args(files)
        .env("PATH", path_with(&["actionlint"]));
    let output = actionlint.current_dir(root).output().expect("actionlint starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_gitlab_child_pipeline_builds_every_leg() {
    // Given the pipeline that a plan prints,
    let repository = matrix_repository();
    let layout = repository.beside("gitlab-images");
    let emit = |file: &str| {
        let output =
            repository.hephy(["plan", "--emit", "gitlab", "--layout"]).args([&layout]).run().exits(0);
        repository.write(file, &output.stdout);
    };
    emit(".gitlab-ci.yml");
    repository.commit("Run the child pipeline");
    // when it runs, then the legs are there to be joined into the images of one run.
    run_into_layout("gitlab", &repository, &layout);
    repository.hephy(["push", "--layout"]).args([&layout]).run().exits(0);
    assert_eq!(all_layers(&repository, &layout), layers_of_one_run(&repository));
    // What is printed when nothing is left is a pipeline that runs, too.
    emit(".gitlab-ci.yml");
    repository.commit("Run the pipeline of nothing");
    let log = run_into_layout("gitlab", &repository, &layout);
    assert!(log.contains("nothing-to-build"), "{log}");
}
