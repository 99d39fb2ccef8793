//! What somebody else changes, or nobody has deployed: it is not this release, and hephy does not call it that.

use super::open_shop;
use crate::support::cluster::Cluster;
use crate::support::{Output, Repository};
use std::process::Child;

const NOT_OURS: &str = "its pod template is not the one of this release: \
                        `spec.template.spec.containers.0.env.0.value` differs";

/// Gives the worker an environment, and takes its readiness probe, so that hephy looks for as long as it is told to.
fn set_level(shop: &Repository, level: &str) {
    let manifest = std::fs::read_to_string(shop.path().join("k8s/worker.yaml")).expect("the manifest");
    let start = manifest.find("          image: worker").expect("an image");
    let end = manifest.find("          livenessProbe:").expect("a probe");
    let middle = format!(
        "          image: worker\n          env: [{{name: LEVEL, value: \"{level}\"}}]\n          ports: [{{name: http, containerPort: 8080}}]\n"
    );
    shop.write("k8s/worker.yaml", &format!("{}{middle}{}", &manifest[..start], &manifest[end..]));
    shop.commit(&format!("Set the level to {level}"));
}

/// A run that looks at the worker of level 2 for long enough to change something, where level 1 was live.
fn watch_level_two(cluster: &Cluster, name: &str) -> Child {
    let shop = Repository::shop();
    set_level(&shop, "1");
    cluster.hephy(&shop, "up", name).args(["--settle", "0s"]).run().exits(0);
    set_level(&shop, "2");
    let child = cluster.hephy(&shop, "up", name).args(["--settle", "12s", "--timeout", "60s"]).start();
    cluster.until("deployment/worker", "{.spec.template.spec.containers[0].env[0].value}", "2");
    cluster.until("deployment/worker", "{.status.observedGeneration}", "2");
    child
}

#[track_caller]
fn is_superseded(output: Output) {
    let output = output.exits(8);
    let error = output.error();
    assert!(error.contains("Deployment/worker was superseded") && error.contains(NOT_OURS), "{output}");
    assert!(!output.stderr.contains("the release is live"), "{output}");
}

#[test]
fn a_rollback_to_the_same_images_during_the_wait_is_not_this_release() {
    let cluster = Cluster::take();
    let child = watch_level_two(&cluster, "rollback");
    cluster.kubectl(["rollout", "undo", "deployment/worker"]);
    is_superseded(Output::of(child));
}

#[test]
fn an_environment_that_somebody_sets_during_the_wait_is_not_this_release() {
    let cluster = Cluster::take();
    let child = watch_level_two(&cluster, "set-env");
    cluster.kubectl(["set", "env", "deployment/worker", "LEVEL=mine"]);
    is_superseded(Output::of(child));
}

#[test]
fn another_scale_or_a_restart_during_the_wait_is_still_this_release() {
    let cluster = Cluster::take();
    let child = watch_level_two(&cluster, "rescale");
    cluster.kubectl(["scale", "deployment/worker", "--replicas", "2"]);
    cluster.kubectl(["rollout", "restart", "deployment/worker"]);
    Output::of(child).exits(0).says("healthy: the release is live");
}

#[test]
fn a_changed_manifest_that_nobody_deployed_is_not_live() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    set_level(&shop, "1");
    cluster.hephy(&shop, "up", "undeployed").args(["--settle", "0s"]).run().exits(0);
    // Given a new level, and a cluster that has the old one with the same images,
    set_level(&shop, "2");
    let versions = "jsonpath={.items[*].metadata.resourceVersion}";
    let before = cluster.kubectl(["get", "deployments", "--output", versions]);
    // when somebody waits for it, then it is not there, and asking has changed nothing.
    let output = cluster.hephy(&shop, "wait", "undeployed").run().exits(8).says("run `hephy deploy`");
    assert!(output.error().contains(&format!("wait for `Deployment/worker`: {NOT_OURS}")), "{output}");
    assert_eq!(cluster.kubectl(["get", "deployments", "--output", versions]), before);
    // Once it is deployed it is, however many an autoscaler runs of it.
    cluster.hephy(&shop, "deploy", "undeployed").run().exits(0);
    cluster.kubectl(["scale", "deployment/worker", "--replicas", "2"]);
    cluster.hephy(&shop, "wait", "undeployed").run().exits(0).says("and it is healthy");
}

