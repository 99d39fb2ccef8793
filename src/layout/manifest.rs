//! Manifests and indexes as JSON (OCI image spec, `manifest.md` and `image-index.md`). Maps are sorted, so that
//! equal content has equal bytes and an equal digest.

use crate::image::{Digest, ImageError};
use crate::platform::Platform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A reference to a blob or manifest (OCI image spec, `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    /// What kind of artifact the manifest is; images have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<PlatformFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The platform of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlatformFile {
    architecture: String,
    os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl Descriptor {
    /// A descriptor without platform and annotations.
    pub(crate) fn new(media_type: &str, digest: &Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest.to_string(),
            size,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The digest, checked: the text may come from a registry.
    pub(crate) fn digest(&self) -> Result<Digest, ImageError> {
        self.digest.parse()
    }

    /// The name of its platform, empty if it has none. One that hephy does not know has a name all the same.
    pub(super) fn platform_name(&self) -> String {
        let Some(PlatformFile { architecture, os, variant }) = &self.platform else { return String::new() };
        let parts = [Some(os), Some(architecture), variant.as_ref()];
        let text = parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("/");
        text.parse::<Platform>().map_or(text, |platform| platform.to_string())
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// The manifest of an image or artifact that says more about itself.
pub(super) fn annotated(
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(IMAGE_MANIFEST.to_owned()),
        config: Some(config),
        layers,
        annotations,
        ..Manifest::default()
    })
}

/// The manifest of an artifact of this kind that is about `subject`.
pub(super) fn referrer(
    artifact_type: &str,
    config: Descriptor,
    layer: Descriptor,
    subject: Descriptor,
    annotations: BTreeMap<String, String>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(IMAGE_MANIFEST.to_owned()),
        artifact_type: Some(artifact_type.to_owned()),
        config: Some(config),
        layers: vec![layer],
        subject: Some(subject),
        annotations,
        ..Manifest::default()
    })
}

/// The index that joins the images of several platforms, in the order given.
pub(crate) fn index(
    images: &[(Platform, Descriptor)],
    annotations: BTreeMap<String, String>,
) -> Result<Vec<u8>, serde_json::Error> {
    let entry = |(platform, image): &(Platform, Descriptor)| Descriptor {
        platform: Some(PlatformFile {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
        }),
        annotations: BTreeMap::new(),
        ..image.clone()
    };
    serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(IMAGE_INDEX.to_owned()),
        manifests: images.iter().map(entry).collect(),
        annotations,
        ..Manifest::default()
    })
}

/// What an index says about itself, if it joins just these images in this order, in hephy's own form.
pub(crate) fn said_by_index_of(
    images: &[(Platform, Descriptor)],
    bytes: &[u8],
) -> Option<BTreeMap<String, String>> {
    let annotations = serde_json::from_slice::<Manifest>(bytes).ok()?.annotations;
    index(images, annotations.clone()).is_ok_and(|own| own == bytes).then_some(annotations)
}

/// The names of the platforms that an index joins; none for the manifest of an image. What says of itself that it is for
/// no platform, such as a provenance, is left out.
pub(crate) fn platforms(bytes: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let manifest: Manifest = serde_json::from_slice(bytes)?;
    let is_platform =
        |image: &&Descriptor| image.platform.as_ref().is_some_and(|named| named.os != "unknown");
    Ok(manifest.manifests.iter().filter(is_platform).map(Descriptor::platform_name).collect())
}

/// What a manifest or index refers to: the config and the layers, or the manifests.
pub(crate) fn children(bytes: &[u8]) -> Result<Vec<Descriptor>, serde_json::Error> {
    let manifest: Manifest = serde_json::from_slice(bytes)?;
    Ok(manifest.config.into_iter().chain(manifest.layers).chain(manifest.manifests).collect())
}
