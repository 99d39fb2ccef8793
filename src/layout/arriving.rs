//! A blob that arrives in pieces: on disk at once, hashed on the way, and a blob only under its true digest.

use super::{Layout, LayoutError};
use crate::image::Digest;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, Write as _};
use tempfile::NamedTempFile;

/// What has arrived of a blob so far. Its file goes away with it.
pub(crate) struct Arriving {
    file: NamedTempFile,
    hasher: Sha256,
    size: u64,
}

impl Arriving {
    /// Adds the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        let path = self.file.path().to_owned();
        self.file.write_all(bytes).map_err(|source| LayoutError::Write { path, source })?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes have arrived.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl Layout {
    /// Begins a blob whose bytes come later.
    pub(crate) fn receive(&self) -> Result<Arriving, LayoutError> {
        let fault = |source| LayoutError::Write { path: self.root.clone(), source };
        let file = NamedTempFile::new_in(&self.root).map_err(fault)?;
        Ok(Arriving { file, hasher: Sha256::new(), size: 0 })
    }

    /// Makes what has arrived a blob and returns its size, or keeps nothing and returns `None`: its digest is not
    /// `expected`.
    pub(crate) fn keep(&self, blob: Arriving, expected: &Digest) -> Result<Option<u64>, LayoutError> {
        if Digest::of_hasher(blob.hasher) != *expected {
            return Ok(None);
        }
        let path = self.blob(expected);
        let fault =
            |error: tempfile::PersistError| LayoutError::Write { path: path.clone(), source: error.error };
        blob.file.persist(&path).map_err(fault)?;
        Ok(Some(blob.size))
    }

    /// Deletes the blob `digest`, if it is there.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<(), LayoutError> {
        let path = self.blob(digest);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(LayoutError::Write { path, source })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_kept_under_its_own_digest_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let arrive = || {
            let mut blob = layout.receive().expect("receive");
            blob.write(b"one ").and_then(|()| blob.write(b"two")).expect("write");
            assert_eq!(blob.size(), 7);
            blob
        };
        let (own, other) = (Digest::of(b"one two"), Digest::of(b"three"));
        assert_eq!(layout.keep(arrive(), &other).expect("keep"), None);
        assert!(!layout.holds(&other, 7));
        assert_eq!(layout.keep(arrive(), &own).expect("keep"), Some(7));
        assert_eq!(layout.read(&own).expect("read"), b"one two");
        layout.remove(&own).and_then(|()| layout.remove(&own)).expect("remove");
        assert!(!layout.holds(&own, 7));
        // Nothing is left of what was not kept.
        let names =
            folder.path().read_dir().expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["blobs", "oci-layout"]);
    }
}
