//! Discovery: which folders of a repository are components when nobody says so.

use super::{ConfigError, build_config, definitions};
use crate::component::{Component, Name};
use bstr::{BStr, BString, ByteSlice as _};
use ignore::WalkBuilder;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The file names that make a folder a component by themselves, strongest first. What builds it is decided later, by
/// `backends::choose`.
const DEFINITIONS: [&str; 3] = [build_config::FILE_NAME, "Dockerfile", "Containerfile"];
/// Folders that hold other people's components, or none (DESIGN.md section 5).
const SKIPPED: [&str; 3] = ["examples", "vendor", "node_modules"];

/// A component with the name of the file that makes its folder one.
pub(super) struct Found {
    pub(super) component: Component,
    pub(super) definition: String,
}

/// The components of the repository at `root`. `files` are those that git lists, in any order: they are in
/// the commit or could be added to it, so what git ignores is never looked at. `repositories` lie within this one, git
/// lists nothing in them, and they are looked through here. Hidden folders do not count, and neither does a file that is
/// listed and not there, as in a sparse checkout.
pub(super) fn discover(
    root: &Path,
    files: &[&BStr],
    repositories: &[&BStr],
) -> Result<Vec<Found>, ConfigError> {
    let mut inner = vec![];
    for repository in repositories.iter().filter(|path| is_looked_into(path)) {
        inner.extend(files_below(root, repository)?);
    }
    let files: Vec<&BStr> = files.iter().copied().chain(inner.iter().map(|path| path.as_bstr())).collect();
    let mut found = vec![];
    let folders = Folders { root, names: by_folder(&files) };
    for path in folders.names.keys() {
        let folder = folders.at(path);
        let Some(definition) = definition(&folder).or_else(|| folders.go_main(&folder)) else { continue };
        found.push(Found { component: component(&folder, &definition)?, definition });
    }
    Ok(found)
}

/// What makes `folder` a component, if anything does that says nothing else. Where there are several, choosing a backend
/// refuses to guess.
fn definition(folder: &Folder<'_>) -> Option<String> {
    let is_ko = !folder.path.is_empty() && folder.has(".ko.yaml");
    let rules: [(&str, &dyn Fn() -> bool); 5] = [
        ("spin.toml", &|| definitions::is_spin(&folder.read("spin.toml"))),
        ("Chart.yaml", &|| folder.is_whole_chart()),
        (".ko.yaml", &|| is_ko),
        ("Cargo.toml", &|| definitions::is_marked(&folder.read("Cargo.toml"))),
        ("project.toml", &|| definitions::is_project(&folder.read("project.toml"))),
    ];
    let sure = DEFINITIONS.into_iter().find(|name| folder.has(name));
    let other =
        || rules.iter().find(|(name, is_meant)| folder.has(name) && is_meant()).map(|(name, _)| *name);
    sure.or_else(other).map(str::to_owned)
}

/// All folders that are looked into, with the names of the files in them.
struct Folders<'a> {
    root: &'a Path,
    names: BTreeMap<&'a BStr, Vec<&'a BStr>>,
}

impl<'a> Folders<'a> {
    fn at(&self, path: &'a BStr) -> Folder<'a> {
        Folder { root: self.root, path, names: self.names.get(path).cloned().unwrap_or_default() }
    }

    /// The source of a Go program that is a component: that of a module itself, or below its `cmd`, where Go projects keep
    /// what they ship. Other programs are tools. What lies below another definition belongs to that.
    fn go_main(&self, folder: &Folder<'a>) -> Option<String> {
        let mut sources: Vec<String> = folder
            .names
            .iter()
            .map(ToString::to_string)
            .filter(|name| definitions::is_go_source(name))
            .collect();
        sources.sort();
        if sources.is_empty() {
            return None;
        }
        let mut above = ancestors(folder.path).map(|path| self.at(path));
        let module = above.find(|above| above.has("go.mod"))?;
        let below = folder.path.strip_prefix(module.path.as_bytes()).unwrap_or_default();
        let parts: Vec<&[u8]> = below.split_str("/").filter(|part| !part.is_empty()).collect();
        let is_shipped = matches!(parts.as_slice(), [] | [b"cmd", _]);
        let between = ancestors(folder.path).skip(1).filter(|path| path.len() >= module.path.len());
        let is_defined = || between.map(|path| self.at(path)).any(|above| definition(&above).is_some());
        let main = || sources.into_iter().find(|name| definitions::declares_main(&folder.read(name)));
        if is_shipped && (parts.is_empty() || !is_defined()) { main() } else { None }
    }
}

/// The folder and those above it, nearest first; the last one is the empty path.
fn ancestors(path: &BStr) -> impl Iterator<Item = &BStr> {
    std::iter::successors(Some(path), |path| above(path))
}

fn above(path: &BStr) -> Option<&BStr> {
    match path.rfind_byte(b'/') {
        Some(end) => Some(path[..end].as_bstr()),
        None => (!path.is_empty()).then_some(BStr::new("")),
    }
}

/// A folder of the repository with the names of the files that git lists in it.
struct Folder<'a> {
    root: &'a Path,
    /// From the root, which is the empty path itself.
    path: &'a BStr,
    names: Vec<&'a BStr>,
}

