//! Health: watches a release until it is proven live and healthy, or until it is clear why not.

mod doom;
mod confirm;
mod evidence;
mod objects;
mod rollout;
mod rules;
mod seen;
mod settle;
mod snapshot;
mod store;
mod verdict;
mod watch;
#[cfg(test)]
mod tests;

pub(crate) use settle::{Settings, settle};
pub(crate) use watch::Watches;

use crate::cluster::{Cluster, ClusterError};
use crate::deploy::Applied;
use crate::image::Digest;
use crate::release::{ContainerImage, Object, Proof, Release, container_images, proof};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use std::collections::{BTreeMap, BTreeSet};

/// For each digest a manifest may name, the digests a kubelet may report for it: platform manifests of an index.
pub(crate) type Platforms = BTreeMap<Digest, Vec<Digest>>;

/// What must be true of a Deployment for the release to be live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// `Deployment/api`.
    pub(crate) object: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The generation that the apply made; an older one is not ours yet.
    pub(crate) generation: i64,
    pub(crate) containers: Vec<ExpectedContainer>,
}

/// An image that must run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedContainer {
    pub(crate) name: String,
    pub(crate) image: String,
    /// The digests of which one must be running; empty for an image that is not named by digest.
    pub(crate) digests: Vec<Digest>,
}

/// How the wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Healthy,
    /// These have failed.
    Failed(Vec<Report>),
    /// These were not ready in time; the sentences say what was missing.
    TimedOut(Vec<Report>),
    /// These are paused: a person has to go on.
    AwaitingPromotion(Vec<Report>),
    /// These run something else now.
    Superseded(Vec<Report>),
}

/// What is known about a workload at the end. All of it but `object` may be foreign text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) object: String,
    pub(crate) sentence: String,
    /// Warning events, the newest last.
    pub(crate) evidence: Vec<String>,
    pub(crate) logs: Vec<LogTail>,
}

/// The last lines of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogTail {
    /// `pod/api-abc container api`.
    pub(crate) subject: String,
    pub(crate) lines: Vec<String>,
}

/// Why the health of a release could not be found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealthError {
    #[error("watch namespace `{namespace}`")]
    Watch { namespace: String, source: Box<ClusterError> },
    #[error("find `{object}` in namespace `{namespace}`")]
    Find { object: String, namespace: String, source: Box<ClusterError> },
    #[error("find `{object}` in namespace `{namespace}`: it is not there")]
    Missing { object: String, namespace: String },
    #[error("wait for `{object}`: its container `{container}` runs `{found}` and not `{expected}`")]
    OtherImage { object: String, container: String, found: String, expected: String },
}

/// The namespaces to watch for `release`.
pub(crate) fn namespaces(cluster: &Cluster, release: &Release) -> BTreeSet<String> {
    let judged = release.objects.iter().filter(|object| proof(object) == Proof::Judged);
    judged.map(|object| object.namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned())).collect()
}

/// What an apply leads us to expect of the Deployments among its objects.
pub(crate) fn expected(applied: &[Applied], platforms: &Platforms) -> Vec<Expected> {
    let judged = applied.iter().filter(|one| proof(&one.object) == Proof::Judged);
    judged
        .map(|one| Expected {
            object: one.object.to_string(),
            namespace: one.namespace.clone().unwrap_or_default(),
            name: one.object.name.clone(),
            uid: one.uid.clone(),
            generation: one.generation,
            containers: containers(&one.object, platforms),
        })
        .collect()
}

/// What to expect of a release that another process applied. The Deployments must already ask for its images:
/// otherwise there is nothing to wait for.
pub(crate) async fn expected_now(
    cluster: &Cluster,
    release: &Release,
    platforms: &Platforms,
) -> Result<Vec<Expected>, HealthError> {
    let mut all = Vec::new();
    for object in release.objects.iter().filter(|object| proof(object) == Proof::Judged) {
        let namespace = object.namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned());
        let deployment = find(cluster, object, &namespace).await?;
        let containers = containers(object, platforms);
        if let Some(other) = objects::other_image(&containers, &deployment) {
            return Err(HealthError::OtherImage {
                object: object.to_string(),
                container: other.container,
                found: other.found,
                expected: other.expected,
            });
        }
        all.push(Expected {
            object: object.to_string(),
            namespace,
            name: object.name.clone(),
            uid: deployment.metadata.uid.unwrap_or_default(),
            generation: deployment.metadata.generation.unwrap_or_default(),
            containers,
        });
    }
    Ok(all)
}

async fn find(cluster: &Cluster, object: &Object, namespace: &str) -> Result<Deployment, HealthError> {
    let api: Api<Deployment> = Api::namespaced(cluster.client(), namespace);
    let (object_name, namespace) = (object.to_string(), namespace.to_owned());
    match cluster.ask(&format!("read {object}"), api.get_opt(&object.name)).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(HealthError::Missing { object: object_name, namespace }),
        Err(error) => Err(HealthError::Find { object: object_name, namespace, source: Box::new(error) }),
    }
}

fn containers(object: &Object, platforms: &Platforms) -> Vec<ExpectedContainer> {
    let expect = |ContainerImage { container, image }| {
        let pinned = image.split_once('@').and_then(|(_, digest)| digest.parse::<Digest>().ok());
        let digests = pinned.map_or_else(Vec::new, |digest| {
            let platforms = platforms.get(&digest).into_iter().flatten().cloned();
            platforms.chain([digest.clone()]).collect()
        });
        ExpectedContainer { name: container, image, digests }
    };
    container_images(object).into_iter().map(expect).collect()
}
