//! Each stage as a verb of its own, joined by a plan.

use super::open_shop;
use crate::support::Repository;
use crate::support::cluster::Cluster;

#[test]
fn the_verbs_one_by_one_reach_what_up_reaches() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    // Given a plan that was made once,
    let plan = shop.beside("plan.json");
    let planned = cluster.hephy(&shop, "plan", "verbs").args(["--emit", "json"]).run().exits(0);
    std::fs::write(&plan, &planned.stdout).expect("write the plan");
    let plan = plan.to_str().expect("UTF-8");
    let verb = |verb: &str| {
        let hephy = shop.hephy([verb, "--plan", plan]);
        hephy.env("KUBECONFIG", cluster.setting("HEPHY_TEST_KUBECONFIG")).run()
    };
    // when a release is deployed before it was built, then that is an error,
    let early = verb("deploy").exits(2);
    assert!(early.error().contains("was not built here"), "{early}");
    // and when every stage follows the plan,
    verb("build").exits(0);
    let pushed = verb("push").exits(0);
    let not_yet = verb("wait").exits(5);
    assert!(not_yet.error().contains("it is not there"), "{not_yet}");
    verb("deploy").exits(0).says("nobody has looked whether it is healthy");
    verb("wait").exits(0).says("it is healthy");
    // then `up` finds nothing left to do.
    let up = cluster.hephy(&shop, "up", "verbs").run().exits(0).says("nothing to do");
    assert_eq!(up.stdout, pushed.stdout);
}

#[test]
fn waiting_for_an_older_plan_is_superseded() {
    let cluster = Cluster::take();
    let shop = open_shop(&cluster, "older");
    let plan = shop.beside("plan.json");
    let planned = cluster.hephy(&shop, "plan", "older").args(["--emit", "json"]).run().exits(0);
    std::fs::write(&plan, planned.stdout).expect("write the plan");
    let library = std::fs::read_to_string(shop.path().join("libs/pricing/src/lib.rs")).expect("the library");
    shop.write("libs/pricing/src/lib.rs", &format!("{library}\n// Newer.\n")).commit("Newer");
    cluster.hephy(&shop, "up", "older").run().exits(0);
    // (the plan is of the older commit, and so must be the manifests)
    shop.git(["checkout", "--quiet", "HEAD^"]);
    let hephy = shop.hephy(["wait", "--plan"]).args([&plan]);
    let output = hephy.env("KUBECONFIG", cluster.setting("HEPHY_TEST_KUBECONFIG")).run().exits(8);
    assert!(output.error().contains("Deployment/api"), "{output}");
}

#[test]
fn without_waiting_nothing_is_said_about_health() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let output = cluster.hephy(&shop, "up", "no-wait").args(["--no-wait"]).run().exits(0);
    let output = output.says("nobody has looked whether it is healthy");
    assert!(!output.stderr.contains("healthy: the release is live"), "{output}");
}

#[test]
fn a_dry_run_touches_nothing() {
    let cluster = Cluster::take();
    let shop = Repository::shop();
    let output =
        cluster.hephy(&shop, "up", "dry").args(["--dry-run"]).run().exits(0).says("nothing was touched");
    for line in [
        "build   api (linux/amd64) with cargo",
        "joined into an index",
        "deploy  Deployment/api",
        "wait    Deployment/api",
    ] {
        assert!(output.stdout.contains(line), "`{line}` is not in {output}");
    }
    assert!(!shop.path().join(".hephy").exists());
    assert_eq!(cluster.kubectl(["get", "deployments", "--output", "name"]), "");
    // And the plan still says that everything must be built: nothing was pushed either.
    let again = cluster.hephy(&shop, "plan", "dry").run().exits(0);
    assert_eq!(again.stdout.matches(" build ").count(), 4, "{again}");
}
