//! End to end: real git, real builds, a real registry, a real cluster.

mod builds;
mod changes;
mod faults;
mod network;
mod refusals;
mod running;
mod verbs;

use crate::support::Repository;
use crate::support::cluster::{Cluster, digests};

/// The shop in a cluster, live and healthy.
fn open_shop(cluster: &Cluster, name: &str) -> Repository {
    let shop = Repository::shop();
    cluster.hephy(&shop, "up", name).run().exits(0);
    shop
}

#[test]
fn a_new_shop_is_built_pushed_live_and_healthy() {
    // Given the example shop and nothing of it anywhere,
    let cluster = Cluster::take();
    let shop = Repository::shop();
    // when it is brought up,
    let output = cluster.hephy(&shop, "up", "new").run().exits(0);
    // then every component is built, pushed and runs by the digest that was printed,
    let printed = digests(&output);
    assert_eq!(printed.keys().collect::<Vec<_>>(), ["api", "web", "worker"]);
    for (component, digest) in &printed {
        assert!(cluster.image_of(component).ends_with(digest.as_str()), "{component} does not run {digest}");
    }
    // and its pods serve.
    assert!(output.stderr.contains("healthy: the release is live"), "{output}");
    assert_eq!(
        cluster.kubectl(["get", "deployment", "api", "--output", "jsonpath={.status.readyReplicas}"]),
        "2"
    );
}

#[test]
fn a_change_of_the_shared_library_reaches_only_what_depends_on_it() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "library");
    let before = ["api", "web", "worker"].map(|name| cluster.generation_of(name));
    // When the library changes,
    let library = std::fs::read_to_string(shop.path().join("libs/pricing/src/lib.rs")).expect("the library");
    shop.write("libs/pricing/src/lib.rs", &format!("{library}\n// Rounded up since today.\n"))
        .commit("Round up");
    let output = cluster.hephy(&shop, "up", "library").run().exits(0);
    // then only `api` is built and rolled out, and the reason names the library.
    let output = output.says("`libs/pricing/src/lib.rs` changed: `api` depends on `pricing`");
    for reused in ["web  reuse", "worker  reuse", "Deployment/web  unchanged", "Deployment/worker  unchanged"]
    {
        assert!(output.stderr.contains(reused), "{reused} is not in {output}");
    }
    let after = ["api", "web", "worker"].map(|name| cluster.generation_of(name));
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1..], before[1..]);
}

#[test]
fn a_change_of_the_docs_is_nothing_to_do() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "docs");
    let before = ["api", "web", "worker"].map(|name| cluster.generation_of(name));
    shop.write("docs/prices.md", "# Prices\n")
        .write("api/README.md", "# The API\n")
        .commit("Explain the prices");
    let output = cluster.hephy(&shop, "up", "docs").run().exits(0).says("nothing to do");
    assert!(!output.stderr.contains("► build"), "{output}");
    assert_eq!(["api", "web", "worker"].map(|name| cluster.generation_of(name)), before);
}

#[test]
fn the_same_commit_again_builds_nothing_and_has_the_same_digests() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let first = cluster.hephy(&shop, "up", "again").run().exits(0);
    let second = cluster.hephy(&shop, "up", "again").run().exits(0).says("nothing to do");
    assert_eq!(first.stdout, second.stdout);
    assert!(!second.stderr.contains("► build"), "{second}");
    // And a clone in another folder, which has never built anything, agrees.
    let clone = Repository::named("another folder");
    clone.git(["pull", "--quiet", shop.path().to_str().expect("UTF-8"), "main"]);
    let third = cluster.hephy(&clone, "up", "again").run().exits(0);
    assert_eq!(first.stdout, third.stdout);
    let fourth = cluster.hephy(&clone, "up", "again-elsewhere").run().exits(0).says("built, pushed");
    assert_eq!(digests(&first), digests(&fourth), "a build in another folder has another digest");
}
