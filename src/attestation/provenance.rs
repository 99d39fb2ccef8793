//! Provenance: what an image was made from and by whom, as an in-toto Statement v1 with SLSA's predicate v1.

use super::purl;
use crate::component::Recipe;
use crate::git::Commit;
use crate::image::{Digest, Image};
use crate::plan::{Planned, PlannedLeg};
use serde_json::{Map, Value, json};

pub(super) const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// What the parameters mean: docs/supply-chain.md.
const BUILD_TYPE: &str = "https://hephy.dev/build/v1";
/// The builder where no CI system says who it is: a laptop, whose word is worth no more than its user's.
const NOBODY: &str = "https://hephy.dev/builder/unknown";

/// What is known of a build.
pub(crate) struct Facts<'a> {
    pub(crate) planned: &'a Planned,
    pub(crate) leg: &'a PlannedLeg,
    /// The digest of the image that was made.
    pub(crate) digest: &'a Digest,
    pub(crate) commit: &'a Commit,
    /// The page of the repository.
    pub(crate) repository: Option<&'a str>,
    /// Who builds, as the CI system names it.
    pub(crate) builder: Option<&'a str>,
    /// This run, as the CI system names it.
    pub(crate) invocation: Option<&'a str>,
}

/// The statement. It has no times of its own, so that it differs only where its facts do.
pub(crate) fn statement(facts: &Facts<'_>) -> Vec<u8> {
    let Facts { planned, leg, .. } = facts;
    let mut run = json!({
        "builder": {
            "id": facts.builder.unwrap_or(NOBODY),
            "version": {"hephy": env!("CARGO_PKG_VERSION")},
        },
    });
    if let Some(invocation) = facts.invocation {
        run["metadata"] = json!({"invocationId": invocation});
    }
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": planned.image.to_string(), "digest": {"sha256": facts.digest.hex()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "component": planned.component.name.as_str(),
                    "path": planned.component.path,
                    "platform": leg.platform.to_string(),
                    "backend": planned.backend.as_str(),
                    "config": config(&planned.component.recipe),
                },
                "resolvedDependencies": dependencies(facts),
            },
            "runDetails": run,
        },
    });
    statement.to_string().into_bytes()
}

/// A moment as text; what is out of range is the beginning of 1970.
pub(super) fn moment(seconds: u64) -> String {
    jiff::Timestamp::from_second(seconds.cast_signed()).unwrap_or_default().to_string()
}

/// What the user says about the build, by the keys of the configuration. Values of build arguments stay out: images are
/// often more public than what they are built from, and the digest of the inputs covers them.
fn config(recipe: &Recipe) -> Value {
    let mut config = Map::new();
    let mut say = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    let texts = [
        ("dockerfile", recipe.dockerfile.as_deref()),
        ("context", recipe.context.as_deref()),
        ("target", recipe.target.as_deref()),
        ("bin", recipe.bin.as_deref()),
        ("profile", recipe.profile.as_deref()),
        ("base", recipe.base.text()),
        ("user", recipe.user.as_deref()),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            say(key, text.into());
        }
    }
    let variables: Vec<String> = recipe.build_args.keys().cloned().collect();
    for (key, list) in [("build-args", &variables), ("bins", &recipe.bins), ("features", &recipe.features)] {
        if !list.is_empty() {
            say(key, json!(list));
        }
    }
    if !recipe.assets.is_empty() {
        say("assets", json!(recipe.assets));
    }
    if !recipe.prebuilt.is_empty() {
        let entries = recipe.prebuilt.iter();
        say("prebuilt", entries.map(|(platform, path)| (platform.to_string(), json!(path))).collect());
    }
    Value::Object(config)
}

