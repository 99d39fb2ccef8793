//! The last look before "healthy": a watch whose connection was lost without a word shows the past for ever.

use super::Expected;
use super::drift::drift;
use super::snapshot::Snapshot;
use crate::cluster::Cluster;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DynamicObject};
use std::time::Duration;

/// The next look uses another connection, so a short one is enough.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the cluster says against "healthy".
pub(super) enum Contradiction {
    /// It is not what was judged, or nobody knows; another look will tell.
    Unclear(String),
    /// It runs something else now.
    Superseded(String),
}

/// Asks the cluster whether the Deployment still is what was judged, and still is what the release made of it, in
/// every field: the watch knows only those that this version knows.
pub(super) async fn contradiction(
    cluster: &Cluster,
    expected: &Expected,
    snapshot: Option<&Snapshot>,
) -> Option<Contradiction> {
    let unclear = |why: &str| Some(Contradiction::Unclear(format!("it looked ready, {why}")));
    let judged = snapshot.and_then(|snapshot| snapshot.deployment(&expected.name, &expected.uid));
    let judged = judged.and_then(|deployment| deployment.metadata.resource_version.clone());
    let resource = ApiResource::erase::<Deployment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), &expected.namespace, &resource);
    let action = format!("look at {} once more", expected.object);
    let look = tokio::time::timeout(PATIENCE, cluster.ask(&action, api.get_opt(&expected.name)));
    let Ok(answer) = look.await else {
        return unclear("but the cluster does not answer");
    };
    match answer {
        Ok(Some(now)) if now.metadata.resource_version == judged => {
            drift(&expected.spec, &now.data["spec"]).map(Contradiction::Superseded)
        }
        Ok(_) => unclear("and has changed since"),
        // Who may watch and not get has no way to ask; the watch is all there is.
        Err(error) if error.status() == Some(403) => None,
        Err(error) => unclear(&format!("but the last look failed: {error}")),
    }
}
