//! What a build tool says about its image by itself: BuildKit for real, told to do what users tell it.

use crate::support::buildkit::{BuildKit, path_with};
use crate::support::dockerfiles::{folder_with_busybox, publish};
use crate::support::registry::Registry;
use crate::support::{Hephy, Output, Repository, write_program};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const SBOM: &str = "https://spdx.dev/Document";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A site for these platforms.
fn web(platforms: &str) -> Repository {
    let repository = Repository::empty();
    repository.write("web/Dockerfile", "FROM scratch\nCOPY a.txt /\n").write("web/a.txt", "a");
    let component = format!("components: {{web: {{backend: buildkit, platforms: [{platforms}]}}}}\n");
    repository.write("hephy.yaml", &component).commit("Add the site");
    repository
}

/// An image that lists packages when BuildKit runs it, as BuildKit's own scanner does (BuildKit, "SBOM Scanning Protocol").
fn publish_scanner(registry: &Registry) -> String {
    let folder = folder_with_busybox();
    let document = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"{SBOM}","predicate":{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"made by the scanner","packages":[]}}}}"#
    );
    let script = format!("echo '{document}' > $BUILDKIT_SCAN_DESTINATION/packages.spdx.json\n");
    std::fs::write(folder.path().join("scan"), script).expect("write the script");
    let dockerfile =
        "FROM scratch\nCOPY busybox /bin/sh\nCOPY scan /scan\nENTRYPOINT [\"/bin/sh\", \"/scan\"]\n";
    publish(registry, "scanner:1", folder.path(), dockerfile)
}

/// hephy with a `buildctl` that the user has told more: `options` for every build, and of the output.
fn told(buildkit: &BuildKit, repository: &Repository, hephy: Hephy, options: &str, output: &str) -> Hephy {
    let tools = repository.beside("tools");
    std::fs::create_dir_all(&tools).expect("create the folder");
    let script = format!(
        r#"#!/bin/sh
[ "$1" = build ] || exec '{client}' "$@"
for word do
  case "$word" in type=oci,*) word="type=oci,{output}${{word#type=oci,}}" ;; esac
  set -- "$@" "$word"
  shift
done
exec '{client}' "$@" {options}
"#,
        client = buildkit.client().display()
    );
    let program = tools.join("buildctl");
    write_program(&program, script);
    buildkit.used_by(hephy).env("PATH", path_with(&tools))
}

fn get(registry: &Registry, path: &str) -> Value {
    let kinds = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let url = format!("http://{}/v2/shop/web/{path}", registry.address());
    let output =
        Command::new("curl").args(["--silent", "--header", kinds, &url]).output().expect("curl starts");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The statements that are listed as being about an image (distribution spec, "Referrers Tag Schema"), by their kind.
fn statements(registry: &Registry, digest: &str) -> Vec<(String, Value)> {
    let list = get(registry, &format!("manifests/{}", digest.replace(':', "-")));
    let mut found = vec![];
    for entry in list["manifests"].as_array().into_iter().flatten() {
        assert_eq!(entry["artifactType"], "application/vnd.in-toto+json", "{list}");
        let manifest = get(registry, &format!("manifests/{}", entry["digest"].as_str().expect("a digest")));
        assert_eq!(manifest["subject"]["digest"], digest);
        let layer = manifest["layers"][0]["digest"].as_str().expect("a layer");
        let kind = entry["annotations"]["in-toto.io/predicate-type"].as_str().expect("a kind").to_owned();
        let statement = get(registry, &format!("blobs/{layer}"));
        assert_eq!(statement["predicateType"], kind.as_str());
        found.push((kind, statement));
    }
    found.sort_by_key(|(kind, _)| kind.clone());
    found
}

fn attest(scanner: &str) -> String {
    format!("--opt attest:provenance=mode=max --opt attest:sbom=generator={scanner}")
}

fn digest(output: &Output) -> &str {
    output.stdout.trim().rsplit('@').next().expect("a digest")
}

#[test]
fn what_buildkit_attests_is_found_at_the_image_of_each_platform() {
    // Given a BuildKit that is told to attest what is in an image and how it was made,
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let (scanner, repository) = (publish_scanner(&registry), web("linux/amd64, linux/arm64"));
    // when an image for two platforms is built and pushed by separate runs,
    let build = repository.hephy(["build"]);
    let built = told(&buildkit, &repository, build, &attest(&scanner), "").run().exits(0);
    assert!(!built.stderr.contains("left behind"), "{built}");
    let pushed = repository.hephy(["push", "--registry", &registry.image("shop")]).run().exits(0);
    // then the tag joins two images and nothing else,
    let index = get(&registry, &format!("manifests/sha-{}", repository.short_id()));
    let images = index["manifests"].as_array().expect("an index");
    let platforms: Vec<&Value> = images.iter().map(|image| &image["platform"]["architecture"]).collect();
    assert_eq!(platforms, ["amd64", "arm64"], "{pushed}");
    // each has its labels and its own statements, which name no other digest.
    for image in images {
        let image = image["digest"].as_str().expect("a digest");
        assert_eq!(
            get(&registry, &format!("manifests/{image}"))["annotations"]["dev.hephy.component"],
            "web"
        );
        let statements = statements(&registry, image);
        let kinds: Vec<&str> = statements.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, [PROVENANCE, SBOM], "{pushed}");
        assert!(statements.iter().all(|(_, statement)| statement["subject"] == serde_json::json!([])));
        assert_eq!(statements[1].1["predicate"]["name"], "made by the scanner");
    }
    registry.read_back(&format!("shop/web:sha-{}", repository.short_id()));
    assert_eq!(
        registry.tags("shop/web").iter().filter(|tag| tag.starts_with("sha256-")).count(),
        2,
        "{pushed}"
    );
    // On a second run nothing is built, and they are still there.
    let again = repository.hephy(["up", "--registry", &registry.image("shop")]).run().exits(0);
    assert_eq!(digest(&again), digest(&pushed), "{again}");
}

