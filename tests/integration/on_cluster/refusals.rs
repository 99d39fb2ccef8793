//! What a registry or a cluster refuses: who refused what, and what to do.

use super::open_shop;
use crate::support::Repository;
use crate::support::cluster::Cluster;

#[test]
fn a_push_without_a_login_is_refused_and_says_so() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let registry = format!("{}/shop", cluster.setting("HEPHY_TEST_REGISTRY_AUTH"));
    let output = shop.hephy(["up", "--no-deploy", "--registry", &registry]).run().exits(4);
    let error = output.error().to_owned();
    assert!(error.contains(cluster.setting("HEPHY_TEST_REGISTRY_AUTH")) && error.contains("401"), "{output}");
    output.says("hint: run `docker login");
}

#[test]
fn a_login_from_dockers_configuration_is_used_and_never_shown() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let host = cluster.setting("HEPHY_TEST_REGISTRY_AUTH");
    let (user, password) =
        (cluster.setting("HEPHY_TEST_REGISTRY_USER"), cluster.setting("HEPHY_TEST_REGISTRY_PASSWORD"));
    let config = shop.beside("docker");
    std::fs::create_dir(&config).expect("create the folder");
    let login = serde_json::json!({"auths": {host: {"username": user, "password": password}}});
    std::fs::write(config.join("config.json"), login.to_string()).expect("write the login");
    let registry = format!("{host}/shop-{}", std::process::id());
    let output = shop
        .hephy(["up", "--no-deploy", "--registry", &registry])
        .env("DOCKER_CONFIG", &config)
        .run()
        .exits(0);
    assert!(!output.to_string().contains(password), "{output}");
    assert_eq!(output.stdout.lines().count(), 3);
}

#[test]
fn an_identity_without_rights_is_refused_and_changes_nothing() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let output =
        cluster.hephy(&shop, "up", "stranger").env("KUBECONFIG", cluster.identity("STRANGER")).run().exits(5);
    assert!(output.error().contains("403"), "{output}");
    assert_eq!(cluster.kubectl(["get", "deployments", "--output", "name"]), "");
}

#[test]
fn a_namespace_is_created_only_if_asked() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let namespace = format!("new-{}", std::process::id());
    let up = |more: &[&str]| {
        let hephy = cluster.hephy(&shop, "up", "namespace").args(["--namespace", &namespace]);
        hephy.args(more).env("KUBECONFIG", cluster.identity("CREATOR")).run()
    };
    let output = up(&[]).exits(5).says("--create-namespace");
    assert!(output.error().contains(&namespace), "{output}");
    up(&["--create-namespace"]).exits(0).says("healthy");
    cluster.kubectl(["delete", "namespace", &namespace, "--wait=false"]);
}

#[test]
fn a_field_of_somebody_else_is_a_conflict_until_it_is_taken_over() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "conflict");
    cluster.kubectl(["scale", "deployment", "api", "--replicas", "1"]);
    let output = cluster.hephy(&shop, "up", "conflict").run().exits(5).says("--take-ownership");
    let error = output.error();
    assert!(error.contains("Deployment/api") && error.contains("replicas"), "{output}");
    cluster.hephy(&shop, "up", "conflict").args(["--take-ownership"]).run().exits(0);
    cluster.until("deployment/api", "{.spec.replicas}", "2");
}

#[test]
fn a_manifest_that_the_server_refuses_leaves_nothing_half_written() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let manifest = std::fs::read_to_string(shop.path().join("k8s/worker.yaml")).expect("the manifest");
    shop.write("k8s/worker.yaml", &manifest.replacen("replicas: 1", "replicas: -1", 1))
        .commit("Less than nothing");
    let output = cluster.hephy(&shop, "up", "invalid").run().exits(5);
    let error = output.error();
    assert!(error.contains("Deployment/worker") && error.contains("replicas"), "{output}");
    assert_eq!(cluster.kubectl(["get", "deployments,services", "--output", "name"]), "");
}

#[test]
fn a_workload_that_cannot_be_proven_is_refused_before_anything_is_built() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    shop.write(
        "k8s/job.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers: [{name: migrate, image: worker}]\n",
    );
    shop.commit("Migrate");
    let output = cluster.hephy(&shop, "up", "job").run().exits(2).says("--no-wait");
    assert!(output.error().contains("Job/migrate") && output.error().contains("k8s/job.yaml:1"), "{output}");
    assert!(!output.stderr.contains("► build"), "{output}");
}

#[test]
fn an_image_of_another_place_is_not_deployed_by_mistake() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let manifest = std::fs::read_to_string(shop.path().join("k8s/api.yaml")).expect("the manifest");
    shop.write("k8s/api.yaml", &manifest.replacen("image: api", "image: ghcr.io/acme/shop/api:v1", 1));
    shop.commit("Name the whole image");
    let output = cluster.hephy(&shop, "up", "elsewhere").run().exits(2).says("write `image: api`");
    assert!(output.error().contains("ghcr.io/acme/shop/api:v1"), "{output}");
}
