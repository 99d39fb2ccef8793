//! Runs that should reach a cluster and cannot: said before anything is built, with nothing written.

use crate::support::{Output, Repository, refused, shows};
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

/// Runs `hephy up` for a cluster, with images that a cluster could pull, and expects that nothing is begun.
#[track_caller]
fn refused_up(text: &str, arguments: &[&str], code: i32) -> Output {
    let repository = Repository::app();
    let file = kubeconfig(&repository, text);
    let registry = crate::support::EmptyRegistry::start();
    let image = format!("{}/shop", registry.address());
    let output = repository.hephy(["up", "--registry", &image]).args(arguments).env("KUBECONFIG", file).run().exits(code);
    assert!(!repository.path().join(".hephy").exists(), "{output}");
    assert!(!output.stderr.contains("hunter2"), "{output}");
    assert_eq!(registry.writes(), 0, "{output}");
    output
}

#[test]
fn a_cluster_that_does_not_answer() {
    shows!(refused_up(NOBODY_HOME, &[], 75), @"");
}

#[test]
fn a_context_that_is_unknown() {
    shows!(refused_up(NOBODY_HOME, &["--context", "prod"], 2), @"");
}

#[test]
fn a_kubeconfig_that_is_none() {
    // What it holds is not quoted: that may be a token.
    shows!(refused_up("users: [{name: deployer, user: {token: hunter2}\n", &[], 2), @"");
}

#[test]
fn a_kubeconfig_that_is_missing() {
    let repository = Repository::app();
    let output = repository.hephy(["up", "--registry", "127.0.0.1:1/x", "--kubeconfig", "nowhere"]);
    let _ = output;
}
