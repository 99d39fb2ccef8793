//! Tags, labels and annotations: given rules and a commit, what images in a real registry say, read by skopeo.

use crate::support::registry::Registry;
use crate::support::{Hephy, Repository, input_digest_in, prebuilt, refused};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const STANDARD: &str = "org.opencontainers.image";

/// An app for two platforms.
fn app() -> Repository {
    let repository = Repository::app();
    repository.write("hephy.yaml", &prebuilt("linux/amd64: run, linux/arm64: run-arm64"));
    repository.write("app/run-arm64", "arm\n").commit("Add a platform");
    repository
}

/// hephy in a workflow that a push to `reference` started.
fn pushed(repository: &Repository, reference: &str, arguments: &[&str]) -> Hephy {
    let event = repository.beside("event.json");
    let payload = r#"{"repository": {"id": 7, "name": "shop", "description": "Sells", "default_branch": "main",
        "html_url": "https://forge.example/acme/shop", "license": {"spdx_id": "MIT"}}}"#;
    std::fs::write(&event, payload).expect("write the event");
    let hephy = repository.hephy(arguments).env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "push");
    let hephy = hephy.env("GITHUB_REF", reference).env("GITHUB_SHA", repository.id("HEAD"));
    hephy.env("GITHUB_EVENT_PATH", event).env("GITHUB_OUTPUT", repository.beside("output"))
}

