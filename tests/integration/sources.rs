//! Where components come from: `hephy.yaml`, `build-config.yaml`, `skaffold.yaml` and bare definitions, and what happens
//! where two of them speak of one component.

use crate::support::{MANIFEST, Output, Repository, refused, shows};
use serde_json::Value;

/// The plan of this repository.
#[track_caller]
fn plan(repository: &Repository) -> Value {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    serde_json::from_str(&output.stdout).expect("a plan is JSON")
}

/// Each component of the plan as `NAME in FOLDER`.
#[track_caller]
fn components(repository: &Repository) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let plan = plan(repository);
    let components = plan["components"].as_array().expect("a list").iter();
    components.map(|planned| format!("{} in {}", text(&planned["name"]), text(&planned["path"]))).collect()
}

/// A committed repository with these files.
fn repository(files: &[(&str, &str)]) -> Repository {
    let repository = Repository::empty();
    for (path, text) in files {
        repository.write(path, text);
    }
    repository.commit("Add everything");
    repository
}

/// The error of `hephy plan` in a repository with these files.
#[track_caller]
fn fault(files: &[(&str, &str)]) -> Output {
    refused(&repository(files), &["plan"], 2)
}

const DOCKERFILE: &str = "FROM scratch\nCOPY . /\n";

#[test]
fn build_configs_are_found_wherever_they_are_nested() {
    // hephy-builder looked at the first part of a path only (S1), and lost paths with blanks (S2).
    let repository = repository(&[
        ("examples/ko-demo/build-config.yaml", ""),
        ("services/deep/er/api/build-config.yaml", "platforms: [linux/arm64]\n"),
        ("services/deep/er/api/Dockerfile", DOCKERFILE),
        ("My Web/build-config.yaml", "context_path: src\ndockerfile_path: Dockerfile\n"),
        ("My Web/src/Dockerfile", DOCKERFILE),
        ("bare/Containerfile", DOCKERFILE),
    ]);
    // The Dockerfile in `My Web/src` is that of `My Web`, and `examples` are skipped unless they are named.
    assert_eq!(components(&repository), ["api in services/deep/er/api", "bare in bare", "my-web in My Web"]);
    repository
        .write("hephy.yaml", "components: {demo: {path: examples/ko-demo, prebuilt: {linux/amd64: x}}}\n");
    assert_eq!(components(&repository), ["demo in examples/ko-demo"]);
}

#[test]
fn a_build_config_and_hephy_yaml_merge_where_they_agree() {
    // hephy-builder had a key for build arguments that nobody read (S15).
    let repository = repository(&[
        ("hephy.yaml", "components:\n  shop-api: {path: api, target: prod, build-args: {A: one}}\n"),
        ("api/build-config.yaml", "target: prod\nplatforms: [linux/arm64, amd64]\nbuild_args: {B: two}\n"),
        ("api/Dockerfile", "FROM scratch AS prod\nCOPY . /\n"),
        ("other/build-config.yaml", "nonsense: true\n"),
    ]);
    let planned = &plan(&repository)["components"][0];
    assert_eq!(planned["name"], "shop-api");
    assert_eq!(planned["recipe"]["target"], "prod");
    assert_eq!(planned["recipe"]["build_args"], serde_json::json!({"A": "one", "B": "two"}));
    let platforms: Vec<&Value> =
        planned["legs"].as_array().expect("legs").iter().map(|leg| &leg["platform"]).collect();
    assert_eq!(platforms.len(), 2, "{planned}");
}

