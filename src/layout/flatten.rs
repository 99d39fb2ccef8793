//! Tools wrap an image into an index, with what was attested about it, and indexes into indexes. Here they are taken apart.

use super::{Descriptor, IMAGE_INDEX, Layout, LayoutError, children};
use crate::image::Digest;
use crate::platform::Platform;
use std::collections::BTreeSet;

/// BuildKit's mark of manifests that are no images, but say something about one.
const KIND: &str = "vnd.docker.reference.type";
/// The image that such a manifest is about.
const ABOUT: &str = "vnd.docker.reference.digest";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An image by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flat {
    pub(crate) image: Descriptor,
    /// The manifests of what was attested about it.
    pub(super) attestations: Vec<Descriptor>,
}

/// What an index holds, in its order.
#[derive(Default)]
struct Inside {
    images: Vec<Descriptor>,
    attestations: Vec<Descriptor>,
}

impl Layout {
    /// The image for `platform` that `entry` is, or that is in the index `entry`, which may lie in another. It is an error
    /// if there is none or more than one.
    pub(crate) fn flatten(&self, entry: &Descriptor, platform: &Platform) -> Result<Flat, LayoutError> {
        if !is_index(entry) {
            return Ok(Flat { image: entry.clone(), attestations: vec![] });
        }
        let Inside { images, attestations } = self.inside(entry)?;
        let image = match images.as_slice() {
            // What does not say what it is for is taken at the tool's word.
            [only] if only.platform.is_none() || *platform == Platform::any() => only,
            several => {
                let is_wanted = |image: &&Descriptor| image.platform_name() == platform.to_string();
                match several.iter().filter(is_wanted).collect::<Vec<_>>().as_slice() {
                    [only] => *only,
                    wanted => return Err(self.unclear(platform, &images, wanted)),
                }
            }
        };
        let is_about = |one: &Descriptor| one.annotations.get(ABOUT) == Some(&image.digest);
        let attestations = attestations.into_iter().filter(is_about).collect();
        let image = Descriptor::new(&image.media_type, &self.digest_of(image)?, image.size);
        Ok(Flat { image, attestations })
    }

    fn inside(&self, index: &Descriptor) -> Result<Inside, LayoutError> {
        let (mut inside, mut open, mut seen) = (Inside::default(), vec![index.clone()], BTreeSet::new());
        while let Some(next) = open.pop() {
            if !seen.insert(next.digest.clone()) {
                continue;
            }
            if is_index(&next) {
                let path = self.root.join("index.json");
                let children = children(&self.read(&self.digest_of(&next)?)?)
                    .map_err(|source| LayoutError::Json { path, source })?;
                // The last one that is put there is the next one.
                open.extend(children.into_iter().rev());
            } else if next.annotations.contains_key(KIND) {
                inside.attestations.push(next);
            } else if next.platform_name() != "unknown/unknown" {
                inside.images.push(next);
            }
        }
        Ok(inside)
    }

    pub(super) fn digest_of(&self, entry: &Descriptor) -> Result<Digest, LayoutError> {
        let path = || self.root.join("index.json");
        entry.digest().map_err(|source| LayoutError::Digest { path: path(), source })
    }

    fn unclear(&self, platform: &Platform, images: &[Descriptor], wanted: &[&Descriptor]) -> LayoutError {
        let named = |image: &Descriptor| match image.platform_name().as_str() {
            "" => image.digest.clone(),
            name => name.to_owned(),
        };
        let mut found: Vec<String> = wanted.iter().map(|image| image.digest.clone()).collect();
        if found.is_empty() {
            found = images.iter().map(named).collect();
        }
        let platform = platform.clone();
        LayoutError::Unclear { path: self.root.clone(), platform, found }
    }
}

fn is_index(entry: &Descriptor) -> bool {
    [IMAGE_INDEX, DOCKER_INDEX].contains(&entry.media_type.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::IMAGE_MANIFEST;
    use serde_json::{Value, json};

    /// An index with these entries, in which an index is given by its entries.
    fn index(layout: &Layout, entries: &[Value]) -> Descriptor {
        let text = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}).to_string();
        layout.write(text.as_bytes(), IMAGE_INDEX).expect("write")
    }

    fn entry(digit: char, architecture: Option<&str>) -> Value {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        let mut entry = json!({"mediaType": IMAGE_MANIFEST, "digest": digest, "size": 1});
        if let Some(architecture) = architecture {
            let os = if architecture == "unknown" { "unknown" } else { "linux" };
            entry["platform"] = json!({"os": os, "architecture": architecture});
        }
        entry
    }

    fn attestation(digit: char, about: char) -> Value {
        let mut entry = entry(digit, Some("unknown"));
        entry["annotations"] =
            json!({KIND: "attestation-manifest", ABOUT: self::entry(about, None)["digest"]});
        entry
    }

    /// The first digits of what was found: the image, then what was attested about it.
    fn flat(entries: impl Fn(&Layout) -> Vec<Value>) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let index = index(&layout, &entries(&layout));
        let flat = layout.flatten(&index, &Platform::new("linux", "amd64"));
        let digit = |entry: &Descriptor| entry.digest["sha256:".len()..].chars().next();
        let flat =
            flat.map(|flat| [&flat.image].into_iter().chain(&flat.attestations).filter_map(digit).collect());
        flat.map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "X"))
    }

    #[test]
    fn the_image_for_a_platform_is_found_with_what_was_attested_about_it() {
        let nested =
            |layout: &Layout, entries: &[Value]| serde_json::to_value(index(layout, entries)).expect("JSON");
        let (amd, arm) = (|| entry('1', Some("amd64")), || entry('2', Some("arm64")));
        assert_eq!(flat(|_| vec![amd(), attestation('a', '1')]).as_deref(), Ok("1a"));
        assert_eq!(flat(|_| vec![entry('1', None), attestation('a', '1')]).as_deref(), Ok("1a"));
        let both = |_: &Layout| vec![arm(), amd(), attestation('b', '2'), attestation('a', '1')];
        assert_eq!(flat(both).as_deref(), Ok("1a"));
        let deep = |layout: &Layout| {
            let inner = nested(layout, &[amd(), attestation('a', '1')]);
            vec![nested(layout, std::slice::from_ref(&inner)), inner, entry('f', Some("unknown"))]
        };
        assert_eq!(flat(deep).as_deref(), Ok("1a"));
        let problem = "find the image for linux/amd64 in `X`: it has";
        for (entries, expected) in [
            (vec![arm()], "linux/arm64"),
            (vec![arm(), entry('3', Some("s390x"))], "linux/arm64, linux/s390x"),
            (
                vec![amd(), entry('3', Some("amd64"))],
                &format!("{}, {}", amd()["digest"], entry('3', None)["digest"]).replace('"', ""),
            ),
            (vec![attestation('a', '1')], "none"),
        ] {
            assert_eq!(flat(|_| entries.clone()), Err(format!("{problem} {expected}")));
        }
    }

    #[test]
    fn what_is_no_index_is_the_image() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let image = layout.write(b"{}", IMAGE_MANIFEST).expect("write");
        let flat = layout.flatten(&image, &Platform::new("linux", "arm64")).expect("flat");
        assert_eq!(flat, Flat { image, attestations: vec![] });
    }
}
