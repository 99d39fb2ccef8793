//! OCI image layouts on disk: what a backend leaves behind, and a target in their own right
//! (OCI image spec, `image-layout.md`).

mod archive;
mod arriving;
mod assemble;
mod carry;
mod chart;
mod contents;
mod elsewhere;
mod flatten;
mod growing;
mod layer;
mod manifest;
mod origin;
mod programs;
mod referrers;
mod stamp;
mod static_base;

pub(crate) use archive::{Archive, LONGEST_DOCUMENT, take};
pub(crate) use arriving::Arriving;
pub(crate) use assemble::{Base, On, Program, assemble};
pub(crate) use chart::{ChartPackage, package};
pub(crate) use contents::Contents;
pub(crate) use flatten::Flat;
pub(crate) use growing::{Growing, Listener};
pub(crate) use manifest::{
    Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, children, index, platforms, said_by_index_of,
};
pub(crate) use origin::{CREATED, Described, REVISION, described, labels};
pub(crate) use referrers::Referrer;
pub(crate) use stamp::{Stamp, common_annotations, stamp};
pub(crate) use static_base::{static_base_digest, static_base_has};

use crate::image::{Digest, ImageError};
use crate::platform::Platform;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The annotation that names an entry of `index.json`.
const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// A folder with blobs and an index of named manifests.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("write the image layout `{path}`")]
    Write { path: PathBuf, source: io::Error },
    #[error("read the image layout `{path}`")]
    Read { path: PathBuf, source: io::Error },
    #[error("understand `{path}`")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("read `{path}`: its content has another digest")]
    Corrupt { path: PathBuf },
    #[error("add `{path}` to an image: {problem}")]
    Unfit { path: PathBuf, problem: &'static str },
    #[error("find the image for {platform} in `{path}`: it has {}", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
    Unclear { path: PathBuf, platform: Platform, found: Vec<String> },
    #[error("understand `{path}`")]
    Digest { path: PathBuf, source: ImageError },
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexFile {
    schema_version: u8,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

impl Layout {
    /// The layout at `root`, created if it is not there.
    pub(crate) fn create(root: &Path) -> Result<Self, LayoutError> {
        let layout = Self { root: root.to_owned() };
        let blobs = root.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|source| LayoutError::Write { path: blobs, source })?;
        let version = root.join("oci-layout");
        if !version.exists() {
            layout.replace(&version, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(layout)
    }

    /// The layout at `root`, which may not exist: then it holds nothing.
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where the blob `digest` lies or would lie.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob `digest` is there with all its bytes. Its content is not read.
    pub(crate) fn holds(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.blob(digest)).is_ok_and(|blob| blob.is_file() && blob.len() == size)
    }

    /// Reads a small blob and checks its digest.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let path = self.blob(digest);
        let bytes = fs::read(&path).map_err(|source| LayoutError::Read { path: path.clone(), source })?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(LayoutError::Corrupt { path }) }
    }

    /// Writes a small blob.
    pub(crate) fn write(&self, bytes: &[u8], media_type: &str) -> Result<Descriptor, LayoutError> {
        let digest = Digest::of(bytes);
        self.replace(&self.blob(&digest), bytes)?;
        Ok(Descriptor::new(media_type, &digest, bytes.len() as u64))
    }

    /// The manifest that goes by `name`.
    pub(crate) fn reference(&self, name: &str) -> Result<Option<Descriptor>, LayoutError> {
        let found = self.index_file()?.manifests.into_iter();
        Ok(found
            .into_iter()
            .find(|entry| entry.annotations.get(REFERENCE).is_some_and(|known| known == name)))
    }

    /// The only manifest, as tools leave it that give it no name. `None` if there is none, or more than one.
    pub(crate) fn only(&self) -> Result<Option<Descriptor>, LayoutError> {
        let mut manifests = self.index_file()?.manifests.into_iter();
        Ok(manifests.next().filter(|_| manifests.next().is_none()))
    }

    /// Lets every `(name, manifest)` of `references` point at its manifest, all in one step.
    pub(crate) fn refer(&self, references: &[(String, Descriptor)]) -> Result<(), LayoutError> {
        let is_replaced = |entry: &Descriptor| {
            let name = entry.annotations.get(REFERENCE);
            references.iter().any(|(known, _)| Some(known) == name)
        };
        self.change_index(|manifests| {
            manifests.retain(|entry| !is_replaced(entry));
            for (name, manifest) in references {
                let mut entry = manifest.clone();
                entry.annotations.insert(REFERENCE.to_owned(), name.clone());
                manifests.push(entry);
            }
        })
    }

    /// Changes the list of manifests in one step. Equal lists are equal files.
    fn change_index(&self, change: impl FnOnce(&mut Vec<Descriptor>)) -> Result<(), LayoutError> {
        let _lock = self.lock()?;
        let mut file = self.index_file()?;
        change(&mut file.manifests);
        let order = |left: &Descriptor, right: &Descriptor| {
            let name = left.annotations.get(REFERENCE).cmp(&right.annotations.get(REFERENCE));
            name.then_with(|| left.digest.cmp(&right.digest))
        };
        file.manifests.sort_by(order);
        file.schema_version = 2;
        let path = self.root.join("index.json");
        let bytes = serde_json::to_vec_pretty(&file)
            .map_err(|source| LayoutError::Json { path: path.clone(), source })?;
        self.replace(&path, &bytes)
    }

    /// Takes over the blob `digest` from another layout, by a hard link where the file system can.
    pub(crate) fn adopt(&self, from: &Self, digest: &Digest) -> Result<(), LayoutError> {
        let (source, target) = (from.blob(digest), self.blob(digest));
        let fault = |error| LayoutError::Write { path: target.clone(), source: error };
        let size = fs::metadata(&source).map_err(fault)?.len();
        // What is there may be cut off or damaged; what was just built is known to be good.
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        let copied = fs::hard_link(&source, &target).or_else(|_| {
            // Copied under another name first, so that a blob is either whole or absent.
            let part = target.with_extension("part");
            fs::copy(&source, &part)?;
            fs::rename(&part, &target)
        });
        if copied.is_err() && self.holds(digest, size) { Ok(()) } else { copied.map_err(fault) }
    }

    /// Lets no name point at anything; the blobs stay.
    pub(crate) fn forget(&self) -> Result<(), LayoutError> {
        let path = self.root.join("index.json");
        fs::remove_file(&path).map_err(|source| LayoutError::Write { path, source })
    }

    fn index_file(&self) -> Result<IndexFile, LayoutError> {
        let path = self.root.join("index.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| LayoutError::Json { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(IndexFile::default()),
            Err(source) => Err(LayoutError::Read { path, source }),
        }
    }

    /// One process at a time changes the index; the lock ends with the returned file.
    fn lock(&self) -> Result<File, LayoutError> {
        let path = self.root.join(".lock");
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|source| LayoutError::Write { path, source })
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
        let fault = |source| LayoutError::Write { path: path.to_owned(), source };
        let mut file = tempfile::NamedTempFile::new_in(&self.root).map_err(fault)?;
        file.write_all(bytes).map_err(fault)?;
        file.persist(path).map_err(|error| fault(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let first = layout.write(b"{}", IMAGE_MANIFEST).expect("write");
        let second = layout.write(b"{ }", IMAGE_MANIFEST).expect("write");
        layout.refer(&[("a".into(), first.clone()), ("b".into(), first)]).expect("refer");
        layout.refer(&[("a".into(), second.clone())]).expect("refer");
        let found = layout.reference("a").expect("read").expect("known");
        assert_eq!(found.digest, second.digest);
        assert!(layout.reference("b").expect("read").is_some());
        assert!(layout.reference("c").expect("read").is_none());
    }

    #[test]
    fn a_changed_blob_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let blob = layout.write(b"{}", IMAGE_MANIFEST).expect("write");
        let digest = blob.digest().expect("valid");
        fs::write(layout.blob(&digest), b"other").expect("write");
        assert!(matches!(layout.read(&digest), Err(LayoutError::Corrupt { .. })));
    }
}
