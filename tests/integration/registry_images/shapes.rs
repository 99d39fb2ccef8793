//! How several images are named: in a plan, in a layout folder, in outputs.

use super::{app, made, tags, up};
use crate::support::Repository;
use crate::support::registry::{Registry, digest};
use std::collections::BTreeSet;

#[test]
fn another_job_does_what_the_plan_says() {
    // Given a plan with two images, of a repository with two components,
    let registries = [Registry::start(), Registry::start()];
    let repository = Repository::empty();
    repository.write("hephy.yaml", "components:\n  one: {path: one, bin: run, prebuilt: {linux/amd64: run}}\n  two: {path: two, bin: run, prebuilt: {linux/amd64: run}}\n");
    repository.write("one/run", "one\n").write("two/run", "two\n").commit("Add two programs");
    let images = registries.each_ref().map(|registry| registry.image("shop"));
    let plan =
        repository.hephy(["plan", "--emit", "json", "--tags", "v1"]).env("HEPHY_IMAGES", images.join("\n"));
    let plan = plan.run().exits(0).stdout;
    let file = repository.beside("plan.json");
    std::fs::write(&file, &plan).expect("write the plan");
    let planned: serde_json::Value = serde_json::from_str(&plan).expect("a plan is JSON");
    let further: Vec<&str> = planned["components"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|component| component["further_images"][0].as_str().expect("a name"))
        .collect();
    assert_eq!(further, [format!("{}/one", images[1]), format!("{}/two", images[1])]);
    // when one job builds and another one pushes, then each registry has both.
    let follow = |verb: &str, more: &[&str]| {
        repository.hephy([verb, "--plan"]).args([&file]).args(more).run().exits(0)
    };
    follow("build", &[]);
    let preview = follow("push", &["--dry-run"]);
    assert!(preview.stdout.contains(&format!("; the same to `{}/one`", images[1])), "{preview}");
    assert!(registries.iter().all(|registry| registry.tags("shop/one").is_empty()));
    // A push of a part leaves the further repositories to the push of the whole.
    follow("push", &["one"]);
    assert_eq!(registries[1].tags("shop/one"), Vec::<String>::new());
    let output = follow("push", &[]);
    for name in ["one", "two"] {
        let line = output.stdout.lines().find(|line| line.starts_with(&format!("{}/{name}@", images[0])));
        let digest_of = line.and_then(|line| Some(line.rsplit_once('@')?.1.to_owned()));
        assert!(digest_of.is_some(), "{output}");
        for image in &images {
            assert_eq!(digest(&format!("{image}/{name}"), "v1"), digest_of, "{output}");
        }
    }
    assert_eq!(registries[1].tags("shop/two"), ["v1"]);
}

#[test]
fn a_layout_has_all_names_of_the_image() {
    // Given two images and a folder for them, when it is pushed, then the folder has the image once, under all names.
    let (repository, layout) = (app(), Repository::empty().beside("layout"));
    let up = || {
        up(&repository, ["ghcr.io/acme/app", "acme/app"]).args(["--layout"]).args([&layout]).run().exits(0)
    };
    let output = up();
    let index = std::fs::read_to_string(layout.join("index.json")).expect("an index");
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let entries = index["manifests"].as_array().expect("entries").iter();
    let entry = |entry: &serde_json::Value| {
        let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
        Some((name.to_owned(), entry["digest"].as_str().map(str::to_owned)))
    };
    let named: BTreeSet<_> = entries.filter_map(entry).filter(|(name, _)| !name.contains(":in-")).collect();
    let names = ["ghcr.io/acme/app", "docker.io/acme/app"];
    let names = tags(&repository).map(|tag| names.map(|name| format!("{name}:{tag}")));
    let digest = made(&output)[0].clone();
    assert_eq!(named, names.into_iter().flatten().map(|name| (name, digest.clone())).collect());
    // A second run finds them.
    assert_eq!(up().says("nothing was deployed").stdout, output.stdout);
}

#[test]
fn outputs_name_the_tags_of_all_images() {
    let repository = Repository::app();
    let push = repository.hephy(["push", "--dry-run", "--all", "--tags", "v1"]);
    let images =
        "127.0.0.1:1/acme/app\nname=Acme/App\nname=docker.io/acme/app\nquay.io/no/app,enable=false\n";
    let push = push.env("HEPHY_IMAGES", images).env("GITHUB_OUTPUT", repository.beside("output"));
    let push = push.run().exits(0);
    assert!(push.stdout.contains("then tag `v1`; the same to `docker.io/acme/app`\n"), "{push}");
    let output = std::fs::read_to_string(repository.beside("output")).expect("outputs");
    assert!(output.contains("\n127.0.0.1:1/acme/app:v1\ndocker.io/acme/app:v1\n"), "{output}");
}

#[test]
fn two_components_cannot_share_a_further_repository() {
    let repository = Repository::empty();
    repository.write("hephy.yaml", "components:\n  one: {path: one, prebuilt: {linux/amd64: run}, image: ghcr.io/acme/two}\n  two: {path: two, prebuilt: {linux/amd64: run}}\n");
    repository.write("one/run", "one\n").write("two/run", "two\n").commit("Add two programs");
    let plan = repository.hephy(["plan"]).env("HEPHY_IMAGES", "quay.io/acme\nghcr.io/acme").run().exits(2);
    assert!(plan.error().contains("`one` and `two` are both pushed to `ghcr.io/acme/two`"), "{plan}");
}
