//! Resolves kinds to resources: what the cluster serves, and what the release itself defines.

use super::{DeployError, order};
use crate::cluster::Cluster;
use crate::release::{Object, Release};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use std::collections::{BTreeMap, BTreeSet};

/// An object and where in the cluster it goes.
pub(super) struct Target<'a> {
    pub(super) object: &'a Object,
    pub(super) resource: ApiResource,
    pub(super) namespace: Option<String>,
    pub(super) rank: u8,
    /// The release defines the kind itself, so the cluster may need a moment before it serves it.
    pub(super) is_new_kind: bool,
}

impl Target<'_> {
    pub(super) fn api(&self, cluster: &Cluster) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &self.resource),
            None => Api::all_with(cluster.client(), &self.resource),
        }
    }

    pub(super) fn is_in(&self, namespaces: &BTreeSet<String>) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| namespaces.contains(namespace))
    }

    pub(super) fn missing_namespace(&self, namespace: &str) -> DeployError {
        DeployError::MissingNamespace {
            object: self.object.to_string(),
            place: self.object.place(),
            namespace: namespace.to_owned(),
        }
    }
}

/// Finds the resource of every object; asks once for each API version.
pub(super) async fn targets<'a>(
    cluster: &Cluster,
    release: &'a Release,
) -> Result<Vec<Target<'a>>, DeployError> {
    let versions: BTreeSet<&str> = release.objects.iter().map(|object| object.api_version.as_str()).collect();
    let mut served = BTreeMap::new();
    for version in versions {
        served.insert(version, resources(cluster, version).await?);
    }
    let targets = release.objects.iter().map(|object| target(cluster, release, object, &served));
    targets.collect::<Result<Vec<_>, _>>().map(sorted)
}

/// By rank; objects of one rank stay in the order in which they were written.
pub(super) fn sorted(mut targets: Vec<Target<'_>>) -> Vec<Target<'_>> {
    targets.sort_by_key(|target| target.rank);
    targets
}

/// The resources of an API version; none when the cluster does not know it.
async fn resources(cluster: &Cluster, version: &str) -> Result<Vec<APIResource>, DeployError> {
    let client = cluster.client();
    let what = format!("ask for the kinds of `{version}`");
    let answer = if version.contains('/') {
        cluster.ask(&what, client.list_api_group_resources(version)).await
    } else {
        cluster.ask(&what, client.list_core_api_resources(version)).await
    };
    match answer {
        Ok(list) => Ok(list.resources),
        Err(error) if error.status() == Some(404) => Ok(Vec::new()),
        Err(error) => Err(super::prepare(error)),
    }
}

fn target<'a>(
    cluster: &Cluster,
    release: &'a Release,
    object: &'a Object,
    served: &BTreeMap<&str, Vec<APIResource>>,
) -> Result<Target<'a>, DeployError> {
    let is_it = |resource: &&APIResource| resource.kind == object.kind && !resource.name.contains('/');
    let found = served.get(object.api_version.as_str()).and_then(|resources| resources.iter().find(is_it));
    let (plural, is_namespaced, is_new_kind) = match found {
        Some(resource) => (resource.name.clone(), resource.namespaced, false),
        None => {
            let (plural, is_namespaced) = defined(release, object).ok_or_else(|| unknown(object))?;
            (plural, is_namespaced, true)
        }
    };
    let version = object.api_version.rsplit('/').next().unwrap_or_default();
    let kind = GroupVersionKind::gvk(object.group(), version, &object.kind);
    let namespace = object.namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned());
    Ok(Target {
        object,
        resource: ApiResource::from_gvk_with_plural(&kind, &plural),
        namespace: is_namespaced.then_some(namespace),
        rank: order::rank(&object.kind),
        is_new_kind,
    })
}

/// The plural name and scope of a kind that a CustomResourceDefinition of this release defines.
fn defined(release: &Release, object: &Object) -> Option<(String, bool)> {
    let definitions = release.objects.iter().filter(|object| object.kind == "CustomResourceDefinition");
    let mut specs = definitions.map(|definition| &definition.value["spec"]);
    let spec = specs.find(|spec| spec["group"] == object.group() && spec["names"]["kind"] == *object.kind)?;
    Some((spec["names"]["plural"].as_str()?.to_owned(), spec["scope"] == "Namespaced"))
}

fn unknown(object: &Object) -> DeployError {
    DeployError::UnknownKind {
        object: object.to_string(),
        place: object.place(),
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
    }
}
