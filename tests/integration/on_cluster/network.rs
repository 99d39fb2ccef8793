//! What a broken network must never become: a green run.

use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::{Output, Repository};

#[test]
fn a_watch_that_fell_silent_is_not_believed() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    // Given a worker without a readiness probe, which is watched for a while after it looks ready,
    let manifest = std::fs::read_to_string(shop.path().join("k8s/worker.yaml")).expect("the manifest");
    let start = manifest.find("          readinessProbe:").expect("a probe");
    let end = start + manifest[start..].find("          livenessProbe:").unwrap_or(manifest.len() - start);
    shop.write("k8s/worker.yaml", &format!("{}{}", &manifest[..start], &manifest[end..]))
        .commit("Trust the worker");
    // and a network that loses connections without a word,
    let server = cluster.setting("HEPHY_TEST_API_SERVER").trim_start_matches("https://").to_owned();
    let proxy = Proxy::start(server.parse().expect("an address"));
    let kubeconfig = std::fs::read_to_string(cluster.setting("HEPHY_TEST_KUBECONFIG")).expect("a kubeconfig");
    let through = shop.beside("kubeconfig");
    std::fs::write(&through, kubeconfig.replace(&server, &proxy.address.to_string())).expect("write it");
    // when the connections fall silent while hephy still looks, and somebody deploys something else,
    let hephy = cluster.hephy(&shop, "up", "silent").args(["--settle", "10s", "--timeout", "30s"]);
    let child = hephy.env("KUBECONFIG", &through).start();
    cluster.until("deployment/worker", "{.status.availableReplicas}", "1");
    std::thread::sleep(std::time::Duration::from_secs(2));
    proxy.silence();
    cluster.kubectl(["set", "env", "deployment/worker", "CHANGED=yes"]);
    // then the run is not green.
    let output = Output::of(child);
    assert!(matches!(output.code, Some(7 | 8)), "{output}");
    assert!(!output.stderr.contains("healthy: the release is live"), "{output}");
}
