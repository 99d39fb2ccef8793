//! Releases that do not become healthy: each is found out, fast, and the first line says why.

use super::open_shop;
use crate::support::cluster::Cluster;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_program_that_exits_is_named_with_pod_container_and_exit_code() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "crash");
    // Given an api that says something and exits with 3,
    shop.write(
        "api/src/main.rs",
        "fn main() {\n    eprintln!(\"no database\");\n    std::process::exit(3);\n}\n",
    );
    shop.commit("Need a database");
    // when it is brought up,
    let output = cluster.hephy(&shop, "up", "crash").args(["--timeout", "5m"]).run().exits(6);
    // then the first line names all there is to know, and its last words follow.
    let error = output.error();
    for part in ["Deployment/api", "pod api-", "container api", "code 3"] {
        assert!(error.contains(part), "`{part}` is not in the first line of {output}");
    }
    output.says("no database");
}

#[test]
fn an_image_that_is_gone_is_named() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "gone");
    // Given an image whose layers were deleted from the registry after it was pushed,
    // (a layer that no node has from another run, so the program itself must be new)
    let main = std::fs::read_to_string(shop.path().join("api/src/main.rs")).expect("the program");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos();
    let unique = format!("api of {now}: listening");
    shop.write("api/src/main.rs", &main.replacen("api: listening", &unique, 1)).commit("Greet uniquely");
    cluster.hephy(&shop, "build", "gone").run().exits(0);
    cluster.hephy(&shop, "push", "gone").run().exits(0);
    let image = delete_layers(&cluster.registry("gone"), "api", &shop.git(["rev-parse", "HEAD"]));
    // when it is deployed,
    let output = cluster.hephy(&shop, "up", "gone").run().exits(6);
    // then the image that cannot be pulled is named.
    let error = output.error();
    for part in ["Deployment/api", "pod api-", "pull", image.as_str()] {
        assert!(error.contains(part), "`{part}` is not in the first line of {output}");
    }
}

/// Deletes the layers of the image of `commit` and returns its digest.
fn delete_layers(registry: &str, component: &str, commit: &str) -> String {
    let (host, path) = registry.split_once('/').expect("a host");
    let base = format!("http://{host}/v2/{path}/{component}");
    let kind = "Accept: application/vnd.oci.image.manifest.v1+json";
    let manifest = curl(&["--header", kind, &format!("{base}/manifests/sha-{}", &commit[..12])]);
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("a manifest");
    for layer in manifest["layers"].as_array().expect("layers") {
        let digest = layer["digest"].as_str().expect("a digest");
        curl(&["--request", "DELETE", &format!("{base}/blobs/{digest}")]);
    }
    let headers = curl(&["--head", "--header", kind, &format!("{base}/manifests/sha-{}", &commit[..12])]);
    let digest = headers.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
    digest.expect("a digest").trim().to_owned()
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["--silent", "--show-error", "--fail"]).args(arguments).output();
    let output = output.expect("curl starts");
    assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn what_is_not_ready_in_time_is_timed_out_and_says_what_is_missing() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "slow");
    let manifest = std::fs::read_to_string(shop.path().join("k8s/worker.yaml")).expect("the manifest");
    shop.write("k8s/worker.yaml", &manifest.replacen("path: /healthz", "path: /nowhere", 2))
        .commit("Probe nothing");
    let started = Instant::now();
    let output = cluster.hephy(&shop, "up", "slow").args(["--timeout", "8s"]).run().exits(7);
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    let error = output.error();
    assert!(error.contains("Deployment/worker was not healthy in time: 0 of 1 pods"), "{output}");
}

#[test]
fn a_paused_deployment_waits_for_a_person() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "paused");
    let manifest = std::fs::read_to_string(shop.path().join("k8s/worker.yaml")).expect("the manifest");
    shop.write("k8s/worker.yaml", &manifest.replacen("\nspec:\n", "\nspec:\n  paused: true\n", 1))
        .commit("Pause");
    let output = cluster.hephy(&shop, "up", "paused").run().exits(9);
    assert!(output.error().contains("Deployment/worker waits for a person"), "{output}");
}

#[test]
fn a_cancelled_run_ends_soon_and_says_so() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "cancelled");
    let manifest = std::fs::read_to_string(shop.path().join("k8s/worker.yaml")).expect("the manifest");
    shop.write("k8s/worker.yaml", &manifest.replacen("path: /healthz", "path: /nowhere", 2))
        .commit("Probe nothing");
    // Given a run that waits,
    let child = cluster.hephy(&shop, "up", "cancelled").start();
    cluster.until("deployment/worker", "{.status.unavailableReplicas}", "1");
    // when it is told to stop,
    let started = Instant::now();
    let status =
        Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().expect("kill starts");
    assert!(status.success());
    // then it stops at once, with the code of a cancelled run.
    let output = crate::support::Output::of(child);
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    let output = output.exits(143);
    assert!(output.error().contains("cancelled"), "{output}");
}
