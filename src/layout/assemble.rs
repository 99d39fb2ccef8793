//! An image from a finished program: one layer, one config, one manifest, the same bytes every time.

use super::manifest::{IMAGE_CONFIG, LAYER_GZIP, manifest};
use super::{Descriptor, IMAGE_MANIFEST, Layout, LayoutError};
use crate::image::Digest;
use crate::platform::Platform;
use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::WalkBuilder;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Where the program lies in the image.
const FOLDER: &str = "app";
/// A user without rights and without a name; the same number that distroless images use.
const NOBODY: &str = "65532:65532";

/// What goes into the image.
pub(crate) struct Program<'a> {
    /// A file, or a folder that is taken whole.
    pub(crate) source: &'a Path,
    /// The file to start, relative to `source` if that is a folder; the file itself otherwise.
    pub(crate) start: &'a str,
    pub(crate) platform: &'a Platform,
    /// Seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub(crate) created: u64,
}

/// Writes the image into `layout` and returns its manifest.
pub(crate) fn assemble(layout: &Layout, program: &Program<'_>) -> Result<Descriptor, LayoutError> {
    let (layer, diff_id) = layer(layout, LAYER_GZIP, |tar| add_all(tar, program))?;
    let created = jiff::Timestamp::from_second(program.created.cast_signed()).unwrap_or_default().to_string();
    let start = format!("/{FOLDER}/{}", program.start);
    let mut config = json!({
        "architecture": program.platform.architecture,
        "os": program.platform.os,
        "created": created,
        "config": {"Entrypoint": [start], "User": NOBODY, "WorkingDir": format!("/{FOLDER}")},
        "rootfs": {"type": "layers", "diff_ids": [diff_id.to_string()]},
        "history": [{"created": created, "created_by": "hephy"}],
    });
    if let Some(variant) = &program.platform.variant {
        config["variant"] = json!(variant);
    }
    let config = layout.write(config.to_string().as_bytes(), IMAGE_CONFIG)?;
    let path = layout.root.join("manifest");
    let bytes = manifest(config, vec![layer]).map_err(|source| LayoutError::Json { path, source })?;
    layout.write(&bytes, IMAGE_MANIFEST)
}

/// Where the files of a layer go.
pub(super) type Archive = tar::Builder<Hashing<GzEncoder<Hashing<BufWriter<NamedTempFile>>>>>;

/// Streams the files that `fill` adds through tar, the hash of the tar, gzip and the hash of the gzip into a blob: every
/// byte is read once and memory stays constant. Returns the blob and the hash of the tar.
pub(super) fn layer(
    layout: &Layout,
    media_type: &str,
    fill: impl FnOnce(&mut Archive) -> Result<(), LayoutError>,
) -> Result<(Descriptor, Digest), LayoutError> {
    let fault = |source| LayoutError::Write { path: layout.root.clone(), source };
    let file = NamedTempFile::new_in(&layout.root).map_err(fault)?;
    let compressed = Hashing::new(BufWriter::new(file));
    let gzip = GzEncoder::new(compressed, Compression::default());
    let mut tar = tar::Builder::new(Hashing::new(gzip));
    fill(&mut tar)?;
    let tar = tar.into_inner().map_err(fault)?;
    let diff_id = Digest::of_hasher(tar.hasher);
    let compressed = tar.inner.finish().map_err(fault)?;
    let (digest, size) = (Digest::of_hasher(compressed.hasher), compressed.length);
    let file = compressed.inner.into_inner().map_err(|error| fault(error.into_error()))?;
    file.persist(layout.blob(&digest)).map_err(|error| fault(error.error))?;
    Ok((Descriptor::new(media_type, &digest, size), diff_id))
}

fn add_all(tar: &mut tar::Builder<impl Write>, program: &Program<'_>) -> Result<(), LayoutError> {
    let fault = |source| LayoutError::Read { path: program.source.to_owned(), source };
    add_folder(tar, FOLDER).map_err(fault)?;
    if program.source.is_file() {
        return add_file(tar, &format!("{FOLDER}/{}", program.start), program.source, 0o555);
    }
    // Sorted by path and with no filter: what is in the folder is the program, hidden files included.
    let walk = WalkBuilder::new(program.source).standard_filters(false).sort_by_file_path(Ord::cmp).build();
    for entry in walk.skip(1) {
        let entry = entry.map_err(|error| fault(io::Error::other(error)))?;
        let relative = entry.path().strip_prefix(program.source).unwrap_or(entry.path());
        let name = format!("{FOLDER}/{}", relative.to_string_lossy());
        let metadata = entry.path().symlink_metadata().map_err(fault)?;
        match () {
            () if metadata.is_dir() => add_folder(tar, &name).map_err(fault)?,
            () if metadata.is_symlink() => add_link(tar, &name, entry.path())?,
            () => add_file(tar, &name, entry.path(), mode(&metadata))?,
        }
    }
    Ok(())
}

fn mode(metadata: &fs::Metadata) -> u32 {
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

fn add_folder(tar: &mut tar::Builder<impl Write>, name: &str) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::children;

    fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("create");
            fs::write(path, text).expect("write");
        }
        folder
    }

    fn assembled(source: &Path) -> (tempfile::TempDir, Descriptor) {
        let out = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(out.path()).expect("create");
        let platform = Platform::new("linux", "amd64");
        let program = Program { source, start: "run", platform: &platform, created: 17 };
        let image = assemble(&layout, &program).expect("assemble");
        (out, image)
    }

    #[test]
    fn equal_folders_make_equal_images_whatever_their_times_and_places() {
        let files = [("run", "#!"), ("lib/b", "2"), ("lib/a", "1")];
        let (one, other) = (folder_with(&files), folder_with(&files));
        let (_, first) = assembled(one.path());
        let (_, second) = assembled(other.path());
        assert_eq!(first, second);
    }

    #[test]
    fn the_layer_is_what_the_config_says() {
        let source = folder_with(&[("run", "#!")]);
        let (out, image) = assembled(source.path());
        let layout = Layout::at(out.path());
        let parts = children(&layout.read(&image.digest().expect("valid")).expect("read")).expect("valid");
        let config = layout.read(&parts[0].digest().expect("valid")).expect("read");
        let config: serde_json::Value = serde_json::from_slice(&config).expect("valid");
        let layer = File::open(layout.blob(&parts[1].digest().expect("valid"))).expect("open");
        let mut tar = vec![];
        io::copy(&mut flate2::read::GzDecoder::new(layer), &mut tar).expect("gzip");
        assert_eq!(config["rootfs"]["diff_ids"][0], Digest::of(&tar).to_string());
        assert_eq!(config["config"]["Entrypoint"][0], "/app/run");
        let mut archive = tar::Archive::new(tar.as_slice());
        let names = archive
            .entries()
            .expect("entries")
            .map(|entry| entry.expect("entry").path().expect("path").display().to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["app/", "app/run"]);
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused() {
        let source = folder_with(&[("run", "#!")]);
        std::os::unix::fs::symlink("/etc/passwd", source.path().join("link")).expect("link");
        let out = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(out.path()).expect("create");
        let platform = Platform::new("linux", "amd64");
        let program = Program { source: source.path(), start: "run", platform: &platform, created: 0 };
        assert!(matches!(assemble(&layout, &program), Err(LayoutError::Unfit { .. })));
    }
}
