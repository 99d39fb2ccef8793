//! Called as people call it: a GitHub workflow run by act and a GitLab pipeline run by gitlab-ci-local reach what a
//! laptop reaches.

use crate::support::Repository;
use crate::support::cluster::Cluster;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a forge's script on `repository` and returns its report: digest and input digests by component.
fn run_forge(
    forge: &str,
    repository: &Repository,
    cluster: &Cluster,
    registry: &str,
) -> BTreeMap<String, Vec<String>> {
    let out = repository.beside(forge);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forges").join(forge);
    let mut command = Command::new(script);
    command.arg(repository.path()).arg(env!("CARGO_BIN_EXE_hephy")).arg(registry).arg(&out);
    command.env("PATH", path_with_tools()).env("FORGE_SECONDS", "300");
    command.env("HEPHY_KUBECONFIG", cluster.setting("HEPHY_TEST_KUBECONFIG"));
    let status = command.status().expect("the script starts");
    let log = std::fs::read_to_string(out.join("log")).unwrap_or_default();
    assert!(status.success(), "{forge}: {status}\n{log}");
    assert!(log.contains("the release is live") || log.contains("the release was already live"), "{log}");
    digests(&out.join("report.json"))
}

/// The programs of the forges in front of what is on the path.
fn path_with_tools() -> OsString {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/run");
    let output = Command::new(script).args(["act", "gitlab-ci-local"]).output().expect("the script starts");
    assert!(output.status.success(), "tools: {}", String::from_utf8_lossy(&output.stderr));
    let folders = String::from_utf8(output.stdout).expect("UTF-8");
    let old = std::env::var_os("PATH").unwrap_or_default();
    let paths = folders.lines().map(PathBuf::from).chain(std::env::split_paths(&old));
    std::env::join_paths(paths).expect("no colons in folders")
}

fn digests(report: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(report).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let component = |component: &serde_json::Value| {
        let legs = component["legs"].as_array().expect("legs").iter();
        let inputs = legs.map(|leg| text(&leg["input_digest"]));
        (text(&component["name"]), [text(&component["digest"])].into_iter().chain(inputs).collect())
    };
    report["components"].as_array().expect("components").iter().map(component).collect()
}

#[test]
fn both_forges_reach_the_plan_and_the_digests_of_the_laptop() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    // Given what a laptop makes of a commit,
    let report = shop.beside("laptop.json");
    cluster.hephy(&shop, "up", "laptop").args(["--report"]).args([&report]).run().exits(0);
    let laptop = digests(&report);
    assert_eq!(laptop.len(), 3);
    // when the forges build the same commit, each into a registry where nothing is yet,
    for forge in ["github", "gitlab"] {
        let found = run_forge(forge, &shop, &cluster, &cluster.registry(forge));
        // then inputs and images are the same.
        assert_eq!(found, laptop, "{forge}");
    }
}
