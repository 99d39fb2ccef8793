//! Sends one object: a trial first, then the apply, and says what the server's answer means.

use super::resolve::Target;
use super::{Applied, Change, Conflict, DeployError, Options};
use crate::cluster::{Cause, Cluster, ClusterError};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use std::time::Duration;

/// The name under which the cluster records what hephy looks after.
const MANAGER: &str = "hephy";
/// A definition that was just applied is usually served within a second.
const NEW_KIND_ATTEMPTS: u32 = 20;
const NEW_KIND_PAUSE: Duration = Duration::from_millis(500);

/// What was there before the apply: nothing, or an object of this resource version.
pub(super) struct Before(Option<String>);

/// Whether the server keeps what it is sent.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    is_trial: bool,
    force: bool,
}

impl Mode {
    pub(super) fn trial(options: Options) -> Self {
        Self { is_trial: true, force: options.take_ownership }
    }

    /// A trial in which everybody else gives way.
    pub(super) fn forced_trial() -> Self {
        Self { is_trial: true, force: true }
    }

    pub(super) fn keep(options: Options) -> Self {
        Self { is_trial: false, force: options.take_ownership }
    }

    /// Strict validation, because the server would otherwise drop a misspelt field and call it applied.
    pub(super) fn parameters(self) -> PatchParams {
        let parameters = PatchParams::apply(MANAGER).validation_strict();
        PatchParams { dry_run: self.is_trial, force: self.force, ..parameters }
    }
}

/// Looks at what is there and lets the server try the change without keeping it.
pub(super) async fn check(
    cluster: &Cluster,
    target: &Target<'_>,
    options: Options,
) -> Result<Before, DeployError> {
    if target.is_new_kind {
        return Ok(Before(None));
    }
    let request = target.api(cluster);
    let what = format!("read {}", target.object);
    let found = cluster.ask(&what, request.get_opt(&target.object.name)).await;
    let found = found.map_err(|error| explain(target, error))?;
    patch(cluster, target, Mode::trial(options)).await?;
    Ok(Before(found.and_then(|object| object.metadata.resource_version)))
}

/// Applies one object.
pub(super) async fn send(
    cluster: &Cluster,
    target: &Target<'_>,
    before: &Before,
    mode: Mode,
) -> Result<Applied, DeployError> {
    let mut answer = patch(cluster, target, mode).await;
    for _ in 0..NEW_KIND_ATTEMPTS {
        if !target.is_new_kind || !is_not_served(&answer) {
            break;
        }
        tokio::time::sleep(NEW_KIND_PAUSE).await;
        answer = patch(cluster, target, mode).await;
    }
    let DynamicObject { metadata, mut data, .. } = answer?;
    let change = match &before.0 {
        None => Change::Created,
        version if *version == metadata.resource_version => Change::Unchanged,
        Some(_) => Change::Configured,
    };
    Ok(Applied {
        object: target.object.clone(),
        namespace: target.namespace.clone(),
        uid: metadata.uid.unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        spec: data["spec"].take(),
        change,
    })
}

fn is_not_served(answer: &Result<DynamicObject, DeployError>) -> bool {
    matches!(answer, Err(DeployError::Apply { source, .. }) if source.status() == Some(404))
}

/// Creates a namespace. Somebody else may be faster, which is just as well.
pub(super) async fn create_namespace(cluster: &Cluster, name: &str) -> Result<(), ClusterError> {
    let api: Api<Namespace> = Api::all(cluster.client());
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let what = format!("create namespace `{name}`");
    match cluster.ask(&what, api.create(&parameters, &namespace)).await {
        Err(error) if error.status() != Some(409) => Err(error),
        _ => Ok(()),
    }
}

async fn patch(cluster: &Cluster, target: &Target<'_>, mode: Mode) -> Result<DynamicObject, DeployError> {
    let parameters = mode.parameters();
    let api = target.api(cluster);
    let what = format!("apply {}", target.object);
    let body = Patch::Apply(&target.object.value);
    let request = api.patch(&target.object.name, &parameters, &body);
    cluster.ask(&what, request).await.map_err(|error| explain(target, error))
}

/// Tells conflicts and missing namespaces from other refusals, because the user can do something about them.
pub(super) fn explain(target: &Target<'_>, error: ClusterError) -> DeployError {
    let (object, place) = (target.object.to_string(), target.object.place());
    let ClusterError::Refused { status, causes, message, .. } = &error else {
        return DeployError::Apply { object, place, source: Box::new(error) };
    };
    let conflicts: Vec<Conflict> = causes.iter().filter_map(conflict).collect();
    if *status == 409 && !conflicts.is_empty() {
        return DeployError::Conflict { object, place, conflicts };
    }
    match &target.namespace {
        Some(namespace) if *status == 404 && message.contains(&format!("namespaces \"{namespace}\"")) => {
            target.missing_namespace(namespace)
        }
        _ => DeployError::Apply { object, place, source: Box::new(error) },
    }
}

/// Reads `conflict with "kubectl-edit" using apps/v1`; only the message names the manager.
fn conflict(cause: &Cause) -> Option<Conflict> {
    (cause.reason == "FieldManagerConflict").then(|| Conflict {
        manager: cause.message.split('"').nth(1).unwrap_or(&cause.message).to_owned(),
        field: cause.field.clone(),
    })
}
