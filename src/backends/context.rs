//! The context of a Dockerfile as an engine gets it: a copy of the files that count, and nothing else.
//!
//! Engines have ideas of their own about ignore files, and take times and permissions from the checkout, which are no
//! inputs. From a copy they can read only what is in the input digest, and two checkouts of one commit are the same.

use super::{BuildError, Order};
use crate::config::LOCK_NAME;
use crate::inputs::{self, Dockerignore, Frontend, Reading};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use tempfile::TempDir;

/// A copied context; it goes away with this value.
pub(super) struct Staged {
    folder: TempDir,
}

impl Staged {
    /// The folder with the two below.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the Dockerfile copies from.
    pub(super) fn context(&self) -> PathBuf {
        self.folder.path().join("context")
    }

    /// The folder with the Dockerfile, called [`DOCKERFILE`], and its ignore file.
    pub(super) fn beside(&self) -> PathBuf {
        self.folder.path().join("dockerfile")
    }

    /// Writes the images that the plan saw into the copied Dockerfile, for an engine that can be told in no other way, and
    /// returns that.
    pub(super) fn pin(&self, order: &Order<'_>, reading: &Reading) -> Result<String, BuildError> {
        let path = self.beside().join(DOCKERFILE);
        let text =
            fs::read_to_string(&path).map_err(|source| BuildError::Read { path: path.clone(), source })?;
        let text = inputs::with_images(&text, reading, order.base_images, order.platform)
            .map_err(|image| BuildError::Unpinned { image })?;
        fs::write(&path, &text).map_err(|source| BuildError::Prepare { path, source })?;
        Ok(text)
    }
}

/// The name of the Dockerfile in [`Staged::beside`].
pub(super) const DOCKERFILE: &str = "Dockerfile";

/// Copies the Dockerfile of `order` and the files that it may read.
pub(super) fn stage(order: &Order<'_>) -> Result<Staged, BuildError> {
    // Beside the layout: hephy's own folder is known to be writable.
    let beside = order.out.parent().unwrap_or(order.root);
    let fault = |source| BuildError::Prepare { path: beside.to_owned(), source };
    let folder = tempfile::Builder::new().prefix(".context-").tempdir_in(beside).map_err(fault)?;
    let staged = Staged { folder };
    fs::create_dir(staged.beside()).map_err(fault)?;
    let name = inputs::dockerfile_name(order.root, order.component).unwrap_or_default();
    let dockerfile = order.root.join(&order.component.path).join(&name);
    let text = fs::read(&dockerfile).map_err(|source| BuildError::Read { path: dockerfile, source })?;
    fs::write(staged.beside().join(DOCKERFILE), read_by(order, text)).map_err(fault)?;
    let ignore = staged.beside().join(format!("{DOCKERFILE}.dockerignore"));
    fs::write(&ignore, own_ignore_file(order, &name)?).map_err(fault)?;
    let tree = Tree {
        from: order.context(),
        to: staged.context(),
        ignore: inputs::dockerignore(order.root, order.component),
        is_root: order.component.context().is_empty(),
        epoch: order.epoch,
    };
    tree.create_folder(Path::new("")).map_err(fault)?;
    tree.copy_folder(Path::new("")).map_err(|(path, source)| BuildError::Read { path, source })?;
    tree.date(&tree.to).map_err(fault)?;
    Ok(staged)
}

/// The Dockerfile with the frontend that the plan saw. It stands in a comment, so that no other engine minds.
fn read_by(order: &Order<'_>, text: Vec<u8>) -> Vec<u8> {
    String::from_utf8(text).map_or_else(FromUtf8Error::into_bytes, |mut text| {
        let found = inputs::frontend(&text, &order.component.recipe.build_args);
        if let Some(Frontend { name, place: Some(place) }) = found
            && let Some(image) = order.base_images.get(&name)
        {
            text.replace_range(place, &image.to_string());
        }
        text.into_bytes()
    })
}

/// The engine reads it once more: hephy copies a file in doubt, and only the engine knows what it hides. The first line
/// is there because BuildKit takes an empty file for none, and then looks for another one in the context.
fn own_ignore_file(order: &Order<'_>, dockerfile: &str) -> Result<Vec<u8>, BuildError> {
    let own = match inputs::ignore_file(order.root, order.component, dockerfile) {
        Some(path) => fs::read(&path).map_err(|source| BuildError::Read { path, source })?,
        None => vec![],
    };
    let own = own.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&own);
    Ok([b"# copied by hephy\n".as_slice(), own, b"\n"].concat())
}

