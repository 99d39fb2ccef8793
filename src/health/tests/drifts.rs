//! What tells a release from a Deployment that somebody changed: any field, but not how many run of it.

use super::world::{World, digest, set, world};
use crate::health::drift::drift;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The world after somebody wrote `value` at `pointer` of the spec, and the rollout of that was finished.
fn changed(pointer: &str, value: Value) -> World {
    let mut world = world().with(&format!("/spec{pointer}"), value);
    for (pointer, value) in [("/metadata/generation", 3), ("/status/observedGeneration", 3)] {
        world = world.with(pointer, json!(value));
    }
    world
}

#[test]
fn a_change_that_leaves_the_images_alone_supersedes_ours() {
    let env = json!([{"name": "LEVEL", "value": "secret"}]);
    for (pointer, value, says) in [
        (
            "/template/spec/containers/0/env",
            env,
            "pod template is not the one of this release: `spec.template.spec.containers.0.env`",
        ),
        (
            "/template/spec/serviceAccountName",
            json!("other"),
            "pod template is not the one of this release: `spec.template.spec.serviceAccountName`",
        ),
        (
            "/template/metadata/annotations",
            json!({"a": "b"}),
            "pod template is not the one of this release: `spec.template.metadata.annotations`",
        ),
        ("/minReadySeconds", json!(3), "spec is not the one of this release: `spec.minReadySeconds`"),
    ] {
        assert_eq!(changed(pointer, value).says(0), format!("superseded: its {says} differs"));
    }
}

#[test]
fn what_was_there_before_and_is_there_again_supersedes_ours() {
    // Given a release that took a variable away, when a rollback brings it back,
    let mut world = changed("/template/spec/containers/0/env", json!([{"name": "DEBUG", "value": "1"}]));
    // then the rollback is seen although the manifest says nothing of it.
    assert!(world.says(0).starts_with("superseded: "));
}

#[test]
fn another_scale_a_resumed_rollout_and_a_restart_are_still_ours() {
    let restarted = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    for (pointer, value) in
        [("/replicas", json!(2)), ("/paused", json!(false)), ("/template/metadata/annotations", restarted)]
    {
        assert_eq!(changed(pointer, value).says(0), "ready: 2 of 2 pods ready", "{pointer}");
    }
}

#[test]
fn a_field_that_this_version_does_not_know_counts_in_the_last_look() {
    let spec = world().expected.spec;
    assert_eq!(drift(&spec, &spec), None);
    let mut live = spec.clone();
    set(&mut live, "/template/spec/fromTheFuture", json!(true));
    assert!(drift(&spec, &live).expect("a difference").contains("`spec.template.spec.fromTheFuture`"));
    assert!(drift(&live, &spec).is_some());
}

/// Every place in a value that holds no other values.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, one)| {
            leaves(one, &format!("{at}/{}", key.replace('/', "~1")), found);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, one)| leaves(one, &format!("{at}/{index}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// A spec as the cluster writes it.
fn full_spec() -> Value {
    json!({
        "replicas": 2, "paused": false, "minReadySeconds": 1, "selector": {"matchLabels": {"app": "api"}},
        "template": {
            "metadata": {"labels": {"app": "api"}, "annotations": {
                "note": "1", "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
            }},
            "spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}], "containers": [{
                "name": "api", "image": format!("api@{}", digest()), "args": ["a", "b"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            }]},
        },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written or taken away anywhere in the spec is seen, but for the three places of others.
    #[test]
    fn no_change_goes_unseen(choice: prop::sample::Index, is_removed: bool) {
        let spec = full_spec();
        let mut places = vec![];
        leaves(&spec, "", &mut places);
        let place = choice.get(&places);
        let mut live = spec.clone();
        set(&mut live, place, if is_removed { Value::Null } else { json!("changed") });
        let is_of_others =
            ["/replicas", "/paused"].contains(&place.as_str()) || place.ends_with("restartedAt");
        prop_assert_eq!(drift(&spec, &live).is_none(), is_of_others, "{}", place);
        prop_assert_eq!(drift(&live, &spec).is_none(), is_of_others, "{}", place);
    }
}
