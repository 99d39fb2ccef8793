//! Conversions: files that git writes into the working tree otherwise than the commit has them, and calls unchanged all
//! the same. A file of Git LFS is a short text until somebody fetches what it stands for.

use super::{File, SUBMODULE};
use bstr::ByteSlice as _;
use std::path::Path;

/// What lines of `.gitattributes` have in them that convert (gitattributes(5), "Checking-out and checking-in").
const CONVERTING: [&[u8]; 6] = [b"filter", b"ident", b"working-tree-encoding", b"text", b"eol", b"crlf"];

/// Where attributes may convert files, each one is also known by its size here, which tells the two forms apart.
pub(super) fn tell_apart(root: &Path, files: &mut [File]) {
    let is_converting = |path: &Path| {
        let text = std::fs::read(path).unwrap_or_default();
        CONVERTING.iter().any(|word| text.contains_str(word))
    };
    let is_attributes =
        |file: &&File| file.path == ".gitattributes" || file.path.ends_with(b"/.gitattributes");
    let mut lists = files.iter().filter(is_attributes).map(|file| root.join(file.path.to_path_lossy()));
    if !lists.any(|path| is_converting(&path)) && !is_converting(&root.join(".git/info/attributes")) {
        return;
    }
    for file in files.iter_mut().filter(|file| file.mode != SUBMODULE) {
        if let Ok(metadata) = root.join(file.path.to_path_lossy()).symlink_metadata() {
            file.content = format!("{} {}", file.content, metadata.len());
        }
    }
}
