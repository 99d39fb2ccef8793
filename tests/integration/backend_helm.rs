//! The `helm` backend: a chart that hephy packages, and that the real Helm pulls and renders.

use crate::support::registry::Registry;
use crate::support::{Repository, path_with};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

const CHART: &str =
    "apiVersion: v2\nname: shop\nversion: 0.1.0+one\nappVersion: 1.10\ndescription: Sells things\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {greeting: {{ .Values.greeting | quote }}}\n";

const FILES: [(&str, &str); 10] = [
    (".helmignore", "ci/\n*.bak\n"),
    ("Chart.yaml", CHART),
    ("README.md", "read me"),
    ("charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n"),
    ("charts/sub/templates/sub.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-sub}\n"),
    ("ci/values.yaml", "greeting: ci\n"),
    ("old.bak", "old"),
    ("templates/.swp", "of an editor"),
    ("templates/shop.yaml", TEMPLATE),
    ("values.yaml", "greeting: hello\n"),
];
const PACKED: [&str; 7] = [
    ".helmignore",
    "Chart.yaml",
    "README.md",
    "charts/sub/Chart.yaml",
    "charts/sub/templates/sub.yaml",
    "templates/shop.yaml",
    "values.yaml",
];

/// A repository with a chart, and a service of the same name.
fn shop() -> Repository {
    let repository = Repository::empty();
    for (path, text) in FILES {
        repository.write(&format!("chart/{path}"), text);
    }
    repository.write("shop/run", "#!/bin/sh\n");
    let components =
        "components:\n  chart: {path: chart}\n  shop: {path: shop, prebuilt: {linux/amd64: run}}\n";
    repository.write("hephy.yaml", components).commit("Add a chart");
    repository
}

fn plan(repository: &Repository) -> Value {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    serde_json::from_str(&output.stdout).expect("a plan is JSON")
}

/// Helm in a folder of its own; returns what it printed.
#[track_caller]
fn helm(repository: &Repository, arguments: &[&str]) -> String {
    let mut command = Command::new("helm");
    command.args(arguments).env("PATH", path_with(&["helm"])).env("HOME", repository.beside("helm-home"));
    let output = command.current_dir(repository.beside("")).output().expect("helm starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn helm_pulls_and_renders_what_hephy_has_pushed() {
    let (registry, repository) = (Registry::start(), shop());
    let pushed = registry.hephy(&repository, &["up", "--registry", &registry.image("acme")]).run().exits(0);
    let name = registry.image("acme/charts/shop");
    assert!(pushed.stdout.lines().any(|line| line.contains(&format!("{name}@sha256:"))), "{pushed}");
    assert!(pushed.stderr.contains("tagged `0.1.0_one`"), "{pushed}");
    helm(&repository, &["pull", &format!("oci://{name}"), "--version", "0.1.0+one", "--plain-http"]);
    let archive = repository.beside("shop-0.1.0+one.tgz");
    let rendered = helm(&repository, &["template", "x", &archive.to_string_lossy()]);
    assert!(rendered.contains("greeting: \"hello\"") && rendered.contains("of-sub"), "{rendered}");
    let shown = helm(&repository, &["show", "chart", &archive.to_string_lossy()]);
    assert!(shown.contains("description: Sells things"), "{shown}");
    let bytes = std::fs::read(archive).expect("read the archive");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
    let entries = archive.entries().expect("entries").map(|entry| {
        let entry = entry.expect("an entry");
        assert_eq!(entry.header().mtime().expect("a time"), 0);
        entry.path().expect("a path").strip_prefix("shop").expect("below its name").display().to_string()
    });
    assert_eq!(entries.collect::<Vec<_>>(), PACKED);
}

#[test]
fn the_artifact_is_the_one_that_helm_describes() {
    let repository = shop();
    repository.up();
    let folder = repository.path().join(".hephy/build/chart/any");
    let read = |path: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(path)).expect("a file")).expect("JSON")
    };
    let digest = read("index.json")["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let manifest = read(&format!("blobs/sha256/{}", &digest[7..]));
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.helm.config.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    assert_eq!(manifest["layers"].as_array().expect("layers").len(), 1);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "0.1.0+one");
    let configuration = manifest["config"]["digest"].as_str().expect("a digest");
    assert_eq!(read(&format!("blobs/sha256/{}", &configuration[7..]))["appVersion"], "1.10");
}

