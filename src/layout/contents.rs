//! What a manifest says, whoever wrote it (OCI image spec, `manifest.md` and `image-index.md`).

use super::Descriptor;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A manifest or an index, as far as a registry must understand it. Lists may be `null`: Go writes an empty list so.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contents {
    pub(crate) schema_version: u8,
    pub(crate) media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    /// The manifest that this one is about.
    pub(crate) subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Contents {
    /// Reads a manifest. Fields that nothing here needs may have any form.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Whether it could be taken for an image and for an index: two readers would see two things in one digest
    /// (CVE-2021-41190).
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.manifests.is_some() && (self.config.is_some() || self.layers.is_some())
    }

    /// The config and the layers.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().flatten())
    }

    /// The layers.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Descriptor> {
        self.layers.iter().flatten()
    }

    /// The manifests of an index.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().flatten()
    }

    /// What kind of artifact it is: what it says of itself, else the media type of its config (distribution spec,
    /// "Listing Referrers").
    pub(crate) fn artifact_type(&self) -> Option<&str> {
        let own = self.artifact_type.as_deref().filter(|text| !text.is_empty());
        own.or(self.config.as_ref().map(|config| config.media_type.as_str()))
    }

    /// Its annotations; none if it has none.
    pub(crate) fn into_annotations(self) -> BTreeMap<String, String> {
        self.annotations.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;
    use serde_json::json;

    fn contents(value: serde_json::Value) -> Contents {
        Contents::read(value.to_string().as_bytes()).expect("a manifest")
    }

    #[test]
    fn the_kind_of_an_artifact_is_its_own_word_or_that_of_its_config() {
        let config = json!({"mediaType": "config/type", "digest": Digest::of(b"").to_string(), "size": 0});
        for (manifest, expected) in [
            (json!({"schemaVersion": 2, "artifactType": "own/type", "config": config}), Some("own/type")),
            (json!({"schemaVersion": 2, "artifactType": "", "config": config}), Some("config/type")),
            (json!({"schemaVersion": 2, "config": config, "layers": null}), Some("config/type")),
            (json!({"schemaVersion": 2, "manifests": []}), None),
        ] {
            assert_eq!(contents(manifest.clone()).artifact_type(), expected, "{manifest}");
        }
    }

    #[test]
    fn a_manifest_that_is_two_things_is_known() {
        for (manifest, expected) in [
            (json!({"schemaVersion": 2, "layers": [], "manifests": []}), true),
            (json!({"schemaVersion": 2, "manifests": []}), false),
            (json!({"schemaVersion": 2, "layers": []}), false),
        ] {
            assert_eq!(contents(manifest.clone()).is_ambiguous(), expected, "{manifest}");
        }
    }
}
