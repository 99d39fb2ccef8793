//! The layout that a build tool leaves: one image, bare or wrapped into an index with what was attested about it.

use super::{Descriptor, IMAGE_INDEX, Layout, LayoutError, children};

/// BuildKit's mark of manifests that are no images, but say something about one.
const ATTESTATION: &str = "vnd.docker.reference.type";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The only image of a layout.
#[derive(Debug)]
pub(crate) struct Sole {
    pub(crate) image: Descriptor,
    /// The digest in the list of the layout: that of the image, or of the index around it.
    pub(crate) listed_as: String,
}

impl Layout {
    /// The image in this layout, `None` if there is none; an error if there are several.
    pub(crate) fn sole_image(&self) -> Result<Option<Sole>, LayoutError> {
        let path = self.root.join("index.json");
        let listed = self.index_file()?.manifests;
        let [entry] = listed.as_slice() else {
            return if listed.is_empty() {
                Ok(None)
            } else {
                Err(LayoutError::Several { path, count: listed.len() })
            };
        };
        let listed_as = entry.digest.clone();
        let digest = |entry: &Descriptor| {
            entry.digest().map_err(|source| LayoutError::Digest { path: path.clone(), source })
        };
        let mut images = vec![entry.clone()];
        if [IMAGE_INDEX, DOCKER_INDEX].contains(&entry.media_type.as_str()) {
            let inside = children(&self.read(&digest(entry)?)?);
            images = inside.map_err(|source| LayoutError::Json { path: path.clone(), source })?;
            images.retain(|image| !image.annotations.contains_key(ATTESTATION));
        }
        match images.as_slice() {
            [] => Ok(None),
            [image] => {
                let image = Descriptor::new(&image.media_type, &digest(image)?, image.size);
                Ok(Some(Sole { image, listed_as }))
            }
            several => Err(LayoutError::Several { path, count: several.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{IMAGE_MANIFEST, index};
    use crate::platform::Platform;

    #[test]
    fn an_image_is_found_bare_or_in_an_index_beside_what_was_attested() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        assert!(layout.sole_image().expect("read").is_none());
        let image = layout.write(b"{}", IMAGE_MANIFEST).expect("write");
        layout.refer(&[("latest".into(), image.clone())]).expect("refer");
        let sole = layout.sole_image().expect("read").expect("an image");
        assert_eq!((sole.image.clone(), sole.listed_as), (image.clone(), image.digest.clone()));
        let listed = |images: &[&Descriptor]| {
            let platform = || Platform::new("linux", "amd64");
            let images: Vec<_> = images.iter().map(|image| (platform(), (*image).clone())).collect();
            let text =
                String::from_utf8(index(&images, std::collections::BTreeMap::new()).expect("an index"))
                    .expect("text");
            // The printer of indexes keeps no annotations.
            let text = text.replacen(
                r#""size":3,"#,
                r#""size":3,"annotations":{"vnd.docker.reference.type":"x"},"#,
                1,
            );
            layout.write(text.as_bytes(), IMAGE_INDEX).expect("write")
        };
        let attestation = layout.write(b"{ }", IMAGE_MANIFEST).expect("write");
        let wrapped = listed(&[&image, &attestation]);
        layout.refer(&[("latest".into(), wrapped.clone())]).expect("refer");
        let sole = layout.sole_image().expect("read").expect("an image");
        assert_eq!((sole.image.digest, sole.listed_as), (image.digest.clone(), wrapped.digest));
        layout.refer(&[("latest".into(), listed(&[&image, &image]))]).expect("refer");
        let several = layout.sole_image().expect_err("two images");
        assert!(matches!(several, LayoutError::Several { count: 2, .. }), "{several}");
    }
}
