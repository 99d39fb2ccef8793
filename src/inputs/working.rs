//! The working tree as a build would read it: the commit, what deviates from it, and what git ignores.

use super::{InputsError, Reads, disk, is_at_or_below};
use crate::component::Component;
use crate::git::{Checkout, Deviation, File, SUBMODULE};
use bstr::{BStr, ByteSlice as _};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The files of the commit with everything that deviates in the working tree replaced by what is really there.
pub(crate) fn working_files(checkout: &Checkout) -> Result<Cow<'_, [File]>, InputsError> {
    let unlike: BTreeSet<&BStr> = checkout.unlike_commit().collect();
    let mut changed = vec![];
    for path in unlike {
        changed.extend(disk::files(&checkout.root, path, &|_| true)?);
    }
    if changed.is_empty() {
        return Ok(Cow::Borrowed(&checkout.files));
    }
    let mut files = [checkout.files.as_slice(), &changed].concat();
    files.sort();
    Ok(Cow::Owned(files))
}

/// Files that git ignores and that a build reads all the same: a Dockerfile copies what is in its context, and a
/// finished program is rarely committed. Leaving them out would reuse an image of other content. Of a submodule every
/// file counts: git says neither what is ignored in it nor which of its own submodules are checked out. `is_read` is
/// asked before a file is opened.
pub(crate) fn ignored_files(
    checkout: &Checkout,
    reads: &Reads,
    is_read: &dyn Fn(&BStr) -> bool,
) -> Result<Vec<File>, InputsError> {
    let is_gits = |path: &BStr| path.split_str("/").any(|part| part == b".git");
    let is_wanted = |path: &BStr| !is_at_or_below(path, b".hephy") && !is_gits(path) && is_read(path);
    let mut files = vec![];
    let ignored = checkout.deviations.iter().filter_map(|deviation| match deviation {
        Deviation::Ignored(path) => Some(path),
        Deviation::Dirty(_) | Deviation::Added(_) => None,
    });
    // A tool of which the caches do not count says itself what it has read.
    let submodules = checkout.submodules.iter().filter(|_| reads.caches);
    for ignored in ignored.chain(submodules) {
        let ignored = ignored.trim_end_with(|c| c == '/');
        let is_cache = checkout.root.join(ignored.to_path_lossy()).join("CACHEDIR.TAG").exists();
        for rule in reads.rules.iter().filter(|rule| !is_cache || reads.caches || rule.caches) {
            let read = rule.pattern.folder().as_bytes();
            if is_at_or_below(ignored, read) {
                files.extend(disk::files(&checkout.root, ignored.as_bstr(), &is_wanted)?);
            } else if is_at_or_below(read, ignored) {
                files.extend(disk::files(&checkout.root, read.as_bstr(), &is_wanted)?);
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Refuses submodules among `selected` that are not checked out: nobody can build what is not there.
pub(crate) fn ensure_checked_out<'f>(
    checkout: &Checkout,
    component: &Component,
    selected: impl IntoIterator<Item = &'f File>,
) -> Result<(), InputsError> {
    let place = |file: &File| checkout.root.join(file.path.to_path_lossy());
    let is_hollow =
        |file: &&File| file.mode == SUBMODULE && place(file).is_dir() && !place(file).join(".git").exists();
    match selected.into_iter().find(is_hollow) {
        None => Ok(()),
        Some(file) => {
            Err(InputsError::Submodule { component: component.name.to_string(), path: file.path.clone() })
        }
    }
}
