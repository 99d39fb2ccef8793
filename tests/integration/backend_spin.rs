//! The `spin` backend. Spin itself cannot be installed by the tests: in its place stands a script that records how it is
//! called and pushes, with crane, what Spin would push. What Spin makes of an application is not shown here.

use crate::support::{Hephy, Output, Repository, path_with, write_program};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Spin as its documentation describes it. `$APPLICATION` is the layout that it pushes.
const SPIN: &str = r#"#!/bin/sh
set -eu
echo "$(basename "$PWD"): spin $*" >>"$RECORD"
[ "$1" != --version ] || echo "spin 4.0.2 (0000000 2026-01-01)"
[ "$1" = registry ] || exit 0
echo "proxy: ${HTTP_PROXY:-none}" >>"$RECORD"
for reference; do :; done
crane push --insecure "$APPLICATION" "$reference" >&2
echo "Pushed with digest ${REPORTED:-$(crane digest --insecure "$reference")}"
"#;

/// A repository with a Spin application, and what `spin` would make of it.
struct Application {
    repository: Repository,
    digest: String,
}

impl Application {
    fn new() -> Self {
        let repository = Repository::empty();
        repository.write("hello/spin.toml", "spin_manifest_version = 2\n[application]\nname = \"hello\"\n");
        repository.write("hephy.yaml", "components: {hello: {path: hello}}\n");
        repository.write("hello/app.py", "print()\n").commit("Add an application");
        let program = repository.beside("programs").join("spin");
        fs::create_dir_all(program.parent().expect("a folder")).expect("create");
        write_program(&program, SPIN);
        let digest = write_application(&repository.beside("application"));
        Self { repository, digest }
    }

    fn hephy(&self, arguments: &[&str]) -> Hephy {
        let mut paths = vec![self.repository.beside("programs")];
        paths.extend(std::env::split_paths(&path_with(&["crane"])));
        let path = std::env::join_paths(paths).expect("no colons in folders");
        let hephy =
            self.repository.hephy(arguments).env("PATH", path).env("HTTP_PROXY", "http://127.0.0.1:9");
        hephy.env("RECORD", self.record()).env("APPLICATION", self.repository.beside("application"))
    }

    fn up(&self) -> Output {
        self.hephy(&["up"]).run()
    }

    fn record(&self) -> PathBuf {
        self.repository.beside("record")
    }

    /// What was recorded, a line for each call, without what is another word in every run.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.record()).expect("a record");
        text.lines().filter(|line| !line.contains("--version")).map(without_chance).collect()
    }
}

/// `127.0.0.1:PORT/SECRET/hello:KEY` in the place of an address.
fn without_chance(line: &str) -> String {
    let Some((before, reference)) = line.rsplit_once(" 127.0.0.1:") else { return line.to_owned() };
    let mut parts = reference.split('/');
    let (port, secret) = (parts.next().expect("a port"), parts.next().expect("a secret"));
    assert!(port.parse::<u16>().is_ok() && secret.len() == 32, "{reference}");
    let (name, key) = parts.next().expect("a name").split_once(':').expect("a tag");
    assert!(key.starts_with("in-"), "{reference}");
    format!("{before} 127.0.0.1:PORT/SECRET/{name}:KEY")
}

/// A layout as Spin would push it: the config and the media types of facts that are known of Spin 4.
fn write_application(folder: &Path) -> String {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("create");
    let write = |media_type: &str, content: &[u8]| {
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(blobs.join(&hash), content).expect("write");
        json!({"mediaType": media_type, "digest": format!("sha256:{hash}"), "size": content.len()})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": write("application/vnd.oci.image.config.v1+json", br#"{"architecture":"wasm","os":"Wasip1"}"#),
        "layers": [
            write("application/vnd.wasm.content.layer.v1+wasm", b"\0asm"),
            write("application/vnd.fermyon.spin.application.v1+config", br#"{"spin_lock_version":1}"#),
        ],
    });
    let manifest = write("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(folder.join("index.json"), index.to_string()).expect("write");
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("write");
    index["manifests"][0]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn spin_builds_and_pushes_and_the_image_is_taken_over() {
    let application = Application::new();
    let output = application.up().exits(0);
    // Given the documented command line, with the date of the commit in the place of the clock's,
    let date = application.repository.git([
        "show",
        "--no-patch",
        "--format=%cd",
        "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
    ]);
    let push = format!(
        "hello: spin registry push --insecure --annotation org.opencontainers.image.created={} 127.0.0.1:PORT/SECRET/hello:KEY",
        date.trim()
    );
    assert_eq!(application.calls(), ["hello: spin build", &push, "proxy: none"]);
    // then hephy publishes what was pushed, with words of its own on it, and no index around it,
    assert!(output.stdout.starts_with("hello@sha256:"), "{output}");
    let name = format!("oci:.hephy/oci:hello:sha-{}", application.repository.short_id());
    let inspected = Command::new("skopeo")
        .args(["inspect", "--raw", &name])
        .current_dir(application.repository.path())
        .output();
    let inspected = inspected.expect("skopeo, which `./dev tools` installs");
    let manifest: Value = serde_json::from_slice(&inspected.stdout).expect("a manifest");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.wasm.content.layer.v1+wasm");
    assert_eq!(manifest["annotations"]["dev.hephy.component"], "hello");
    // and does not ask Spin again as long as nothing changes.
    application.up().exits(0);
    assert_eq!(application.calls().len(), 3);
}

#[test]
fn an_image_that_spin_did_not_report_is_refused() {
    let application = Application::new();
    let other = format!("sha256:{}", "0".repeat(64));
    for (reported, said) in [(other.as_str(), other.as_str()), ("unknown", "no digest")] {
        let output = application.hephy(&["up"]).env("REPORTED", reported).run().exits(3);
        let expected = format!("it says that it made {said}, and {} is what it left", application.digest);
        assert!(output.error().contains(&expected), "{output}");
        assert!(!application.repository.path().join(".hephy/oci/index.json").exists());
    }
}

#[test]
fn a_push_that_fails_publishes_nothing() {
    let application = Application::new();
    let output = application.hephy(&["up"]).env("APPLICATION", "/nowhere").run().exits(3);
    assert!(output.error().contains("run `spin`"), "{output}");
    assert!(!application.repository.path().join(".hephy/oci/index.json").exists());
}
