//! What a Cargo package reads: its own folder, those of its path dependencies, and the files that steer the build.

use super::{InputsError, Rule};
use crate::component::Component;
use crate::event::Events;
use crate::exec::{self, ExecError, Program};
use cargo_metadata::{Metadata, MetadataCommand};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files and folders beside a workspace's manifest, or above it, that change what Cargo builds.
const STEERING: [&str; 5] = ["Cargo.toml", "Cargo.lock", ".cargo", "rust-toolchain", "rust-toolchain.toml"];

/// The rules of a package. Where Cargo is not installed everything in the repository is an input: more, never less.
pub(super) async fn rules(
    events: &Events,
    root: &Path,
    component: &Component,
) -> Result<Vec<Rule>, InputsError> {
    let mut known = Workspaces::default();
    match known.closure(root, component).await {
        Err(InputsError::Cargo { source: ExecError::Missing { .. }, .. }) => {
            events.warn(format!(
                "cargo is not installed, so every file of the repository counts as an input of `{}`",
                component.name
            ));
            Ok(vec![Rule::path("", "without cargo, every file counts as an input")])
        }
        Err(error) => Err(error),
        Ok(packages) => packages_to_rules(root, component, packages, &known.roots),
    }
}

/// The packages seen so far, by folder, with the path dependencies of each.
#[derive(Default)]
struct Workspaces {
    dependencies: BTreeMap<PathBuf, Vec<(String, PathBuf)>>,
    roots: Vec<PathBuf>,
}

/// A folder that is read, and the sentence that says why.
type Reached = (PathBuf, String);

impl Workspaces {
    /// The folders of the package and of everything it depends on by path, nearest first.
    async fn closure(&mut self, root: &Path, component: &Component) -> Result<Vec<Reached>, InputsError> {
        let own = clean(&root.join(&component.path));
        let mut reached: Vec<Reached> = vec![(own, format!("it is in the folder of `{}`", component.name))];
        let mut next = 0;
        while let Some((folder, _)) = reached.get(next).cloned() {
            next += 1;
            for (name, path) in self.of(&folder, component).await? {
                if !reached.iter().any(|(known, _)| *known == path) {
                    let through =
                        if next == 1 { String::new() } else { format!(" through {}", shown(root, &folder)) };
                    reached.push((path, format!("`{}` depends on `{name}`{through}", component.name)));
                }
            }
        }
        Ok(reached)
    }

    async fn of(
        &mut self,
        folder: &Path,
        component: &Component,
    ) -> Result<Vec<(String, PathBuf)>, InputsError> {
        if !self.dependencies.contains_key(folder) {
            let metadata = metadata(folder, component).await?;
            self.roots.push(clean(metadata.workspace_root.as_std_path()));
            for package in &metadata.packages {
                let folder = package.manifest_path.parent().map(|path| clean(path.as_std_path()));
                let paths = package.dependencies.iter().filter_map(|dependency| {
                    Some((dependency.name.clone(), clean(dependency.path.as_ref()?.as_std_path())))
                });
                self.dependencies.insert(folder.unwrap_or_default(), paths.collect());
            }
        }
        Ok(self.dependencies.get(folder).cloned().unwrap_or_default())
    }
}

async fn metadata(folder: &Path, component: &Component) -> Result<Metadata, InputsError> {
    let name = || component.name.to_string();
    let program = Program::new("cargo", folder)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(folder.join("Cargo.toml"));
    let output = exec::capture(&program).await;
    let output = output.map_err(|source| InputsError::Cargo { component: name(), source })?;
    let text = String::from_utf8_lossy(&output);
    MetadataCommand::parse(text).map_err(|source| InputsError::Metadata { component: name(), source })
}

fn packages_to_rules(
    root: &Path,
    component: &Component,
    packages: Vec<Reached>,
    workspaces: &[PathBuf],
) -> Result<Vec<Rule>, InputsError> {
    let relative = |path: &Path| match path.strip_prefix(clean(root)) {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(_) => Err(InputsError::Outside { component: component.name.to_string(), path: path.to_owned() }),
    };
    let mut rules = vec![];
    for (folder, why) in packages {
        rules.push(Rule::path(relative(&folder)?, why));
    }
    for workspace in workspaces {
        let inside = workspace.ancestors().take_while(|folder| folder.starts_with(clean(root)));
        for folder in inside {
            for name in STEERING {
                rules.push(Rule::path(
                    relative(&folder.join(name))?,
                    format!("cargo reads it for `{}`", component.name),
                ));
            }
        }
    }
    Ok(rules)
}

fn shown(root: &Path, folder: &Path) -> String {
    format!("`{}`", folder.strip_prefix(clean(root)).unwrap_or(folder).display())
}

/// The path as the operating system knows it, so that two spellings of one folder are equal.
fn clean(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
