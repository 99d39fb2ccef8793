//! Looks: what the cluster has of a release that somebody else applied. Changes nothing.

use super::resolve::{self, Target};
use super::send::Mode;
use super::{DeployError, PARALLEL_CHECKS};
use crate::cluster::{Cluster, ClusterError};
use crate::release::{Object, Release};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DynamicObject, Patch};
use serde_json::Value;

/// An object of a release and what the cluster has of it.
pub(crate) struct Found {
    pub(crate) object: Object,
    /// None for objects of the whole cluster.
    pub(crate) namespace: Option<String>,
    pub(crate) live: Live,
}

/// What is there under the name of an object.
pub(crate) enum Live {
    Missing,
    /// This is there, as the cluster wrote it.
    There(Value),
    /// The cluster did not say.
    Unknown(ClusterError),
}

/// Looks for every object of `release`.
pub(crate) async fn look(cluster: &Cluster, release: &Release) -> Result<Vec<Found>, DeployError> {
    let targets = resolve::targets(cluster, release).await?;
    let looks = targets.into_iter().map(async |target| look_for(cluster, target).await);
    Ok(futures::stream::iter(looks).buffered(PARALLEL_CHECKS).collect().await)
}

async fn look_for(cluster: &Cluster, target: Target<'_>) -> Found {
    let api = target.api(cluster);
    let what = format!("read {}", target.object);
    let live = match cluster.ask(&what, api.get_opt(&target.object.name)).await {
        Ok(None) => Live::Missing,
        Ok(Some(object)) => serde_json::to_value(object).map_or(Live::Missing, Live::There),
        Err(error) => Live::Unknown(error),
    };
    Found { object: target.object.clone(), namespace: target.namespace, live }
}

/// What the cluster would make of the Deployment `object` if it were applied now and everybody else gave way.
pub(crate) async fn trial(
    cluster: &Cluster,
    object: &Object,
    namespace: &str,
) -> Result<Value, ClusterError> {
    let resource = ApiResource::erase::<Deployment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), namespace, &resource);
    let parameters = Mode::forced_trial().parameters();
    let body = Patch::Apply(&object.value);
    let what = format!("try to apply {object}");
    Ok(cluster.ask(&what, api.patch(&object.name, &parameters, &body)).await?.data)
}
