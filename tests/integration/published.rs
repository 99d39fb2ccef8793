//! What published images say that they were built from, as the base where the event alone is not exact.

use crate::support::faulty::{Asked, Faulty, answer};
use crate::support::registry::Registry;
use crate::support::workflows::{APP, MAIN, WEB, ZEROS, explained, git_processes, origin, push, workflow};
use crate::support::{Hephy, Repository};
use std::process::Command;

const FIX: &str = "refs/heads/fix";

/// A verb of hephy in a workflow, with the images of a registry.
fn at(checkout: &Repository, shop: &str, verb: &str, event: &str, reference: &str, before: &str) -> Hephy {
    let forced = before != ZEROS && event == "push" && verb == "plan";
    let hephy = workflow(checkout, verb, event, reference, &push(before, forced));
    hephy.env("HEPHY_REGISTRY", shop)
}

/// Publishes what a branch of `origin` was at `commit`, as a push of it does.
fn publish(origin: &Repository, shop: &str, commit: &str, branch: &str) -> String {
    origin.git(["branch", "--force", "published", commit]);
    let checkout = Repository::checkout_of(origin, "refs/heads/published", None);
    at(&checkout, shop, "up", "push", branch, ZEROS).run().exits(0);
    origin.git(["branch", "--delete", "--force", "published"]);
    origin.id(commit)
}

fn scheduled(checkout: &Repository, shop: &str) -> Hephy {
    at(checkout, shop, "plan", "schedule", MAIN, ZEROS)
}

fn exact(id: &str) -> String {
    format!("registry exact {id}: the commit that the published images of `main` were built from")
}

const NOTHING: &str = "nothing nothing -: nothing was pushed: a scheduled run";

#[test]
fn a_scheduled_run_is_compared_with_what_was_published_last() {
    // Given a branch of which the last commit but one was published,
    let (registry, origin) = (Registry::start(), origin());
    let shop = registry.image("shop");
    let published = publish(&origin, &shop, "main~1", MAIN);
    // when a plan is made by a schedule or by hand, then the change since is the reason,
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    assert_eq!(explained(scheduled(&checkout, &shop)), [exact(&published).as_str(), WEB]);
    let by_hand = at(&checkout, &shop, "plan", "workflow_dispatch", MAIN, ZEROS);
    assert_eq!(explained(by_hand), [exact(&published).as_str(), WEB]);
    // for one request for each component and no more processes of git,
    let proxy = Faulty::start(registry.address(), |_: &Asked| None);
    assert_eq!(git_processes(&checkout, scheduled(&checkout, &proxy.image("shop"))), 4);
    assert_eq!((proxy.count("GET", "/manifests/main"), proxy.count("GET", "/v2/")), (2, 2));
    // and in a shallow clone, which fetches the one commit.
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    let base = format!(
        "registry likely {published}: the commit that the published images of `main` were built from (this shallow \
         clone cannot tell whether it is an ancestor)"
    );
    assert_eq!(explained(scheduled(&checkout, &shop)), [base.as_str(), WEB]);
    assert_eq!(checkout.git(["rev-list", "--count", "HEAD"]).trim(), "1");
    // Nobody is asked where the event is exact, where the user names the base, and where everything is built.
    let proxy = Faulty::start(registry.address(), |_: &Asked| None);
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let shop = proxy.image("shop");
    let pushed = workflow(&checkout, "plan", "push", MAIN, &push(&published, false));
    let base = format!("before-push exact {published}: what the branch was before this push");
    assert_eq!(explained(pushed.env("HEPHY_REGISTRY", &shop)), [base.as_str(), WEB]);
    explained(scheduled(&checkout, &shop).args(["--base", "HEAD^1"]));
    explained(scheduled(&checkout, &shop).args(["--all"]));
    assert_eq!(proxy.count("GET", "/v2/"), 0);
}

#[test]
fn the_newest_commit_of_a_branch_stands_for_all_its_images() {
    let (registry, origin) = (Registry::start(), origin());
    let shop = registry.image("shop");
    publish(&origin, &shop, "main~2", MAIN);
    let newest = publish(&origin, &shop, "main~1", MAIN);
    let base = format!(
        "registry likely {newest}: the newest commit that published images of `main` were built from"
    );
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    assert_eq!(explained(scheduled(&checkout, &shop)), [base.as_str(), WEB]);
    assert_eq!(git_processes(&checkout, scheduled(&checkout, &shop)), 4);
    // What was changed and changed back, or merged, is what it is in the end.
    origin.write("app/run", "3\n").commit("Try").write("app/run", "2\n").commit("Take back");
    origin.git(["checkout", "--quiet", "-b", "side", "main~3"]);
    origin.write("docs", "x\n").commit("Document");
    origin.git(["checkout", "--quiet", "main"]);
    origin.git(["merge", "--quiet", "--no-edit", "side"]);
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    assert_eq!(explained(scheduled(&checkout, &shop)), [base.as_str(), WEB]);
    assert_eq!(git_processes(&checkout, scheduled(&checkout, &shop)), 4);
    // The same commit again: nothing changed, and it may be built for another reason.
    origin.git(["branch", "again", &newest]);
    let checkout = Repository::checkout_of(&origin, "refs/heads/again", None);
    assert_eq!(explained(scheduled(&checkout, &shop)), [base]);
}

