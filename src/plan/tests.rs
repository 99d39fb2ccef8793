use super::*;
use crate::component::{ProgramBase, Recipe, Sbom};
use crate::detect::base::{Confidence, Kind};
use crate::metadata::Level;

fn leg(platform: &str, action: Action) -> PlannedLeg {
    let input_digest = Digest::of(platform.as_bytes());
    let key = "in-0".parse().expect("a tag");
    PlannedLeg { platform: platform.parse().expect("a platform"), input_digest, key, runners: vec![], action }
}

fn planned(name: &str, backend: Backend, reason: Reason, recipe: Recipe, legs: Vec<PlannedLeg>) -> Planned {
    let component = Component {
        backend: Some(backend),
        platforms: legs.iter().map(|leg| leg.platform.clone()).collect(),
        needs: vec!["base".parse().expect("a name")],
        recipe,
        ..Component::new(name.parse().expect("a name"), format!("services/{name}"), "hephy.yaml:3")
    };
    Planned {
        base_images: std::collections::BTreeMap::new(),
        component,
        backend,
        backend_reason: "`backend` says so".to_owned(),
        image: format!("ghcr.io/acme/shop/{name}").parse().expect("a repository"),
        tags: vec!["sha-0123456789ab".parse().expect("a tag")],
        labels: [("a".to_owned(), "b=c".to_owned())].into(),
        annotations: [("d".to_owned(), "é".to_owned())].into(),
        levels: [Level::Index, Level::ManifestDescriptor].into_iter().collect(),
        further: vec![format!("docker.io/acme/{name}").parse().expect("a repository")],
        reason,
        legs,
    }
}

/// A plan in which every kind of reason, action and recipe occurs.
/// A recipe with every key of programs.
fn program() -> Recipe {
    let programs = [(Platform::new("linux", "arm64"), "dist/worker".to_owned())].into();
    Recipe {
        prebuilt: programs,
        bin: Some("worker".to_owned()),
        bins: vec!["worker".to_owned(), "migrate".to_owned()],
        features: vec!["loud".to_owned()],
        profile: Some("small".to_owned()),
        assets: [("web".to_owned(), "/srv".to_owned())].into(),
        base: ProgramBase::Image("debian:12".to_owned()),
        user: Some("app".to_owned()),
        sbom: Some(Sbom::Files([(Platform::new("linux", "arm64"), "a.cdx.json".to_owned())].into())),
        ..Recipe::default()
    }
}

fn plan(target: Target) -> Plan {
    let found = Found {
        digest: Digest::of(b"image"),
        size: 401,
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
    };
    let changed = Reason::Changed { path: "a \"b\"\n".to_owned(), why: "it is read".to_owned(), others: 2 };
    let dockerfile = Recipe {
        dockerfile: Some("docker/Dockerfile".to_owned()),
        build_args: [("MODE".to_owned(), "prod".to_owned())].into(),
        ..Recipe::default()
    };
    let program = program();
    let no_image = Reason::HintMiss {
        base: "origin/main".to_owned(),
        causes: vec![
            Cause::Uncommitted("a".to_owned()),
            Cause::Ignored("b".to_owned()),
            Cause::Settings("hephy.yaml".to_owned()),
            Cause::BaseImages(vec!["c:1".to_owned(), "d:2".to_owned()]),
            Cause::Tools(vec!["rustc 1".to_owned()]),
            Cause::Needs(vec!["base".to_owned()]),
            Cause::BaseNotBuilt,
            Cause::EarlierBuild,
            Cause::Removed,
        ],
    };
    Plan {
        commit: Commit { id: "0".repeat(40), time: 17, branch: Some("main".to_owned()), dirty: true },
        base: Base {
            reference: None,
            commit: None,
            kind: Kind::Nothing,
            confidence: Confidence::Nothing,
            reason: "the first commit".to_owned(),
        },
        target,
        components: vec![
            planned(
                "api",
                Backend::Cargo,
                Reason::Unchanged,
                Recipe::default(),
                vec![leg("amd64", Action::Reuse(found))],
            ),
            planned(
                "web",
                Backend::Buildah,
                changed,
                dockerfile,
                vec![leg("amd64", Action::Build), leg("linux/arm/v7", Action::Build)],
            ),
            planned("worker", Backend::Prebuilt, no_image, program, vec![leg("arm64", Action::Build)]),
        ],
        manifests: vec!["k8s/api.yaml".to_owned()],
    }
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    for target in [Target::Registry, Target::Layout("/tmp/my images".into())] {
        let written = to_json(&plan(target.clone()));
        let read = from_json(&written).expect("own output");
        assert_eq!(read, plan(target));
        assert_eq!(to_json(&read), written);
    }
}

#[test]
fn what_is_not_a_plan_is_refused() {
    let written = to_json(&plan(Target::Registry));
    for (from, to, expected) in [
        ("hephy.plan/1", "hephy.plan/2", "its schema is `hephy.plan/2`, this version reads `hephy.plan/1`"),
        ("\"schema\"", "\"shape\"", "it is not the JSON of a plan: missing field `schema`"),
        ("\"dirty\"", "\"clean\"", "it is not the JSON of a plan: unknown field `clean`"),
        ("\"others\": 2", "\"others\": -2", "it is not the JSON of a plan: invalid value"),
        ("\"registry\"", "\"nowhere\"", "it is not the JSON of a plan: unknown variant `nowhere`"),
        ("\"cargo\"", "\"make\"", "`make` is not a valid backend"),
        ("\"name\": \"api\"", "\"name\": \"../api\"", "`../api` is not a valid component name"),
        ("\"image\": \"ghcr.io/", "\"image\": \"ghcr.io/$(id)/", "is not a valid image repository"),
        ("\"sha-0123456789ab\"", "\"a/b\"", "`a/b` is not a valid tag"),
        ("\"linux/arm64\"", "\"\"", "`` is not a valid platform"),
        ("\"input_digest\": \"sha256:", "\"input_digest\": \"md5:", "is not a valid digest"),
        ("\"action\": \"build\"", "\"action\": \"skip\"", "`skip` is not a valid action"),
        ("\"action\": \"build\"", "\"action\": \"reuse\"", "`reuse` is not a valid action"),
        ("\"action\": \"reuse\"", "\"action\": \"build\"", "`build` is not a valid action"),
        ("\"hint-miss\"", "\"because\"", "`because` is not a valid reason"),
        ("\"base-not-built\"", "\"because\"", "`because` is not a valid cause"),
        ("services/api", "services/../../api", "`services/../../api` leads out of the repository"),
        ("services/api", "/etc", "`/etc` leads out of the repository"),
        ("docker/Dockerfile", "../Dockerfile", "`../Dockerfile` leads out of the repository"),
        ("dist/worker", "..", "`..` leads out of the repository"),
        ("\"web\": \"/srv\"", "\"../web\": \"/srv\"", "`../web` leads out of the repository"),
        ("k8s/api.yaml", "/k8s/api.yaml", "`/k8s/api.yaml` leads out of the repository"),
    ] {
        let text = written.replacen(from, to, 1);
        assert_ne!(text, written, "{from}");
        let error = from_json(&text).expect_err(to);
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("{error}{cause}");
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}
