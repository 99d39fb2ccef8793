//! The last look before "healthy": a watch whose connection was lost without a word shows the past for ever.

use super::Expected;
use super::snapshot::Snapshot;
use crate::cluster::Cluster;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use std::time::Duration;

/// The next look uses another connection, so a short one is enough.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the cluster whether the Deployment still is what was judged. Returns why it is not, or why that is unknown.
pub(super) async fn contradiction(
    cluster: &Cluster,
    expected: &Expected,
    snapshot: Option<&Snapshot>,
) -> Option<String> {
    let judged = snapshot.and_then(|snapshot| snapshot.deployment(&expected.name, &expected.uid));
    let judged = judged.and_then(|deployment| deployment.metadata.resource_version.clone());
    let api: Api<Deployment> = Api::namespaced(cluster.client(), &expected.namespace);
    let action = format!("look at {} once more", expected.object);
    let look = tokio::time::timeout(PATIENCE, cluster.ask(&action, api.get_metadata_opt(&expected.name)));
    let Ok(answer) = look.await else {
        return Some("it looked ready, but the cluster does not answer".to_owned());
    };
    match answer {
        Ok(Some(now)) if now.metadata.resource_version == judged => None,
        Ok(_) => Some("it looked ready, and has changed since".to_owned()),
        // Who may watch and not get has no way to ask; the watch is all there is.
        Err(error) if error.status() == Some(403) => None,
        Err(error) => Some(format!("it looked ready, but the last look failed: {error}")),
    }
}
