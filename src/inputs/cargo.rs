//! What a Cargo package reads: its own folder, those of its path dependencies, and the files that steer the build.

use super::{InputsError, Reads, Rule, lockfile};
use crate::component::Component;
use crate::event::Events;
use crate::exec::{self, ExecError, Program};
use cargo_metadata::{Metadata, MetadataCommand};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files and folders beside a workspace's manifest, or above it, that change what Cargo builds.
const STEERING: [&str; 5] = ["Cargo.toml", "Cargo.lock", ".cargo", "rust-toolchain", "rust-toolchain.toml"];
/// Files that may put folders in the place of packages.
const REPLACING: [&str; 3] = ["Cargo.toml", ".cargo/config.toml", ".cargo/config"];

/// What one run has learnt from Cargo, so that it is asked once for each workspace and not for each component.
#[derive(Default)]
pub(crate) struct Workspaces {
    packages: BTreeMap<PathBuf, Package>,
    /// What the compiler says that it is, by the folder whose `rust-toolchain` chooses it.
    compilers: BTreeMap<PathBuf, String>,
}

/// A package that lies in a folder.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    version: String,
    workspace: PathBuf,
    /// Name and folder of the packages that it depends on by path.
    dependencies: Vec<(String, PathBuf)>,
    /// Folders with sources that its manifest names, and that lie elsewhere.
    elsewhere: Vec<PathBuf>,
}

/// A folder that is read, and the sentence that says why.
type Reached = (PathBuf, String);

/// What the build of a package reads. Where Cargo is not installed everything in the repository is an input: more,
/// never less.
pub(super) async fn reads(
    events: &Events,
    known: &mut Workspaces,
    root: &Path,
    component: &Component,
) -> Result<Reads, InputsError> {
    let root = clean(root);
    match known.reads(&root, component).await {
        Err(InputsError::Cargo { source: ExecError::Missing { .. }, .. }) => {
            events.warn(format!(
                "cargo is not installed, so every file of the repository counts as an input of `{}`",
                component.name
            ));
            let everything = Rule::path("", "without cargo, every file counts as an input");
            Ok(Reads { rules: vec![everything], pins_apart: true, ..Reads::default() })
        }
        reads => reads,
    }
}

impl Workspaces {
    async fn reads(&mut self, root: &Path, component: &Component) -> Result<Reads, InputsError> {
        let own = clean(&root.join(&component.path));
        let package = self.package(&own, component).await?;
        let lock = package.workspace.join("Cargo.lock");
        let text = std::fs::read_to_string(&lock).unwrap_or_default();
        let part = lockfile::part(&text, &package.name, &package.version);
        let mut reached: Vec<Reached> =
            vec![(own.clone(), format!("it is in the folder of `{}`", component.name))];
        let mut steering: Vec<PathBuf> = own.ancestors().map(Path::to_owned).collect();
        steering.extend(package.workspace.ancestors().map(Path::to_owned));
        reached.extend(replaced(&steering, root, component, part.as_ref()));
        self.follow(root, component, &mut reached, &mut steering).await?;
        let relative = |path: &Path| match path.strip_prefix(root) {
            Ok(path) => Ok(path.to_string_lossy().into_owned()),
            Err(_) => {
                Err(InputsError::Outside { component: component.name.to_string(), path: path.to_owned() })
            }
        };
        let mut rules = vec![];
        let is_found = |name: &String| {
            let named =
                |folder: &PathBuf| self.packages.get(folder).is_some_and(|package| package.name == *name);
            reached.iter().any(|(folder, _)| named(folder))
        };
        let missing = part.iter().flat_map(|part| &part.in_folders).find(|name| !is_found(name));
        if let Some(missing) = missing {
            let why =
                format!("nobody knows where `{missing}` lies, so everything counts for `{}`", component.name);
            rules.push(Rule::path("", why));
        }
        for (folder, why) in reached {
            rules.push(Rule::path(relative(&folder)?, why));
        }
        steering.retain(|folder| folder.starts_with(root));
        steering.sort();
        steering.dedup();
        for path in steering.iter().flat_map(|folder| STEERING.map(|name| folder.join(name))) {
            rules.push(Rule::path(relative(&path)?, format!("cargo reads it for `{}`", component.name)));
        }
        let parts = match part {
            Some(part) => BTreeMap::from([(relative(&lock)?.into(), part.content)]),
            None => BTreeMap::new(),
        };
        let tools = vec![self.compiler(&own, root, component).await];
        Ok(Reads { rules, parts, tools, pins_apart: true, ..Reads::default() })
    }

