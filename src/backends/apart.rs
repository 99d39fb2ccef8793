//! Building apart: what an engine on another machine needs of an order, as one archive, and what becomes of the image
//! that it has made.

use super::buildkit::{self, Places};
use super::context::{DOCKERFILE, Staged, stage};
use super::{BuildError, Order, empty};
use crate::image::Digest;
use crate::inputs::{self, Reading};
use crate::layout::{Contents, Descriptor, LONGEST_DOCUMENT, Layout};
use flate2::{Compression, write::GzEncoder};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::path::{Component, Path, PathBuf};

/// The folders in the archive.
const CONTEXT: &str = "context";
const BESIDE: &str = "dockerfile";
/// How much of a blob is in memory at once.
const PIECE: usize = 1 << 20;

/// An order for another machine, with a copy of what it may read.
pub(crate) struct Apart<'a> {
    order: &'a Order<'a>,
    staged: Staged,
    reading: Reading,
}

impl<'a> Apart<'a> {
    /// Empties the layout and copies the context, as every engine gets it.
    pub(crate) fn stage(order: &'a Order<'a>) -> Result<Self, BuildError> {
        empty(order.out)?;
        let reading = inputs::dockerfile_reading(order.root, order.component, order.platform);
        Ok(Self { order, staged: stage(order)?, reading })
    }

    /// An empty file that goes away by itself.
    pub(crate) fn scratch(&self) -> Result<File, BuildError> {
        let fault = |source| BuildError::Prepare { path: self.staged.folder().to_owned(), source };
        tempfile::tempfile_in(self.staged.folder()).map_err(fault)
    }

    /// The copy as a tar, owned by root, with the folders `context` and `dockerfile`.
    pub(crate) fn archive(&self) -> Result<File, BuildError> {
        let written = self.write(self.scratch()?);
        written.and_then(rewound).map_err(|source| self.unread(source))
    }

    /// The same, compressed by gzip.
    pub(crate) fn compressed_archive(&self) -> Result<File, BuildError> {
        let written = self.write(GzEncoder::new(self.scratch()?, Compression::fast()));
        let written = written.and_then(GzEncoder::finish).and_then(rewound);
        written.map_err(|source| self.unread(source))
    }

    fn unread(&self, source: io::Error) -> BuildError {
        BuildError::Read { path: self.staged.folder().to_owned(), source }
    }

    fn write<W: Write>(&self, to: W) -> io::Result<W> {
        let mut archive = tar::Builder::new(to);
        for (name, folder) in [(CONTEXT, self.staged.context()), (BESIDE, self.staged.beside())] {
            append(&mut archive, &folder, Path::new(name))?;
        }
        archive.into_inner()
    }

    /// What `buildctl` is told where the archive lies in the folder `place`; it leaves its word in the file `metadata`, and
    /// the image on its stdout.
    pub(crate) fn buildctl(&self, place: &str, metadata: &str) -> Vec<String> {
        let (context, dockerfile) = (format!("{place}/{CONTEXT}"), format!("{place}/{BESIDE}"));
        let output = buildkit::output_on_stdout();
        let places = Places { context: &context, dockerfile: &dockerfile, output: &output, metadata };
        buildkit::arguments(self.order, &self.reading, &places)
    }

    /// Takes the image from what `buildctl` wrote: an archive of a layout, and its word on what it has made.
    pub(crate) fn take(&self, archive: File, metadata: File) -> Result<Descriptor, BuildError> {
        let layout = Layout::create(self.order.out)?;
        let archive = rewound(archive).map_err(|source| self.unread(source))?;
        let metadata = rewound(metadata).map_err(|source| self.unread(source))?;
        let metadata = document(metadata, "the word of BuildKit on it")?;
        unpack(archive, &layout, self.order.out)?;
        let taken = buildkit::taken(self.order, &buildkit::said_in(&metadata)?)?;
        ensure_whole(&layout, &taken)?;
        Ok(taken)
    }

    /// Writes the images that the plan saw into the copied Dockerfile.
    pub(crate) fn pin(&self) -> Result<(), BuildError> {
        self.staged.pin(self.order, &self.reading).map(drop)
    }

    /// The folder that becomes the layout.
    pub(crate) fn out(&self) -> &Path {
        self.order.out
    }

    /// Gives an image that lies in the layout the name of the leg.
    pub(crate) fn finish(&self, manifest: Descriptor) -> Result<Descriptor, BuildError> {
        let layout = Layout::at(self.order.out);
        ensure_whole(&layout, &manifest)?;
        Ok(self.order.finish(&layout, manifest)?)
    }
}

/// What kaniko's executor is told about the build itself (its README, "Additional Flags"): it reads the archive,
/// compressed, from its stdin.
pub(crate) fn kaniko_arguments(order: &Order<'_>) -> Vec<String> {
    let mut arguments = vec![
        "--context=tar://stdin".to_owned(),
        format!("--context-sub-path={CONTEXT}"),
        format!("--dockerfile=../{BESIDE}/{DOCKERFILE}"),
        format!("--custom-platform={}", order.platform),
        "--reproducible".to_owned(),
    ];
    arguments.extend(buildkit::build_args(order).map(|(key, value)| format!("--build-arg={key}={value}")));
    arguments.extend(order.component.recipe.target.iter().map(|stage| format!("--target={stage}")));
    arguments
}

/// Adds `folder` and all below it as `name`, in the order of names. Links stay links.
fn append<W: Write>(archive: &mut tar::Builder<W>, folder: &Path, name: &Path) -> io::Result<()> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).sort_by_file_path(Ord::cmp).build();
    for entry in walk {
        let path = entry.map_err(io::Error::other)?.into_path();
        let place = path.strip_prefix(folder).map_err(io::Error::other)?;
        let place = if place.as_os_str().is_empty() { name.to_owned() } else { name.join(place) };
        let metadata = path.symlink_metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&metadata, tar::HeaderMode::Complete);
        header.set_uid(0);
        header.set_gid(0);
        if metadata.is_symlink() {
            header.set_size(0);
            archive.append_link(&mut header, &place, std::fs::read_link(&path)?)?;
        } else if metadata.is_dir() {
            header.set_size(0);
            archive.append_data(&mut header, &place, io::empty())?;
        } else {
            archive.append_data(&mut header, &place, File::open(&path)?)?;
        }
    }
    Ok(())
}

fn rewound(mut file: File) -> io::Result<File> {
    file.rewind()?;
    Ok(file)
}

/// Takes the blobs and the list out of an archive, which comes from a pod: whatever else is in it stays there.
fn unpack(archive: File, layout: &Layout, out: &Path) -> Result<(), BuildError> {
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
fn document(from: impl Read, what: &str) -> Result<Vec<u8>, BuildError> {
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
fn ensure_whole(layout: &Layout, manifest: &Descriptor) -> Result<(), BuildError> {
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
            let archive = archive.into_inner().and_then(rewound).expect("written");
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
