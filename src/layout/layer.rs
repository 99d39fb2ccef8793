//! Layers: files through tar and gzip into a blob, the same bytes every time.

use super::growing::{Growth, Listener};
use super::{Descriptor, Layout, LayoutError};
use crate::image::Digest;
use gzp::deflate::Gzip;
use gzp::par::compress::{ParCompress, ParCompressBuilder};
use gzp::{Compression, GzpError, ZWriter as _};
use ignore::WalkBuilder;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

/// How much is compressed at a time, in bytes. The bytes of a layer depend on it, but not on the number of processors.
const BLOCK: usize = 1 << 20;
/// zlib's own default. Less would take longer to upload than it saves.
const LEVEL: Compression = Compression::new(6);
/// How many processors compress one layer.
const PROCESSORS: usize = 8;

/// Where the bytes of a layer end.
type Blob = Hashing<BufWriter<Growth>>;
/// Where the files of a layer go.
pub(super) type Archive<'a> = tar::Builder<&'a mut Packing>;
/// Takes the bytes of a tar, hashes and compresses them.
pub(super) type Packing = Hashing<ParCompress<'static, Gzip, Blob>>;

/// Streams the files that `fill` adds through tar, the hash of the tar, gzip and the hash of the gzip into a blob: every
/// byte is read once and memory stays constant. The two hashes and the compression, which takes longest and uses several
/// processors, run side by side. `listener` hears of the blob when it begins. Returns it and the hash of the tar.
pub(super) fn layer(
    layout: &Layout,
    media_type: &str,
    listener: Listener<'_>,
    fill: impl FnOnce(&mut Archive<'_>) -> Result<(), LayoutError>,
) -> Result<(Descriptor, Digest), LayoutError> {
    packed(layout, media_type, listener, |bytes| {
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
    listener: Listener<'_>,
    fill: impl FnOnce(&mut Packing) -> Result<(), LayoutError>,
) -> Result<(Descriptor, Digest), LayoutError> {
    let fault = |source| LayoutError::Write { path: layout.root.clone(), source };
    let file = Growth::begin(&layout.root, listener)?;
    let processors = thread::available_parallelism().map_or(1, |count| count.get().min(PROCESSORS));
    let gzip =
        compressor(Hashing::new(BufWriter::new(file)), processors).map_err(gzip_fault).map_err(fault)?;
    let mut tar = Hashing::new(gzip);
    fill(&mut tar)?;
    let compressed = tar.inner.finish().map_err(gzip_fault).map_err(fault)?;
    let diff_id = Digest::of_hasher(tar.hasher);
    let (digest, size) = (Digest::of_hasher(compressed.hasher), compressed.length);
    let file = compressed.inner.into_inner().map_err(|error| fault(error.into_error()))?;
    file.end(&layout.blob(&digest), &digest).map_err(fault)?;
    Ok((Descriptor::new(media_type, &digest, size), diff_id))
}

fn compressor<W: Write + Send + 'static>(
    inner: W,
    processors: usize,
) -> Result<ParCompress<'static, Gzip, W>, GzpError> {
    let gzip = ParCompressBuilder::new().compression_level(LEVEL).num_threads(processors)?;
    Ok(gzip.buffer_size(BLOCK)?.from_writer(inner))
}

fn gzip_fault(error: GzpError) -> io::Error {
    match error {
        GzpError::Io(error) => error,
        error => io::Error::other(error),
    }
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

    /// Whether it is a file itself, and no link to one.
    pub(super) fn is_file(&self) -> bool {
        self.metadata.is_file()
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
pub(super) fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
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
    let mut content = file.take(size);
    tar.append_data(&mut header(tar::EntryType::Regular, mode, size), name, &mut content).map_err(fault)?;
    match content.limit() {
        0 => Ok(()),
        _ => Err(LayoutError::Unfit { path: path.to_owned(), problem: "it got shorter while it was read" }),
    }
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

/// The digest of all that can be read.
pub(super) fn digest_of(mut from: impl Read) -> io::Result<Digest> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut from, &mut hashing)?;
    Ok(Digest::of_hasher(hashing.hasher))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_layer_do_not_depend_on_the_number_of_processors() {
        let data: Vec<u8> = (0..3 * BLOCK as u64 + 7).map(|number| (number / 5 * number) as u8).collect();
        let gzip = |processors| {
            let mut gzip = compressor(vec![], processors).expect("start");
            gzip.write_all(&data).expect("write");
            gzip.finish().expect("finish")
        };
        let one = gzip(1);
        let mut back = vec![];
        flate2::read::GzDecoder::new(one.as_slice()).read_to_end(&mut back).expect("gzip");
        assert!(back == data, "it is what was compressed");
        for processors in [2, 5] {
            assert!(gzip(processors) == one, "{processors} processors");
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut gzip = compressor(Full, 2).expect("start");
        let block = vec![0; BLOCK];
        let written = (0..100).try_for_each(|_| gzip.write_all(&block));
        let ended = written.and_then(|()| gzip.finish().map(drop).map_err(gzip_fault));
        assert_eq!(ended.expect_err("nothing fits").kind(), io::ErrorKind::StorageFull);
    }
}
