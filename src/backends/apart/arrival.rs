//! What arrives from a pod: an archive of a layout. Nothing of it is believed that its digests do not prove.

use crate::backends::BuildError;
use crate::image::Digest;
use crate::layout::{Contents, Descriptor, LONGEST_DOCUMENT, Layout};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// How much of a blob is in memory at once: bytes.
const PIECE: usize = 1 << 20;

/// Takes the blobs and the list out of an archive, which comes from a pod: whatever else is in it stays there.
pub(super) fn unpack(archive: File, layout: &Layout, out: &Path) -> Result<(), BuildError> {
    let fault = of_archive;
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(PIECE, archive));
    for entry in archive.entries().map_err(fault)? {
        let mut entry = entry.map_err(fault)?;
        let path = entry.path().map_err(fault)?.into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if path == Path::new("index.json") {
            let list = document(&mut entry, "its `index.json`")?;
            let place = out.join("index.json");
            std::fs::write(&place, list).map_err(|source| BuildError::Prepare { path: place, source })?;
        } else if let Some(digest) = blob_at(&path) {
            receive(layout, &digest, entry)?;
        }
    }
    Ok(())
}

fn of_archive(source: io::Error) -> BuildError {
    BuildError::Read { path: PathBuf::from("the archive of BuildKit"), source }
}

/// A document that comes from a pod. One that is longer than any such document is refused, and not kept in memory.
pub(super) fn document(from: impl Read, what: &str) -> Result<Vec<u8>, BuildError> {
    let mut bytes = vec![];
    let length = from.take(LONGEST_DOCUMENT + 1).read_to_end(&mut bytes).map_err(of_archive)?;
    if length as u64 > LONGEST_DOCUMENT {
        return Err(BuildError::Cut { what: what.to_owned() });
    }
    Ok(bytes)
}

/// The digest of the blob at `blobs/sha256/HEX`.
fn blob_at(path: &Path) -> Option<Digest> {
    let mut parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_str()),
        Component::CurDir => None,
        _ => Some(None),
    });
    let found = [parts.next()??, parts.next()??, parts.next()??];
    let [_, _, hex] =
        Some(found).filter(|found| found[..2] == ["blobs", "sha256"] && parts.next().is_none())?;
    format!("sha256:{hex}").parse().ok()
}

fn receive(layout: &Layout, digest: &Digest, mut from: impl Read) -> Result<(), BuildError> {
    let fault = of_archive;
    let mut blob = layout.receive()?;
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece).map_err(fault)? {
            0 => break,
            length => blob.write(&piece[..length])?,
        }
    }
    match layout.keep(blob, digest)? {
        Some(_) => Ok(()),
        None => Err(BuildError::Cut { what: format!("the blob {}", digest.short()) }),
    }
}

/// Refuses an image of which a blob is missing, and an index of which an image is, or a blob of one.
pub(super) fn ensure_whole(layout: &Layout, manifest: &Descriptor) -> Result<(), BuildError> {
    let cut = |what: &str| BuildError::Cut { what: what.to_owned() };
    let is_there = |blob: &&Descriptor| blob.digest().is_ok_and(|digest| layout.holds(&digest, blob.size));
    let (mut seen, mut open) = (BTreeSet::new(), vec![manifest.clone()]);
    while let Some(manifest) = open.pop() {
        let digest = manifest.digest().map_err(|_| cut("its digest"))?;
        if !seen.insert(digest.clone()) {
            continue;
        }
        let contents = Contents::read(&layout.read(&digest)?).map_err(|_| cut("its manifest"))?;
        if let Some(blob) = contents.blobs().chain(contents.manifests()).find(|blob| !is_there(blob)) {
            return Err(BuildError::Cut { what: format!("the blob {}", blob.digest) });
        }
        open.extend(contents.manifests().cloned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{IMAGE_INDEX, IMAGE_MANIFEST};
    use serde_json::json;

    #[test]
    fn an_index_is_whole_only_with_all_its_images() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("a layout");
        let write = |value: &serde_json::Value, kind: &str| {
            layout.write(value.to_string().as_bytes(), kind).expect("written")
        };
        let config = layout.write(b"{}", "application/vnd.oci.image.config.v1+json").expect("written");
        let image = |config: &Descriptor| {
            write(&json!({"schemaVersion": 2, "config": config, "layers": []}), IMAGE_MANIFEST)
        };
        let index =
            |image: &Descriptor| write(&json!({"schemaVersion": 2, "manifests": [image]}), IMAGE_INDEX);
        let absent = |size| Descriptor::new(IMAGE_MANIFEST, &Digest::of(b"absent"), size);
        let whole = image(&config);
        for (manifest, is_whole) in [
            (whole.clone(), true),
            (image(&absent(6)), false),
            (index(&whole), true),
            (index(&absent(6)), false),
            (index(&image(&absent(6))), false),
            (index(&index(&whole)), true),
            (index(&index(&absent(6))), false),
        ] {
            let result = ensure_whole(&layout, &manifest);
            let is_cut =
                matches!(&result, Err(BuildError::Cut { what }) if what.starts_with("the blob sha256:"));
            assert_eq!((result.is_ok(), is_cut), (is_whole, !is_whole), "{result:?}");
        }
    }

    #[test]
    fn a_list_without_an_end_is_not_read_into_memory() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("a layout");
        let unpacked = |size: u64| {
            let mut header = tar::Header::new_gnu();
            header.set_size(size);
            let mut archive = tar::Builder::new(tempfile::tempfile().expect("a temporary file"));
            archive.append_data(&mut header, "index.json", io::repeat(b' ').take(size)).expect("added");
            let mut archive = archive.into_inner().expect("written");
            io::Seek::rewind(&mut archive).expect("rewound");
            unpack(archive, &layout, folder.path())
        };
        unpacked(3).expect("short enough");
        let error = unpacked(LONGEST_DOCUMENT + 1).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "take the image from the cluster: its `index.json` is missing or damaged"
        );
        assert_eq!(std::fs::read(folder.path().join("index.json")).expect("there"), b"   ");
    }

    #[test]
    fn only_blobs_are_taken_out_of_an_archive() {
        let hex = "a".repeat(64);
        for (path, expected) in [
            (format!("blobs/sha256/{hex}"), true),
            (format!("./blobs/sha256/{hex}"), true),
            (format!("blobs/sha512/{hex}"), false),
            (format!("blobs/sha256/{hex}/x"), false),
            (format!("/blobs/sha256/{hex}"), false),
            (format!("../blobs/sha256/{hex}"), false),
            ("blobs/sha256/../../x".to_owned(), false),
            ("blobs/sha256".to_owned(), false),
        ] {
            assert_eq!(blob_at(Path::new(&path)).is_some(), expected, "{path}");
        }
    }
}
