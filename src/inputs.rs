//! Inputs: which files a component's build reads, and what those files hold in this working tree.

mod buildah;
mod buildpacks;
mod cargo;
mod disk;
mod dockerfile;
mod dockerignore;
mod helm;
mod inventory;
mod ko;
mod links;
mod lockfile;
mod node;
mod packages;
mod program;
mod spin;
mod wildcard;
mod working;

pub(crate) use buildah::{
    dockerfile_name, dockerfile_reading, dockerignore, ignore_file, sure_dockerfile_name,
};
pub(crate) use buildpacks::project;
pub(crate) use cargo::Workspaces;
pub(crate) use dockerfile::{Frontend, Reading, SYNTAX, frontend, with_images};
pub(crate) use dockerignore::Dockerignore;
pub(crate) use helm::{Chart, Helmignore, chart, chart_files, missing_dependency};
pub(crate) use inventory::{Inventory, Origin, Package};
pub(crate) use ko::{SettingsError, go_program};
pub(crate) use links::{behind_links, behind_links_in_context};
pub(crate) use packages::packages;
pub(crate) use working::{ensure_checked_out, ignored_files, working_files};

use crate::component::{Backend, Component};
use crate::event::Events;
use crate::exec::ExecError;
use crate::git::Checkout;
use crate::platform::Platform;
use ::ignore::gitignore::Gitignore;
use bstr::{BStr, BString, ByteSlice as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a build reads, as rules. Unsure means more rules, never fewer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    pub(crate) rules: Vec<Rule>,
    /// The images that the build starts from, copies from or is read by, as the definition names them.
    pub(crate) images: Vec<BaseImage>,
    /// Files of which only a part counts, with what stands for that part.
    pub(crate) parts: BTreeMap<BString, String>,
    /// The versions of tools that decide what is built.
    pub(crate) tools: Vec<String>,
    /// Whether folders marked as caches (`CACHEDIR.TAG`) are inputs too. Cargo marks its own target folder; a
    /// Dockerfile copies such folders like any other.
    pub(crate) caches: bool,
    /// Whether the build never sees the file of pins, so that only those of its pins count that are used. A tool that is
    /// handed a folder as it is sees it.
    pub(crate) pins_apart: bool,
    /// What the user should know about how it is built.
    pub(crate) warnings: Vec<String>,
}

/// An image that a build starts from, copies from or is read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseImage {
    pub(crate) name: String,
    /// `None` if every platform's build uses it.
    pub(crate) platform: Option<Platform>,
    /// Whether the build can be given another image for this name wherever it stands.
    pub(crate) is_replaceable: bool,
}

/// One thing that a build reads, and why it does.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) pattern: Pattern,
    /// Completes the sentence "PATH changed: ..." .
    pub(crate) why: String,
    /// `None` if it is read for every platform.
    pub(crate) platform: Option<Platform>,
    /// What the build cannot see although the pattern matches it.
    pub(crate) hidden: Option<Arc<Hidden>>,
    /// Folders marked as caches are read too, whatever holds for the others.
    pub(crate) caches: bool,
}

/// What an ignore file leaves out of a folder.
#[derive(Debug)]
pub(crate) struct Hidden {
    pub(crate) folder: String,
    pub(crate) by: Ignore,
}

/// The ignore files that hephy reads.
#[derive(Debug)]
pub(crate) enum Ignore {
    Docker(Dockerignore),
    Helm(Helmignore),
    /// Patterns of `.gitignore`; reversed, only what they match is there.
    Git {
        patterns: Gitignore,
        is_reversed: bool,
    },
}

impl Ignore {
    /// Whether the file `path`, relative to the folder of the ignore file, is left out.
    fn leaves_out(&self, path: &BStr) -> bool {
        match self {
            Self::Docker(ignore) => ignore.leaves_out(path),
            Self::Helm(ignore) => ignore.leaves_out(&path.to_str_lossy()),
            Self::Git { patterns, is_reversed } => {
                patterns.matched_path_or_any_parents(path.to_path_lossy(), false).is_ignore() != *is_reversed
            }
        }
    }
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
    #[error("list the inputs of `{component}`: the submodule `{path}` is not checked out")]
    Submodule { component: String, path: BString },
    #[error("list the inputs of `{component}`: `{path}` has no package")]
    NoPackage { component: String, path: PathBuf },
    #[error(
        "list the inputs of `{component}`: `inputs: workspace` is for a Dockerfile, and `{backend}` builds it"
    )]
    NoDockerfile { component: String, backend: Backend },
    #[error(
        "list the inputs of `{component}`: `{key}` is for `cargo` and `prebuilt`, and `{backend}` builds it"
    )]
    NotForBackend { component: String, key: &'static str, backend: Backend },
    #[error("list the inputs of `{component}`")]
    Cargo { component: String, source: ExecError },
    #[error("list the inputs of `{component}`: {problem}")]
    Definition { component: String, problem: String },
    #[error("list the inputs of `{component}`: no `go.mod` at or above its folder")]
    NoModule { component: String },
    #[error("list the inputs of `{component}`: ask go")]
    Go { component: String, source: ExecError },
    #[error("read `{file}` for `{component}`")]
    KoFile { component: String, file: String, source: SettingsError },
    #[error("list the packages in `{component}` for its SBOM")]
    Packages { component: String, source: ExecError },
    #[error("understand `cargo metadata` of `{component}`")]
    Metadata { component: String, source: cargo_metadata::Error },
}

