//! Found: what to expect of a release that another process applied, and whether it is there at all.

use super::drift::drift;
use super::{Expected, HealthError, Platforms, containers, objects};
use crate::cluster::{Cluster, ClusterError};
use crate::deploy::{self, Found, Live};
use crate::event::Events;
use crate::release::{Object, Proof, Release, proof};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

/// What to expect of a release that another process applied. All of it must be there, and the Deployments must
/// already be what it says: otherwise there is nothing to wait for.
pub(crate) async fn expected_now(
    events: &Events,
    cluster: &Cluster,
    release: &Release,
    platforms: &Platforms,
) -> Result<Vec<Expected>, HealthError> {
    let found = deploy::look(cluster, release).await;
    let found = found.map_err(|source| HealthError::Look { source: Box::new(source) })?;
    let is_judged = |found: &Found| proof(&found.object) == Proof::Judged;
    let is_alone = !found.iter().any(is_judged);
    let mut all = Vec::new();
    for one in found {
        let is_judged = is_judged(&one);
        match one.live {
            Live::Missing => {
                return Err(HealthError::Missing {
                    object: one.object.to_string(),
                    namespace: one.namespace,
                });
            }
            Live::There(live) if is_judged => {
                let namespace = one.namespace.unwrap_or_default();
                all.push(released(events, cluster, &one.object, namespace, live, platforms).await?);
            }
            Live::There(_) => {}
            // What configures others may be hidden from an identity that sees the others healthy.
            Live::Unknown(error) if error.status() == Some(403) && !is_judged && !is_alone => {
                events.warn(format!("nobody has looked whether {} is there: {error}", one.object));
            }
            Live::Unknown(source) => return Err(find(&one.object, one.namespace, source)),
        }
    }
    Ok(all)
}

/// The Deployment `live`, if it is what the release says.
async fn released(
    events: &Events,
    cluster: &Cluster,
    object: &Object,
    namespace: String,
    live: Value,
    platforms: &Platforms,
) -> Result<Expected, HealthError> {
    let containers = containers(object, platforms);
    let unreadable =
        |error: serde_json::Error| HealthError::Read { object: object.to_string(), source: error };
    let deployment: Deployment = serde_json::from_value(live.clone()).map_err(unreadable)?;
    if let Some(other) = objects::other_image(&containers, &deployment) {
        return Err(HealthError::OtherImage {
            object: object.to_string(),
            container: other.container,
            found: other.found,
            expected: other.expected,
        });
    }
    ensure_same(events, cluster, object, &namespace, &live["spec"]).await?;
    Ok(Expected {
        object: object.to_string(),
        namespace,
        name: object.name.clone(),
        uid: deployment.metadata.uid.unwrap_or_default(),
        generation: deployment.metadata.generation.unwrap_or_default(),
        spec: live["spec"].clone(),
        containers,
    })
}

/// Lets the cluster try to apply the manifest: where that would change something, the release is not live.
async fn ensure_same(
    events: &Events,
    cluster: &Cluster,
    object: &Object,
    namespace: &str,
    live: &Value,
) -> Result<(), HealthError> {
    let difference = match deploy::trial(cluster, object, namespace).await {
        Ok(tried) => drift(&tried["spec"], live),
        Err(error) if cannot_be_tried(&error) => {
            let text = "cannot be compared with its manifest, so only its images are";
            events.warn(format!("{object} {text}: {error}"));
            None
        }
        Err(error) if error.is_transient() => return Err(find(object, Some(namespace.to_owned()), error)),
        // What the cluster would not take is not what it has.
        Err(error) => Some(format!("the cluster does not take its manifest: {error}")),
    };
    match difference {
        None => Ok(()),
        Some(difference) => Err(HealthError::OtherSpec { object: object.to_string(), difference }),
    }
}

/// An identity that may only watch has no way to ask, nor has anybody where a webhook refuses trials.
fn cannot_be_tried(error: &ClusterError) -> bool {
    match error {
        ClusterError::Refused { status: 403, .. } => true,
        ClusterError::Refused { status: 400, message, .. } => message.contains("does not support dry run"),
        _ => false,
    }
}

fn find(object: &Object, namespace: Option<String>, source: ClusterError) -> HealthError {
    HealthError::Find { object: object.to_string(), namespace, source: Box::new(source) }
}
