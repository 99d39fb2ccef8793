//! One watch: a line from the API server to those who wait, which is opened again when it breaks.

use super::{Change, Kind, Message};
use crate::cluster::{Cluster, ClusterError};
use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, ResourceExt as _};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// Starts the watches of a namespace.
pub(super) fn spawn_all(
    tasks: &mut JoinSet<()>,
    cluster: &Cluster,
    namespace: &str,
    sender: &UnboundedSender<Message>,
) {
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
    /// Watches until nobody listens any more or the cluster keeps saying no. After an error it starts with a new list,
    /// because only the end of a list shows that what is known is what is there.
    async fn follow<K>(self, config: watcher::Config, wrap: fn(watcher::Event<K>) -> Change)
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + fmt::Debug + DeserializeOwned + Send + 'static,
    {
        let api: Api<K> = Api::namespaced(self.cluster.client(), &self.namespace);
        let mut failures = 0;
        loop {
            let mut stream = std::pin::pin!(watcher(api.clone(), config.clone()));
            let error = loop {
                match stream.next().await {
                    Some(Ok(event)) => {
                        // The start of a list says nothing yet about whether the list will come.
                        failures = if matches!(event, watcher::Event::Init) { failures } else { 0 };
                        if !self.tell(wrap(event.modify(|object| object.managed_fields_mut().clear()))) {
                            return;
                        }
                    }
                    Some(Err(error)) => break error,
                    None => return,
                }
            };
            failures += 1;
            let problem = self.problem(error);
            if is_denial(&problem) && failures >= DENIALS {
                self.tell(Change::Denied(problem));
                return;
            }
            self.tell(Change::Interrupted(problem));
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// Passes a change on; `false` when nobody listens any more.
    fn tell(&self, change: Change) -> bool {
        self.sender.send(Message { namespace: self.namespace.clone(), kind: self.kind, change }).is_ok()
    }

    fn problem(&self, error: watcher::Error) -> ClusterError {
        let what = format!("watch {}", self.kind);
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.cluster.explain(&what, error),
            watcher::Error::WatchError(status) => self.cluster.explain(&what, kube::Error::Api(status)),
            watcher::Error::NoResourceVersion => ClusterError::Unreachable {
                server: self.cluster.server().to_owned(),
                what,
                problem: "its answer has no resource version".to_owned(),
            },
        }
    }
}

/// The server forgets old versions, and a role may take a moment to spread: nobody has to know.
pub(super) fn is_everyday(problem: &ClusterError) -> bool {
    problem.status() == Some(410) || is_denial(problem)
}

fn is_denial(problem: &ClusterError) -> bool {
    matches!(problem, ClusterError::Unauthorised { .. }) || problem.status() == Some(403)
}

/// Longer after every failure, and never so long that a verdict would be late by much.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(125 * 2_u64.pow(failures.min(5)))
}
