//! `Cargo.lock`: the packages that one package needs, out of all that a workspace has locked.

use super::{Inventory, Origin};
use crate::image::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
struct LockFile {
    version: Option<u32>,
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    /// `None` for a package that lies in a folder.
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The part of a lock file that counts for one package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Stands for everything that is locked for the package.
    pub(super) content: String,
    /// The names of the packages that lie in folders, the package itself included.
    pub(super) in_folders: Vec<String>,
}

/// What is locked for the package `name` of this version; `None` if the text does not say it, and then all of it counts.
pub(super) fn part(text: &str, name: &str, version: &str) -> Option<Part> {
    let lock: LockFile = toml::from_str(text).ok()?;
    let needed = needed(&lock.package, name, version)?;
    let mut content = format!("{:?}\n", lock.version);
    for package in &needed {
        let mut dependencies = package.dependencies.clone();
        dependencies.sort();
        content.push_str(&format!(
            "{:?} {:?}\n",
            (&package.name, &package.version, &package.source),
            (&package.checksum, dependencies)
        ));
    }
    let in_folders = needed.iter().filter(|package| package.source.is_none());
    let in_folders = in_folders.map(|package| package.name.clone()).collect();
    Some(Part { content: Digest::of(content.as_bytes()).to_string(), in_folders })
}

/// The package `name` in a folder and all that it needs, in order; `None` if the packages do not say it.
fn needed<'a>(packages: &'a [Package], name: &str, version: &str) -> Option<Vec<&'a Package>> {
    let is_root =
        |package: &&Package| package.name == name && package.version == version && package.source.is_none();
    let mut needed = BTreeMap::new();
    let mut waiting = vec![packages.iter().find(is_root)?];
    while let Some(package) = waiting.pop() {
        let key = (&package.name, &package.version, &package.source);
        if needed.insert(key, package).is_none() {
            for dependency in &package.dependencies {
                waiting.push(find(packages, dependency)?);
            }
        }
    }
    Some(needed.into_values().collect())
}

/// The checksums of a lock file, by name, version and source.
pub(super) fn checksums(text: &str) -> BTreeMap<(String, String, Option<String>), String> {
    let lock: LockFile = toml::from_str(text).unwrap_or_default();
    let of = |package: Package| Some(((package.name, package.version, package.source), package.checksum?));
    lock.package.into_iter().filter_map(of).collect()
}

/// Everything that is locked for the package `name` of this version, whatever platform or test needs it; `None` if the
/// text does not say it.
pub(super) fn inventory(text: &str, name: &str, version: &str) -> Option<Inventory> {
    let lock: LockFile = toml::from_str(text).ok()?;
    let needed = needed(&lock.package, name, version)?;
    let place = |package: &Package| needed.iter().position(|known| std::ptr::eq(*known, package));
    let described = |package: &&Package| {
        let found = package.dependencies.iter().filter_map(|text| find(&lock.package, text));
        super::Package {
            name: package.name.clone(),
            version: package.version.clone(),
            origin: package.source.clone().map_or(Origin::Folder, Origin::Cargo),
            checksum: package.checksum.clone(),
            licence: None,
            is_build_only: false,
            dependencies: Some(found.filter_map(place).collect()),
        }
    };
    let is_root =
        |package: &&Package| package.name == name && package.version == version && package.source.is_none();
    Some(Inventory {
        roots: vec![needed.iter().position(is_root)?],
        packages: needed.iter().map(described).collect(),
    })
}

/// The package that `NAME`, `NAME VERSION` or `NAME VERSION (SOURCE)` means, if there is exactly one.
fn find<'a>(packages: &'a [Package], dependency: &str) -> Option<&'a Package> {
    let mut words = dependency.splitn(3, ' ');
    let (name, version) = (words.next()?, words.next());
    let source = words.next().and_then(|text| text.strip_prefix('(')?.strip_suffix(')'));
    let is_meant = |package: &&Package| {
        package.name == name
            && version.is_none_or(|version| package.version == version)
            && source.is_none_or(|source| package.source.as_deref() == Some(source))
    };
    let mut found = packages.iter().filter(is_meant);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A folder that `Cargo.toml` or `.cargo/config.toml` puts in the place of packages from elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// The package that it is for; `None` if for many.
    pub(super) package: Option<String>,
    /// Relative to the folder that its file belongs to.
    pub(super) folder: String,
}