fn dependencies(facts: &Facts<'_>) -> Vec<Value> {
    let mut source = json!({"name": "source", "digest": {"gitCommit": facts.commit.id}});
    if let Some(repository) = facts.repository {
        source["uri"] = format!("git+{}", purl::without_login(repository)).into();
    }
    if facts.commit.dirty {
        // The commit is not all that went in, and must not seem to be.
        source["annotations"] = json!({"dirty": true});
    }
    let inputs = json!({"name": "inputs", "digest": {"sha256": facts.leg.input_digest.hex()}});
    let base = |(name, image): (&String, &Image)| {
        let digest = json!({"sha256": image.digest.hex()});
        json!({"name": name, "uri": purl::of_image(image, None), "digest": digest})
    };
    [source, inputs].into_iter().chain(facts.planned.base_images.iter().map(base)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{Backend, Component};
    use crate::plan::{Action, Reason};
    use crate::platform::Platform;

    fn planned() -> Planned {
        let recipe = Recipe {
            target: Some("run".to_owned()),
            build_args: [("MODE".to_owned(), "between-us".to_owned())].into(),
            ..Recipe::default()
        };
        let name = "web".parse().expect("a name");
        let base = Image { repository: "docker.io/alpine".parse().expect("valid"), digest: Digest::of(b"a") };
        Planned {
            component: Component { recipe, ..Component::new(name, "web", "hephy.yaml:3") },
            backend: Backend::Dockerfile,
            backend_reason: "there is a Dockerfile".to_owned(),
            image: "ghcr.io/acme/web".parse().expect("a repository"),
            tags: vec![],
            labels: Default::default(),
            annotations: Default::default(),
            levels: Default::default(),
            further: vec![],
            reason: Reason::All,
            legs: vec![],
            base_images: [("alpine:3".to_owned(), base)].into(),
        }
    }

    #[test]
    fn every_key_of_a_build_is_said() {
        let text = |text: &str| Some(text.to_owned());
        let map = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        // A field that is added later has to be decided about here.
        let recipe = Recipe {
            dockerfile: text("Dockerfile.prod"),
            context: text("."),
            target: text("run"),
            build_args: map("MODE", "between-us"),
            bin: text("api"),
            bins: vec!["api".to_owned(), "migrate".to_owned()],
            features: vec!["postgres".to_owned()],
            profile: text("small"),
            prebuilt: [(Platform::new("linux", "arm64"), "dist/api".to_owned())].into(),
            assets: map("web/dist", "/srv/www"),
            base: crate::component::ProgramBase::Static,
            user: text("1000"),
            // No part of the image: the document itself is what is said of it.
            sbom: None,
        };
        insta::assert_snapshot!(config(&recipe), @r#"{"assets":{"web/dist":"/srv/www"},"base":"static","bin":"api","bins":["api","migrate"],"build-args":["MODE"],"context":".","dockerfile":"Dockerfile.prod","features":["postgres"],"prebuilt":{"linux/arm64":"dist/api"},"profile":"small","target":"run","user":"1000"}"#);
        assert_eq!(config(&Recipe::default()), json!({}));
    }

    fn said(dirty: bool, by_ci: bool) -> Vec<u8> {
        let leg = PlannedLeg {
            platform: Platform::new("linux", "arm64"),
            input_digest: Digest::of(b"inputs"),
            key: "in-0".parse().expect("a tag"),
            runners: vec![],
            action: Action::Build,
        };
        let commit = Commit { id: "1234".to_owned(), time: 17, branch: None, dirty };
        statement(&Facts {
            planned: &planned(),
            leg: &leg,
            digest: &Digest::of(b"image"),
            commit: &commit,
            repository: by_ci.then_some("https://me:secret@github.com/acme/shop"),
            builder: by_ci.then_some("https://github.com/acme/shop/.github/workflows/ci.yml@refs/heads/main"),
            invocation: by_ci.then_some("https://github.com/acme/shop/actions/runs/1/attempts/1"),
        })
    }

    /// A line for each part.
    fn shown(statement: &Value) -> String {
        let definition = &statement["predicate"]["buildDefinition"];
        let dependencies = definition["resolvedDependencies"].as_array().expect("a list");
        let parts = [
            &statement["_type"],
            &statement["subject"],
            &statement["predicateType"],
            &definition["buildType"],
            &definition["externalParameters"],
            &statement["predicate"]["runDetails"],
        ];
        let lines: Vec<String> =
            parts.into_iter().chain(dependencies).map(|part| format!("{part}\n")).collect();
        lines.concat()
    }

    #[test]
    fn what_a_ci_system_built_is_said() {
        let text = String::from_utf8(said(false, true)).expect("UTF-8");
        assert!(!text.contains("secret") && !text.contains("between-us"), "{text}");
        let text = text.replace(env!("CARGO_PKG_VERSION"), "0");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        insta::assert_snapshot!(shown(&value), @r#"
        "https://in-toto.io/Statement/v1"
        [{"digest":{"sha256":"6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"},"name":"ghcr.io/acme/web"}]
        "https://slsa.dev/provenance/v1"
        "https://hephy.dev/build/v1"
        {"backend":"dockerfile","component":"web","config":{"build-args":["MODE"],"target":"run"},"path":"web","platform":"linux/arm64"}
        {"builder":{"id":"https://github.com/acme/shop/.github/workflows/ci.yml@refs/heads/main","version":{"hephy":"0"}},"metadata":{"invocationId":"https://github.com/acme/shop/actions/runs/1/attempts/1"}}
        {"digest":{"gitCommit":"1234"},"name":"source","uri":"git+https://github.com/acme/shop"}
        {"digest":{"sha256":"32381523e63197c929b67f793a8098bed0ae3a6fa902634fdbcc6fa4567f3346"},"name":"inputs"}
        {"digest":{"sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},"name":"alpine:3","uri":"pkg:oci/alpine@sha256%3Aca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb?repository_url=docker.io/alpine"}
        "#);
    }

    #[test]
    fn a_laptop_is_nobody_and_a_dirty_tree_is_no_commit() {
        let value: Value = serde_json::from_slice(&said(true, false)).expect("JSON");
        assert_eq!(value.pointer("/predicate/runDetails/builder/id"), Some(&NOBODY.into()));
        assert_eq!(value.pointer("/predicate/runDetails/metadata"), None);
        let dirty = "/predicate/buildDefinition/resolvedDependencies/0/annotations/dirty";
        assert_eq!(value.pointer(dirty), Some(&true.into()));
    }

    #[test]
    fn equal_facts_make_equal_bytes() {
        assert_eq!(said(false, true), said(false, true));
        assert_ne!(said(false, true), said(true, true));
    }
}
