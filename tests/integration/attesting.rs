//! What is attached to images: on registries that keep no list of it, on one that does, and in a layout.

use crate::support::attached::{attached, digest, ensure_valid, kinds};
use crate::support::faulty::{Fault, Faulty, answer};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::registry::Registry;
use crate::support::{Hephy, Output, Repository, prebuilt};
use serde_json::Value;
use std::process::Command;

const SBOM: &str = "application/vnd.cyclonedx+json";
const PROVENANCE: &str = "application/vnd.in-toto+json";

/// A program in Rust, `api`, that depends on the library `pricing` in another folder.
fn program() -> Repository {
    let repository = Repository::empty();
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.3.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n")
    };
    let depends =
        "[dependencies]\npricing = {path = \"../pricing\"}\n[workspace]\nmembers = [\"../pricing\"]\n";
    repository.write("api/Cargo.toml", &format!("{}{depends}", package("api")));
    repository.write("api/src/main.rs", "fn main() { println!(\"{}\", pricing::price()) }\n");
    repository.write("pricing/Cargo.toml", &format!("{}workspace = \"../api\"\n", package("pricing")));
    repository.write("pricing/src/lib.rs", "pub fn price() -> u32 { 1 }\n");
    repository.write("hephy.yaml", "components: {api: {path: api, backend: cargo}}\n");
    let lock = Command::new("cargo")
        .args(["generate-lockfile", "--offline", "--quiet"])
        .current_dir(repository.path().join("api"))
        .status();
    assert!(lock.expect("cargo starts").success());
    repository.write(".gitignore", "target/\n").commit("Add the program");
    repository
}

/// A component that is a finished program.
fn finished() -> Repository {
    let repository = Repository::empty();
    repository.write("app/run", "#!/bin/sh\n").write("hephy.yaml", &prebuilt("linux/amd64: run"));
    repository.commit("Add the app");
    repository
}

/// Both documents, found by another program on a registry that has no list of its own.
fn both_are_found(generation: Generation) {
    let registry = Guarded::start(generation, Door::Open, false);
    let repository = program();
    let output = registry.hephy(&repository, "up").env("HEPHY_ATTEST", "all").run().exits(0);
    let digest = digest(&output);
    let found = attached(&format!("{}/shop/api@{digest}", registry.address));
    let [(sbom, _, packages), (provenance, annotations, statement)] = found.as_slice() else {
        panic!("{found:?}\n{output}");
    };
    assert_eq!((sbom.as_str(), provenance.as_str()), (SBOM, PROVENANCE));
    assert_eq!(annotations["in-toto.io/predicate-type"], "https://slsa.dev/provenance/v1");
    assert_eq!(packages["metadata"]["component"]["version"], digest.as_str());
    let names: Vec<&Value> =
        packages["components"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["api", "pricing"]);
    ensure_valid(packages);
    assert_eq!(packages["components"][1]["licenses"][0]["expression"], "MIT");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.trim_start_matches("sha256:"));
    let source = &statement["predicate"]["buildDefinition"]["resolvedDependencies"][0];
    assert_eq!(source["digest"]["gitCommit"], repository.id("HEAD").as_str());
    registry.read_back(&format!("shop/api:sha-{}", repository.short_id()));
}

#[test]
fn sbom_and_provenance_are_found_on_distribution_2() {
    both_are_found(Generation::Second);
}

#[test]
fn sbom_and_provenance_are_found_on_distribution_3() {
    both_are_found(Generation::Third);
}

#[test]
fn an_sbom_is_the_default_and_nothing_is_attached_on_demand() {
    let registry = Registry::start();
    let repository = program();
    let up = |name: &str| repository.hephy(["up", "--registry", &registry.image(name)]);
    let image = |name: &str, output: &Output| {
        format!("{}@{}", registry.image(&format!("{name}/api")), digest(output))
    };
    let output = up("plain").run().exits(0);
    assert_eq!(kinds(&image("plain", &output)), [SBOM]);
    let output = up("none").args(["--attest", "none"]).run().exits(0);
    assert_eq!(kinds(&image("none", &output)), Vec::<String>::new());
    assert_eq!(registry.tags("none/api").iter().filter(|tag| tag.starts_with("sha256-")).count(), 0);
    up("none")
        .args(["--attest", "some"])
        .run()
        .exits(2)
        .says("expected `none`, `sbom`, `provenance` or `all`");
}

