//! `pnpm-lock.yaml` (versions 6 and 9): the packages that some folders of a workspace need, out of all that are locked.

use super::{Part, led_from};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const LISTS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];
/// Sections of which only a part counts.
const PARTED: [&str; 3] = ["importers", "packages", "snapshots"];

/// What is locked for the packages in `folders`, which are paths from the folder of the lock file; `None` if the text
/// does not say it, and then all of it counts.
pub(super) fn part(text: &str, folders: &BTreeSet<String>) -> Option<Part> {
    let value: Value = serde_saphyr::from_str(text).ok()?;
    let lock = value.as_object()?;
    let version = match lock.get("lockfileVersion")? {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    let packages = lock.get("packages").map_or(Some(None), |packages| packages.as_object().map(Some))?;
    let snapshots = lock.get("snapshots").map_or(Some(None), |snapshots| snapshots.as_object().map(Some))?;
    let is_new = match version.split('.').next()? {
        "6" => false,
        "9" => true,
        _ => return None,
    };
    let none = Map::new();
    let mut reader = Reader {
        importers: lock.get("importers")?.as_object()?,
        packages: packages.unwrap_or(&none),
        // Until version 6 a package says itself what it depends on.
        snapshots: if is_new { snapshots } else { packages }.unwrap_or(&none),
        is_new,
        needed: BTreeMap::new(),
        folders: BTreeSet::new(),
    };
    folders.iter().try_for_each(|folder| reader.importer(folder))?;
    let rest: BTreeMap<&String, &Value> =
        lock.iter().filter(|(key, _)| !PARTED.contains(&key.as_str())).collect();
    Some(Part {
        content: format!("{rest:?} {:?}", reader.needed),
        folders: reader.folders.into_iter().collect(),
    })
}

struct Reader<'a> {
    importers: &'a Map<String, Value>,
    packages: &'a Map<String, Value>,
    snapshots: &'a Map<String, Value>,
    is_new: bool,
    needed: BTreeMap<(&'static str, String), &'a Value>,
    folders: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// Adds a package that lies in a folder of the workspace, and all that it needs.
    fn importer(&mut self, folder: &str) -> Option<()> {
        if !self.folders.insert(folder.to_owned()) {
            return Some(());
        }
        let name = if folder.is_empty() { "." } else { folder };
        let importer = self.importers.get(name)?;
        self.needed.insert(("importer", name.to_owned()), importer);
        for (name, dependency) in dependencies(importer) {
            let version = dependency.get("version").unwrap_or(dependency).as_str()?;
            self.dependency(folder, name, version)?;
        }
        Some(())
    }

    /// Adds what `version` of `name` means to a package in `folder`.
    fn dependency(&mut self, folder: &str, name: &str, version: &str) -> Option<()> {
        if let Some(path) = version.strip_prefix("link:") {
            let linked = led_from(folder, path)?;
            if self.importers.contains_key(if linked.is_empty() { "." } else { &linked }) {
                return self.importer(&linked);
            }
            self.folders.insert(linked);
            return Some(());
        }
        let key = self.key(name, version)?;
        // Such a package lies in a folder, and what it is made of is not in the lock file.
        if version.contains("file:") || key.contains("file:") {
            return None;
        }
        self.package(key)
    }

    /// Under which key the version of `name` is locked.
    fn key(&self, name: &str, version: &str) -> Option<&'a str> {
        let candidates = if self.is_new {
            [format!("{name}@{version}"), version.to_owned()]
        } else {
            [format!("/{name}@{version}"), version.to_owned()]
        };
        candidates.iter().find_map(|key| self.snapshots.get_key_value(key)).map(|(key, _)| key.as_str())
    }

    fn package(&mut self, key: &'a str) -> Option<()> {
        let mut waiting = vec![key];
        while let Some(key) = waiting.pop() {
            let snapshot = self.snapshots.get(key)?;
            if self.needed.insert(("snapshot", key.to_owned()), snapshot).is_some() {
                continue;
            }
            if self.is_new {
                // The peers that a package is used with stand in brackets.
                let plain = key.split('(').next().unwrap_or(key);
                self.needed.insert(("package", plain.to_owned()), self.packages.get(plain)?);
            }
            for (name, version) in dependencies(snapshot) {
                let version = version.as_str()?;
                if version.starts_with("link:") || version.contains("file:") {
                    return None;
                }
                waiting.push(self.key(name, version)?);
            }
        }
        Some(())
    }
}

fn dependencies(package: &Value) -> Vec<(&str, &Value)> {
    let lists = LISTS.into_iter().filter_map(|list| package.get(list)?.as_object());
    lists.flatten().map(|(name, value)| (name.as_str(), value)).collect()
}
