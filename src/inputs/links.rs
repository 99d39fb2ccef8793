//! What lies behind symbolic links: git knows a link and not what it leads to.

use super::{InputsError, disk, is_at_or_below, real};
use crate::component::Component;
use crate::git::{Checkout, File};
use bstr::ByteSlice as _;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// What lies behind the symbolic links among `selected` and is not selected itself: a compiler follows them.
pub(crate) fn behind_links(
    checkout: &Checkout,
    component: &Component,
    files: &[File],
    selected: &[Cow<'_, File>],
) -> Result<Vec<File>, InputsError> {
    follow(checkout, files, selected, |link| real(&checkout.root, &link.path.to_path_lossy(), component))
}

/// The same for a Dockerfile, to which the context is the root of the file system: a link out of it leads back into it.
/// A link may lead nowhere; the image may have what it means.
pub(crate) fn behind_links_in_context(
    checkout: &Checkout,
    component: &Component,
    files: &[File],
    selected: &[Cow<'_, File>],
) -> Result<Vec<File>, InputsError> {
    follow(checkout, files, selected, |link| {
        let path = link.path.to_path_lossy();
        let Ok(target) = checkout.root.join(&path).read_link() else { return Ok(None) };
        let context = Path::new(component.context());
        let beside = path.strip_prefix(context).ok().and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(Some(super::below(component.context(), &inside(beside, &target))))
    })
}

/// `target` seen from the folder `beside`, without `..`.
fn inside(beside: &Path, target: &Path) -> String {
    let mut parts: Vec<String> = vec![];
    let start = if target.is_absolute() { Path::new("") } else { beside };
    for component in start.components().chain(target.components()) {
        match component {
            std::path::Component::ParentDir => drop(parts.pop()),
            std::path::Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

fn follow(
    checkout: &Checkout,
    files: &[File],
    selected: &[Cow<'_, File>],
    target_of: impl Fn(&File) -> Result<Option<String>, InputsError>,
) -> Result<Vec<File>, InputsError> {
    let is_link = |file: &&File| file.mode == "120000";
    let mut links: Vec<File> = selected.iter().map(AsRef::as_ref).filter(is_link).cloned().collect();
    let mut found = vec![];
    if links.is_empty() {
        return Ok(found);
    }
    let mut known: BTreeSet<File> = selected.iter().map(|file| file.as_ref().clone()).collect();
    while let Some(link) = links.pop() {
        let Some(target) = target_of(&link)? else { continue };
        let target = target.as_bytes();
        let mut behind: Vec<File> =
            files.iter().filter(|file| is_at_or_below(&file.path, target)).cloned().collect();
        if behind.is_empty() {
            behind = disk::files(&checkout.root, target.as_bstr(), &|_| true)?;
        }
        behind.retain(|file| known.insert(file.clone()));
        links.extend(behind.iter().filter(is_link).cloned());
        found.extend(behind);
    }
    Ok(found)
}
