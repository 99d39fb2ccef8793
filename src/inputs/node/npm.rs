//! `package-lock.json` (versions 2 and 3): the packages that some folders of a workspace need, out of all that are locked.

use super::Part;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Lists of dependencies, and whether a package of them may be missing.
const LISTS: [(&str, bool); 4] = [
    ("dependencies", false),
    ("devDependencies", false),
    ("optionalDependencies", true),
    ("peerDependencies", false),
];

/// What is locked for the packages in `folders`, which are paths from the folder of the lock file; `None` if the text
/// does not say it, and then all of it counts.
pub(super) fn part(text: &str, folders: &BTreeSet<String>) -> Option<Part> {
    let lock: Value = serde_json::from_str(text).ok()?;
    let version =
        lock.get("lockfileVersion").and_then(Value::as_u64).filter(|version| [2, 3].contains(version))?;
    let packages = lock.get("packages")?.as_object()?;
    let mut needed: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut waiting: Vec<&str> = vec![];
    for folder in folders {
        waiting.push(packages.get_key_value(folder)?.0);
    }
    while let Some(place) = waiting.pop() {
        let package = packages.get(place)?;
        if needed.insert(place, package).is_some() {
            continue;
        }
        if package.get("link").and_then(Value::as_bool) == Some(true) {
            waiting.push(packages.get_key_value(package.get("resolved")?.as_str()?)?.0);
        }
        for (name, may_be_missing) in dependencies(package) {
            match found_from(packages, place, name) {
                Some(found) => waiting.push(found),
                None if may_be_missing => {}
                None => return None,
            }
        }
    }
    let is_folder = |place: &&&str| !place.split('/').any(|part| part == "node_modules");
    Some(Part {
        content: format!("{version} {needed:?}"),
        folders: needed.keys().filter(is_folder).map(|place| (*place).to_owned()).collect(),
    })
}

/// The names that a package depends on, and whether each may be missing. Where a list is not understood, a name that is
/// nowhere makes the whole file count.
fn dependencies(package: &Value) -> Vec<(&str, bool)> {
    let is_optional_peer = |name: &str| {
        let meta = package.get("peerDependenciesMeta").and_then(|meta| meta.get(name));
        meta.and_then(|meta| meta.get("optional")).and_then(Value::as_bool) == Some(true)
    };
    let is_optional =
        |name: &str| package.get("optionalDependencies").is_some_and(|list| list.get(name).is_some());
    let list = |(key, may_be_missing): (&'static str, bool)| {
        let names = package.get(key).and_then(Value::as_object).into_iter().flatten();
        names.map(move |(name, _)| {
            let is_peer = key == "peerDependencies" && is_optional_peer(name);
            (name.as_str(), may_be_missing || is_peer || is_optional(name))
        })
    };
    LISTS.into_iter().flat_map(list).collect()
}

/// Where Node finds `name` from `place`: in the nearest `node_modules` at or above it.
fn found_from<'a>(packages: &'a Map<String, Value>, place: &str, name: &str) -> Option<&'a str> {
    let mut folder = place;
    loop {
        let path = if folder.is_empty() {
            format!("node_modules/{name}")
        } else {
            format!("{folder}/node_modules/{name}")
        };
        if let Some((path, _)) = packages.get_key_value(&path) {
            return Some(path);
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
}
