//! Watches: keeps a snapshot of some namespaces up to date. It never polls, and it outlives broken connections.

use super::HealthError;
use super::snapshot::Snapshot;
use crate::cluster::{Cluster, ClusterError};
use crate::event::Events;
use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ResourceExt as _};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Open watches on Deployments, ReplicaSets, pods and warning events. Dropping it closes them.
pub(crate) struct Watches {
    pub(super) cluster: Cluster,
    messages: UnboundedReceiver<Message>,
    stores: BTreeMap<String, Store>,
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

/// A snapshot and the lists that are still being read: a list that is half there must not look like deletions.
struct Store {
    snapshot: Snapshot,
    deployments: BTreeMap<String, Deployment>,
    replica_sets: BTreeMap<String, ReplicaSet>,
    pods: BTreeMap<String, Pod>,
    events: BTreeMap<String, Event>,
}

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
        let mut watches =
            Self { cluster: cluster.clone(), messages, stores, told: BTreeSet::new(), _tasks: tasks };
        let kinds = [Kind::Deployments, Kind::ReplicaSets, Kind::Pods, Kind::Events];
        let mut missing: BTreeSet<(String, Kind)> =
            namespaces.iter().flat_map(|namespace| kinds.map(|kind| (namespace.clone(), kind))).collect();
        while !missing.is_empty() {
            let Some(message) = watches.messages.recv().await else { break };
            let key = (message.namespace.clone(), message.kind);
            if message.change.is_complete() {
                missing.remove(&key);
            }
            watches.absorb(events, message)?;
        }
        Ok(watches)
    }

    /// What is known of `namespace`.
    pub(super) fn snapshot(&self, namespace: &str) -> Option<&Snapshot> {
        self.stores.get(namespace).map(|store| &store.snapshot)
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
        let snapshot = &mut store.snapshot;
        match change {
            Change::Deployment(event) => {
                take(Some(&mut snapshot.deployments), &mut store.deployments, event);
            }
            Change::ReplicaSet(event) => {
                take(snapshot.replica_sets.as_mut(), &mut store.replica_sets, event);
            }
            Change::Pod(event) => take(snapshot.pods.as_mut(), &mut store.pods, event),
            Change::Event(event) => take(snapshot.events.as_mut(), &mut store.events, event),
            Change::Interrupted(error) => {
                if self.told.insert((namespace.clone(), kind)) {
                    let text = "the watch was interrupted and is opened again";
                    events.warn(format!("{kind} in namespace `{namespace}`: {text}: {error}"));
                }
            }
            Change::Denied(source) if kind == Kind::Deployments => {
                return Err(HealthError::Watch { namespace, source: Box::new(source) });
            }
            Change::Denied(error) => {
                events.warn(format!("{kind} in namespace `{namespace}`: {}: {error}", loss(kind)));
                snapshot.hide(kind);
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

impl Snapshot {
    fn hide(&mut self, kind: Kind) {
        match kind {
            Kind::Deployments => {}
            Kind::ReplicaSets => self.replica_sets = None,
            Kind::Pods => self.pods = None,
            Kind::Events => self.events = None,
        }
    }
}

impl Store {
    fn empty() -> Self {
        Self {
            snapshot: Snapshot::empty(),
            deployments: BTreeMap::new(),
            replica_sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            events: BTreeMap::new(),
        }
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

fn spawn_all(tasks: &mut JoinSet<()>, cluster: &Cluster, namespace: &str, sender: &UnboundedSender<Message>) {
    let everything = watcher::Config::default();
    let warnings = watcher::Config::default().fields("type=Warning");
    let line = |kind| Line {
        cluster: cluster.clone(),
        namespace: namespace.to_owned(),
        kind,
        sender: sender.clone(),
    };
    tasks.spawn(line(Kind::Deployments).follow(everything.clone(), Change::Deployment));
    tasks.spawn(line(Kind::ReplicaSets).follow(everything.clone(), Change::ReplicaSet));
    tasks.spawn(line(Kind::Pods).follow(everything, Change::Pod));
    tasks.spawn(line(Kind::Events).follow(warnings, Change::Event));
}

/// One watch and the way to those who wait for it.
struct Line {
    cluster: Cluster,
    namespace: String,
    kind: Kind,
    sender: UnboundedSender<Message>,
}

/// A right that is granted while a role binding spreads is not worth an error; one that never comes is.
const DENIALS: u32 = 3;

impl Line {
    /// Watches until nobody listens any more or the cluster keeps saying no.
    async fn follow<K>(self, config: watcher::Config, wrap: fn(watcher::Event<K>) -> Change)
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + fmt::Debug + DeserializeOwned + Send + 'static,
    {
        let api: Api<K> = Api::namespaced(self.cluster.client(), &self.namespace);
        let mut stream = std::pin::pin!(watcher(api, config));
        let mut failures = 0;
        while let Some(item) = stream.next().await {
            let is_told = match item {
                Ok(event) => {
                    // The start of a list says nothing yet about whether the list will come.
                    failures = if matches!(event, watcher::Event::Init) { failures } else { 0 };
                    self.tell(wrap(event.modify(|object| object.managed_fields_mut().clear())))
                }
                Err(error) => match self.problem(error) {
                    None => true,
                    Some(problem) if is_denial(&problem) && failures + 1 >= DENIALS => {
                        self.tell(Change::Denied(problem));
                        return;
                    }
                    Some(problem) => {
                        failures += 1;
                        let is_told = is_denial(&problem) || self.tell(Change::Interrupted(problem));
                        tokio::time::sleep(pause(failures)).await;
                        is_told
                    }
                },
            };
            if !is_told {
                return;
            }
        }
    }

    /// Passes a change on; `false` when nobody listens any more.
    fn tell(&self, change: Change) -> bool {
        self.sender.send(Message { namespace: self.namespace.clone(), kind: self.kind, change }).is_ok()
    }

    /// What went wrong; nothing when the server only asks to start from a new list.
    fn problem(&self, error: watcher::Error) -> Option<ClusterError> {
        let what = format!("watch {}", self.kind);
        let error = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error,
            watcher::Error::WatchError(status) => kube::Error::Api(status),
            watcher::Error::NoResourceVersion => return None,
        };
        let problem = self.cluster.explain(&what, error);
        (problem.status() != Some(410)).then_some(problem)
    }
}

fn is_denial(problem: &ClusterError) -> bool {
    matches!(problem, ClusterError::Unauthorised { .. }) || problem.status() == Some(403)
}

/// Longer after every failure, and never so long that a verdict would be late by much.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(125 * 2_u64.pow(failures.min(5)))
}
