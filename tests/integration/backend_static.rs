//! `base: static`: what hephy's own base holds, and whether a program finds it there.

use crate::backend_cargo::{host, image};
use crate::support::registry::Registry;
use crate::support::{Repository, input_digest};
use std::path::Path;
use std::process::Command;

/// Tells what it finds around it, with nothing but Go's own library.
const PROGRAM: &str = r#"package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/user"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	pool, err := x509.SystemCertPool()
	must(err)
	me, err := user.LookupId(fmt.Sprint(os.Getuid()))
	must(err)
	group, err := user.LookupGroupId(fmt.Sprint(os.Getgid()))
	must(err)
	zone, err := time.LoadLocation("America/Argentina/Salta")
	must(err)
	for _, folder := range []string{"/tmp", me.HomeDir} {
		must(os.WriteFile(folder+"/written", []byte("x"), 0o600))
	}
	_, err = os.ReadDir("/root")
	hour := time.Unix(0, 0).In(zone).Hour()
	fmt.Println("found", len(pool.Subjects()), me.Uid, me.Username, group.Name, hour, os.IsPermission(err))
}
"#;

/// The program, with its library in it.
fn compile(program: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("main.go"), PROGRAM).expect("write the source");
    std::fs::write(folder.path().join("go.mod"), "module example.com/look\n\ngo 1.21\n").expect("write");
    let go = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(program)
        .current_dir(folder.path())
        .envs([("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .output()
        .expect("go starts");
    assert!(go.status.success(), "{}", String::from_utf8_lossy(&go.stderr));
}

/// A repository with such a program.
fn repository() -> Repository {
    let repository = Repository::empty();
    std::fs::create_dir_all(repository.path().join("app")).expect("create the folder");
    compile(&repository.path().join("app/run"));
    repository
}

fn configure(repository: &Repository, keys: &str) {
    let program = format!("prebuilt: {{linux/{}: run}}", host());
    let text = format!("components: {{app: {{path: app, {keys}{program}}}}}\n");
    repository.write("hephy.yaml", &text).commit("Configure");
}

/// What the program of an image says when buildah starts it as the image says.
fn run(image: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!("FROM {image}\nRUN [\"/app/run\"]\n");
    std::fs::write(folder.path().join("Dockerfile"), text).expect("write the file");
    let output = Command::new("buildah")
        .args(["build", "--no-cache", "--tls-verify=false", "--isolation", "chroot", "."])
        .current_dir(folder.path())
        .output()
        .expect("buildah (./dev tools)");
    String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8")
}

#[test]
fn a_program_finds_what_it_looks_for_on_the_own_base() {
    // Given a program that wants certificates, names of users, time zones and a place to write,
    let repository = repository();
    // when it is put on nothing, then hephy says what is missing and what helps;
    configure(&repository, "");
    repository.hephy(["build"]).run().exits(0).says("`base: static` has those of Mozilla");
    let without = input_digest(&repository);
    // when it is put on hephy's own base, then nothing is missing,
    configure(&repository, "base: static, ");
    let output = repository.hephy(["up"]).run().exits(0);
    assert!(!output.stderr.contains("CA certificates"), "{output}");
    assert_ne!(input_digest(&repository), without, "the base is an input");
    let image = image(&repository, host());
    let bundle = &image.files["etc/ssl/certs/ca-certificates.crt"];
    let count = String::from_utf8_lossy(bundle).matches("-----BEGIN CERTIFICATE-----").count();
    assert!(count > 100, "{count}");
    let registry = Registry::start();
    let shop = registry.image("shop");
    let published = registry.hephy(&repository, &["up", "--registry", &shop]).run().exits(0);
    let said = run(published.stdout.trim());
    assert!(said.contains(&format!("found {count} 65532 nonroot nonroot 21 true")), "{said}");
    // and the image is nobody else's: three numbers that agree, and no name of a base.
    let of_config =
        |pointer: &str| image.config.pointer(pointer).and_then(|value| value.as_array()).map(Vec::len);
    assert_eq!(image.manifest["layers"].as_array().map(Vec::len), Some(2));
    assert_eq!((of_config("/rootfs/diff_ids"), of_config("/history")), (Some(2), Some(2)));
    assert_eq!(image.config["config"]["User"], "65532:65532");
    assert_eq!(image.config["config"]["Env"], serde_json::Value::Null);
    assert!(!image.manifest["annotations"].to_string().contains("image.base"), "{}", image.manifest);
    // What is explained names the layer by the digest that the image has for it.
    let diff_id = image.config["rootfs"]["diff_ids"][0].as_str().expect("a digest");
    let expected = format!("built on hephy's own `static`, {diff_id}");
    let explained = repository.hephy(["plan", "--explain", "app"]).run().exits(0);
    assert!(explained.stdout.contains(&expected), "{explained}");
}

#[test]
fn the_own_base_is_one_blob_below_everything_and_needs_no_registry() {
    // Given two components on it, one with certificates of its own above it,
    let registry = Registry::start();
    let repository = Repository::empty();
    repository
        .write("app/run", "#!/bin/sh\n")
        .write("web/run", "#!/bin/sh\necho\n")
        .write("own.pem", "own\n");
    let text = "base-images: pin\ncomponents:\n  \
        app: {path: app, base: static, user: nonroot, prebuilt: {linux/amd64: run, linux/arm64: run}}\n  \
        web: {path: web, base: static, assets: {own.pem: /etc/ssl/certs/ca-certificates.crt}, prebuilt: {linux/amd64: run}}\n";
    repository.write("hephy.yaml", text).commit("Add programs");
    // when they are built without a word about a base in the plan,
    let dry = repository.hephy(["up", "--dry-run"]).run().exits(0);
    assert!(!dry.stderr.contains("layers of"), "{dry}");
    let shop = registry.image("shop");
    registry.hephy(&repository, &["up", "--registry", &shop]).run().exits(0);
    // then the lowest layer of all of them is one blob, on every platform,
    let layers = |of: &str, platform: &str| {
        let reference = format!("docker://{}:sha-{}", registry.image(of), repository.short_id());
        let output = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--override-os=linux", "--override-arch", platform])
            .args(["--format={{range .Layers}}{{.}} {{end}}", &reference])
            .output()
            .expect("skopeo (./dev tools)");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let (app, web) = (layers("shop/app", "amd64"), layers("shop/web", "amd64"));
    assert_eq!((app.len(), web.len()), (2, 3), "{app:?} {web:?}");
    assert_eq!(app[0], web[0]);
    assert_eq!(layers("shop/app", "arm64")[0], app[0]);
    // and the registry has all of it.
    registry.read_back(&format!("shop/web:sha-{}", repository.short_id()));
}
