//! Labels into the config of an image and annotations onto its manifest, whichever backend made it. What hephy does not
//! know stays as it is.

use super::{Descriptor, IMAGE_MANIFEST, Layout, LayoutError};
use crate::image::Digest;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What an image is to say about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Writes the config and the manifest anew, lets the name `key` point at the new manifest, and returns that. Equal images
/// and equal stamps have equal digests.
pub(crate) fn stamp(
    layout: &Layout,
    key: &str,
    image: &Descriptor,
    stamp: &Stamp,
) -> Result<Descriptor, LayoutError> {
    let mut manifest = object(layout, image)?;
    let mut is_image = false;
    if let Some(config) = manifest.get("config").cloned() {
        let described: Descriptor = serde_json::from_value(config).map_err(|source| json(layout, source))?;
        let mut content = object(layout, &described)?;
        // The config of something that is no image has no file systems, and no place for labels.
        is_image = content.contains_key("rootfs");
        if is_image {
            add(&mut content, &["config", "Labels"], &stamp.labels);
            let bytes = serde_json::to_vec(&content).map_err(|source| json(layout, source))?;
            let written = layout.write(&bytes, &described.media_type)?;
            let place = object_in(&mut manifest, "config");
            place.insert("digest".to_owned(), written.digest.into());
            place.insert("size".to_owned(), written.size.into());
        }
    }
    // Docker's own manifests have no annotations.
    if image.media_type == IMAGE_MANIFEST {
        let own = annotations_of(&manifest);
        add(&mut manifest, &["annotations"], &stamp.annotations);
        // A chart has a title and a version of its own, and its tools look for them.
        add(&mut manifest, &["annotations"], &if is_image { BTreeMap::new() } else { own });
    }
    let bytes = serde_json::to_vec(&manifest).map_err(|source| json(layout, source))?;
    let written = layout.write(&bytes, &image.media_type)?;
    let stamped = Descriptor { digest: written.digest, size: written.size, ..image.clone() };
    layout.refer(&[(key.to_owned(), stamped.clone())])?;
    Ok(stamped)
}

/// The annotations that all of these manifests have in common, which are those of the index that joins them: made of
/// nothing but its images, it is the same index for as long as they are the same.
pub(crate) fn common_annotations(manifests: &[Vec<u8>]) -> BTreeMap<String, String> {
    let mut all = manifests.iter().map(|bytes| annotations(bytes));
    let first = all.next().unwrap_or_default();
    all.fold(first, |common, other| {
        common.into_iter().filter(|(key, value)| other.get(key) == Some(value)).collect()
    })
}

fn annotations(manifest: &[u8]) -> BTreeMap<String, String> {
    annotations_of(&serde_json::from_slice(manifest).unwrap_or_default())
}

pub(super) fn annotations_of(manifest: &Map<String, Value>) -> BTreeMap<String, String> {
    let pairs = manifest.get("annotations").and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn object(layout: &Layout, blob: &Descriptor) -> Result<Map<String, Value>, LayoutError> {
    let path = || layout.root.join(&blob.digest);
    let digest: Digest = blob
        .digest()
        .map_err(|_| LayoutError::Unfit { path: path(), problem: "it is named by no digest" })?;
    serde_json::from_slice(&layout.read(&digest)?).map_err(|source| json(layout, source))
}

fn json(layout: &Layout, source: serde_json::Error) -> LayoutError {
    LayoutError::Json { path: layout.root.clone(), source }
}

/// Adds `texts` to the object at `path`, which is created where it is missing or `null`.
fn add(object: &mut Map<String, Value>, path: &[&str], texts: &BTreeMap<String, String>) {
    if texts.is_empty() {
        return;
    }
    let place = path.iter().fold(object, |object, key| object_in(object, key));
    place.extend(texts.iter().map(|(key, text)| (key.clone(), text.as_str().into())));
}

fn object_in<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// Stamps an image of this config, and returns its config and manifest.
    fn stamped(config: &Value, media_type: &str) -> (Value, Value) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let config = layout.write(config.to_string().as_bytes(), "application/x").expect("write");
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [], "later": [1.5]});
        let image = layout.write(manifest.to_string().as_bytes(), media_type).expect("write");
        let both = Stamp { labels: texts(&[("a", "é\"")]), annotations: texts(&[("b", "2")]) };
        let stamped = stamp(&layout, "key", &image, &both).expect("stamp");
        assert_eq!(layout.reference("key").expect("read").expect("known").digest, stamped.digest);
        let manifest = Value::Object(object(&layout, &stamped).expect("a manifest"));
        let config: Descriptor = serde_json::from_value(manifest["config"].clone()).expect("a descriptor");
        let bytes = layout.read(&config.digest().expect("valid")).expect("read");
        assert_eq!(config.size, bytes.len() as u64);
        (serde_json::from_slice(&bytes).expect("JSON"), manifest)
    }

    #[test]
    fn what_is_unknown_survives() {
        for (config, expected) in [
            (
                json!({"rootfs": {}, "odd": 1}),
                json!({"rootfs": {}, "odd": 1, "config": {"Labels": {"a": "é\""}}}),
            ),
            (
                json!({"rootfs": {}, "config": {"User": "1", "Labels": {"a": "old", "c": "3"}}}),
                json!({"rootfs": {}, "config": {"User": "1", "Labels": {"a": "é\"", "c": "3"}}}),
            ),
            (
                json!({"rootfs": {}, "config": null}),
                json!({"rootfs": {}, "config": {"Labels": {"a": "é\""}}}),
            ),
            (json!({"name": "chart"}), json!({"name": "chart"})),
        ] {
            let (written, manifest) = stamped(&config, IMAGE_MANIFEST);
            assert_eq!(written, expected);
            assert_eq!(manifest["annotations"], json!({"b": "2"}));
            assert_eq!(manifest["later"], json!([1.5]));
        }
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        assert_eq!(stamped(&json!({"rootfs": {}}), docker).1["annotations"], Value::Null);
    }

    #[test]
    fn an_index_says_what_all_its_manifests_say() {
        let manifest = |pairs: Value| json!({"annotations": pairs}).to_string().into_bytes();
        let (one, other) = (manifest(json!({"a": "1", "b": "2"})), manifest(json!({"a": "1", "b": "3"})));
        assert_eq!(common_annotations(&[one.clone(), other]), texts(&[("a", "1")]));
        assert_eq!(common_annotations(&[one, b"{}".to_vec()]), texts(&[]));
        assert_eq!(common_annotations(&[]), texts(&[]));
    }
}
