//! Runs that should reach a cluster and cannot: said before anything is built, with nothing written.

use crate::support::registry::Registry;
use crate::support::{MANIFEST, Output, Repository, shows};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

/// A kubeconfig whose cluster is a port of this machine where nobody listens.
const NOBODY_HOME: &str = "\
clusters: [{name: shop, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: deployer, user: {token: hunter2}}]
contexts: [{name: shop, context: {cluster: shop, user: deployer}}]
current-context: shop
";

fn kubeconfig(repository: &Repository, text: &str) -> PathBuf {
    let file = repository.beside("kubeconfig");
    std::fs::write(&file, text).expect("write the kubeconfig");
    file
}

/// Runs hephy with this kubeconfig and expects that it ends before anything is built, and shows no token.
#[track_caller]
fn refused(repository: &Repository, text: &str, arguments: &[&str], code: i32) -> Output {
    let file = kubeconfig(repository, text);
    let output = repository.hephy(arguments).env("KUBECONFIG", file).run().exits(code);
    assert!(!repository.path().join(".hephy").exists(), "{output}");
    assert!(!output.to_string().contains("hunter2"), "{output}");
    output
}

#[test]
fn a_cluster_that_does_not_answer() {
    shows!(refused(&Repository::app(), NOBODY_HOME, &["up"], 75), @r#"
    ------- stderr -------
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: deploy: reach `http://127.0.0.1:1` to ask for its version: Connection refused (os error 111)
    hint: check the cluster's address and the network, or run with `--no-deploy`
    ------- exit Some(75)
    "#);
}

#[test]
fn a_cluster_that_is_not_needed() {
    // Given nothing to deploy and a cluster that does not answer,
    let repository = Repository::app();
    std::fs::remove_file(repository.path().join("k8s/app.yaml")).expect("remove the manifest");
    repository.commit("Deploy nothing");
    let file = kubeconfig(&repository, NOBODY_HOME);
    // when the images are published, then nobody asks the cluster.
    repository.hephy(["up"]).env("KUBECONFIG", file).run().exits(0).says("there are no manifests to deploy");
}

#[test]
fn a_context_that_is_unknown() {
    shows!(refused(&Repository::app(), NOBODY_HOME, &["up", "--context", "prod"], 2), @r#"
    ------- stderr -------
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: deploy: read kubeconfig: there is no context `prod`
    hint: list them with `kubectl config get-contexts`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_kubeconfig_that_is_none() {
    // What stands in it is not quoted: it may be a token.
    shows!(refused(&Repository::app(), "users: [{name: deployer, user: {token: hunter2}\n", &["up"], 2), @r#"
    ------- stderr -------
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: deploy: read kubeconfig: failed to parse kubeconfig YAML: error: line 1 column 9: unclosed bracket '{'
    hint: name another with `--kubeconfig` or `KUBECONFIG`, or run with `--no-deploy`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_kubeconfig_that_is_missing() {
    let repository = Repository::app();
    let by_flag = repository.hephy(["up", "--kubeconfig", "nowhere"]).run().exits(2);
    shows!(by_flag, @r#"
    ------- stderr -------
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: deploy: read kubeconfig: failed to read kubeconfig from '"nowhere"': No such file or directory (os error 2)
    hint: name another with `--kubeconfig` or `KUBECONFIG`, or run with `--no-deploy`
    ------- exit Some(2)
    "#);
    let by_variable = repository.hephy(["up"]).env("KUBECONFIG", "/nowhere/config").run().exits(2);
    assert!(by_variable.error().starts_with("error: deploy: read kubeconfig"), "{by_variable}");
    assert!(!repository.path().join(".hephy").exists());
}

#[test]
fn images_that_stay_where_no_cluster_can_pull_them() {
    let repository = Repository::app();
    let cluster = NOBODY_HOME.replace("127.0.0.1:1", &cluster_that_says_its_version());
    shows!(refused(&repository, &cluster, &["up"], 2), @r#"
    ------- stderr -------
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: deploy: the images stay in a layout folder, and no cluster can pull from there
    hint: name a registry with `--registry`, or run with `--no-deploy`
    ------- exit Some(2)
    "#);
    shows!(refused(&repository, &cluster, &["deploy"], 2), @r#"
    ------- stderr -------
    error: deploy: the images stay in a layout folder, and no cluster can pull from there
    hint: name a registry with `--registry`, or run with `--no-deploy`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_release_that_nobody_can_prove_healthy() {
    let repository = Repository::app();
    repository
        .write("k8s/app.yaml", &MANIFEST.replace("kind: Deployment", "kind: StatefulSet"))
        .commit("Keep state");
    let cluster = NOBODY_HOME.replace("127.0.0.1:1", &cluster_that_says_its_version());
    let output = refused(&repository, &cluster, &["up", "--dry-run"], 2);
    assert_eq!(
        output.error(),
        "error: wait for `StatefulSet/app` at `k8s/app.yaml:1`: this version can prove only Deployments"
    );
}

#[test]
fn a_fork_gets_into_no_cluster_but_one_of_the_job_itself() {
    // Given a cluster of which the address is none of this machine, and a fork that names a registry which is,
    let (registry, repository) = (Registry::start(), Repository::app());
    repository.write("k8s/app.yaml", MANIFEST).commit("Add manifests");
    let elsewhere = cluster_that_says_its_version().replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let file = kubeconfig(&repository, &NOBODY_HOME.replace("127.0.0.1:1", &elsewhere));
    // when its pull request runs everything (nobody says that it is no fork), then nothing is built.
    let up = repository.hephy(["up", "--registry", &registry.image("shop")]).env("KUBECONFIG", file);
    let output =
        up.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "pull_request_target").run().exits(2);
    assert!(output.error().starts_with("error: deploy to http://[::ffff:"), "{output}");
    assert!(output.error().ends_with(", and the code of others is not deployed"), "{output}");
    assert_eq!(registry.tags("shop/app"), Vec::<String>::new());
}

#[test]
fn an_environment_that_is_unknown_or_not_named() {
    let repository = Repository::app();
    let environments = "environments:\n  prod: {namespace: shop}\n  staging: {}\n";
    repository.write("hephy.yaml", environments).commit("Name environments");
    shows!(refused(&repository, NOBODY_HOME, &["up"], 2), @r#"
    ------- stderr -------
    error: choose an environment: hephy.yaml has `prod`, `staging`
    hint: name one with `--environment`, or run with `--no-deploy`
    ------- exit Some(2)
    "#);
    shows!(refused(&repository, NOBODY_HOME, &["up", "--environment", "qa"], 2), @r#"
    ------- stderr -------
    error: deploy to `qa`: hephy.yaml has no such environment
    hint: it has `prod`, `staging`
    ------- exit Some(2)
    "#);
    repository.write("hephy.yaml", "").commit("Name none");
    shows!(refused(&repository, NOBODY_HOME, &["up", "--environment", "qa"], 2), @r#"
    ------- stderr -------
    error: deploy to `qa`: hephy.yaml has no such environment
    hint: add it under `environments`
    ------- exit Some(2)
    "#);
}

/// The address of something that answers every request as an API server answers the question for its version. It
/// is asked nothing else: what should have stopped the run is found out first.
fn cluster_that_says_its_version() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).expect("a request");
            assert!(request[..length].starts_with(b"GET /version "));
            let body = r#"{"major":"1","minor":"36","gitVersion":"v1.36.0","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
            write!(stream, "{head}connection: close\r\n\r\n{body}").expect("an answer");
        }
    });
    address
}
