//! Tables for reading, pinning, rendering and sorting manifests.

use super::*;
use crate::image::{Digest, Image};
use proptest::prelude::*;
use serde_json::json;

fn read_one(text: &str) -> Result<Release, ReleaseError> {
    read(&[("k8s/app.yaml".to_owned(), text.to_owned())])
}

fn manifests(text: &str) -> Release {
    read_one(text).expect("good manifests")
}

fn deployment(image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  template:
    spec:
      initContainers: [{{name: migrate, image: {image}}}]
      containers: [{{name: api, image: {image}}}, {{name: proxy, image: envoyproxy/envoy:v1.30}}]
"
    )
}

fn pin_of(component: &str, repository: &str) -> Pin {
    Pin {
        component: component.parse().expect(component),
        aliases: vec![format!("old.example/{component}")],
        image: Image { repository: repository.parse().expect(repository), digest: Digest::of(b"image") },
    }
}

#[test]
fn documents_and_lists_become_objects_with_places() {
    let release = manifests(
        "# a comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: one, namespace: shop}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: two}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: three}}
---
# nothing
",
    );
    let found: Vec<String> =
        release.objects.iter().map(|object| format!("{object} {}", object.place())).collect();
    assert_eq!(
        found,
        ["ConfigMap/one k8s/app.yaml:3", "Secret/two k8s/app.yaml:8", "Deployment/three k8s/app.yaml:8"]
    );
    assert_eq!(release.objects[0].namespace.as_deref(), Some("shop"));
    assert_eq!(release.objects[2].group(), "apps");
}

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    let release = manifests(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, mode: 0644, y: y, no: no, on: 1_0, big: 12345678901}",
    );
    let value = &release.objects[0].value;
    assert_eq!(value["mode"], json!(420));
    assert_eq!(value["y"], json!("y"));
    assert_eq!(value["no"], json!("no"));
    assert_eq!(value["big"], json!(12_345_678_901_i64));
}

#[test]
fn wrong_manifests_are_refused_with_their_place() {
    for (text, expected) in [
        ("kind: [", "read manifest `k8s/app.yaml:"),
        (
            "\n- 1",
            "`k8s/app.yaml:2`: expected an object with `apiVersion`, `kind` and `metadata.name`, but this is no",
        ),
        ("kind: Secret", "but `apiVersion` is missing"),
        ("{apiVersion: v1, kind: Pod, metadata: {generateName: x-}}", "but `metadata.name` is missing"),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: 1}}",
            "but `metadata.namespace` is not a name",
        ),
        ("a: 1\na: 2", "read manifest `k8s/app.yaml:2`"),
    ] {
        let error = read_one(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn an_error_does_not_quote_a_secret() {
    let error = read_one("kind: Secret\ndata:\n  password: hunter2\n broken: [").expect_err("broken");
    let source = std::error::Error::source(&error).expect("a source").to_string();
    assert!(!source.contains("hunter2"), "{source}");
}

#[test]
fn twins_are_refused() {
    let twin = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}";
    let error = read_one(&format!("{twin}\n---\n{twin}")).expect_err("twins").to_string();
    assert_eq!(
        error,
        "read manifests: `ConfigMap/x` is written twice, at `k8s/app.yaml:1` and at `k8s/app.yaml:3`"
    );
    assert!(read_one(&format!("{twin}\n---\n{}", twin.replace("name: x", "name: x, namespace: b"))).is_ok());
}

#[test]
fn images_of_components_are_pinned_and_others_are_not() {
    let pins = [pin_of("api", "127.0.0.1:5050/shop/api"), pin_of("web", "127.0.0.1:5050/shop/web")];
    for image in [
        "api",
        "api:dev",
        "127.0.0.1:5050/shop/api",
        "127.0.0.1:5050/shop/api:v1",
        "127.0.0.1:5050/shop/api@sha256:00",
        "old.example/api:v3",
    ] {
        let pinned = pin(&manifests(&deployment(image)), &pins).expect(image);
        let images: Vec<String> =
            container_images(&pinned.release.objects[0]).into_iter().map(|one| one.image).collect();
        let ours = pins[0].image.to_string();
        assert_eq!(images, [ours.as_str(), ours.as_str(), "envoyproxy/envoy:v1.30"], "{image}");
        assert_eq!(pinned.unused, ["web".parse().expect("web")]);
    }
}

#[test]
fn an_image_that_only_looks_like_a_component_is_refused() {
    for (image, repository) in [
        ("ghcr.io/acme/shop/api:v1", "127.0.0.1:5050/shop/api"),
        ("docker.io/acme/shop", "ghcr.io/acme/shop"),
    ] {
        let error = pin(&manifests(&deployment(image)), &[pin_of("api", repository)]).expect_err(image);
        assert_eq!(
            error.to_string(),
            format!(
                "pin `Deployment/api` at `k8s/app.yaml:2`: image `{image}` looks like component `api`, \
                 which is pushed to `{repository}`"
            )
        );
    }
}

#[test]
fn every_kind_that_runs_pods_is_pinned() {
    let pod = "{containers: [{name: api, image: api}], volumes: [{name: v, image: {reference: api}}]}";
    for (api_version, kind, spec) in [
        ("apps/v1", "StatefulSet", format!("{{template: {{spec: {pod}}}}}")),
        ("apps/v1", "DaemonSet", format!("{{template: {{spec: {pod}}}}}")),
        ("apps/v1", "ReplicaSet", format!("{{template: {{spec: {pod}}}}}")),
        ("batch/v1", "Job", format!("{{template: {{spec: {pod}}}}}")),
        ("batch/v1", "CronJob", format!("{{jobTemplate: {{spec: {{template: {{spec: {pod}}}}}}}}}")),
        ("v1", "Pod", pod.to_owned()),
    ] {
        let text =
            format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}");
        let pins = [pin_of("api", "ghcr.io/acme/api")];
        let pinned = pin(&manifests(&text), &pins).expect(kind);
        let value = pinned.release.objects[0].value.to_string();
        assert_eq!(value.matches(&pins[0].image.to_string()).count(), 2, "{kind}: {value}");
        assert!(pinned.unused.is_empty());
    }
}

