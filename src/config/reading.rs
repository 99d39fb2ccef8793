//! Reading the files that may define something: whoever sends a commit chooses what lies behind their names.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// No definition is as long; what is longer is none.
const LONGEST: usize = 4 * 1024 * 1024;

/// The text of the file at `path`, `None` if it is no file of the repository at `root`, no text, or too long. A link is
/// followed to a file inside the repository: what lies elsewhere may have no end.
pub(super) fn text(root: &Path, path: &Path) -> Option<String> {
    let file = root.join(real(root, path)?);
    if !file.is_file() {
        return None;
    }
    let mut text = String::new();
    let length = File::open(file).ok()?.take(LONGEST as u64 + 1).read_to_string(&mut text).ok()?;
    (length <= LONGEST).then_some(text)
}

/// The path from `root` without symbolic links, `None` if nothing is there or it is outside.
pub(super) fn real(root: &Path, path: &Path) -> Option<PathBuf> {
    let (root, path) = (root.canonicalize().ok()?, path.canonicalize().ok()?);
    path.strip_prefix(root).ok().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_of_the_repository_that_end_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("folder")).expect("create the folders");
        let write = |path: &Path, length| std::fs::write(path, "a".repeat(length)).expect("write the file");
        write(&root.join("longest"), LONGEST);
        write(&root.join("longer"), LONGEST + 1);
        write(&folder.path().join("outside"), 1);
        std::fs::write(root.join("bytes"), [0xff]).expect("write the file");
        for (name, target) in [
            ("to-longest", "folder/../longest"),
            ("to-outside", "../outside"),
            ("to-zeros", "/dev/zero"),
            ("to-itself", "to-itself"),
        ] {
            symlink(target, root.join(name)).expect("make the link");
        }
        for (name, expected) in [
            ("longest", Some(LONGEST)),
            ("to-longest", Some(LONGEST)),
            ("longer", None),
            ("../outside", None),
            ("to-outside", None),
            ("to-zeros", None),
            ("to-itself", None),
            ("bytes", None),
            ("folder", None),
            ("missing", None),
        ] {
            assert_eq!(text(&root, &root.join(name)).map(|text| text.len()), expected, "{name}");
        }
    }
}