#[test]
fn two_checkouts_make_one_package() {
    let repository = shop();
    let elsewhere = repository.clone_with(&[]);
    assert_eq!(repository.up(), elsewhere.up());
    // Another date changes what the manifest says, and no byte of the package.
    let layers = |repository: &Repository| {
        let folder = repository.path().join(".hephy/build/chart/any/blobs/sha256");
        folder
            .read_dir()
            .expect("blobs")
            .map(|blob| blob.expect("a blob").file_name())
            .collect::<BTreeSet<_>>()
    };
    let before = layers(&repository);
    repository.git(["commit", "--quiet", "--amend", "--no-edit", "--date=2001-02-03T04:05:06Z"]);
    repository.hephy(["build", "--all"]).run().exits(0);
    assert!(layers(&repository).intersection(&before).count() >= 2);
}

#[test]
fn what_is_packed_counts_and_nothing_else() {
    let repository = shop();
    let digest = || plan(&repository)["components"][0]["legs"][0]["input_digest"].clone();
    let before = digest();
    let counts = |path: &str, text: &str| {
        let path = format!("chart/{path}");
        repository.write(&path, &format!("{text}# more\n"));
        let counts = digest() != before;
        repository.write(&path, text);
        counts
    };
    let counting: Vec<&str> =
        FILES.into_iter().filter(|(path, text)| counts(path, text)).map(|(path, _)| path).collect();
    assert_eq!(counting, PACKED);
    repository.write("chart/files/new", "new");
    assert_ne!(digest(), before);
}

#[test]
fn a_chart_is_one_leg_for_all_platforms() {
    let repository = shop();
    let found = plan(&repository);
    let leg = &found["components"][0]["legs"][0];
    assert_eq!((&leg["platform"], &leg["name"]), (&Value::from("any"), &Value::from("chart-any")));
    assert!(leg["key"].as_str().expect("a key").ends_with("-any"));
    assert_eq!(found["components"][0]["image"], "charts/shop");
    assert_eq!(found["components"][0]["tags"][1], "0.1.0_one");
    let matrix = repository.hephy(["plan", "--emit", "github"]).env("GITHUB_ACTIONS", "true").run().exits(0);
    assert!(matrix.stdout.contains("\"platform\":\"any\",\"runner\":\"ubuntu-24.04\""), "{matrix}");
    let pipeline = repository.hephy(["plan", "--emit", "gitlab"]).run().exits(0);
    assert!(pipeline.stdout.contains("chart-any"), "{pipeline}");
    // It belongs to each platform that is asked for, and a plan finds its way back.
    let file = repository.beside("plan.json");
    let narrowed = repository.hephy(["plan", "--emit", "json", "--platform", "linux/arm64"]).run().exits(0);
    std::fs::write(&file, narrowed.stdout).expect("write the plan");
    let built = repository.hephy(["build", "--plan", &file.to_string_lossy()]).run().exits(0);
    assert!(built.says("✔ build  chart (any)").stderr.contains("build"));
    // What is not committed has no version.
    repository.write("chart/values.yaml", "greeting: dirty\n");
    let tags = plan(&repository)["components"][0]["tags"].clone();
    assert_eq!(tags.as_array().expect("tags").len(), 1, "{tags}");
}

#[test]
fn a_chart_without_its_dependencies_is_not_packaged() {
    let repository = shop();
    let dependency = "dependencies: [{name: redis, version: 1.x, repository: https://example.com/charts}]\n";
    repository.write("chart/Chart.yaml", &format!("{CHART}{dependency}")).commit("Need another chart");
    let output = repository.hephy(["up"]).run().exits(3);
    assert_eq!(
        output.error(),
        "error: build chart (any): package the chart `shop`: it depends on `redis`, which is not in its `charts` folder"
    );
    let output = output.says("hint: run `helm dependency build` in the chart's folder before hephy runs");
    assert!(!output.stderr.contains("► build"), "{output}");
    // Helm leaves an archive there, which few commit.
    repository.write(".gitignore", "chart/charts/*.tgz\n").write("chart/charts/redis-1.2.3.tgz", "archive");
    repository.up();
}

#[test]
fn what_a_chart_cannot_be_is_refused() {
    let repository = shop();
    let configured = |keys: &str| {
        repository.write("hephy.yaml", &format!("components: {{chart: {{path: chart, {keys}}}}}\n"));
        repository.hephy(["plan"]).run().exits(2).error().to_owned()
    };
    assert!(configured("platforms: [linux/amd64]").contains("it is the same on every platform"));
    assert!(configured("image: ghcr.io/acme/other").contains("a chart's repository ends with its name"));
    repository.write("chart/.helmignore", "**/x\n");
    assert!(configured("image: ghcr.io/acme/shop").contains("`**/x` is no pattern that Helm knows"));
    repository.write("chart/.helmignore", "").write("chart/Chart.yaml", "apiVersion: v2\nname: shop\n");
    assert!(configured("fail-fast: true").contains("read `Chart.yaml`"));
}