impl Folder<'_> {
    /// Whether it has a file of this name, or a link that leads to one. Only listed names are looked for on the disk.
    fn has(&self, name: &str) -> bool {
        self.names.contains(&BStr::new(name)) && self.place().join(name).is_file()
    }

    /// The text of a file in it, empty if it cannot be read.
    fn read(&self, name: &str) -> String {
        let text = self.has(name).then(|| std::fs::read_to_string(self.place().join(name)).ok());
        text.flatten().unwrap_or_default()
    }

    /// Whether it is a chart, and no part of another one.
    fn is_whole_chart(&self) -> bool {
        let is_in_chart = || {
            ancestors(self.path)
                .skip(1)
                .any(|above| self.root.join(above.to_path_lossy()).join("Chart.yaml").is_file())
        };
        definitions::chart(&self.read("Chart.yaml")).is_some() && !is_in_chart()
    }

    fn place(&self) -> std::path::PathBuf {
        self.root.join(self.path.to_path_lossy())
    }
}

/// The names in each folder that is looked into, by its path. The paths of one folder mostly stand beside each other.
fn by_folder<'p>(files: &[&'p BStr]) -> BTreeMap<&'p BStr, Vec<&'p BStr>> {
    let mut folders: BTreeMap<&BStr, Vec<&BStr>> = BTreeMap::new();
    let (mut last, mut names) = (BStr::new(""), vec![]);
    for file in files {
        let (folder, name) = file.rsplit_once_str("/").unwrap_or((b"", file));
        if folder != last {
            folders.entry(last).or_default().append(&mut names);
            last = folder.as_bstr();
        }
        names.push(name.as_bstr());
    }
    folders.entry(last).or_default().append(&mut names);
    folders.retain(|folder, _| is_looked_into(folder));
    folders
}

/// Whether no folder on the way to `path` is hidden or skipped.
fn is_looked_into(path: &BStr) -> bool {
    let is_skipped =
        |part: &[u8]| part.starts_with(b".") || SKIPPED.iter().any(|name| part == name.as_bytes());
    !path.split_str("/").any(is_skipped)
}

/// The files of a repository within this one, but what it ignores itself.
fn files_below(root: &Path, repository: &BStr) -> Result<Vec<BString>, ConfigError> {
    let walk = WalkBuilder::new(root.join(repository.to_path_lossy()))
        .require_git(false)
        // What lies above the repository, or in the home of whoever runs this, says nothing about the repository.
        .parents(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        // The names of definitions may be hidden ones; folders are left out by their paths.
        .hidden(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut files = vec![];
    for entry in walk {
        let entry = entry.map_err(|source| ConfigError::Walk { root: root.to_owned(), source })?;
        if entry.file_type().is_some_and(|kind| !kind.is_dir()) {
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            files.push(BString::from(path.as_os_str().as_bytes()));
        }
    }
    Ok(files)
}

fn component(folder: &Folder<'_>, definition: &str) -> Result<Component, ConfigError> {
    let path = folder.path.to_string();
    let name = match chart_name(folder).filter(|_| definition == "Chart.yaml") {
        Some(chart) => named(&chart, &path)?,
        None => name(folder.root, &path)?,
    };
    let origin = if path.is_empty() { definition.to_owned() } else { format!("{path}/{definition}") };
    Ok(Component::new(name, path, origin))
}

/// The name of the component in the folder `path`, which is that of the folder.
pub(super) fn name(root: &Path, path: &str) -> Result<Name, ConfigError> {
    let folder = if path.is_empty() { root.to_owned() } else { root.join(path) };
    named(&folder.file_name().unwrap_or_default().to_string_lossy(), path)
}

fn named(text: &str, path: &str) -> Result<Name, ConfigError> {
    Name::from_folder(text).map_err(|source| ConfigError::Name { folder: path.to_owned(), source })
}

/// What a chart is called as a component: services often have the name of their chart.
fn chart_name(folder: &Folder<'_>) -> Option<String> {
    let name = definitions::chart(&folder.read("Chart.yaml")).filter(|name| !name.is_empty())?;
    Some(if name.ends_with("chart") { name } else { format!("{name}-chart") })
}

#[cfg(test)]
mod tests;
