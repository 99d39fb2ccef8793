//! Pins: puts the digests that were pushed into the manifests that run them.

use super::{Object, Release, ReleaseError};
use crate::component::Name;
use crate::image::Image;
use serde_json::Value;
use std::collections::BTreeSet;

/// A component's pushed image, and the other names under which manifests may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) component: Name,
    /// Image names without tag or digest that mean this component as well.
    pub(crate) aliases: Vec<String>,
    pub(crate) image: Image,
}

/// A release in which every image of a component is named by its digest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pinned {
    pub(crate) release: Release,
    /// Components that no manifest runs. The caller warns: they were pushed and will not be deployed.
    pub(crate) unused: Vec<Name>,
}

/// An image as a manifest names it, and who runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerImage {
    pub(crate) container: String,
    pub(crate) image: String,
}

/// Replaces the images of components by the images that were pushed. Images of nobody we know stay as they are.
pub(crate) fn pin(release: &Release, pins: &[Pin]) -> Result<Pinned, ReleaseError> {
    let mut release = release.clone();
    let mut used = BTreeSet::new();
    for object in &mut release.objects {
        let place = object.clone();
        for slot in image_slots(object) {
            if let Some(pin) = owner(&place, slot, pins)? {
                used.insert(&pin.component);
                *slot = pin.image.to_string();
            }
        }
    }
    let unused =
        pins.iter().filter(|pin| !used.contains(&pin.component)).map(|pin| pin.component.clone()).collect();
    Ok(Pinned { release, unused })
}

/// The images that the containers of `object` run, init containers included.
pub(crate) fn container_images(object: &Object) -> Vec<ContainerImage> {
    let Some(pod) = pod_pointer(object).and_then(|pointer| object.value.pointer(pointer)) else {
        return Vec::new();
    };
    let containers = CONTAINER_LISTS.iter().filter_map(|list| pod.get(list)?.as_array()).flatten();
    containers
        .filter_map(|container| {
            Some(ContainerImage {
                container: container.get("name")?.as_str()?.to_owned(),
                image: container.get("image")?.as_str()?.to_owned(),
            })
        })
        .collect()
}

const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

/// Where the pod is in an object that runs pods.
fn pod_pointer(object: &Object) -> Option<&'static str> {
    match (object.group(), object.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            Some("/spec/template/spec")
        }
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template/spec"),
        ("", "Pod") => Some("/spec"),
        _ => None,
    }
}

/// Every place in `object` that names an image: containers, and volumes that mount an image.
fn image_slots(object: &mut Object) -> Vec<&mut String> {
    let Some(pod) = pod_pointer(object).and_then(|pointer| object.value.pointer_mut(pointer)) else {
        return Vec::new();
    };
    let Value::Object(pod) = pod else { return Vec::new() };
    let mut slots = Vec::new();
    for (key, list) in pod.iter_mut() {
        let pointer = match key.as_str() {
            "containers" | "initContainers" => "/image",
            "volumes" => "/image/reference",
            _ => continue,
        };
        let items = list.as_array_mut().into_iter().flatten();
        slots.extend(items.filter_map(|item| match item.pointer_mut(pointer) {
            Some(Value::String(image)) => Some(image),
            _ => None,
        }));
    }
    slots
}

/// The component that `image` belongs to. An image that only looks like a component's is refused: it would keep
/// running whatever was there before, under a green light.
fn owner<'a>(object: &Object, image: &str, pins: &'a [Pin]) -> Result<Option<&'a Pin>, ReleaseError> {
    let name = without_version(image);
    let is_same = |pin: &&Pin| {
        name == pin.component.as_str()
            || name == pin.image.repository.to_string()
            || pin.aliases.iter().any(|alias| without_version(alias) == name)
    };
    if let Some(pin) = pins.iter().find(is_same) {
        return Ok(Some(pin));
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    let is_alike = |pin: &&Pin| {
        let path = &pin.image.repository.path;
        pin.component.as_str() == last || path.rsplit('/').next() == Some(last)
    };
    match pins.iter().find(is_alike) {
        None => Ok(None),
        Some(pin) => Err(ReleaseError::Ambiguous {
            object: object.to_string(),
            place: object.place(),
            found: image.to_owned(),
            component: pin.component.to_string(),
            repository: pin.image.repository.to_string(),
        }),
    }
}

/// `ghcr.io/acme/api:v1@sha256:00` becomes `ghcr.io/acme/api`. A colon before the last `/` belongs to a port.
fn without_version(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let start_of_last = name.rfind('/').map_or(0, |slash| slash + 1);
    name[start_of_last..].find(':').map_or(name, |colon| &name[..start_of_last + colon])
}