#[test]
fn a_statement_about_the_image_without_labels_is_left_behind_and_that_is_said() {
    // Given a BuildKit that is told a name, which makes it write the digest of its image into what it attests,
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let repository = web("linux/amd64");
    let up = |attest: &[&str]| {
        let hephy = repository.hephy(["up", "--registry", &registry.image("shop")]).args(attest);
        let options = "--opt attest:provenance=mode=min";
        told(&buildkit, &repository, hephy, options, "name=example.com/web:1,").run().exits(0)
    };
    // when it is built and gets labels, then what it attested is not attached to another digest.
    let output = up(&["--all"]);
    assert_eq!(statements(&registry, digest(&output)), [], "{output}");
    let why = "it names the digest that the image had before it got its labels and annotations";
    let output = output.says(&format!(
        "web (linux/amd64): a statement about the image is left behind, `{PROVENANCE}`: {why}"
    ));
    // Who wants nothing attached is not told.
    let silent = up(&["--all", "--attest", "none"]);
    assert!(!silent.stderr.contains("left behind"), "{silent}");
    assert_eq!(digest(&silent), digest(&output));
}

#[test]
fn of_several_images_the_one_for_the_platform_is_taken() {
    let buildkit = BuildKit::start();
    let repository = web("linux/arm64");
    let build = |options: &str| {
        let hephy = repository.hephy(["up", "--all"]);
        told(&buildkit, &repository, hephy, options, "").run()
    };
    // Given an index with more than was asked for,
    let output = build("--opt platform=linux/amd64,linux/arm64 --opt attest:provenance=mode=min").exits(0);
    // then the right image is taken, and what was attested about it and no other.
    let layout = repository.path().join(".hephy/oci");
    let read = |digest: &str| -> Value {
        let blob = layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
        serde_json::from_slice(&std::fs::read(blob).expect("a blob")).expect("JSON")
    };
    let manifest = read(digest(&output));
    assert_eq!(read(manifest["config"]["digest"].as_str().expect("a config"))["architecture"], "arm64");
    assert_eq!(subjects(&layout), [digest(&output).to_owned()].into(), "{output}");
    // Of an index without it, the ones that are there are named.
    let output = build("--opt platform=linux/s390x,linux/amd64").exits(3);
    assert!(
        output.error().contains("find the image for linux/arm64 in `")
            && output.error().ends_with("it has linux/s390x, linux/amd64"),
        "{output}"
    );
}

/// What the artifacts of a layout are about.
fn subjects(layout: &Path) -> BTreeSet<String> {
    let index: Value =
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).expect("an index")).expect("JSON");
    let artifacts = index["manifests"].as_array().expect("a list").iter();
    let artifacts = artifacts.filter(|entry| entry["artifactType"].is_string());
    let subject = |entry: &Value| {
        let digest = entry["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
        let bytes = std::fs::read(layout.join("blobs/sha256").join(digest)).expect("a blob");
        let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
        manifest["subject"]["digest"].as_str().expect("a subject").to_owned()
    };
    artifacts.map(subject).collect()
}