/// The folders in `[patch]` and `[replace]` of a manifest, and in `paths`, `[patch]` and `[source]` of a configuration.
pub(super) fn replacements(text: &str) -> Vec<Replacement> {
    let Ok(table) = text.parse::<toml::Table>() else { return vec![] };
    let tables = |key: &str| table.get(key).and_then(toml::Value::as_table).into_iter().flatten();
    let patches = tables("patch").filter_map(|(_, source)| source.as_table()).flatten();
    let named = patches.chain(tables("replace")).filter_map(|(name, value)| {
        let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
        // `[replace]` names a package with its version.
        let package = package.split(':').next().unwrap_or(package).to_owned();
        Some(Replacement { package: Some(package), folder: value.get("path")?.as_str()?.to_owned() })
    });
    let sources =
        tables("source").flat_map(|(_, source)| ["directory", "local-registry"].map(|key| source.get(key)));
    let paths = table.get("paths").and_then(toml::Value::as_array).into_iter().flatten();
    let unnamed = sources.flatten().chain(paths).filter_map(toml::Value::as_str);
    named.chain(unnamed.map(|folder| Replacement { package: None, folder: folder.to_owned() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOCK: &str = r#"
        version = 4
        [[package]]
        name = "api"
        version = "0.1.0"
        dependencies = ["money", "serde 1.0.0"]
        [[package]]
        name = "money"
        version = "0.1.0"
        [[package]]
        name = "tool"
        version = "0.1.0"
        dependencies = ["serde 2.0.0", "clap"]
        [[package]]
        name = "serde"
        version = "1.0.0"
        source = "registry+x"
        checksum = "aa"
        [[package]]
        name = "serde"
        version = "2.0.0"
        source = "registry+x"
        checksum = "bb"
        [[package]]
        name = "clap"
        version = "4.0.0"
        source = "registry+x"
        checksum = "cc"
    "#;

    #[test]
    fn only_what_a_package_needs_counts() {
        let api = part(LOCK, "api", "0.1.0").expect("a part");
        assert_eq!(api.in_folders, ["api", "money"]);
        for (from, to, is_same) in [
            ("cc", "dd", true),
            ("bb", "dd", true),
            ("aa", "dd", false),
            ("version = 4", "version = 3", false),
        ] {
            let changed = part(&LOCK.replace(from, to), "api", "0.1.0").expect("a part");
            assert_eq!(changed == api, is_same, "{from} becomes {to}");
        }
    }

    #[test]
    fn what_is_not_said_counts_as_a_whole() {
        assert_eq!(part("", "api", "0.1.0"), None);
        assert_eq!(part(LOCK, "api", "0.2.0"), None);
        assert_eq!(part(&LOCK.replace("serde 1.0.0", "serde"), "api", "0.1.0"), None);
        assert_eq!(part(&LOCK.replace("serde 1.0.0", "serde 3.0.0"), "api", "0.1.0"), None);
        assert_eq!(part("not = [toml", "api", "0.1.0"), None);
    }

    #[test]
    fn folders_in_the_place_of_packages_are_found() {
        let text = "paths = [\"over\"]\n[patch.crates-io]\nserde = {path = \"vendor/serde\"}\nx = {git = \"y\"}\n\
            renamed = {path = \"r\", package = \"real\"}\n[replace]\n\"old:1.0.0\" = {path = \"old\"}\n\
            [source.vendored-sources]\ndirectory = \"vendor\"\n";
        let found = replacements(text).into_iter().map(|found| (found.package, found.folder));
        let some = |name: &str| Some(name.to_owned());
        let expected = [
            (some("real"), "r"),
            (some("serde"), "vendor/serde"),
            (some("old"), "old"),
            (None, "vendor"),
            (None, "over"),
        ];
        let expected = expected.map(|(package, folder)| (package, folder.to_owned()));
        let mut found: Vec<_> = found.collect();
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(?s).{0,100}") {
            part(&text, "api", "0.1.0");
            replacements(&text);
        }
    }
}
