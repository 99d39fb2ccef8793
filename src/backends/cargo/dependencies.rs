//! What the compiler really read: the file that Cargo writes beside a binary, in the syntax of `make`.

use super::BuildError;
use super::folders::Folders;
use std::path::{Component, Path, PathBuf};

/// The files below `root` that went into `binary`, as paths from there. What Cargo made in its own folders is left out.
pub(super) fn of(binary: &Path, root: &Path, folders: &Folders) -> Result<Vec<PathBuf>, BuildError> {
    let path = binary.with_extension("d");
    let text = std::fs::read_to_string(&path).map_err(|source| BuildError::Read { path, source })?;
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let paths = read(&text).into_iter().map(|path| plain(&path)).filter(|path| !folders.have(path));
    Ok(paths.filter_map(|path| path.strip_prefix(&root).ok().map(Path::to_owned)).collect())
}

/// The path without `..`, as it is written: `include_str!("../x")` is reported as `src/../x`, and what lies behind a
/// symbolic link is known by the link.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
        plain
    })
}

/// The paths behind the colon. A space in a path is written as a backslash and a space.
fn read(text: &str) -> Vec<PathBuf> {
    let lists = text.lines().filter_map(|line| line.split_once(": ")).map(|(_, list)| list);
    let escaped = lists.map(|list| list.replace("\\ ", "\0")).collect::<Vec<_>>().join(" ");
    escaped.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_without_its_detours() {
        assert_eq!(plain(Path::new("/r/api/src/../../shared/t")), Path::new("/r/shared/t"));
    }

    #[test]
    fn spaces_are_part_of_a_path() {
        let text = "/r/target/x/release/api: /r/api/src/main.rs /r/my\\ lib/src/lib.rs\n";
        assert_eq!(read(text), [PathBuf::from("/r/api/src/main.rs"), PathBuf::from("/r/my lib/src/lib.rs")]);
        assert_eq!(read(""), Vec::<PathBuf>::new());
    }
}