    /// Adds the folders of everything that what is reached depends on by path, nearest first.
    async fn follow(
        &mut self,
        root: &Path,
        component: &Component,
        reached: &mut Vec<Reached>,
        steering: &mut Vec<PathBuf>,
    ) -> Result<(), InputsError> {
        let mut next = 0;
        while let Some((folder, _)) = reached.get(next).cloned() {
            next += 1;
            let package = match folder.join("Cargo.toml").is_file() {
                true => self.package(&folder, component).await,
                false => continue,
            };
            // A folder of sources or of vendored packages is none itself.
            let package = match package {
                Err(InputsError::NoPackage { .. }) => continue,
                package => package?,
            };
            steering.extend(package.workspace.ancestors().map(Path::to_owned));
            let through =
                if next == 1 { String::new() } else { format!(" through {}", shown(root, &folder)) };
            let depends = |name: &str| format!("`{}` depends on `{name}`{through}", component.name);
            let named = |name: &str| format!("the manifest of `{name}` names it");
            let dependencies = package.dependencies.iter().map(|(name, path)| (path.clone(), depends(name)));
            let elsewhere = package.elsewhere.iter().map(|path| (path.clone(), named(&package.name)));
            for (path, why) in dependencies.chain(elsewhere) {
                if !reached.iter().any(|(known, _)| *known == path) {
                    reached.push((path, why));
                }
            }
        }
        Ok(())
    }

    async fn package(&mut self, folder: &Path, component: &Component) -> Result<Package, InputsError> {
        if !self.packages.contains_key(folder) {
            let metadata = metadata(folder, component).await?;
            let workspace = clean(metadata.workspace_root.as_std_path());
            for package in metadata.packages {
                let folder = package.manifest_path.parent().map(|path| clean(path.as_std_path()));
                let folder = folder.unwrap_or_default();
                let known = described(package, &folder, &workspace);
                self.packages.insert(folder, known);
            }
        }
        let missing =
            || InputsError::NoPackage { component: component.name.to_string(), path: folder.to_owned() };
        self.packages.get(folder).cloned().ok_or_else(missing)
    }

    /// The version of the compiler that builds in this folder. Which machine it runs on is not part of it.
    async fn compiler(&mut self, own: &Path, root: &Path, component: &Component) -> String {
        let has_choice = |folder: &&Path| {
            ["rust-toolchain", "rust-toolchain.toml"].iter().any(|name| folder.join(name).is_file())
        };
        let inside = own.ancestors().take_while(|folder| folder.starts_with(root));
        let chosen = inside.into_iter().find(has_choice).unwrap_or(root).to_owned();
        if let Some(known) = self.compilers.get(&chosen) {
            return known.clone();
        }
        let program = Program::new("rustc", &root.join(&component.path)).args(["--version", "--verbose"]);
        let output = exec::capture(&program).await.unwrap_or_default();
        let output = String::from_utf8_lossy(&output).into_owned();
        let is_version = |line: &&str| {
            ["release:", "commit-hash:", "LLVM version:"].iter().any(|start| line.starts_with(start))
        };
        let version = output.lines().filter(is_version).collect::<Vec<_>>().join(", ");
        self.compilers.insert(chosen, version.clone());
        version
    }
}

fn described(package: cargo_metadata::Package, folder: &Path, workspace: &Path) -> Package {
    let paths = package.dependencies.iter().filter_map(|dependency| {
        Some((dependency.name.clone(), clean(dependency.path.as_ref()?.as_std_path())))
    });
    let sources = package.targets.iter().map(|target| clean(target.src_path.as_std_path()));
    let outside = sources.filter(|source| !source.starts_with(folder));
    Package {
        name: package.name.to_string(),
        version: package.version.to_string(),
        workspace: workspace.to_owned(),
        dependencies: paths.collect(),
        elsewhere: outside.filter_map(|source| source.parent().map(Path::to_owned)).collect(),
    }
}

/// The folders in the repository that stand in the place of packages from elsewhere.
fn replaced(
    folders: &[PathBuf],
    root: &Path,
    component: &Component,
    part: Option<&lockfile::Part>,
) -> Vec<Reached> {
    let mut found = vec![];
    for folder in folders.iter().filter(|folder| folder.starts_with(root)) {
        for file in REPLACING {
            let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            for replacement in lockfile::replacements(&text) {
                let is_needed = match (&replacement.package, part) {
                    (Some(package), Some(part)) => part.in_folders.contains(package),
                    _ => true,
                };
                // A path of the configuration is relative to the folder above `.cargo`.
                let path = clean(&folder.join(&replacement.folder));
                if is_needed && path.starts_with(root) {
                    let what = replacement.package.unwrap_or_else(|| "packages".to_owned());
                    let why = format!("`{file}` takes `{what}` from it for `{}`", component.name);
                    found.push((path, why));
                }
            }
        }
    }
    found
}

pub(super) async fn metadata(folder: &Path, component: &Component) -> Result<Metadata, InputsError> {
    let name = || component.name.to_string();
    let program = Program::new("cargo", folder)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(folder.join("Cargo.toml"));
    let output = exec::capture(&program).await;
    let output = output.map_err(|source| InputsError::Cargo { component: name(), source })?;
    let text = String::from_utf8_lossy(&output);
    MetadataCommand::parse(text).map_err(|source| InputsError::Metadata { component: name(), source })
}

fn shown(root: &Path, folder: &Path) -> String {
    format!("`{}`", folder.strip_prefix(root).unwrap_or(folder).display())
}

/// The path as the operating system knows it, so that two spellings of one folder are equal.
pub(super) fn clean(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