#[test]
fn an_identity_that_may_only_look_is_warned_once_and_goes_by_the_images() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "looker");
    let looker = shop.beside("looker");
    let path = looker.to_str().expect("UTF-8");
    std::fs::copy(cluster.setting("HEPHY_TEST_KUBECONFIG"), &looker).expect("copy the kubeconfig");
    let view = ["get", "list", "watch"].join(",");
    let resources = "deployments.apps,replicasets.apps,pods,events,services";
    let ignore =
        ["delete", "serviceaccount/looker", "role/looker", "rolebinding/looker", "--ignore-not-found"];
    cluster.kubectl(ignore);
    cluster.kubectl(["create", "serviceaccount", "looker"]);
    cluster.kubectl(["create", "role", "looker", "--verb", &view, "--resource", resources]);
    let subject = ["--role", "looker", "--serviceaccount", "shop:looker"];
    cluster.kubectl(["create", "rolebinding", "looker"].into_iter().chain(subject));
    let token = cluster.kubectl(["create", "token", "looker"]);
    let configure = |arguments: &[&str]| {
        cluster.kubectl(["--kubeconfig", path, "config"].iter().chain(arguments).copied());
    };
    configure(&["set-credentials", "looker", &format!("--token={token}")]);
    configure(&["set-context", "--current", "--user", "looker"]);
    let output = cluster.hephy(&shop, "wait", "looker").env("KUBECONFIG", path).run().exits(0);
    cluster.kubectl(ignore);
    let warning = "Deployment/api cannot be compared with its manifest";
    assert_eq!(output.stderr.matches(warning).count(), 1, "{output}");
}

#[test]
fn what_wants_no_replicas_is_not_called_live() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let scale_to_zero = |component: &str, count: &str| {
        let file = format!("k8s/{component}.yaml");
        let manifest = std::fs::read_to_string(shop.path().join(&file)).expect("the manifest");
        shop.write(&file, &manifest.replacen(&format!("replicas: {count}"), "replicas: 0", 1));
        shop.commit(&format!("Stop {component}"));
    };
    scale_to_zero("worker", "1");
    let mixed = cluster.hephy(&shop, "up", "zero").run().exits(0);
    mixed
        .says("healthy: the release is live")
        .says("Deployment/worker wants 0 replicas, so nothing runs of it");
    scale_to_zero("api", "2");
    scale_to_zero("web", "1");
    let nothing = "Deployment/api, Deployment/web, Deployment/worker want 0 replicas, so nothing runs";
    let up = cluster.hephy(&shop, "up", "zero").run().exits(0).says("applied to ").says(nothing);
    assert!(!up.stderr.contains("the release is live") && !up.stderr.contains("healthy"), "{up}");
    let wait = cluster.hephy(&shop, "wait", "zero").run().exits(0).says(nothing);
    assert!(!wait.stderr.contains("applied") && !wait.stderr.contains("healthy"), "{wait}");
}

#[test]
fn waiting_for_what_has_no_health_still_looks_whether_it_is_there() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    for file in ["api.yaml", "web.yaml", "worker.yaml"] {
        std::fs::remove_file(shop.path().join("k8s").join(file)).expect("remove the manifest");
    }
    shop.write("k8s/prices.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: prices}\n");
    shop.commit("Only configure");
    cluster.hephy(&shop, "build", "passive").run().exits(0);
    cluster.hephy(&shop, "push", "passive").run().exits(0);
    let missing = cluster.hephy(&shop, "wait", "passive").run().exits(5);
    assert!(missing.error().contains("`ConfigMap/prices` in namespace `shop`: it is not there"), "{missing}");
    cluster.hephy(&shop, "deploy", "passive").run().exits(0);
    let there =
        cluster.hephy(&shop, "wait", "passive").run().exits(0).says("nothing to wait for: all is there");
    assert!(!there.stderr.contains("applied"), "{there}");
}

#[test]
fn a_minimum_ready_time_does_not_hide_a_crash_that_comes_after_it() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let manifest = std::fs::read_to_string(shop.path().join("k8s/api.yaml")).expect("the manifest");
    let start = manifest.find("          readinessProbe:").expect("a probe");
    let end = manifest.find("          resources:").expect("resources");
    let unprobed = format!("{}{}", &manifest[..start], &manifest[end..]);
    shop.write("k8s/api.yaml", &unprobed.replacen("\nspec:\n", "\nspec:\n  minReadySeconds: 1\n", 1));
    let seconds = "std::time::Duration::from_secs(3)";
    shop.write(
        "api/src/main.rs",
        &format!("fn main() {{\n    std::thread::sleep({seconds});\n    std::process::exit(3);\n}}\n"),
    );
    shop.commit("Give up after a moment");
    let output = cluster.hephy(&shop, "up", "min-ready").args(["--timeout", "20s"]).run();
    assert!(matches!(output.code, Some(6 | 7)), "{output}");
}
