//! The snapshot: what the watches have shown of one namespace so far.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use std::collections::BTreeMap;

/// The objects of a namespace by uid. A kind that the identity may not see is `None`: not seeing a pod is not the
/// same as there being none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) deployments: BTreeMap<String, Deployment>,
    pub(crate) replica_sets: Option<BTreeMap<String, ReplicaSet>>,
    pub(crate) pods: Option<BTreeMap<String, Pod>>,
    pub(crate) events: Option<BTreeMap<String, Event>>,
}

impl Snapshot {
    /// A namespace in which everything may be seen and nothing is there.
    pub(crate) fn empty() -> Self {
        Self {
            deployments: BTreeMap::new(),
            replica_sets: Some(BTreeMap::new()),
            pods: Some(BTreeMap::new()),
            events: Some(BTreeMap::new()),
        }
    }

    /// The Deployment of this name. Should one of an older uid linger, the other one counts.
    pub(crate) fn deployment(&self, name: &str, uid: &str) -> Option<&Deployment> {
        self.deployments
            .get(uid)
            .filter(|found| found.metadata.name.as_deref() == Some(name))
            .or_else(|| self.deployments.values().find(|found| found.metadata.name.as_deref() == Some(name)))
    }
}
