//! The folders that discovery looks into, with what git lists in them.

use crate::config::{Unsupported, definitions, reading, variants};
use bstr::{BStr, ByteSlice as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders that hold other people's components, or none.
const SKIPPED: [&str; 3] = ["examples", "vendor", "node_modules"];

/// All folders that are looked into, with the names of the files in them.
pub(super) struct Folders<'a> {
    root: &'a Path,
    names: BTreeMap<&'a BStr, Vec<&'a BStr>>,
}

/// A Go program that is a component.
pub(super) struct Program<'a> {
    /// The name of the file with its `package main`.
    pub(super) source: String,
    /// The folder of its module.
    module: &'a BStr,
}

impl<'a> Program<'a> {
    /// The folders above the program, which lies in `path`, that belong to its module.
    pub(super) fn above(&self, path: &'a BStr) -> impl Iterator<Item = &'a BStr> {
        let length = self.module.len();
        ancestors(path).skip(1).filter(move |path| path.len() >= length)
    }
}

impl<'a> Folders<'a> {
    /// Those of these `files` that are looked into.
    pub(super) fn of(root: &'a Path, files: &[&'a BStr]) -> Self {
        Self { root, names: by_folder(files) }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Folder<'a>> {
        self.names.keys().map(|path| self.at(path))
    }

    fn at(&self, path: &'a BStr) -> Folder<'a> {
        Folder { root: self.root, path, names: self.names.get(path).cloned().unwrap_or_default() }
    }

    /// The Go program in `folder` if it is a component: that of a module itself, or below its `cmd`, where Go projects keep
    /// what they ship. Other programs are tools. What lies below a folder that `is_defined` belongs to that.
    pub(super) fn program(
        &self,
        folder: &Folder<'a>,
        is_defined: impl Fn(&Folder<'a>) -> bool,
    ) -> Option<Program<'a>> {
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
        let program = |source| Program { source, module: module.path };
        let main = || sources.into_iter().find(|name| definitions::declares_main(&folder.read(name)));
        let found = is_shipped.then(main).flatten().map(program)?;
        let is_part = !parts.is_empty() && found.above(folder.path).any(|path| is_defined(&self.at(path)));
        (!is_part).then_some(found)
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
pub(super) struct Folder<'a> {
    pub(super) root: &'a Path,
    /// From the root, which is the empty path itself.
    pub(super) path: &'a BStr,
    names: Vec<&'a BStr>,
}

impl Folder<'_> {
    /// Whether it has a file of this name, or a link that leads to one. Only listed names are looked for on the disk.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(&BStr::new(name)) && self.place().join(name).is_file()
    }

    /// The text of a file in it, empty if it cannot be read.
    pub(super) fn read(&self, name: &str) -> String {
        let text = self.has(name).then(|| reading::text(self.root, &self.place().join(name)));
        text.flatten().unwrap_or_default()
    }

    /// Whether it is a chart, and no part of another one.
    pub(super) fn is_whole_chart(&self) -> bool {
        let is_in_chart = || {
            ancestors(self.path)
                .skip(1)
                .any(|above| self.root.join(above.to_path_lossy()).join("Chart.yaml").is_file())
        };
        definitions::chart(&self.read("Chart.yaml")).is_some() && !is_in_chart()
    }

    /// The Dockerfiles in it that have another name than the usual ones, sorted.
    pub(super) fn variants(&self) -> Vec<String> {
        let names = self.names.iter().filter_map(|name| name.to_str().ok());
        let is_meant = |name: &&str| variants::is_variant(name) && variants::has_from(&self.read(name));
        let mut names: Vec<String> = names.filter(is_meant).map(str::to_owned).collect();
        names.sort();
        // Git can name a file twice.
        names.dedup();
        names
    }

    /// The definitions in it that hephy cannot build.
    pub(super) fn unsupported(&self) -> Vec<(Unsupported, String)> {
        Unsupported::find(&Unsupported::ALL, |name| self.has(name), |name| self.read(name))
    }

    /// The path of a file in it, from the root.
    pub(super) fn below(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    fn place(&self) -> PathBuf {
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
pub(super) fn is_looked_into(path: &BStr) -> bool {
    let is_skipped =
        |part: &[u8]| part.starts_with(b".") || SKIPPED.iter().any(|name| part == name.as_bytes());
    !path.split_str("/").any(is_skipped)
}