#[test]
fn two_places_that_disagree_are_both_named() {
    let listed = "components:\n  api: {path: api, dockerfile: Dockerfile.prod, build-args: {MODE: prod}}\n";
    let files = |build_config| {
        fault(&[
            ("hephy.yaml", listed),
            ("api/build-config.yaml", build_config),
            ("api/Dockerfile.prod", DOCKERFILE),
            ("api/Dockerfile", DOCKERFILE),
        ])
    };
    shows!(files("target: x\ndockerfile_path: Dockerfile\n"), @r#"
    ------- stderr -------
    error: `api` is defined in two places that disagree: `hephy.yaml:2` says `dockerfile: Dockerfile.prod`, `api/build-config.yaml:2` says `dockerfile: Dockerfile`
    hint: say it in one place only, or the same in both
    ------- exit Some(2)
    "#);
    shows!(files("build_args:\n  MODE: test\n"), @r#"
    ------- stderr -------
    error: `api` is defined in two places that disagree: `hephy.yaml:2` says `build-args: {MODE: prod}`, `api/build-config.yaml:2` says `build-args: {MODE: test}`
    hint: say it in one place only, or the same in both
    ------- exit Some(2)
    "#);
    let skaffold = "build:\n  artifacts:\n    - image: api\n      context: services/api\n      platforms: [linux/amd64]\n";
    shows!(
        fault(&[
            ("skaffold.yaml", skaffold),
            ("services/api/build-config.yaml", "platforms: [linux/arm64]\n"),
            ("services/api/Dockerfile", DOCKERFILE),
        ]),
        @r#"
    ------- stderr -------
    error: `api` is defined in two places that disagree: `skaffold.yaml:5` says `platforms: linux/amd64`, `services/api/build-config.yaml:1` says `platforms: linux/arm64`
    hint: say it in one place only, or the same in both
    ------- exit Some(2)
    "#
    );
    // The same name for two folders,
    shows!(
        fault(&[
            ("skaffold.yaml", skaffold),
            ("services/api/Dockerfile", DOCKERFILE),
            ("api/build-config.yaml", ""),
            ("api/Dockerfile", DOCKERFILE),
        ]),
        @r#"
    ------- stderr -------
    error: `skaffold.yaml:3` and `api/build-config.yaml:1` are both named `api`
    hint: name them apart under `components` in hephy.yaml
    ------- exit Some(2)
    "#
    );
    // and one folder for two names.
    shows!(
        fault(&[
            ("hephy.yaml", "components:\n  a: {path: api}\n  b: {path: api, dockerfile: Dockerfile.b}\n"),
            ("api/build-config.yaml", "target: x\n"),
            ("api/Dockerfile", DOCKERFILE),
            ("api/Dockerfile.b", DOCKERFILE),
        ]),
        @r#"
    ------- stderr -------
    error: read `api/build-config.yaml:1`: it may mean `a` or `b`
    hint: say it in hephy.yaml, for each of them
    ------- exit Some(2)
    "#
    );
}

#[test]
fn artifacts_are_a_whole_list_and_their_manifests_are_those_of_the_release() {
    let repository = repository(&[
        (
            "skaffold.yaml",
            "apiVersion: skaffold/v4beta11\nkind: Config\nbuild:\n  artifacts:\n    - image: acme/app\n      context: services/app\n\
             manifests: {rawYaml: [\"services/*/k8s/*.yaml\"]}\nportForward: []\nprofiles: [{name: dev}]\n",
        ),
        ("services/app/Dockerfile", DOCKERFILE),
        ("services/app/k8s/app.yaml", &MANIFEST.replace("image: app", "image: acme/app")),
        ("k8s/other.yaml", MANIFEST),
        ("tools/Dockerfile", DOCKERFILE),
    ]);
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    let warning = "of `skaffold.yaml`, hephy reads the artifacts and the raw manifests, and not `portForward`, `profiles`";
    assert_eq!(output.stderr.matches(warning).count(), 1, "{output}");
    assert_eq!(components(&repository), ["app in services/app"]);
    assert_eq!(plan(&repository)["manifests"], serde_json::json!(["services/app/k8s/app.yaml"]));
    // The manifest names the image as Skaffold does, and gets the digest of what was built.
    repository.up();
    let release = repository.path().join(".hephy/release");
    let rendered: String = std::fs::read_dir(release)
        .expect("a release")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("a manifest"))
        .collect();
    assert!(rendered.contains("image: app@sha256:"), "{rendered}");
    // A list in hephy.yaml comes before it.
    repository.write("hephy.yaml", "components: {tools: {}}\n");
    assert_eq!(components(&repository), ["tools in tools"]);
    assert_eq!(plan(&repository)["manifests"], serde_json::json!(["k8s/other.yaml"]));
}
