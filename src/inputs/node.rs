//! `inputs: workspace`: the user says that a Dockerfile reads one package of an npm, pnpm or yarn workspace, and what that
//! package depends on in it. What is not understood counts as a whole.

mod manifest;
mod npm;
mod pnpm;

use super::{Hidden, Reads, Rule, below, is_at_or_below};
use crate::component::Component;
use crate::event::Events;
use crate::git::Checkout;
use crate::image::Digest;
use bstr::ByteSlice as _;
use manifest::{Manifest, Meaning};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What changes what is installed, in a workspace's root; these count also where git ignores them.
const STEERING: [&str; 6] = [".npmrc", ".pnpmfile.cjs", ".yarn", ".yarnrc", ".yarnrc.yml", "patches"];
/// It says what is built, and no package reads it.
const OWN: &str = "hephy.yaml";

/// The part of a lock file that counts for some packages.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// Stands for everything that is locked for them.
    content: String,
    /// The folders of packages among them, as paths from the folder of the lock file.
    folders: Vec<String>,
}

/// What the build of `component` reads: `docker` is what its Dockerfile says, in which whole folders of packages are
/// replaced by those packages that are needed.
pub(super) fn reads(
    events: &Events,
    checkout: &Checkout,
    component: &Component,
    docker: Reads,
    hidden: Option<Arc<Hidden>>,
) -> Reads {
    match narrowed(checkout, component, &docker, hidden) {
        Ok(reads) => reads,
        Err(problem) => {
            let name = &component.name;
            events.warn(format!(
                "`inputs: workspace` of `{name}` does not count: {problem}; what its Dockerfile reads does"
            ));
            docker
        }
    }
}

fn narrowed(
    checkout: &Checkout,
    component: &Component,
    docker: &Reads,
    hidden: Option<Arc<Hidden>>,
) -> Result<Reads, String> {
    let own = component.path.as_str();
    let root = workspace_root(&checkout.root, own).ok_or("no folder above it has a workspace")?;
    let workspace = Workspace::read(checkout, root);
    let mut reached =
        BTreeMap::from([(own.to_owned(), format!("it is in the folder of `{}`", component.name))]);
    let mut parts;
    loop {
        workspace.follow(component, &mut reached)?;
        parts = workspace.parts(&reached);
        let folders =
            parts.values().flatten().flat_map(|part| &part.folders).map(|folder| below(root, folder));
        let new: Vec<String> =
            folders.filter(|folder| !reached.contains_key(folder) && folder != root).collect();
        if new.is_empty() {
            break;
        }
        let why = format!("the lock file links it for `{}`", component.name);
        reached.extend(new.into_iter().map(|folder| (folder, why.clone())));
    }
    let is_replaced = |rule: &&Rule| {
        let folder = rule.pattern.folder();
        matches!(rule.pattern, super::Pattern::Path(_)) && workspace.has_packages_below(folder)
    };
    let kept = docker.rules.iter().filter(|rule| !is_replaced(rule)).cloned();
    let seen = |path: String, why: String| Rule { hidden: hidden.clone(), ..Rule::path(path, why) };
    let folders = reached.iter().map(|(folder, why)| seen(folder.clone(), why.clone()));
    let above = workspace.beside_the_way(&reached).into_iter();
    let steering = format!("it steers the workspace of `{}`", component.name);
    let above = above.map(|path| seen(path, steering.clone()));
    let rules = kept.chain(folders).chain(above).collect();
    let parts = parts
        .into_iter()
        .filter_map(|(path, part)| Some((path.into(), Digest::of(part?.content.as_bytes()).to_string())));
    Ok(Reads { rules, parts: parts.collect(), ..docker.clone() })
}

/// The nearest folder at or above `folder` that has a workspace, as a path from the repository's root.
fn workspace_root<'a>(root: &Path, folder: &'a str) -> Option<&'a str> {
    let mut folder = folder;
    loop {
        let at = root.join(folder);
        let manifest = std::fs::read_to_string(at.join("package.json")).unwrap_or_default();
        if at.join("pnpm-workspace.yaml").is_file()
            || Manifest::read(&manifest).is_some_and(|found| found.is_workspace)
        {
            return Some(folder);
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
}

/// A workspace with every package that could be one of it. Patterns are not asked: a package that only has the name of a
/// dependency counts too.
struct Workspace<'a> {
    root: &'a str,
    disk: &'a Path,
    packages: BTreeMap<String, Manifest>,
    /// Every file below the root that git lists.
    files: Vec<String>,
}