fn skopeo(arguments: &[&str]) -> Value {
    let output =
        Command::new("skopeo").args(arguments).output().expect("skopeo, which `./dev tools` installs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("skopeo prints JSON")
}

/// What the registry holds under this name.
fn raw(name: &str) -> Value {
    skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")])
}

fn config(name: &str) -> Value {
    skopeo(&[
        "inspect",
        "--config",
        "--tls-verify=false",
        "--override-os=linux",
        "--override-arch=amd64",
        &format!("docker://{name}"),
    ])
}

/// The tags of an image but the keys of legs.
fn tags(name: &str) -> Vec<String> {
    let listed = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{name}")]);
    let tags = listed["Tags"].as_array().expect("tags").iter().filter_map(Value::as_str);
    let mut tags: Vec<String> = tags.filter(|tag| !tag.starts_with("in-")).map(str::to_owned).collect();
    tags.sort();
    tags
}

#[test]
fn an_image_says_what_it_is_and_a_commit_that_changes_nothing_gives_the_same_index() {
    // Given an app for two platforms, pushed to its default branch,
    let (registry, repository) = (Registry::start(), app());
    let image = registry.image("shop/app");
    let up = ["up", "--no-deploy", "--registry", &registry.image("shop")];
    let first = pushed(&repository, "refs/heads/main", &up).run().exits(0).stdout;
    let (commit, short) = (repository.id("HEAD"), repository.short_id());
    assert_eq!(tags(&image), ["main", &format!("sha-{short}")]);
    // then its index says what both images say,
    let index = raw(&format!("{image}:main"));
    let created = repository.git(["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]);
    let mut expected = json!({
        format!("{STANDARD}.created"): created.trim(),
        format!("{STANDARD}.description"): "Sells",
        format!("{STANDARD}.licenses"): "MIT",
        format!("{STANDARD}.revision"): commit,
        format!("{STANDARD}.source"): "https://forge.example/acme/shop",
        format!("{STANDARD}.title"): "shop",
        format!("{STANDARD}.url"): "https://forge.example/acme/shop",
        format!("{STANDARD}.version"): "main",
        "dev.hephy.component": "app",
    });
    assert_eq!(index["annotations"], expected);
    // and each image says it too, with its own inputs,
    let manifest = raw(&format!("{image}@{}", index["manifests"][0]["digest"].as_str().expect("a digest")));
    let inputs = manifest["annotations"]["dev.hephy.inputs"].clone();
    assert!(inputs.as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{manifest}");
    expected["dev.hephy.inputs"] = inputs;
    assert_eq!(manifest["annotations"], expected);
    assert_eq!(config(&format!("{image}:main"))["config"]["Labels"], expected);
    // and when a commit changes nothing that counts, then it is the very same index, with one more tag.
    repository.write("README.md", "more\n").commit("Write documentation");
    let second = pushed(&repository, "refs/heads/main", &up).run().exits(0).stdout;
    assert_eq!(second, first);
    assert_eq!(tags(&image).len(), 3);
    assert_eq!(raw(&format!("{image}:sha-{}", repository.short_id())), index);
    let output = std::fs::read_to_string(repository.beside("output")).expect("outputs");
    assert!(output.contains(&format!("\n{image}:main\n{image}:sha-{short}\n")), "{output}");
}

#[test]
fn annotations_go_where_the_variable_of_the_action_says() {
    // Given an app for two platforms, and a registry;
    let (registry, repository) = (Registry::start(), app());
    let title = format!("{STANDARD}.title");
    for (levels, on_manifests, on_index) in [
        ("manifest", true, false),
        ("index", false, true),
        ("index,manifest", true, true),
        ("index-descriptor", false, false),
    ] {
        // when it is pushed with these levels, then annotations are there and nowhere else,
        let (project, annotations) = (levels.replace(',', "-"), "# more\nteam=shop");
        let push =
            pushed(&repository, "refs/heads/main", &["up", "--no-deploy", "--annotations", annotations]);
        let push = push.args(["--registry", &registry.image(&project)]);
        let output = push.env("DOCKER_METADATA_ANNOTATIONS_LEVELS", levels).run().exits(0);
        let warning = "`index-descriptor` is only in the outputs";
        assert_eq!(output.stderr.contains(warning), levels == "index-descriptor", "{output}");
        let image = registry.image(&format!("{project}/app"));
        let index = raw(&format!("{image}:main"));
        let manifest =
            raw(&format!("{image}@{}", index["manifests"][0]["digest"].as_str().expect("a digest")));
        for (key, value) in [("team", "shop"), (title.as_str(), "shop")] {
            let expected = |is_there: bool| if is_there { json!(value) } else { Value::Null };
            assert_eq!(manifest["annotations"][key], expected(on_manifests), "{levels}: {manifest}");
            assert_eq!(index["annotations"][key], expected(on_index), "{levels}: {index}");
        }
        // what hephy itself wants to know stays on the image,
        assert_eq!(manifest["annotations"]["dev.hephy.component"], "app");
        // the outputs say the levels to whoever builds with them,
        let outputs = handed_over(&repository.beside("output"));
        assert!(outputs["annotations"].contains(&format!("{levels}:team=shop")), "{outputs:?}");
        // and the next commit that changes nothing gives the very same index.
        repository.write("README.md", levels).commit("Write documentation");
        let again =
            pushed(&repository, "refs/heads/main", &["up", "--no-deploy", "--annotations", annotations]);
        let again = again.args(["--registry", &registry.image(&project)]);
        let again = again.env("DOCKER_METADATA_ANNOTATIONS_LEVELS", levels).run().exits(0);
        assert_eq!(again.stdout, output.stdout);
    }
    // Without the variable, an index that says nothing is made anew from what its images say.
    let push = pushed(&repository, "refs/heads/main", &["up", "--no-deploy"]);
    push.args(["--registry", &registry.image("manifest")]).run().exits(0);
    assert_eq!(raw(&registry.image("manifest/app:main"))["annotations"]["team"], "shop");
    // A plan hands them on to a job that has no such variable, and a level that nobody knows is an error.
    let plan = pushed(&repository, "refs/heads/main", &["plan", "--emit", "json"]);
    let plan = plan.env("DOCKER_METADATA_ANNOTATIONS_LEVELS", "manifest").run().exits(0);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan is JSON");
    assert_eq!(plan["components"][0]["annotation_levels"], json!(["manifest"]));
    let wrong = repository.hephy(["plan"]).env("DOCKER_METADATA_ANNOTATIONS_LEVELS", "manifest,layer").run();
    wrong.exits(2).says("read `DOCKER_METADATA_ANNOTATIONS_LEVELS`: the level `layer` is unknown");
}

#[test]
fn an_image_of_a_dockerfile_says_it_too_and_what_it_is_built_on() {
    let (registry, repository) = (Registry::start(), Repository::empty());
    let base = registry.image("base:1");
    registry.publish("base:1", "a base\n");
    repository.write("hephy.yaml", "components: {web: {platforms: [linux/amd64]}}\n");
    repository.write("web/page.html", "page\n");
    repository.write(
        "web/Dockerfile",
        &format!("FROM {base}\nLABEL team=\"web\" {STANDARD}.title=\"mine\"\nCOPY page.html /\n"),
    );
    repository.commit("Add the site");
    registry.hephy(&repository, &["up", "--labels", "# more\nkind={{branch}} x"]).run().exits(0);
    let layout = format!("oci:{}", repository.path().join(".hephy/oci").display());
    let name = format!("{layout}:web:sha-{}", repository.short_id());
    let manifest = skopeo(&["inspect", "--raw", &name]);
    assert_eq!(manifest["annotations"]["dev.hephy.component"], "web");
    assert_eq!(manifest["annotations"][format!("{STANDARD}.base.name")], base);
    let pinned =
        manifest["annotations"][format!("{STANDARD}.base.digest")].as_str().expect("a digest").to_owned();
    assert_eq!(raw(&format!("{}@{pinned}", registry.image("base"))), raw(&base));
    let labels = skopeo(&["inspect", "--config", &name])["config"]["Labels"].clone();
    // The Dockerfile's own labels stay, but for those that the run knows better.
    assert_eq!(labels["team"], "web");
    assert_eq!(labels[format!("{STANDARD}.title")], "mine");
    assert_eq!(labels[format!("{STANDARD}.revision")], repository.id("HEAD"));
    // A laptop is on the branch that git says.
    assert_eq!(labels["kind"], "main x");
}

/// The input digest of the only leg.
fn inputs(repository: &Repository, flags: &[&str]) -> String {
    input_digest_in(&repository.hephy(["plan", "--emit", "json"]).args(flags).run().exits(0).stdout)
}

#[test]
fn labels_of_the_configuration_are_inputs_and_those_of_a_call_or_a_commit_are_not() {
    let repository = Repository::app();
    let before = inputs(&repository, &[]);
    assert_eq!(inputs(&repository, &["--labels", "a=b", "--tags", "x", "--annotations", "c=d"]), before);
    repository.commit("Another commit");
    assert_eq!(inputs(&repository, &[]), before);
    let configured = |more: &str| {
        repository.write("hephy.yaml", &format!("{}{more}", prebuilt("linux/amd64: run")));
        repository.commit("Configure");
        inputs(&repository, &[])
    };
    let labelled = configured("labels: {team: shop}\n");
    assert_ne!(labelled, before);
    assert_ne!(configured("annotations: [team=shop]\n"), labelled);
    assert_eq!(configured("tags: |\n  type=sha\n  type=raw,value=x\n"), before);
}

#[test]
fn a_tree_that_differs_from_its_commit_moves_no_tag_of_a_branch_or_version() {
    let repository = Repository::app();
    repository.write("app/run", "changed\n");
    for reference in ["refs/heads/main", "refs/tags/v1.2.3"] {
        let plan =
            pushed(&repository, reference, &["plan", "--tags", "type=ref,event=branch"]).run().exits(0);
        let expected = format!("app is tagged sha-{}-dirty\n", repository.short_id());
        assert!(plan.stdout.ends_with(&expected), "{plan}");
    }
    // Nor does a commit that is not the one of the branch.
    repository.commit("Change the program");
    let plan = pushed(&repository, "refs/heads/main", &["plan"]).env("GITHUB_SHA", repository.id("HEAD~1"));
    let plan = plan.run().exits(0).says("not the commit that the run started on");
    assert!(plan.stdout.ends_with(&format!("app is tagged sha-{}\n", repository.short_id())), "{plan}");
}

#[test]
fn push_shows_what_it_would_do_in_the_words_of_the_action() {
    // Given a workflow that gives the action's own inputs,
    let repository = Repository::app();
    let rules = "# versions\ntype=semver,pattern={{version}}\ntype=semver,pattern={{major}}.{{minor}}\n";
    let push = pushed(&repository, "refs/tags/v1.2.3", &["push", "--dry-run"]).env("HEPHY_TAGS", rules);
    // when it only looks, then it shows and hands over what the action would.
    let push = push.env("HEPHY_IMAGES", "name=127.0.0.1:1/Acme/Shop").args(["--all"]).run().exits(0);
    assert!(
        push.stdout.contains("127.0.0.1:1/acme/shop: 1 of 1 images, then tag `1.2.3` `1.2` `latest`"),
        "{push}"
    );
    assert!(push.stdout.contains(&format!("app: label {STANDARD}.version=1.2.3\n")), "{push}");
    let output = std::fs::read_to_string(repository.beside("output")).expect("outputs");
    let image = "127.0.0.1:1/acme/shop";
    for expected in [
        "1.2.3\n".to_owned(),
        format!("{image}:1.2.3\n{image}:1.2\n{image}:latest\n"),
        format!("manifest,index:{STANDARD}.title=shop\n"),
    ] {
        assert!(output.contains(&format!("\n{expected}")), "{expected} in {output}");
    }
    assert!(!repository.path().join(".hephy").exists(), "nothing was touched");
}

/// What a runner reads from a file of outputs or variables: each name with its value.
fn handed_over(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).expect("it was written");
    let (mut lines, mut values) = (text.lines(), BTreeMap::new());
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").expect("a name and a delimiter");
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        values.insert(name.to_owned(), value.join("\n"));
    }
    values
}

#[test]
fn later_steps_get_the_variables_of_the_action_and_no_others() {
    // Given a repository whose description is written to set a variable of the next step,
    let repository = Repository::app();
    let push = || {
        let push =
            pushed(&repository, "refs/tags/v1.2.3", &["push", "--dry-run", "--registry", "127.0.0.1:1/shop"]);
        let event = repository.beside("event.json");
        let text = std::fs::read_to_string(&event).expect("the event");
        let attack = "x\\nhephy-0\\nEOF\\nLD_PRELOAD<<EOF\\n/evil\\nEOF\\nLD_PRELOAD=/evil";
        std::fs::write(&event, text.replace("Sells", attack)).expect("write the event");
        push.env("GITHUB_ENV", repository.beside("variables")).args(["--all"])
    };
    // when it only looks, then the steps that follow get each output as a variable too, and nothing else.
    push().run().exits(0);
    let outputs = handed_over(&repository.beside("output"));
    let names: Vec<&str> = outputs.keys().map(String::as_str).collect();
    assert_eq!(names, ["annotations", "json", "labels", "tag-names", "tags", "version"]);
    assert!(outputs["labels"].contains("\nLD_PRELOAD=/evil\n"), "{outputs:?}");
    let name = |output: &str| format!("DOCKER_METADATA_OUTPUT_{}", output.replace('-', "_").to_uppercase());
    let expected = outputs.iter().map(|(output, value)| (name(output), value.clone())).collect();
    assert_eq!(handed_over(&repository.beside("variables")), expected);
    assert_eq!(outputs["tag-names"], format!("v1.2.3\nlatest\nsha-{}", repository.short_id()));
    // Who wants no variables says so as to the action.
    std::fs::remove_file(repository.beside("variables")).expect("remove it");
    push().env("DOCKER_METADATA_SET_OUTPUT_ENV", "false").run().exits(0);
    assert!(!repository.beside("variables").exists());
}

#[test]
fn a_rule_that_cannot_be_followed_is_named() {
    let repository = Repository::app();
    for (flags, expected) in [
        (
            ["--tags", "type=raw,value={{brnach}}"],
            "replace the expressions in `{{brnach}}`: `brnach` is unknown here",
        ),
        (["--flavor", "latest=perhaps"], "`latest=perhaps` is neither true nor false"),
        (["--images", "a/b,enable=false"], "none of them is enabled here"),
    ] {
        let output = refused(&repository, &["plan", flags[0], flags[1]], 2);
        assert!(output.error().contains(expected), "{output}");
    }
}

#[test]
fn images_are_as_old_as_their_commit_or_as_the_user_says() {
    let repository = Repository::app();
    let created = || {
        let name = format!(
            "oci:{}:app:sha-{}",
            repository.path().join(".hephy/oci").display(),
            repository.short_id()
        );
        let config = skopeo(&["inspect", "--config", &name]);
        assert_eq!(config["created"], config["config"]["Labels"][format!("{STANDARD}.created")]);
        config["created"].clone()
    };
    repository.hephy(["up"]).run().exits(0);
    let committed = repository.git(["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]);
    assert_eq!(created(), committed.trim());
    repository.hephy(["up", "--all"]).env("SOURCE_DATE_EPOCH", "1000000000").run().exits(0);
    assert_eq!(created(), "2001-09-09T01:46:40Z");
    for wrong in ["yesterday", "-1", "99999999999999"] {
        let output = repository.hephy(["plan"]).env("SOURCE_DATE_EPOCH", wrong).run().exits(2);
        assert!(output.error().contains(&format!("read `SOURCE_DATE_EPOCH`: `{wrong}`")), "{output}");
    }
}

#[test]
fn a_pipeline_of_gitlab_gives_the_same_words() {
    let repository = Repository::app();
    let commit = repository.id("HEAD");
    let rules =
        "type=schedule\ntype=ref,event=branch\ntype=ref,event=tag\ntype=ref,event=pr\ntype=edge\ntype=sha";
    let plan = |variables: &[(&str, &str)]| {
        let hephy = repository.hephy(["plan", "--emit", "json", "--tags", rules]).env("GITLAB_CI", "true");
        let hephy = hephy.env("CI_JOB_ID", "1").env("CI_PROJECT_ID", "7").env("CI_COMMIT_SHA", &commit);
        let hephy = hephy.env("CI_DEFAULT_BRANCH", "main").env("CI_PROJECT_TITLE", "shop");
        let hephy = hephy.env("CI_PROJECT_URL", "https://forge.example/acme/shop");
        let hephy = variables.iter().fold(hephy, |hephy, (name, value)| hephy.env(name, *value));
        let plan: Value = serde_json::from_str(&hephy.run().exits(0).stdout).expect("a plan is JSON");
        plan["components"][0].clone()
    };
    let sha = format!("sha-{}", &commit[..7]);
    for (variables, expected) in [
        (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "main")][..], vec!["edge", "main", &sha]),
        (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "a/b")], vec!["a-b", &sha]),
        (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_TAG", "v1")], vec!["v1", &sha, "latest"]),
        (
            &[("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_BRANCH", "main")],
            vec!["nightly", "edge", "main", &sha],
        ),
        (
            &[("CI_PIPELINE_SOURCE", "merge_request_event"), ("CI_MERGE_REQUEST_IID", "17")],
            vec!["pr-17", &sha],
        ),
    ] {
        let component = plan(variables);
        assert_eq!(component["tags"], json!(expected), "{variables:?}");
        assert_eq!(component["labels"][format!("{STANDARD}.title")], "shop");
        assert_eq!(component["labels"][format!("{STANDARD}.source")], "https://forge.example/acme/shop");
        assert_eq!(component["labels"][format!("{STANDARD}.revision")], commit);
    }
}
