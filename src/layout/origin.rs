//! What a manifest says about where its image comes from, whoever made it.

use super::stamp::annotations_of;
use crate::image::Digest;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where the annotations and labels are that describe an image (OCI image spec, `annotations.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Described {
    /// They are these, with a revision among them.
    Here(BTreeMap<String, String>),
    /// They may be in the manifest of one of its platforms.
    InManifest(Digest),
    /// They may be labels in this config.
    InConfig(Digest),
    Nowhere,
}

/// The key of the commit that an image was built from.
pub(crate) const REVISION: &str = "org.opencontainers.image.revision";
/// The key of the time that goes with it.
pub(crate) const CREATED: &str = "org.opencontainers.image.created";

/// Where to look for what describes the image of `manifest`, which may be an index. Its bytes are foreign.
pub(crate) fn described(manifest: &[u8]) -> Described {
    let manifest: Map<String, Value> = serde_json::from_slice(manifest).unwrap_or_default();
    let annotations = annotations_of(&manifest);
    if annotations.contains_key(REVISION) {
        return Described::Here(annotations);
    }
    // What is attached to an image, such as a provenance, stands in its index as a platform that nobody has.
    let is_image = |entry: &&Value| entry.pointer("/platform/os").is_none_or(|os| os != "unknown");
    let digest = |entry: &Value| entry.get("digest")?.as_str()?.parse().ok();
    let mut children = manifest.get("manifests").and_then(Value::as_array).into_iter().flatten();
    let child = children.find(is_image).and_then(digest).map(Described::InManifest);
    let config = || manifest.get("config").and_then(digest).map(Described::InConfig);
    child.or_else(config).unwrap_or(Described::Nowhere)
}

/// The labels in the config of an image.
pub(crate) fn labels(config: &[u8]) -> BTreeMap<String, String> {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    let labels = config.pointer("/config/Labels").and_then(Value::as_object).into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn images_of_others_say_it_elsewhere() {
        let digest = Digest::of(b"x");
        let name = digest.to_string();
        let here = BTreeMap::from([(REVISION.to_owned(), "1".to_owned())]);
        let (of_manifest, of_config) =
            (Described::InManifest(digest.clone()), Described::InConfig(digest.clone()));
        let attached = json!({"digest": "sha256:1", "platform": {"os": "unknown"}});
        for (manifest, expected) in [
            (json!({"annotations": {REVISION: "1"}, "config": {"digest": name}}), Described::Here(here)),
            (json!({"annotations": {REVISION: 1}, "config": {"digest": name}}), of_config),
            (json!({"manifests": [attached, {"digest": name, "platform": {"os": "linux"}}]}), of_manifest),
            (json!({"manifests": [attached]}), Described::Nowhere),
            (json!({"config": {"digest": "../x"}}), Described::Nowhere),
            (json!([]), Described::Nowhere),
        ] {
            assert_eq!(described(manifest.to_string().as_bytes()), expected, "{manifest}");
        }
        let config = json!({"config": {"Labels": {REVISION: "2", "odd": 1}}}).to_string();
        assert_eq!(labels(config.as_bytes()), BTreeMap::from([(REVISION.to_owned(), "2".to_owned())]));
        assert_eq!(labels(b"{}"), BTreeMap::new());
    }
}
