//! SBOMs of images that hephy did not compile: what real programs say about themselves, and documents of the user's own.

use crate::support::attached::{attached, digest};
use crate::support::registry::Registry;
use crate::support::{Repository, path_with};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// A program that the tests have: it was built by Go, with dependencies.
fn program_of_go() -> PathBuf {
    std::env::split_paths(&path_with(&["crane"])).next().expect("a folder").join("crane")
}

/// A repository with the component `app`, whose finished programs are these, by file name.
fn finished(programs: &[(&str, &Path)], configuration: &str) -> Repository {
    let repository = Repository::empty();
    repository.write("hephy.yaml", configuration).write("app/dist/README.md", "two programs\n");
    for (name, path) in programs {
        std::fs::copy(path, repository.path().join("app/dist").join(name)).expect("copy the program");
    }
    repository.commit("Add programs");
    repository
}

/// What is attached to the only image that `up` makes in this registry.
fn published(
    registry: &Registry,
    repository: &Repository,
    arguments: &[&str],
) -> Vec<(String, Value, Value)> {
    let place = registry.image("shop");
    let up = repository.hephy(["up", "--registry", &place]).args(arguments).run().exits(0);
    attached(&format!("{}@{}", registry.image("shop/app"), digest(&up)))
}

/// Name, version and package URL of each component.
fn components(sbom: &Value) -> BTreeSet<[String; 3]> {
    let text = |component: &Value, key: &str| component[key].as_str().unwrap_or("-").to_owned();
    let listed = sbom["components"].as_array().expect("a list").iter();
    listed.map(|one| ["name", "version", "purl"].map(|key| text(one, key))).collect()
}

/// What Go itself reads in the program.
fn go_says(program: &Path) -> (String, BTreeSet<(String, String)>) {
    let output = Command::new("go").args(["version", "-m"]).arg(program).output().expect("go starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let version =
        text.lines().next().and_then(|line| line.rsplit_once(": go")).expect("a version").1.to_owned();
    let columns = text.lines().map(|line| line.trim().split('\t').collect::<Vec<_>>());
    let modules = columns.filter(|columns| matches!(columns[0], "mod" | "dep" | "=>"));
    (version, modules.map(|columns| (columns[1].to_owned(), columns[2].to_owned())).collect())
}

#[test]
fn a_finished_program_of_go_is_listed_as_go_lists_it() {
    let registry = Registry::start();
    let program = program_of_go();
    let configuration = "components: {app: {path: app, prebuilt: {linux/amd64: dist/run}}}\n";
    let found = published(&registry, &finished(&[("run", &program)], configuration), &[]);
    let [(kind, _, sbom)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(kind, CYCLONEDX);
    let (version, modules) = go_says(&program);
    assert!(modules.len() > 5, "{modules:?}");
    let listed = components(sbom);
    let library = ["stdlib".to_owned(), version.clone(), format!("pkg:golang/stdlib@{version}")];
    assert!(listed.contains(&library), "{listed:?}");
    let listed: BTreeSet<_> =
        listed.into_iter().filter(|one| *one != library).map(|[name, version, _]| (name, version)).collect();
    assert_eq!(listed, modules);
}