#[test]
fn only_what_can_be_proven_may_be_waited_for() {
    let object = |api_version: &str, kind: &str| {
        manifests(&format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: x}}}}"))
    };
    for (api_version, kind, expected) in [
        ("apps/v1", "Deployment", Proof::Judged),
        ("v1", "Service", Proof::Passive),
        ("v1", "Namespace", Proof::Passive),
        ("rbac.authorization.k8s.io/v1", "Role", Proof::Passive),
        ("networking.k8s.io/v1", "Ingress", Proof::Passive),
        ("autoscaling/v2", "HorizontalPodAutoscaler", Proof::Passive),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", Proof::Passive),
        ("apps/v1", "StatefulSet", Proof::Missing),
        ("apps/v1", "DaemonSet", Proof::Missing),
        ("batch/v1", "Job", Proof::Missing),
        ("batch/v1", "CronJob", Proof::Missing),
        ("v1", "Pod", Proof::Missing),
        ("serving.knative.dev/v1", "Service", Proof::Missing),
        ("example.com/v1", "Deployment", Proof::Missing),
    ] {
        let release = object(api_version, kind);
        assert_eq!(proof(&release.objects[0]), expected, "{api_version} {kind}");
        assert_eq!(release.ensure_provable().is_ok(), expected != Proof::Missing);
    }
    assert_eq!(
        object("batch/v1", "Job").ensure_provable().expect_err("no rule").to_string(),
        "wait for `Job/x` at `k8s/app.yaml:1`: this version can prove only Deployments"
    );
}

#[test]
fn each_file_is_rendered_to_a_file_with_a_safe_name() {
    let config = |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}");
    let files: Vec<(String, String)> = [
        ("k8s/app.yaml", format!("{}\n---\n{}", config("a"), config("b"))),
        ("k8s-app.yml", config("c")),
        ("../../etc/passwd", config("d")),
        ("...", config("e")),
    ]
    .map(|(file, text)| (file.to_owned(), text))
    .into();
    let rendered = render(&read(&files).expect("good")).expect("plain values");
    let names: Vec<&str> = rendered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["k8s-app.yaml", "k8s-app_2.yaml", "etc-passwd.yaml", "manifest.yaml"]);
    assert_eq!(rendered[0].1.matches("---").count(), 1);
}

/// Renders a ConfigMap with `data` and reads it again.
fn there_and_back(data: serde_json::Value) -> serde_json::Value {
    let mut release = manifests("{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}");
    release.objects[0].value["data"] = data;
    let rendered = render(&release).expect("plain values");
    manifests(&rendered[0].1).objects[0].value["data"].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rendering_keeps_any_text(texts in proptest::collection::vec("(?s).{0,120}", 1..4)) {
        prop_assert_eq!(there_and_back(json!({"list": texts.clone()})), json!({"list": texts}));
    }

    /// A text that looks like something else stays a text.
    #[test]
    fn rendering_keeps_types(text in "[ynoYNtrue0-9.:eExX_+~-]{1,6}|null|true|\\.inf|0o17|1e3|<<|=") {
        prop_assert_eq!(there_and_back(json!({"k": text.clone()})), json!({"k": text}));
    }
}
