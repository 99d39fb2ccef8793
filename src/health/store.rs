//! The store: takes what the watches say into a snapshot.

use super::snapshot::Snapshot;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::watcher;
use std::collections::BTreeMap;

/// A snapshot and the lists that are still being read: a list that is half there must not look like deletions.
pub(super) struct Store {
    pub(super) snapshot: Snapshot,
    deployments: BTreeMap<String, Deployment>,
    replica_sets: BTreeMap<String, ReplicaSet>,
    pods: BTreeMap<String, Pod>,
    events: BTreeMap<String, Event>,
}

impl Store {
    /// Nothing is there, as far as is known.
    pub(super) fn empty() -> Self {
        Self {
            snapshot: Snapshot::empty(),
            deployments: BTreeMap::new(),
            replica_sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    pub(super) fn deployment(&mut self, event: watcher::Event<Deployment>) {
        take(Some(&mut self.snapshot.deployments), &mut self.deployments, event);
    }

    pub(super) fn replica_set(&mut self, event: watcher::Event<ReplicaSet>) {
        take(self.snapshot.replica_sets.as_mut(), &mut self.replica_sets, event);
    }

    pub(super) fn pod(&mut self, event: watcher::Event<Pod>) {
        take(self.snapshot.pods.as_mut(), &mut self.pods, event);
    }

    pub(super) fn event(&mut self, event: watcher::Event<Event>) {
        take(self.snapshot.events.as_mut(), &mut self.events, event);
    }
}

fn take<K: kube::Resource>(
    known: Option<&mut BTreeMap<String, K>>,
    list: &mut BTreeMap<String, K>,
    event: watcher::Event<K>,
) {
    let Some(known) = known else { return };
    let uid = |object: &K| object.meta().uid.clone().unwrap_or_default();
    match event {
        watcher::Event::Init => list.clear(),
        watcher::Event::InitApply(object) => drop(list.insert(uid(&object), object)),
        watcher::Event::InitDone => *known = std::mem::take(list),
        watcher::Event::Apply(object) => drop(known.insert(uid(&object), object)),
        watcher::Event::Delete(object) => drop(known.remove(&uid(&object))),
    }
}
