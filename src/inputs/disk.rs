//! Files whose content is not in the commit: hashed where they lie.

use super::InputsError;
use crate::git::File;
use bstr::{BStr, BString, ByteSlice as _};
use sha2::{Digest as _, Sha256};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The files at or below `path` that are wanted, none if it is gone: a removed file is no longer an input.
pub(super) fn files(
    root: &Path,
    path: &BStr,
    is_wanted: &dyn Fn(&BStr) -> bool,
) -> Result<Vec<File>, InputsError> {
    let mut found = vec![];
    collect(root, path.into(), is_wanted, &mut found)
        .map_err(|(path, source)| InputsError::Disk { path: path.to_path_lossy().into_owned(), source })?;
    Ok(found)
}

fn collect(
    root: &Path,
    path: BString,
    is_wanted: &dyn Fn(&BStr) -> bool,
    found: &mut Vec<File>,
) -> Result<(), (BString, io::Error)> {
    let full = root.join(path.to_path_lossy());
    let metadata = match full.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err((path, error)),
    };
    if !metadata.is_dir() && !is_wanted(path.as_bstr()) {
        return Ok(());
    }
    if !metadata.is_dir() {
        let content = content(&full, &metadata).map_err(|error| (path.clone(), error))?;
        found.push(File { path, mode: mode(&metadata), content });
        return Ok(());
    }
    for entry in full.read_dir().map_err(|error| (path.clone(), error))? {
        let entry = entry.map_err(|error| (path.clone(), error))?;
        let mut below = path.clone();
        below.extend_from_slice(b"/");
        below.extend_from_slice(entry.file_name().as_bytes());
        collect(root, below, is_wanted, found)?;
    }
    Ok(())
}

fn mode(metadata: &Metadata) -> &'static str {
    match () {
        () if metadata.is_symlink() => "120000",
        () if metadata.permissions().mode() & 0o111 != 0 => "100755",
        () => "100644",
    }
}

fn content(path: &Path, metadata: &Metadata) -> io::Result<String> {
    let mut hasher = Sha256::new();
    if metadata.is_symlink() {
        hasher.update(path.read_link()?.as_os_str().as_bytes());
    } else if metadata.is_file() {
        let mut file = io::BufReader::with_capacity(1 << 16, std::fs::File::open(path)?);
        io::copy(&mut file, &mut HashWriter(&mut hasher))?;
    }
    Ok(crate::image::Digest::of_hasher(hasher).to_string())
}

/// Feeds what is written to a hasher.
struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
