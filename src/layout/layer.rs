//! Layers: files through tar and gzip into a blob, the same bytes every time.

use super::{Descriptor, Layout, LayoutError};
use crate::image::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::WalkBuilder;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Where the files of a layer go.
pub(super) type Archive<'a> = tar::Builder<&'a mut Packing>;
/// Takes the bytes of a tar, hashes and compresses them.
pub(super) type Packing = Hashing<GzEncoder<Hashing<BufWriter<NamedTempFile>>>>;

/// Streams the files that `fill` adds through tar, the hash of the tar, gzip and the hash of the gzip into a blob: every
/// byte is read once and memory stays constant. Returns the blob and the hash of the tar.
pub(super) fn layer(
    layout: &Layout,
    media_type: &str,
    fill: impl FnOnce(&mut Archive<'_>) -> Result<(), LayoutError>,
) -> Result<(Descriptor, Digest), LayoutError> {
    packed(layout, media_type, |bytes| {
        let mut tar = tar::Builder::new(bytes);
        fill(&mut tar)?;
        let ended = tar.into_inner();
        ended.map(|_| ()).map_err(|source| LayoutError::Write { path: layout.root.clone(), source })
    })
}

/// The same for a tar that is there already: `fill` writes its bytes.
pub(super) fn packed(
    layout: &Layout,
    media_type: &str,
    fill: impl FnOnce(&mut Packing) -> Result<(), LayoutError>,
) -> Result<(Descriptor, Digest), LayoutError> {
    let fault = |source| LayoutError::Write { path: layout.root.clone(), source };
    let file = NamedTempFile::new_in(&layout.root).map_err(fault)?;
    let compressed = Hashing::new(BufWriter::new(file));
    let mut tar = Hashing::new(GzEncoder::new(compressed, Compression::default()));
    fill(&mut tar)?;
    let diff_id = Digest::of_hasher(tar.hasher);
    let compressed = tar.inner.finish().map_err(fault)?;
    let (digest, size) = (Digest::of_hasher(compressed.hasher), compressed.length);
    let file = compressed.inner.into_inner().map_err(|error| fault(error.into_error()))?;
    file.persist(layout.blob(&digest)).map_err(|error| fault(error.error))?;
    Ok((Descriptor::new(media_type, &digest, size), diff_id))
}

/// Something below a folder that is packed.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// From the folder, with `/`.
    pub(super) name: String,
    metadata: fs::Metadata,
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.metadata.is_dir()
    }
}

/// Everything below `folder` that `is_wanted`, sorted by path, and with no filter: hidden files belong to it too.
pub(super) fn below(
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Result<Vec<Entry>, LayoutError> {
    let fault = |source| LayoutError::Read { path: folder.to_owned(), source };
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false).sort_by_file_path(Ord::cmp);
    walk.filter_entry(move |entry| entry.depth() == 0 || is_wanted(&entry.file_name().to_string_lossy()));
    let mut entries = vec![];
    for entry in walk.build().skip(1) {
        let path = entry.map_err(|error| fault(io::Error::other(error)))?.into_path();
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let metadata = path.symlink_metadata().map_err(fault)?;
        entries.push(Entry { path, name, metadata });
    }
    Ok(entries)
}

/// Adds a file or a link as `name`; of its rights only one stays: whether it can be executed.
pub(super) fn add_entry(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    entry: &Entry,
) -> Result<(), LayoutError> {
    if entry.metadata.is_symlink() {
        return add_link(tar, name, &entry.path);
    }
    add_file(tar, name, &entry.path, mode(&entry.metadata))
}

pub(super) fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & 0o111 == 0 { 0o444 } else { 0o555 }
}

/// A header in which only what matters differs: no owner, no names, no time (facts: tar's own deterministic mode has
/// a time of its own).
fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

pub(super) fn add_folder(tar: &mut tar::Builder<impl Write>, name: &str) -> io::Result<()> {
    tar.append_data(&mut header(tar::EntryType::Directory, 0o555, 0), format!("{name}/"), io::empty())
}

/// Adds the file at `path`, or what a link there leads to, as `name`.
pub(super) fn add_file(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    path: &Path,
    mode: u32,
) -> Result<(), LayoutError> {
    let fault = |source| LayoutError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    let size = file.metadata().map_err(fault)?.len();
    tar.append_data(&mut header(tar::EntryType::Regular, mode, size), name, file).map_err(fault)
}

/// A link may point only inside the folder: anything else would mean another file in the image than here.
fn add_link(tar: &mut tar::Builder<impl Write>, name: &str, path: &Path) -> Result<(), LayoutError> {
    let fault = |source| LayoutError::Read { path: path.to_owned(), source };
    let target: PathBuf = fs::read_link(path).map_err(fault)?;
    if !target.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
        return Err(LayoutError::Unfit {
            path: path.to_owned(),
            problem: "the symbolic link may leave its folder",
        });
    }
    tar.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), name, &target).map_err(fault)
}

/// A writer that hashes and counts what passes through.
pub(super) struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), length: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
