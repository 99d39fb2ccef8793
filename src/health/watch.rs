//! Watches: keeps a snapshot of some namespaces up to date. It never polls, and it outlives broken connections.

mod line;

use super::HealthError;
use super::snapshot::Snapshot;
use super::store::Store;
use crate::cluster::{Cluster, ClusterError};
use crate::event::Events;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::watcher;
use line::{is_everyday, spawn_all};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

/// Open watches on Deployments, ReplicaSets, pods and warning events. Dropping it closes them.
pub(crate) struct Watches {
    pub(super) cluster: Cluster,
    messages: UnboundedReceiver<Message>,
    stores: BTreeMap<String, Store>,
    /// Of these something may have happened that is not known yet.
    stale: BTreeSet<(String, Kind)>,
    told: BTreeSet<(String, Kind)>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Deployments,
    ReplicaSets,
    Pods,
    Events,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Deployments => "Deployments",
            Self::ReplicaSets => "ReplicaSets",
            Self::Pods => "pods",
            Self::Events => "events",
        })
    }
}

struct Message {
    namespace: String,
    kind: Kind,
    change: Change,
}

enum Change {
    Deployment(watcher::Event<Deployment>),
    ReplicaSet(watcher::Event<ReplicaSet>),
    Pod(watcher::Event<Pod>),
    Event(watcher::Event<Event>),
    /// The connection broke; it is being opened again.
    Interrupted(ClusterError),
    /// The identity may not watch this, and that has not changed for a while.
    Denied(ClusterError),
}

/// An API server that does not answer a list for so long is not one to deploy to.
const OPEN_LIMIT: Duration = Duration::from_secs(40);

impl Watches {
    /// Opens the watches and returns when each has shown what is there now. Call it before the apply, so that no
    /// change is missed. What may not be watched is warned about; without Deployments there is nothing to judge.
    pub(crate) async fn open(
        events: &Events,
        cluster: &Cluster,
        namespaces: &BTreeSet<String>,
    ) -> Result<Self, HealthError> {
        let (sender, messages) = unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut stores = BTreeMap::new();
        for namespace in namespaces {
            spawn_all(&mut tasks, cluster, namespace, &sender);
            stores.insert(namespace.clone(), Store::empty());
        }
        let mut watches = Self {
            cluster: cluster.clone(),
            messages,
            stores,
            stale: BTreeSet::new(),
            told: BTreeSet::new(),
            _tasks: tasks,
        };
        match tokio::time::timeout(OPEN_LIMIT, watches.first_lists(events)).await {
            Ok(opened) => opened.map(|()| watches),
            Err(_) => Err(watches.too_late()),
        }
    }

    /// Takes in messages until every watch has shown what is there.
    async fn first_lists(&mut self, events: &Events) -> Result<(), HealthError> {
        let kinds = [Kind::Deployments, Kind::ReplicaSets, Kind::Pods, Kind::Events];
        let of_namespace = |namespace: &String| kinds.map(|kind| (namespace.clone(), kind));
        self.stale = self.stores.keys().flat_map(of_namespace).collect();
        while !self.stale.is_empty() {
            self.changed(events).await?;
        }
        Ok(())
    }

    fn too_late(&self) -> HealthError {
        let (namespace, kind) = self.stale.first().cloned().unwrap_or((String::new(), Kind::Deployments));
        let source = ClusterError::Unreachable {
            server: self.cluster.server().to_owned(),
            what: format!("watch {kind}"),
            problem: format!("no answer in {} seconds", OPEN_LIMIT.as_secs()),
        };
        HealthError::Watch { namespace, source: Box::new(source) }
    }

    /// What is known of `namespace`.
    pub(super) fn snapshot(&self, namespace: &str) -> Option<&Snapshot> {
        self.stores.get(namespace).map(|store| &store.snapshot)
    }

    /// Whether what is known of `namespace` is what is there, as far as anybody can tell.
    pub(super) fn is_current(&self, namespace: &str) -> bool {
        self.stale.iter().all(|(stale, _)| stale != namespace)
    }

    /// Waits for a change and takes in all that have come with it.
    pub(super) async fn changed(&mut self, events: &Events) -> Result<(), HealthError> {
        match self.messages.recv().await {
            Some(message) => self.absorb(events, message)?,
            // Every watch was denied; there is only time to wait for.
            None => futures::future::pending().await,
        }
        while let Ok(message) = self.messages.try_recv() {
            self.absorb(events, message)?;
        }
        Ok(())
    }

    fn absorb(&mut self, events: &Events, message: Message) -> Result<(), HealthError> {
        let Message { namespace, kind, change } = message;
        let Some(store) = self.stores.get_mut(&namespace) else { return Ok(()) };
        if change.is_complete() {
            self.stale.remove(&(namespace.clone(), kind));
        }
        match change {
            Change::Deployment(event) => store.deployment(event),
            Change::ReplicaSet(event) => store.replica_set(event),
            Change::Pod(event) => store.pod(event),
            Change::Event(event) => store.event(event),
            Change::Interrupted(error) => {
                self.stale.insert((namespace.clone(), kind));
                if !is_everyday(&error) && self.told.insert((namespace.clone(), kind)) {
                    let text = "the watch was interrupted and is opened again";
                    events.warn(format!("{kind} in namespace `{namespace}`: {text}: {error}"));
                }
            }
            Change::Denied(source) if kind == Kind::Deployments => {
                return Err(HealthError::Watch { namespace, source: Box::new(source) });
            }
            Change::Denied(error) => {
                events.warn(format!("{kind} in namespace `{namespace}`: {}: {error}", loss(kind)));
                hide(&mut store.snapshot, kind);
            }
        }
        Ok(())
    }
}

/// What goes unseen without a kind.
fn loss(kind: Kind) -> &'static str {
    match kind {
        Kind::Events => "may not be watched, so warnings of the cluster are not shown",
        _ => "may not be watched, so only the status of Deployments is judged and causes are not shown",
    }
}

fn hide(snapshot: &mut Snapshot, kind: Kind) {
    match kind {
        Kind::Deployments => {}
        Kind::ReplicaSets => snapshot.replica_sets = None,
        Kind::Pods => snapshot.pods = None,
        Kind::Events => snapshot.events = None,
    }
}

impl Change {
    /// Whether this ends the first list of a watch.
    fn is_complete(&self) -> bool {
        use watcher::Event::InitDone;
        matches!(
            self,
            Self::Deployment(InitDone)
                | Self::ReplicaSet(InitDone)
                | Self::Pod(InitDone)
                | Self::Event(InitDone)
                | Self::Denied(_)
        )
    }
}