/// One copy of a tree of files.
struct Tree {
    from: PathBuf,
    to: PathBuf,
    ignore: Dockerignore,
    /// Whether it is the whole repository.
    is_root: bool,
    /// The time of every file, in seconds since 1970.
    epoch: u64,
}

/// A path with what went wrong there.
type Fault = (PathBuf, io::Error);

impl Tree {
    /// Copies what lies below `folder`. A folder without files is left out: git does not know it either. Returns whether
    /// there was anything.
    fn copy_folder(&self, folder: &Path) -> Result<bool, Fault> {
        let place = self.from.join(folder);
        let fault = |source| (place.clone(), source);
        let mut is_empty = true;
        for entry in fs::read_dir(&place).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(fault)?;
            if self.is_no_input(&path) || kind.is_dir() && self.ignore.hides_all_of(as_text(&path).into()) {
                continue;
            }
            let is_copied = if kind.is_dir() {
                self.create_folder(&path).map_err(fault)?;
                self.copy_folder(&path)?
            } else if self.ignore.leaves_out(as_text(&path).into()) {
                false
            } else {
                self.copy_file(&path, kind).map_err(|source| (self.from.join(&path), source))?
            };
            if kind.is_dir() {
                let copy = self.to.join(&path);
                if is_copied { self.date(&copy) } else { fs::remove_dir(&copy) }.map_err(fault)?;
            }
            is_empty &= !is_copied;
        }
        Ok(!is_empty)
    }

    /// Git's folders, hephy's own at the root of the context, and the file of pins, of which only those count that the
    /// component uses.
    fn is_no_input(&self, path: &Path) -> bool {
        path.file_name() == Some(OsStr::new(".git"))
            || path == Path::new(".hephy")
            || self.is_root && path == Path::new(LOCK_NAME)
    }

    /// With the usual permissions, whatever mask this process has.
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let to = self.to.join(path);
        fs::create_dir(&to)?;
        fs::set_permissions(&to, Permissions::from_mode(0o755))
    }

    /// Copies a file or a link; sockets and the like are no files. Of its permissions only those count that git knows.
    fn copy_file(&self, path: &Path, kind: fs::FileType) -> io::Result<bool> {
        let (from, to) = (self.from.join(path), self.to.join(path));
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_file() {
            fs::copy(&from, &to)?;
            let is_program = fs::metadata(&from)?.permissions().mode() & 0o100 != 0;
            fs::set_permissions(&to, Permissions::from_mode(if is_program { 0o755 } else { 0o644 }))?;
        } else {
            return Ok(false);
        }
        self.date(&to)?;
        Ok(true)
    }

    /// Gives a file, folder or link the time of the commit.
    fn date(&self, path: &Path) -> io::Result<()> {
        let time = Timespec { tv_sec: self.epoch.cast_signed(), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

fn as_text(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_copy_has_what_counts_and_no_traces_of_the_checkout() {
        // Given a folder with much that is no input,
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for path in [
            "a.txt",
            "src/run",
            "src/deep/b.md",
            "hidden/c.txt",
            ".git/HEAD",
            "src/.git",
            "src/.hephy",
            ".hephy/x",
            "hephy.lock",
            "src/hephy.lock",
        ] {
            let path = from.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
            fs::write(path, "text").expect("write");
        }
        fs::create_dir(from.join("empty")).expect("create the folder");
        fs::set_permissions(from.join("src/run"), Permissions::from_mode(0o700)).expect("set");
        fs::set_permissions(from.join("a.txt"), Permissions::from_mode(0o600)).expect("set");
        symlink("a.txt", from.join("link")).expect("link");
        // when it is copied,
        fs::create_dir(&to).expect("create the folder");
        let ignore = Dockerignore::read("hidden\n**/*.md\n");
        let tree = Tree { from, to: to.clone(), ignore, is_root: true, epoch: 1_700_000_000 };
        assert!(tree.copy_folder(Path::new("")).expect("copied"));
        // then the copy has the rest, with the permissions that git knows and one time for all.
        let walk = ignore::WalkBuilder::new(&to).standard_filters(false).sort_by_file_path(Ord::cmp).build();
        let shown: Vec<String> = walk
            .skip(1)
            .map(|entry| {
                let path = entry.expect("an entry").into_path();
                let metadata = path.symlink_metadata().expect("there");
                assert_eq!(metadata.mtime(), 1_700_000_000, "{path:?}");
                format!("{} {:o}", path.strip_prefix(&to).expect("below").display(), metadata.mode() & 0o777)
            })
            .collect();
        assert_eq!(
            shown,
            ["a.txt 644", "link 777", "src 755", "src/.hephy 644", "src/hephy.lock 644", "src/run 755"]
        );
    }
}