#[test]
fn tags_and_new_branches_are_compared_with_what_the_default_branch_published() {
    let (registry, origin) = (Registry::start(), origin());
    let shop = registry.image("shop");
    let published = publish(&origin, &shop, "main~1", MAIN);
    origin.git(["checkout", "--quiet", "-b", "fix", "main~1"]);
    origin.write("app/run", "3\n").commit("Fix").git(["tag", "v1"]);
    let checkout = Repository::checkout_of(&origin, "refs/tags/v1", None);
    let released = |event| explained(at(&checkout, &shop, "plan", event, "refs/tags/v1", ZEROS));
    assert_eq!(released("push"), [exact(&published).as_str(), APP]);
    assert_eq!(released("release"), [exact(&published).as_str(), APP]);
    let new = at(&checkout, &shop, "plan", "push", FIX, ZEROS);
    assert_eq!(explained(new), [exact(&published).as_str(), APP]);
    // A branch that nobody published: the next answer, which says so.
    let by_hand = at(&checkout, &shop, "plan", "workflow_dispatch", FIX, ZEROS);
    let base =
        "default-branch guess refs/remotes/origin/main: the default branch; no published image follows `fix`";
    assert_eq!(explained(by_hand), [base, APP]);
    // A merge brings what was published into the history.
    origin.git(["checkout", "--quiet", "-b", "other", "main~2"]);
    origin.write("docs", "x\n").commit("Document").git(["merge", "--quiet", "--no-edit", "fix"]);
    let checkout = Repository::checkout_of(&origin, "refs/heads/other", None);
    let merged = at(&checkout, &shop, "plan", "release", "refs/tags/v2", ZEROS);
    assert_eq!(explained(merged), [exact(&published).as_str(), APP]);
}

#[test]
fn a_commit_that_was_rewritten_is_no_base() {
    let (registry, origin) = (Registry::start(), origin());
    let shop = registry.image("shop");
    origin.git(["checkout", "--quiet", "-b", "fix", "main"]);
    origin.write("app/run", "3\n").commit("One");
    let old = publish(&origin, &shop, "fix", FIX);
    origin.git(["reset", "--quiet", "--hard", "main"]);
    origin.write("app/run", "4\n").commit("Rewritten");
    for is_kept in [true, false] {
        let checkout = Repository::checkout_of(&origin, FIX, None);
        if is_kept {
            checkout.git(["fetch", "--quiet", "origin", &old]);
        }
        let base = format!(
            "default-branch likely refs/remotes/origin/main: the default branch; `{old}`, the commit that the published \
             images of `fix` were built from (compare with the base `{old}`: it is no ancestor of HEAD)"
        );
        assert_eq!(explained(at(&checkout, &shop, "plan", "push", FIX, &old)), [base.as_str(), APP]);
    }
}

#[test]
fn a_registry_that_cannot_tell_costs_only_the_reason() {
    let (registry, origin) = (Registry::start(), origin());
    let shop = registry.image("shop");
    // Nothing is there, or it names no commit,
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    assert_eq!(
        explained(scheduled(&checkout, &shop)),
        [format!("{NOTHING}; no published image follows `main`")]
    );
    let lie = "org.opencontainers.image.revision=--output=/tmp/x";
    let up = at(&checkout, &shop, "up", "push", MAIN, ZEROS).env("HEPHY_ANNOTATIONS", lie);
    up.run().exits(0);
    let problem = "the image of `app` for `main` names no full commit id (and 1 more)";
    assert_eq!(explained(scheduled(&checkout, &shop)), [format!("{NOTHING}; {problem}")]);
    // or it does not let us look: the legs are found all the same.
    let refuse = |asked: &Asked| asked.is("GET", "/manifests/main").then(|| answer(403, "", "")).flatten();
    let proxy = Faulty::start(registry.address(), refuse);
    let plan = explained(scheduled(&checkout, &proxy.image("shop")));
    assert!(plan[0].starts_with(NOTHING) && plan[0].contains("wants a login"), "{plan:?}");
    let reset = |asked: &Asked| {
        asked.is("GET", "/manifests/main").then_some(crate::support::faulty::Fault::ResetAtOnce)
    };
    let proxy = Faulty::start(registry.address(), reset);
    let plan = explained(scheduled(&checkout, &proxy.image("shop")));
    assert!(plan[0].starts_with(NOTHING) && plan[0].contains("reach the registry"), "{plan:?}");
}

#[test]
fn the_labels_of_other_tools_say_it_too() {
    let (registry, origin) = (Registry::start(), origin());
    let shop = registry.image("shop");
    let published = publish(&origin, &shop, "main~1", MAIN);
    // Docker's own manifests have no annotations.
    for name in ["app", "web"] {
        let image = format!("docker://{shop}/{name}:main");
        let options = ["--quiet", "--format=v2s2", "--src-tls-verify=false", "--dest-tls-verify=false"];
        let copied = Command::new("skopeo").arg("copy").args(options).args([&image, &image]).status();
        assert!(copied.expect("skopeo starts").success());
    }
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    assert_eq!(explained(scheduled(&checkout, &shop)), [exact(&published).as_str(), WEB]);
}

#[test]
fn a_base_without_a_tag_of_its_own_is_not_called_unbuilt() {
    for (rules, cause) in [("", "base-not-built"), ("type=ref,event=branch", "earlier-build")] {
        let (registry, origin) = (Registry::start(), origin());
        let shop = registry.image("shop");
        let checkout = Repository::checkout_of(&origin, MAIN, None);
        let hephy = workflow(&checkout, "plan", "push", MAIN, &push(&origin.id("main"), false));
        let hephy = hephy.env("HEPHY_REGISTRY", &shop).env("HEPHY_TAGS", rules).args(["--emit", "json"]);
        let plan = hephy.run().exits(0).stdout;
        assert_eq!(plan.matches(&format!(r#""{cause}""#)).count(), 2, "{rules}: {plan}");
    }
}
