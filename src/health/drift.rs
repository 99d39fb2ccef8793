//! Drift: how a live Deployment differs from the one that a release made. Pure.

use k8s_openapi::api::apps::v1::DeploymentSpec;
use serde_json::Value;

/// What others may change while the release stays the same: how many run, and whether the rollout goes on. Both are
/// judged elsewhere.
const OF_OTHERS: [&str; 2] = ["replicas", "paused"];
/// `kubectl rollout restart` writes this; the same release starts anew.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// How the spec `live` differs from `expected`, both as the cluster wrote them. Names places and no values, which may
/// be secret.
pub(crate) fn drift(expected: &Value, live: &Value) -> Option<String> {
    let place = first_difference(&essence(expected), &essence(live))?;
    let whose = if place.starts_with("/template/") { "pod template" } else { "spec" };
    Some(format!("its {whose} is not the one of this release: `spec{}` differs", place.replace('/', ".")))
}

/// The same for a `live` spec in which fields that this version does not know are lost.
pub(super) fn known_drift(expected: &Value, live: &DeploymentSpec) -> Option<String> {
    let known = serde_json::from_value::<DeploymentSpec>(expected.clone()).ok();
    drift(&to_value(known.as_ref()), &to_value(Some(live)))
}

fn to_value(spec: Option<&DeploymentSpec>) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

/// What belongs to a release: the spec without what others may change.
fn essence(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        OF_OTHERS.iter().for_each(|name| drop(fields.remove(*name)));
    }
    let metadata = spec.pointer_mut("/template/metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let is_empty = annotations.is_some_and(|annotations| {
            annotations.remove(RESTARTED);
            annotations.is_empty()
        });
        if is_empty {
            metadata.remove("annotations");
        }
    }
    spec
}

/// The place of the first difference, such as `/template/spec/containers/0/image`.
fn first_difference(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &str, one: &Value, other: &Value| {
        first_difference(one, other).map(|place| format!("/{key}{place}"))
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            let null = &Value::Null;
            keys.into_iter()
                .find_map(|key| below(key, one.get(key).unwrap_or(null), other.get(key).unwrap_or(null)))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(index, (one, other))| below(&index.to_string(), one, other))
        }
        _ => (one != other).then(String::new),
    }
}