impl Pattern {
    /// The folder or file that everything it matches lies at or below.
    pub(crate) fn folder(&self) -> &str {
        match self {
            Self::Path(path) => path,
            Self::Glob(glob) => {
                let special = glob.find(['*', '?', '[', '{', '\\']);
                let plain = special.map_or(glob.as_str(), |at| &glob[..at]);
                if special.is_none() {
                    plain
                } else {
                    plain.rsplit_once('/').map_or("", |(folder, _)| folder)
                }
            }
        }
    }
}

impl Rule {
    fn path(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Pattern::Path(path.into()), why)
    }

    /// A rule for every platform that hides nothing.
    pub(crate) fn new(pattern: Pattern, why: impl Into<String>) -> Self {
        Self { pattern, why: why.into(), platform: None, hidden: None, caches: false }
    }

    /// Whether the build cannot see `path`, although the pattern matches it.
    pub(crate) fn hides(&self, path: &BStr) -> bool {
        let Some(hidden) = &self.hidden else { return false };
        let below = match hidden.folder.as_str() {
            "" => Some(path.as_bytes()),
            folder => path.strip_prefix(folder.as_bytes()).and_then(|rest| rest.strip_prefix(b"/")),
        };
        below.is_some_and(|below| hidden.by.leaves_out(below.as_bstr()))
    }
}

/// What the build of `component` with `backend` reads.
pub(crate) async fn reads(
    events: &Events,
    known: &mut Workspaces,
    checkout: &Checkout,
    component: &Component,
    backend: Backend,
    platforms: &[Platform],
) -> Result<Reads, InputsError> {
    if component.is_workspace_package && !backend.is_dockerfile() {
        return Err(InputsError::NoDockerfile { component: component.name.to_string(), backend });
    }
    let mut reads = match backend {
        Backend::Cargo => cargo::reads(events, known, &checkout.root, component).await?,
        Backend::Dockerfile | Backend::Buildkit | Backend::Buildah | Backend::Docker | Backend::Kaniko => {
            let docker = buildah::reads(&checkout.root, component, backend, platforms)?;
            match component.is_workspace_package {
                true => {
                    let hidden = buildah::hidden(&checkout.root, component);
                    node::reads(events, checkout, component, docker, hidden)
                }
                false => docker,
            }
        }
        Backend::Prebuilt => {
            let rules = program::prebuilt(&checkout.root, component)?;
            Reads { rules, caches: true, ..Reads::default() }
        }
        Backend::Ko => ko::reads(events, &checkout.root, component, platforms).await?,
        Backend::Helm => helm::reads(&checkout.root, component)?,
        Backend::Spin => spin::reads(&checkout.root, component)?,
        Backend::Buildpacks => buildpacks::reads(&checkout.root, component)?,
    };
    program::add(&mut reads, &checkout.root, component, backend, platforms)?;
    reads.rules.extend(component.watch.iter().map(|glob| {
        Rule::new(Pattern::Glob(glob.clone()), format!("`{}` watches `{glob}`", component.name))
    }));
    Ok(reads)
}

/// Everything in the folder of the component.
fn folder(component: &Component) -> Reads {
    let everything = Rule::path(&component.path, format!("it is in the folder of `{}`", component.name));
    Reads { rules: vec![everything], caches: true, ..Reads::default() }
}

/// The path without symbolic links, `None` if nothing is there.
fn real(root: &Path, path: &Path, component: &Component) -> Result<Option<String>, InputsError> {
    let (Ok(root), Ok(real)) = (root.canonicalize(), root.join(path).canonicalize()) else { return Ok(None) };
    match real.strip_prefix(root) {
        Ok(path) => Ok(Some(path.to_string_lossy().into_owned())),
        Err(_) => Err(InputsError::Outside { component: component.name.to_string(), path: real }),
    }
}

/// `path` below `folder`, without empty and `.` parts.
pub(crate) fn below(folder: &str, path: &str) -> String {
    let parts: Vec<&str> =
        folder.split('/').chain(path.split('/')).filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

/// The path without empty, `.` and `..` parts.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether `path` is `folder` or lies below it; everything lies below the empty folder.
pub(crate) fn is_at_or_below(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests;
