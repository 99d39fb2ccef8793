//! Referrers: manifests that are about another one, their subject (OCI image spec, "Guidelines for Artifact Usage").
//! In a layout they are entries of `index.json` without a name.

use super::manifest::{children, referrer};
use super::{Contents, Descriptor, IMAGE_MANIFEST, Layout, LayoutError, REFERENCE};
use crate::attestation::Attachment;
use crate::image::Digest;

/// The config of an artifact that needs none.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// An artifact about an image, in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referrer {
    /// Has the kind of the artifact and its annotations, as a list of referrers shows them.
    pub(crate) descriptor: Descriptor,
    /// The bytes of the manifest.
    pub(crate) manifest: Vec<u8>,
    /// The config and the document.
    pub(crate) blobs: Vec<Descriptor>,
}

impl Layout {
    /// Writes an artifact about `subject` and lists it. Equal attachments to one subject are one manifest.
    pub(crate) fn attach(
        &self,
        subject: &Descriptor,
        attachment: &Attachment,
    ) -> Result<Descriptor, LayoutError> {
        let kind = attachment.artifact_type;
        let config = self.write(b"{}", EMPTY)?;
        let document = self.write(&attachment.bytes, kind)?;
        let subject = Descriptor {
            media_type: subject.media_type.clone(),
            digest: subject.digest.clone(),
            size: subject.size,
            artifact_type: None,
            platform: None,
            annotations: Default::default(),
        };
        let annotations = attachment.annotations.clone();
        let bytes = referrer(kind, config, document, subject, annotations)
            .map_err(|source| LayoutError::Json { path: self.root.join("manifest"), source })?;
        let written = self.write(&bytes, IMAGE_MANIFEST)?;
        let entry = Descriptor {
            artifact_type: Some(kind.to_owned()),
            annotations: attachment.annotations.clone(),
            ..written
        };
        self.list(&entry)?;
        Ok(entry)
    }

    /// The artifacts about `subject` that this layout lists.
    pub(crate) fn referrers(&self, subject: &Digest) -> Result<Vec<Referrer>, LayoutError> {
        let mut found = vec![];
        let unnamed = |entry: &Descriptor| !entry.annotations.contains_key(REFERENCE);
        for descriptor in self.index_file()?.manifests.into_iter().filter(unnamed) {
            let path = self.root.join(&descriptor.digest);
            let digest =
                descriptor.digest().map_err(|source| LayoutError::Digest { path: path.clone(), source })?;
            let manifest = self.read(&digest)?;
            let json = |source| LayoutError::Json { path: path.clone(), source };
            let contents = Contents::read(&manifest).map_err(json)?;
            if contents.subject.as_ref().is_some_and(|about| about.digest == subject.to_string()) {
                let blobs = children(&manifest).map_err(json)?;
                found.push(Referrer { descriptor, manifest, blobs });
            }
        }
        Ok(found)
    }

    /// Lists a manifest that has no name.
    pub(crate) fn list(&self, entry: &Descriptor) -> Result<(), LayoutError> {
        self.change_index(|manifests| {
            let is_same = |known: &Descriptor| {
                known.digest == entry.digest && !known.annotations.contains_key(REFERENCE)
            };
            manifests.retain(|known| !is_same(known));
            manifests.push(entry.clone());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn attachment(text: &str) -> Attachment {
        let annotations = BTreeMap::from([("about".to_owned(), text.to_owned())]);
        Attachment { artifact_type: "text/plain", annotations, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn artifacts_are_found_by_their_subject_and_listed_once() {
        // Given a layout with two images, one of which has two artifacts, one of them attached twice,
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let image = layout.write(b"{}", IMAGE_MANIFEST).expect("write");
        let other = layout.write(b"{ }", IMAGE_MANIFEST).expect("write");
        layout.refer(&[("a".into(), image.clone()), ("b".into(), other.clone())]).expect("refer");
        for text in ["one", "two", "one"] {
            layout.attach(&image, &attachment(text)).expect("attach");
        }
        // when they are asked for, then each is there once, whole, and the names still are what they were.
        let found = layout.referrers(&image.digest().expect("valid")).expect("read");
        let mut texts: Vec<&str> =
            found.iter().map(|artifact| artifact.descriptor.annotations["about"].as_str()).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["one", "two"]);
        assert!(found.iter().all(|artifact| artifact.blobs.len() == 2));
        assert_eq!(layout.referrers(&other.digest().expect("valid")).expect("read"), []);
        assert_eq!(layout.reference("a").expect("read").expect("known").digest, image.digest);
    }
}