#[test]
fn each_platform_has_its_own_and_the_index_has_none() {
    let registry = Registry::start();
    let repository = Repository::empty();
    repository.write("app/amd64/run", "for amd64").write("app/arm64/run", "for arm64");
    let programs = "prebuilt: {linux/amd64: amd64, linux/arm64: arm64}";
    repository.write("hephy.yaml", &format!("components: {{app: {{path: app, bin: run, {programs}}}}}\n"));
    repository.commit("Add the app");
    let up = repository.hephy(["up", "--registry", &registry.image("shop"), "--attest", "all"]);
    let index = digest(&up.run().exits(0));
    let place = |digest: &str| format!("{}@{digest}", registry.image("shop/app"));
    assert_eq!(kinds(&place(&index)), Vec::<String>::new());
    let tags = registry.tags("shop/app");
    let subjects: Vec<&str> = tags.iter().filter_map(|tag| tag.strip_prefix("sha256-")).collect();
    assert_eq!(subjects.len(), 2, "{tags:?}");
    let platforms: std::collections::BTreeSet<String> = subjects
        .iter()
        .flat_map(|digits| attached(&place(&format!("sha256:{digits}"))))
        .map(|(.., statement)| {
            statement["predicate"]["buildDefinition"]["externalParameters"]["platform"].to_string()
        })
        .collect();
    assert_eq!(platforms, ["\"linux/amd64\"", "\"linux/arm64\""].map(str::to_owned).into());
}

#[test]
fn an_image_that_is_reused_gets_nothing_new() {
    // Given an image with provenance,
    let registry = Registry::start();
    let proxy = Faulty::start(registry.address(), |_| None);
    let repository = finished();
    repository
        .write("hephy.yaml", &format!("attest: all\nignore: ['*.md']\n{}", prebuilt("linux/amd64: run")));
    repository.commit("Attach everything");
    let up = |run: &str| {
        let hephy = repository.hephy(["up", "--registry", &proxy.image("shop")]);
        digest(&hephy.env("GITHUB_ACTIONS", "true").env("GITHUB_RUN_ID", run).run().exits(0))
    };
    let first = up("1");
    let image = format!("{}@{first}", registry.image("shop/app"));
    assert_eq!(kinds(&image), [PROVENANCE]);
    // when only its documentation changes, and a run comes that would say something else,
    let before = proxy.asked().len();
    repository.write("README.md", "# App\n").commit("Say what it is");
    assert_eq!(up("2"), first);
    // then tags move and nothing else is written.
    let written: Vec<String> = proxy.asked()[before..]
        .iter()
        .filter(|asked| !matches!(asked.method.as_str(), "GET" | "HEAD"))
        .map(|asked| asked.path.clone())
        .collect();
    assert!(
        !written.is_empty()
            && written.iter().all(|path| !path.contains("sha256") && path.contains("/manifests/")),
        "{written:?}"
    );
    assert_eq!(kinds(&image), [PROVENANCE]);
}

/// A run of a CI system that attaches provenance of its own.
fn run_of_ci(repository: &Repository, registry: &str, run: usize) -> Hephy {
    let hephy = repository.hephy(["up", "--registry", registry, "--attest", "provenance"]);
    let hephy = hephy.env("GITHUB_ACTIONS", "true").env("GITHUB_SERVER_URL", "https://github.test");
    hephy.env("GITHUB_REPOSITORY", "acme/shop").env("GITHUB_RUN_ID", run.to_string())
}

