//! Health: watches a release until it is proven live and healthy, or until it is clear why not.

mod confirm;
mod doom;
mod drift;
mod evidence;
mod found;
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

pub(crate) use found::expected_now;
pub(crate) use rules::{Finding, Signal, findings, waits_for};
pub(crate) use settle::{Settings, settle};
pub(crate) use watch::Watches;

use crate::cluster::{Cluster, ClusterError};
use crate::deploy::{Applied, DeployError};
use crate::image::Digest;
use crate::release::{ContainerImage, Object, Proof, Release, container_images, proof};
use serde_json::Value;
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
    /// The `spec` of that generation, as the cluster wrote it.
    pub(crate) spec: Value,
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
    /// Everything that is to run is healthy; of these, 0 replicas are wanted.
    Healthy { idle: Vec<String> },
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
    #[error("look for the release")]
    Look { source: Box<DeployError> },
    #[error("find `{object}`{}", within(namespace.as_deref()))]
    Find { object: String, namespace: Option<String>, source: Box<ClusterError> },
    #[error("find `{object}`{}: it is not there", within(namespace.as_deref()))]
    Missing { object: String, namespace: Option<String> },
    #[error("read `{object}`")]
    Read { object: String, source: serde_json::Error },
    #[error("wait for `{object}`: its container `{container}` runs `{found}` and not `{expected}`")]
    OtherImage { object: String, container: String, found: String, expected: String },
    #[error("wait for `{object}`: {difference}")]
    OtherSpec { object: String, difference: String },
}

fn within(namespace: Option<&str>) -> String {
    namespace.map_or_else(String::new, |namespace| format!(" in namespace `{namespace}`"))
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
            spec: one.spec.clone(),
            containers: containers(&one.object, platforms),
        })
        .collect()
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
