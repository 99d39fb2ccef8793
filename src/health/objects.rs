//! Questions to Kubernetes objects. Pure.

use super::ExpectedContainer;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::time::Duration;

pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// The uid of a pod and how often its containers were started again.
pub(super) fn restarts(pod: &Pod) -> (String, i32) {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    (pod.metadata.uid.clone().unwrap_or_default(), statuses.map(|status| status.restart_count).sum())
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(super) fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let owners = metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.uid == uid && owner.controller == Some(true))
}

pub(super) fn revision(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get("deployment.kubernetes.io/revision").map(String::as_str)
}

pub(super) fn wanted(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

pub(super) fn condition<'a>(deployment: &'a Deployment, kind: &str) -> Option<&'a DeploymentCondition> {
    deployment.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// The largest number means "no deadline", and then the controller never reports progress.
pub(super) fn has_progress_deadline(deployment: &Deployment) -> bool {
    let deadline = deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds);
    deadline.is_some_and(|seconds| seconds != i32::MAX)
}

/// Whether "available" says no more than that the process has run for less than `settle`: then a moment of patience
/// shows an early crash.
pub(super) fn needs_settling(deployment: &Deployment, settle: Duration) -> bool {
    let Some(spec) = &deployment.spec else { return true };
    let containers = spec.template.spec.as_ref().map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let has_no_probe = |container: &Container| container.readiness_probe.is_none();
    let stayed_up = u64::try_from(spec.min_ready_seconds.unwrap_or_default()).unwrap_or_default();
    Duration::from_secs(stayed_up) < settle && containers.iter().any(has_no_probe)
}

/// An image other than the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OtherImage {
    pub(super) container: String,
    pub(super) found: String,
    pub(super) expected: String,
}

/// The first container of `deployment` that asks for another image than expected. Containers that nobody expects,
/// such as injected sidecars, do not count.
pub(super) fn other_image(expected: &[ExpectedContainer], deployment: &Deployment) -> Option<OtherImage> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    expected.iter().find_map(|container| {
        let mut all =
            pod.iter().flat_map(|pod| pod.containers.iter().chain(pod.init_containers.iter().flatten()));
        let found = all.find(|one| one.name == container.name).and_then(|one| one.image.as_deref());
        (found != Some(&container.image)).then(|| OtherImage {
            container: container.name.clone(),
            found: found.unwrap_or("nothing").to_owned(),
            expected: container.image.clone(),
        })
    })
}

/// Whether `replica_set` runs the template of `deployment`. The controller adds only its hash to the labels.
pub(super) fn has_template_of(replica_set: &ReplicaSet, deployment: &Deployment) -> bool {
    let template = replica_set.spec.as_ref().and_then(|spec| spec.template.clone());
    let Some(mut template) = template else { return false };
    if let Some(metadata) = &mut template.metadata {
        metadata.labels.as_mut().and_then(|labels| labels.remove("pod-template-hash"));
    }
    deployment.spec.as_ref().is_some_and(|spec| spec.template == template)
}

/// The container of `pod` whose running image is none of the accepted ones, and what it runs instead.
pub(super) fn other_digest(expected: &[ExpectedContainer], pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref();
    let statuses = |name: &str| {
        let lists = status.map(|status| [&status.container_statuses, &status.init_container_statuses]);
        let mut all = lists.into_iter().flatten().flatten().flatten();
        all.find(|one| one.name == name).map(|one| one.image_id.clone()).unwrap_or_default()
    };
    expected.iter().filter(|container| !container.digests.is_empty()).find_map(|container| {
        let running = statuses(&container.name);
        let digest = running.rsplit('@').next().unwrap_or_default();
        let is_accepted = container.digests.iter().any(|accepted| accepted.to_string() == digest);
        (!is_accepted).then_some((container.name.clone(), running))
    })
}
