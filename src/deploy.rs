//! Deploys: hands a release to the cluster by server-side apply, all checked before the first is changed.

mod look;
mod order;
mod resolve;
mod send;
#[cfg(test)]
mod tests;

pub(crate) use look::{Found, Live, look, trial};

use crate::cluster::{Cluster, ClusterError};
use crate::event::{Events, Progress, Stage};
use crate::release::{Object, Release};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use resolve::Target;
use send::{Before, Mode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// What the user allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) create_namespace: bool,
    /// Take fields over from other managers instead of stopping at a conflict.
    pub(crate) take_ownership: bool,
}

/// An object that the cluster now has as the release wants it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Applied {
    pub(crate) object: Object,
    /// The namespace it really is in; none for objects of the whole cluster.
    pub(crate) namespace: Option<String>,
    pub(crate) uid: String,
    /// Zero for kinds that do not count their generations.
    pub(crate) generation: i64,
    /// What the cluster made of the manifest's `spec`, null for kinds without one.
    pub(crate) spec: Value,
    pub(crate) change: Change,
}

/// What the apply changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Configured,
    Unchanged,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        })
    }
}

/// A field that somebody else looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) manager: String,
    pub(crate) field: String,
}

/// Why the cluster does not have the release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployError {
    #[error(
        "find kind `{kind}` of `{api_version}` for `{object}` at `{place}`: the cluster does not serve it"
    )]
    UnknownKind { object: String, place: String, api_version: String, kind: String },
    /// The hint is `--create-namespace`.
    #[error("apply `{object}` at `{place}`: namespace `{namespace}` does not exist")]
    MissingNamespace { object: String, place: String, namespace: String },
    /// The hint is `--take-ownership`.
    #[error("apply `{object}` at `{place}`: {}", describe(conflicts))]
    Conflict { object: String, place: String, conflicts: Vec<Conflict> },
    #[error("apply `{object}` at `{place}`")]
    Apply { object: String, place: String, source: Box<ClusterError> },
    #[error("prepare the deploy")]
    Prepare { source: Box<ClusterError> },
}

fn prepare(error: ClusterError) -> DeployError {
    DeployError::Prepare { source: Box::new(error) }
}

fn describe(conflicts: &[Conflict]) -> String {
    let each =
        |conflict: &Conflict| format!("field `{}` belongs to manager `{}`", conflict.field, conflict.manager);
    conflicts.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// More would only queue up in the API server's fair queueing.
const PARALLEL_CHECKS: usize = 8;

/// Applies `release`. The server first tries every object without keeping it, so that a release which cannot be
/// applied leaves nothing half-written. Does not wait for anything to become healthy.
pub(crate) async fn apply(
    events: &Events,
    cluster: &Cluster,
    release: &Release,
    options: Options,
) -> Result<Vec<Applied>, DeployError> {
    let targets = resolve::targets(cluster, release).await?;
    let absent = absent_namespaces(cluster, &targets, options).await?;
    // Nothing can be tried in a namespace that is not there, so its objects are checked once it is.
    let (later, now): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| target.is_in(&absent));
    let checked = check(cluster, now, options).await?;
    create_namespaces(events, cluster, &absent, &checked).await?;
    let (namespaces, others): (Vec<_>, Vec<_>) =
        checked.into_iter().partition(|(target, _)| target.object.kind == "Namespace");
    let mut applied = send_all(events, cluster, namespaces, options).await?;
    let mut rest = check(cluster, later, options).await?;
    rest.extend(others);
    rest.sort_by_key(|(target, _)| target.rank);
    applied.extend(send_all(events, cluster, rest, options).await?);
    Ok(applied)
}

/// The namespaces that the release needs and the cluster does not have.
async fn absent_namespaces(
    cluster: &Cluster,
    targets: &[Target<'_>],
    options: Options,
) -> Result<BTreeSet<String>, DeployError> {
    let mut absent = BTreeSet::new();
    let mut known = BTreeSet::new();
    let is_released = |name: &str| {
        targets.iter().any(|target| target.object.kind == "Namespace" && target.object.name == name)
    };
    for target in targets {
        let Some(namespace) = &target.namespace else { continue };
        if !known.insert(namespace) || has_namespace(cluster, namespace).await? {
            continue;
        }
        if !options.create_namespace && !is_released(namespace) {
            return Err(target.missing_namespace(namespace));
        }
        absent.insert(namespace.clone());
    }
    Ok(absent)
}

/// An identity that may not look at namespaces is common; the apply itself then says whether there is one.
async fn has_namespace(cluster: &Cluster, name: &str) -> Result<bool, DeployError> {
    let api: Api<Namespace> = Api::all(cluster.client());
    match cluster.ask(&format!("look for namespace `{name}`"), api.get_opt(name)).await {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.status() == Some(403) => Ok(true),
        Err(error) => Err(prepare(error)),
    }
}

/// Creates the absent namespaces that the release does not bring itself.
async fn create_namespaces(
    events: &Events,
    cluster: &Cluster,
    absent: &BTreeSet<String>,
    checked: &[(Target<'_>, Before)],
) -> Result<(), DeployError> {
    let is_released = |name: &str| {
        checked.iter().any(|(target, _)| target.object.kind == "Namespace" && target.object.name == name)
    };
    for name in absent.iter().filter(|name| !is_released(name)) {
        send::create_namespace(cluster, name).await.map_err(prepare)?;
        events.step(Stage::Deploy, format!("Namespace/{name}"), Progress::Done, Change::Created.to_string());
    }
    Ok(())
}

/// Lets the server try every target. The first error in the order of the release wins, so that a run repeats itself.
async fn check<'a>(
    cluster: &Cluster,
    targets: Vec<Target<'a>>,
    options: Options,
) -> Result<Vec<(Target<'a>, Before)>, DeployError> {
    let checks = targets.into_iter().map(async |target| {
        let before = send::check(cluster, &target, options).await?;
        Ok((target, before))
    });
    let results: Vec<Result<_, DeployError>> =
        futures::stream::iter(checks).buffered(PARALLEL_CHECKS).collect().await;
    results.into_iter().collect()
}

async fn send_all(
    events: &Events,
    cluster: &Cluster,
    targets: Vec<(Target<'_>, Before)>,
    options: Options,
) -> Result<Vec<Applied>, DeployError> {
    let mut applied = Vec::new();
    for (target, before) in targets {
        let subject = target.object.to_string();
        match send::send(cluster, &target, &before, Mode::keep(options)).await {
            Err(error) => {
                events.step(Stage::Deploy, subject, Progress::Failed, "refused");
                return Err(error);
            }
            Ok(one) => {
                let progress =
                    if one.change == Change::Unchanged { Progress::Unchanged } else { Progress::Done };
                events.step(Stage::Deploy, subject, progress, one.change.to_string());
                applied.push(one);
            }
        }
    }
    Ok(applied)
}
