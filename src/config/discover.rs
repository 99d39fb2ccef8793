//! Discovery: which folders of a repository are components when nobody says so.

use super::{ConfigError, build_config};
use crate::component::{Component, Name};
use ignore::WalkBuilder;
use std::path::Path;

/// The file names that make a folder a component, strongest first. What builds it is decided later, by
/// `backends::choose`.
const DEFINITIONS: [&str; 3] = [build_config::FILE_NAME, "Dockerfile", "Containerfile"];
/// A Cargo package is a component only if it says so: most binaries of a workspace are tools.
const CARGO_MARK: &str = "[package.metadata.hephy";
/// Folders that hold other people's components, or none (DESIGN.md section 5).
const SKIPPED: [&str; 3] = ["examples", "vendor", "node_modules"];

/// A component with the name of the file that makes its folder one.
pub(super) struct Found {
    pub(super) component: Component,
    pub(super) definition: &'static str,
}

/// The components below `root`. Hidden and git-ignored folders are not looked into.
pub(super) fn discover(root: &Path) -> Result<Vec<Found>, ConfigError> {
    let mut found = vec![];
    let walk = WalkBuilder::new(root)
        .require_git(false)
        // What lies above the repository, or in the home of whoever runs this, says nothing about the repository.
        .parents(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .filter_entry(|entry| entry.depth() == 0 || !SKIPPED.iter().any(|name| entry.file_name() == *name))
        .sort_by_file_path(Ord::cmp)
        .build();
    for entry in walk {
        let entry = entry.map_err(|source| ConfigError::Walk { root: root.to_owned(), source })?;
        if !entry.file_type().is_some_and(|kind| kind.is_dir()) {
            continue;
        }
        let Some(definition) = definition(entry.path()) else { continue };
        found.push(Found { component: component(root, entry.path(), definition)?, definition });
    }
    Ok(found)
}

fn definition(folder: &Path) -> Option<&'static str> {
    let is_marked = || {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim_start().starts_with(CARGO_MARK))
    };
    DEFINITIONS
        .into_iter()
        .find(|name| folder.join(name).is_file())
        .or_else(|| is_marked().then_some("Cargo.toml"))
}

fn component(root: &Path, folder: &Path, definition: &str) -> Result<Component, ConfigError> {
    let path = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
    let name = name(root, &path)?;
    let origin = if path.is_empty() { definition.to_owned() } else { format!("{path}/{definition}") };
    Ok(Component::new(name, path, origin))
}

/// The name of the component in the folder `path`, which is that of the folder.
pub(super) fn name(root: &Path, path: &str) -> Result<Name, ConfigError> {
    let folder = if path.is_empty() { root.to_owned() } else { root.join(path) };
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy();
    Name::from_folder(&folder_name).map_err(|source| ConfigError::Name { folder: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discover_in(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
            std::fs::write(path, text).expect("write the file");
        }
        let found = discover(root.path()).map_err(|error| error.to_string())?;
        let shown = |found: &Found| format!("{} from {}", found.component.name, found.component.origin);
        Ok(found.iter().map(shown).collect())
    }

    #[test]
    fn definitions_make_components() {
        let found = discover_in(&[
            ("services/api/Cargo.toml", "[package]\n[package.metadata.hephy]\n"),
            ("services/tool/Cargo.toml", "[package]\n"),
            ("My Web/Containerfile", ""),
        ]);
        assert_eq!(
            found.expect("valid"),
            ["my-web from My Web/Containerfile", "api from services/api/Cargo.toml"]
        );
    }

    #[test]
    fn vendored_hidden_and_ignored_folders_are_skipped() {
        let found = discover_in(&[
            ("vendor/x/Dockerfile", ""),
            ("examples/y/Dockerfile", ""),
            (".cache/z/Dockerfile", ""),
            (".gitignore", "/out/\n"),
            ("out/w/Dockerfile", ""),
        ]);
        assert_eq!(found.expect("valid"), Vec::<String>::new());
    }
}