impl<'a> Workspace<'a> {
    fn read(checkout: &'a Checkout, root: &'a str) -> Self {
        let listed = checkout.listed().into_iter().filter(|path| is_at_or_below(path, root.as_bytes()));
        let files: Vec<String> = listed.map(|path| path.to_str_lossy().into_owned()).collect();
        let mut packages = BTreeMap::new();
        for file in &files {
            let folder = match file.rsplit_once('/') {
                None if file == "package.json" => "",
                Some((folder, "package.json")) => folder,
                _ => continue,
            };
            let text = std::fs::read_to_string(checkout.root.join(file)).unwrap_or_default();
            // A file that npm cannot read is the package of nobody.
            packages.extend(Manifest::read(&text).map(|manifest| (folder.to_owned(), manifest)));
        }
        Self { root, disk: &checkout.root, packages, files }
    }

    /// Adds the folders of everything that what is reached and the workspace itself depend on.
    fn follow(&self, component: &Component, reached: &mut BTreeMap<String, String>) -> Result<(), String> {
        let mut waiting: Vec<String> = reached.keys().cloned().chain([self.root.to_owned()]).collect();
        let mut seen = BTreeSet::new();
        while let Some(folder) = waiting.pop() {
            if !seen.insert(folder.clone()) {
                continue;
            }
            let Some(manifest) = self.packages.get(&folder) else {
                // The manifest of a workspace may be missing with pnpm, and a folder that is linked need not be a package.
                if folder == component.path || self.disk.join(&folder).join("package.json").exists() {
                    let problem =
                        format!("`{}` is not a package that git lists", below(&folder, "package.json"));
                    return Err(problem);
                }
                continue;
            };
            for (name, meaning) in &manifest.dependencies {
                for path in self.folders(&folder, meaning)? {
                    if path == self.root {
                        continue;
                    }
                    let shown = manifest.name.as_deref().unwrap_or("the workspace");
                    let why = format!("`{shown}` depends on `{name}`");
                    reached.entry(path.clone()).or_insert(why);
                    waiting.push(path);
                }
            }
        }
        Ok(())
    }

    /// The folders in the repository that a dependency of the package in `folder` means; none if it is from elsewhere.
    fn folders(&self, folder: &str, meaning: &Meaning) -> Result<Vec<String>, String> {
        match meaning {
            Meaning::Path(path) => match led_from(folder, path) {
                Some(path) => Ok(vec![path]),
                None => Err(format!("`{folder}` depends on `{path}`, outside the repository")),
            },
            Meaning::Name(name) => {
                let is_named = |(_, manifest): &(&String, &Manifest)| manifest.name.as_deref() == Some(name);
                Ok(self.packages.iter().filter(is_named).map(|(folder, _)| folder.clone()).collect())
            }
        }
    }

    /// The lock files in the root, each with the part that counts, `None` if that is all of it.
    fn parts(&self, reached: &BTreeMap<String, String>) -> BTreeMap<String, Option<Part>> {
        let from_root = |folder: &String| {
            let rest =
                if self.root.is_empty() { Some(folder.as_str()) } else { folder.strip_prefix(self.root) };
            rest.map(|rest| rest.trim_start_matches('/').to_owned())
        };
        let folders: Option<BTreeSet<String>> =
            reached.keys().chain([&self.root.to_owned()]).map(from_root).collect();
        type Reader = fn(&str, &BTreeSet<String>) -> Option<Part>;
        let readers: [(&str, Reader); 3] = [
            ("package-lock.json", npm::part),
            ("npm-shrinkwrap.json", npm::part),
            ("pnpm-lock.yaml", pnpm::part),
        ];
        let mut parts = BTreeMap::new();
        for (name, reader) in readers {
            let path = below(self.root, name);
            if let Ok(text) = std::fs::read_to_string(self.disk.join(&path)) {
                parts.insert(path, folders.as_ref().and_then(|folders| reader(&text, folders)));
            }
        }
        parts
    }

    /// Whether a package of the workspace lies below `folder`; the workspace itself is none.
    fn has_packages_below(&self, folder: &str) -> bool {
        let is_below =
            |package: &String| package != folder && is_at_or_below(package.as_bytes(), folder.as_bytes());
        self.packages.keys().filter(|package| *package != self.root).any(is_below)
    }

    /// The files that lie in folders between the root and what is reached, such as a `tsconfig.json` that several packages
    /// extend, and the folders that steer the whole.
    fn beside_the_way(&self, reached: &BTreeMap<String, String>) -> Vec<String> {
        let mut ways = BTreeSet::from([self.root.to_owned()]);
        for folder in reached.keys().filter(|folder| is_at_or_below(folder.as_bytes(), self.root.as_bytes()))
        {
            let mut folder = folder.as_str();
            while folder != self.root {
                folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
                ways.insert(folder.to_owned());
            }
        }
        let is_on_the_way = |file: &&String| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            ways.contains(folder) && *file != OWN
        };
        let files = self.files.iter().filter(is_on_the_way).cloned();
        files.chain(STEERING.map(|name| below(self.root, name))).collect()
    }
}

/// Where `path` leads from `folder`; `None` if it leads out of the repository.
fn led_from(folder: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) {
        return None;
    }
    let mut parts: Vec<&str> = vec![];
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