#[test]
fn runs_at_the_same_time_lose_nothing_of_each_other() {
    // Given a registry that nobody sees the image of a leg in, so that each run pushes its own,
    let registry = Registry::start();
    let hidden = Faulty::start(registry.address(), |asked| {
        if asked.is("HEAD", "/manifests/in-") { answer(404, "", "") } else { None }
    });
    let origin = finished();
    let repositories: Vec<Repository> = (0..4).map(|_| origin.clone_with(&[])).collect();
    // when four runs build the same image at once and each says that it did,
    let address = hidden.image("shop");
    let runs: Vec<_> = repositories
        .iter()
        .enumerate()
        .map(|(run, repository)| run_of_ci(repository, &address, run).start())
        .collect();
    let outputs: Vec<Output> = runs.into_iter().map(|run| Output::of(run).exits(0)).collect();
    // then all of it is found.
    let digests: std::collections::BTreeSet<String> = outputs.iter().map(digest).collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let image = format!("{}@{}", registry.image("shop/app"), digest(&outputs[0]));
    let mut found: Vec<String> = attached(&image)
        .into_iter()
        .map(|(.., statement)| statement["predicate"]["runDetails"]["metadata"]["invocationId"].to_string())
        .collect();
    found.sort();
    let expected: Vec<String> = (0..4)
        .map(|run| format!("\"https://github.test/acme/shop/actions/runs/{run}/attempts/1\""))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_registry_that_keeps_the_list_is_left_to_it() {
    // Given an image of which the digest is known, and a registry that says that it knows referrers,
    let registry = Registry::start();
    let repository = finished();
    let first = digest(&repository.hephy(["up", "--registry", &registry.image("first")]).run().exits(0));
    let subject = first.clone();
    let knowing = Faulty::start(registry.address(), move |asked| {
        let is_written = asked.is("PUT", "/manifests/sha256:");
        is_written.then(|| Fault::With("OCI-Subject", subject.clone()))
    });
    // when something is attached to it,
    let up = repository.hephy(["up", "--registry", &knowing.image("second"), "--attest", "all"]);
    assert_eq!(digest(&up.run().exits(0)), first);
    // then no list is asked for or written.
    assert_eq!(knowing.count("PUT", "/manifests/sha256:"), 2, "{:?}", knowing.asked());
    let lists = knowing.asked().iter().filter(|asked| asked.path.contains("/manifests/sha256-")).count();
    assert_eq!(lists, 0, "{:?}", knowing.asked());
}

#[test]
fn a_leg_without_its_documents_is_not_there() {
    // Given a registry that refuses the list at first,
    let registry = Registry::start();
    let refusing = Faulty::start(registry.address(), |asked| {
        if asked.is("PUT", "/manifests/sha256-") { answer(403, "", "") } else { None }
    });
    let repository = finished();
    let up = |address: &str| repository.hephy(["up", "--registry", address, "--attest", "all"]);
    // when something is to be attached, then the push fails, and no name leads to the image;
    up(&refusing.image("shop")).run().exits(4).says("list what is attached");
    assert_eq!(registry.tags("shop/app"), Vec::<String>::new());
    // later it is made good.
    let output = up(&registry.image("shop")).run().exits(0);
    assert_eq!(kinds(&format!("{}@{}", registry.image("shop/app"), digest(&output))), [PROVENANCE]);
}

#[test]
fn a_tag_of_somebody_elses_is_not_overwritten() {
    let registry = Registry::start();
    let repository = finished();
    let output = repository.hephy(["up", "--registry", &registry.image("shop")]).run().exits(0);
    // Given an image under the tag that the list must have,
    let list = digest(&output).replace(':', "-");
    registry.publish(&format!("other/app:{list}"), "#!/bin/sh\n# other\n");
    let before = registry.tags("other/app");
    // when something is attached, then the push fails and the tag is what it was.
    let up = repository.hephy(["up", "--registry", &registry.image("other"), "--attest", "all"]);
    up.run().exits(4).says("answered without an index");
    assert_eq!(registry.tags("other/app"), before);
    registry.read_back(&format!("other/app:{list}"));
}

#[test]
fn a_layout_lists_what_is_attached_the_same_each_time() {
    let repository = program();
    let index = || {
        repository.hephy(["up", "--attest", "all"]).run().exits(0);
        let text =
            std::fs::read_to_string(repository.path().join(".hephy/oci/index.json")).expect("an index");
        std::fs::remove_dir_all(repository.path().join(".hephy")).expect("remove it");
        text
    };
    let (first, second) = (index(), index());
    assert_eq!(first, second);
    let value: Value = serde_json::from_str(&first).expect("JSON");
    let mut kinds: Vec<&str> = value["manifests"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["artifactType"].as_str())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [SBOM, PROVENANCE]);
}

#[test]
fn what_attaching_costs() {
    let registry = Registry::start();
    let repository = program();
    let count = |what: &str| {
        let proxy = Faulty::start(registry.address(), |_| None);
        let up = repository.hephy(["up", "--registry", &proxy.image(what), "--attest", what]);
        up.run().exits(0);
        proxy.asked().len()
    };
    let counts = ["none", "sbom", "all"].map(count);
    assert_eq!(counts, [10, 19, 22], "docs/supply-chain.md has these numbers");
}
