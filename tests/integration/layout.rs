//! What `up` leaves in `.hephy/oci`, read by a program that knows nothing of hephy: skopeo.

use crate::support::{Repository, prebuilt};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// Runs a program (skopeo, tar) in the repository and returns what it printed.
#[track_caller]
fn run(repository: &Repository, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(repository.path()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}, which `./dev tools` installs: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn inspect(repository: &Repository, arguments: &[&str], name: &str) -> Value {
    let image = format!("oci:.hephy/oci:{name}");
    let text = run(repository, "skopeo", &[&["inspect"], arguments, &[&image]].concat());
    serde_json::from_str(&text).expect("skopeo prints JSON")
}

#[test]
fn every_image_of_the_shop_is_read_by_skopeo() {
    let repository = Repository::shop();
    let images = repository.up();
    let id = repository.short_id();
    for line in images.lines() {
        let (name, digest) = line.split_once('@').expect("an image by digest");
        // skopeo reads every manifest and every blob, and refuses what has another digest or size.
        let (image, copy) = (format!("oci:.hephy/oci:{name}:sha-{id}"), repository.beside(name));
        run(&repository, "skopeo", &["copy", "--quiet", "--all", &image, &format!("dir:{}", copy.display())]);
        assert_eq!(inspect(&repository, &[], &format!("{name}:sha-{id}"))["Digest"], digest);
    }
    assert_eq!(images.lines().count(), 3, "{images}");
    let worker = format!("worker:sha-{id}");
    let index = inspect(&repository, &["--raw"], &worker);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    for architecture in ["amd64", "arm64"] {
        let flags = ["--override-os", "linux", "--override-arch", architecture];
        assert_eq!(inspect(&repository, &flags, &worker)["Architecture"], architecture);
        let config = inspect(&repository, &[&flags[..], &["--config"]].concat(), &worker);
        let mut config = config["config"].clone();
        let labels = config.as_object_mut().and_then(|config| config.remove("Labels")).expect("labels");
        assert_eq!(labels["dev.hephy.component"], "worker");
        assert_eq!(
            config,
            json!({"Entrypoint": ["/app/worker"], "User": "65532:65532", "WorkingDir": "/app"})
        );
    }
}

#[test]
fn the_program_of_each_platform_is_in_its_image() {
    // Given a folder for one platform and a file for another,
    let repository = Repository::app();
    let programs = prebuilt("linux/amd64: dist, linux/arm/v7: run-arm");
    repository.write("hephy.yaml", &programs.replace("path: app", "path: app, bin: start"));
    repository
        .write("app/run-arm", "arm\n")
        .write("app/dist/start", "amd\n")
        .write("app/dist/data/é", "data\n");
    repository.commit("Add programs").up();
    let name = format!("app:sha-{}", repository.short_id());
    for (flags, expected) in [
        (&["--override-arch", "amd64"][..], &[("app/start", "amd\n"), ("app/data/é", "data\n")][..]),
        (&["--override-arch", "arm", "--override-variant", "v7"], &[("app/run-arm", "arm\n")]),
    ] {
        // when its only layer is unpacked, then the files are there, with the time of no clock.
        let inspected = inspect(&repository, &[&["--override-os", "linux"], flags].concat(), &name);
        let [layer] = inspected["Layers"].as_array().expect("layers").as_slice() else {
            panic!("{inspected}")
        };
        let blob = blob(&repository, layer.as_str().expect("a digest")).display().to_string();
        for (path, content) in expected {
            assert_eq!(
                run(&repository, "tar", &["--extract", "--gzip", "--to-stdout", "--file", &blob, path]),
                *content
            );
        }
        let listed = run(
            &repository,
            "tar",
            &["--list", "--verbose", "--utc", "--numeric-owner", "--gzip", "--file", &blob],
        );
        assert!(
            listed.lines().all(|line| line.contains(" 0/0 ") && line.contains("1970-01-01 00:00")),
            "{listed}"
        );
    }
}

#[test]
fn a_blob_that_is_gone_or_cut_off_is_made_again() {
    let repository = Repository::app();
    let images = repository.up();
    let name = format!("app:sha-{}", repository.short_id());
    let layer = inspect(&repository, &[], &name)["Layers"][0].as_str().expect("a digest").to_owned();
    let path = blob(&repository, &layer);
    let whole = std::fs::read(&path).expect("a blob");
    for harm in
        [|path: &PathBuf| std::fs::remove_file(path), |path: &PathBuf| std::fs::write(path, "cut off")]
    {
        // Given a layout in which somebody cleaned up, or a disk was full,
        harm(&path).expect("harm the blob");
        // when it is asked for, then the image is built again and whole.
        let output = repository.hephy(["up"]).run().exits(0).says("✔ build  app");
        assert_eq!(output.stdout, images);
        assert_eq!(std::fs::read(&path).expect("a blob"), whole);
    }
}

#[test]
fn a_layout_that_is_none_is_an_error() {
    let repository = Repository::app();
    repository.up();
    repository.write(".hephy/oci/index.json", "{");
    let output = repository.hephy(["up"]).run().exits(4);
    assert!(output.error().contains("index.json`: EOF while parsing"), "{output}");
}

#[test]
fn a_layout_may_be_any_folder() {
    let repository = Repository::app();
    let images = repository.up();
    let folder = repository.beside("my images");
    let output = repository.hephy(["up", "--layout", &folder.to_string_lossy()]).run().exits(0);
    assert_eq!(output.stdout, images);
    assert!(folder.join("oci-layout").is_file());
}

fn blob(repository: &Repository, digest: &str) -> PathBuf {
    repository.path().join(".hephy/oci/blobs").join(digest.replace(':', "/"))
}
