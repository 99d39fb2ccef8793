//! Inputs: which files a component's build reads, and what those files hold in this working tree.

mod cargo;
mod disk;

use crate::component::{Backend, Component};
use crate::event::Events;
use crate::exec::ExecError;
use crate::git::{Checkout, Deviation, File};
use crate::platform::Platform;
use bstr::{BString, ByteSlice as _};
use std::path::PathBuf;

/// What a build reads, as rules. Unsure means more rules, never fewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) rules: Vec<Rule>,
    /// Whether folders marked as caches (`CACHEDIR.TAG`) are inputs too. Cargo marks its own target folder; a
    /// Dockerfile copies such folders like any other.
    pub(crate) caches: bool,
}

/// One thing that a build reads, and why it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) pattern: Pattern,
    /// Completes the sentence "PATH changed: ..." .
    pub(crate) why: String,
    /// `None` if it is read for every platform.
    pub(crate) platform: Option<Platform>,
}

/// Paths from the repository's root, with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// The path itself and everything below it; the empty path is the whole repository.
    Path(String),
    Glob(String),
}

/// Why the inputs of a component cannot be known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputsError {
    #[error("read `{path}`, an input that is not in the commit")]
    Disk { path: PathBuf, source: std::io::Error },
    #[error("list the inputs of `{component}`: it depends on `{path}`, outside the repository")]
    Outside { component: String, path: PathBuf },
    #[error("list the inputs of `{component}`")]
    Cargo { component: String, source: ExecError },
    #[error("understand `cargo metadata` of `{component}`")]
    Metadata { component: String, source: cargo_metadata::Error },
}

impl Rule {
    fn path(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { pattern: Pattern::Path(path.into()), why: why.into(), platform: None }
    }
}

/// What the build of `component` with `backend` reads.
pub(crate) async fn reads(
    events: &Events,
    checkout: &Checkout,
    component: &Component,
    backend: Backend,
) -> Result<Reads, InputsError> {
    let mut rules = match backend {
        Backend::Cargo => cargo::rules(events, &checkout.root, component).await?,
        Backend::Buildah => {
            vec![Rule::path(&component.path, format!("it is in the folder of `{}`", component.name))]
        }
        Backend::Prebuilt => prebuilt(component),
    };
    rules.extend(component.watch.iter().map(|glob| Rule {
        pattern: Pattern::Glob(glob.clone()),
        why: format!("`{}` watches `{glob}`", component.name),
        platform: None,
    }));
    Ok(Reads { rules, caches: backend != Backend::Cargo })
}

fn prebuilt(component: &Component) -> Vec<Rule> {
    let programs = component.recipe.prebuilt.iter();
    programs
        .map(|(platform, path)| Rule {
            platform: Some(platform.clone()),
            ..Rule::path(below(&component.path, path), format!("it is the program of `{}`", component.name))
        })
        .collect()
}

/// `path` below `folder`, without empty and `.` parts.
pub(crate) fn below(folder: &str, path: &str) -> String {
    let parts: Vec<&str> =
        folder.split('/').chain(path.split('/')).filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

/// The files of the commit with everything that deviates in the working tree replaced by what is really there.
pub(crate) fn working_files(checkout: &Checkout) -> Result<Vec<File>, InputsError> {
    let dirty: Vec<&BString> = checkout
        .deviations
        .iter()
        .filter_map(|deviation| match deviation {
            Deviation::Dirty(path) => Some(path),
            Deviation::Ignored(_) => None,
        })
        .collect();
    let mut files: Vec<File> =
        checkout.files.iter().filter(|file| !dirty.contains(&&file.path)).cloned().collect();
    for path in dirty {
        files.extend(disk::files(&checkout.root, path.as_bstr())?);
    }
    files.sort();
    Ok(files)
}

/// Files that git ignores and that a build reads all the same: a Dockerfile copies what is in its context, and a
/// finished program is rarely committed. Leaving them out would reuse an image of other content.
pub(crate) fn ignored_files(checkout: &Checkout, reads: &Reads) -> Result<Vec<File>, InputsError> {
    let mut files = vec![];
    for deviation in &checkout.deviations {
        let Deviation::Ignored(ignored) = deviation else { continue };
        let ignored = ignored.trim_end_with(|c| c == '/');
        if !reads.caches && checkout.root.join(ignored.to_path_lossy()).join("CACHEDIR.TAG").exists() {
            continue;
        }
        for rule in &reads.rules {
            let Pattern::Path(read) = &rule.pattern else { continue };
            let read = read.as_bytes();
            if is_at_or_below(ignored, read) {
                files.extend(disk::files(&checkout.root, ignored.as_bstr())?);
            } else if is_at_or_below(read, ignored) {
                files.extend(disk::files(&checkout.root, read.as_bstr())?);
            }
        }
    }
    files.retain(|file| !is_at_or_below(&file.path, b".hephy"));
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether `path` is `folder` or lies below it; everything lies below the empty folder.
pub(crate) fn is_at_or_below(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_means_whole_names() {
        assert!(is_at_or_below(b"api/main.rs", b"api"));
        assert!(is_at_or_below(b"api", b"api"));
        assert!(is_at_or_below(b"anything", b""));
        assert!(!is_at_or_below(b"api2/main.rs", b"api"));
    }

    #[test]
    fn paths_join_without_empty_parts() {
        for (folder, path, expected) in [("", "x", "x"), ("a", "./b", "a/b"), ("a/", "", "a"), ("", "", "")] {
            assert_eq!(below(folder, path), expected);
        }
    }
}
