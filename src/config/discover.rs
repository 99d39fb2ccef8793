//! Discovery: which folders of a repository are components when nobody says so.

use super::{ConfigError, build_config};
use crate::component::{Component, Name};
use bstr::{BStr, BString, ByteSlice as _};
use ignore::WalkBuilder;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
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
    for (path, names) in by_folder(&files) {
        let folder = Folder { root, path, names };
        let Some(definition) = definition(&folder) else { continue };
        found.push(Found { component: component(&folder, definition)?, definition });
    }
    Ok(found)
}

/// What makes `folder` a component, if anything does.
fn definition(folder: &Folder<'_>) -> Option<&'static str> {
    let is_marked = |text: &str| text.lines().any(|line| line.trim_start().starts_with(CARGO_MARK));
    DEFINITIONS
        .into_iter()
        .find(|name| folder.has(name))
        .or_else(|| is_marked(&folder.read("Cargo.toml")).then_some("Cargo.toml"))
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
    let name = name(folder.root, &path)?;
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

    /// Writes the files and discovers among those that are `listed`, all if that is empty; a path that ends in `/` is a
    /// repository.
    fn discover_among(files: &[(&str, &str)], listed: &[&str]) -> Result<Vec<String>, String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
            std::fs::write(path, text).expect("write the file");
        }
        let all = files.iter().map(|(path, _)| *path).filter(|_| listed.is_empty());
        let (repositories, files): (Vec<&str>, Vec<&str>) =
            all.chain(listed.iter().copied()).partition(|path| path.ends_with('/'));
        let repositories: Vec<&BStr> =
            repositories.iter().map(|path| BStr::new(path.trim_end_matches('/'))).collect();
        let files: Vec<&BStr> = files.into_iter().map(BStr::new).collect();
        let found = discover(root.path(), &files, &repositories).map_err(|error| error.to_string())?;
        let shown = |found: &Found| format!("{} from {}", found.component.name, found.component.origin);
        Ok(found.iter().map(shown).collect())
    }

    #[test]
    fn definitions_make_components() {
        let found = discover_among(
            &[
                ("services/api/Cargo.toml", "[package]\n[package.metadata.hephy]\n"),
                ("services/tool/Cargo.toml", "[package]\n"),
                ("My Web/Containerfile", ""),
            ],
            &[],
        );
        assert_eq!(
            found.expect("valid"),
            ["my-web from My Web/Containerfile", "api from services/api/Cargo.toml"]
        );
    }

    #[test]
    fn vendored_and_hidden_folders_and_what_is_not_listed_or_not_there_are_skipped() {
        let found = discover_among(
            &[
                ("vendor/x/Dockerfile", ""),
                ("examples/y/Dockerfile", ""),
                (".cache/z/Dockerfile", ""),
                ("out/w/Dockerfile", ""),
            ],
            &["vendor/x/Dockerfile", "examples/y/Dockerfile", ".cache/z/Dockerfile", "sparse/v/Dockerfile"],
        );
        assert_eq!(found.expect("valid"), Vec::<String>::new());
    }

    #[test]
    fn the_files_of_a_folder_need_not_stand_beside_each_other() {
        let found =
            discover_among(&[("b/c/x", ""), ("b/Containerfile", ""), ("a/y", ""), ("b/Dockerfile", "")], &[]);
        assert_eq!(found.expect("valid"), ["b from b/Dockerfile"]);
    }

    #[test]
    fn a_repository_within_is_looked_through() {
        let files = [
            ("lib/api/Dockerfile", ""),
            ("lib/.hidden/Dockerfile", ""),
            ("lib/.gitignore", "/out/\n"),
            ("lib/out/Dockerfile", ""),
            ("vendor/lib/web/Dockerfile", ""),
        ];
        let found = discover_among(&files, &["lib/", "vendor/lib/"]);
        assert_eq!(found.expect("valid"), ["api from lib/api/Dockerfile"]);
    }
}
