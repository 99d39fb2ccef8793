//! Discovery: which folders of a repository are components when nobody says so.

mod folders;

use super::{ConfigError, Definitions, Unsupported, build_config, definitions, variants};
use crate::component::{Component, Name};
use bstr::{BStr, BString, ByteSlice as _};
use folders::{Folder, Folders, Program, is_looked_into};
use ignore::WalkBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The file names that make a folder a component by themselves, strongest first. What builds it is decided later, by
/// `backends::choose`.
const DEFINITIONS: [&str; 3] = [build_config::FILE_NAME, "Dockerfile", "Containerfile"];
/// A component with the name of the file that makes its folder one.
pub(super) struct Found {
    pub(super) component: Component,
    pub(super) definition: String,
    /// It is a Dockerfile of another name than the usual ones.
    is_variant: bool,
}

/// What was found, and what somebody may have meant to be built that makes no component.
#[derive(Default)]
pub(super) struct Discovered {
    pub(super) found: Vec<Found>,
    pub(super) doubts: Vec<Doubt>,
}

/// Files that make no component, as paths from the root, although they have no other use than to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Dockerfiles in one folder among which nothing decides.
    Unclear(Vec<String>),
    /// A Dockerfile of another name above Go programs.
    Above(String),
    /// A Dockerfile of another name beside this definition, which alone makes no component.
    Beside(String, String),
    /// A Dockerfile of another name whose component would have the name of another one.
    SameName(String, Name),
    Unsupported(Unsupported, String),
}

/// The components of the repository at `root`. `files` are those that git lists, in any order: they are in
/// the commit or could be added to it, so what git ignores is never looked at. `repositories` lie within this one, git
/// lists nothing in them, and they are looked through here. Hidden folders do not count, and neither does a file that is
/// listed and not there, as in a sparse checkout.
pub(super) fn discover(
    root: &Path,
    files: &[&BStr],
    repositories: &[&BStr],
) -> Result<Discovered, ConfigError> {
    let mut inner = vec![];
    for repository in repositories.iter().filter(|path| is_looked_into(path)) {
        inner.extend(files_below(root, repository)?);
    }
    let files: Vec<&BStr> = files.iter().copied().chain(inner.iter().map(|path| path.as_bstr())).collect();
    let folders = Folders::of(root, &files);
    let mut discovered = Discovered::default();
    let mut bare = vec![];
    for folder in folders.all() {
        match definition(&folder) {
            Some(definition) => discovered.add(&folder, definition)?,
            None => bare.push(folder),
        }
    }
    let programs: BTreeMap<&BStr, Program<'_>> = bare
        .iter()
        .filter_map(|folder| {
            Some((folder.path, folders.program(folder, |folder| definition(folder).is_some())?))
        })
        .collect();
    let above: BTreeSet<&BStr> = programs.iter().flat_map(|(path, program)| program.above(path)).collect();
    for folder in &bare {
        discovered.add_less_sure(folder, programs.get(folder.path), above.contains(folder.path))?;
    }
    discovered.give_way();
    Ok(discovered)
}

impl Discovered {
    fn add(&mut self, folder: &Folder<'_>, definition: String) -> Result<(), ConfigError> {
        let is_variant = variants::is_variant(&definition);
        self.found.push(Found { component: component(folder, &definition)?, definition, is_variant });
        Ok(())
    }

    /// Takes out Dockerfiles of other names that would make two components of one name: they are not sure enough for an
    /// error.
    fn give_way(&mut self) {
        let mut names: BTreeMap<Name, usize> = BTreeMap::new();
        for found in &self.found {
            *names.entry(found.component.name.clone()).or_default() += 1;
        }
        let is_lost = |found: &mut Found| found.is_variant && names.get(&found.component.name) > Some(&1);
        let lost = self.found.extract_if(.., is_lost).map(|found| found.component);
        self.doubts.extend(lost.map(|component| Doubt::SameName(component.origin, component.name)));
    }

    /// Adds a folder without a sure definition: with a Go program, or with one Dockerfile of another name, which gives
    /// way to what else may build the folder. It is no reason to take programs in folders below it for a part of it.
    fn add_less_sure(
        &mut self,
        folder: &Folder<'_>,
        program: Option<&Program<'_>>,
        is_above: bool,
    ) -> Result<(), ConfigError> {
        if let Some(program) = program {
            return self.add(folder, program.source.clone());
        }
        match folder.variants().as_slice() {
            [] => {}
            [name] if is_above => self.doubts.push(Doubt::Above(folder.below(name))),
            [name] => {
                let found = component(folder, name)?;
                match Definitions::look(folder.root, &found).before_variants() {
                    None => return self.add(folder, name.clone()),
                    Some(other) => self.doubts.push(Doubt::Beside(folder.below(name), other.to_owned())),
                }
            }
            names => self.doubts.push(Doubt::Unclear(names.iter().map(|name| folder.below(name)).collect())),
        }
        let unsupported = folder.unsupported().into_iter();
        self.doubts.extend(unsupported.map(|(kind, name)| Doubt::Unsupported(kind, folder.below(&name))));
        Ok(())
    }
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

/// The files of a repository within this one, but what it ignores itself.
pub(super) fn files_below(root: &Path, repository: &BStr) -> Result<Vec<BString>, ConfigError> {
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
