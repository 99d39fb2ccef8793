//! The packages that a Cargo program is made of, for its SBOM: as `cargo metadata` resolves them for a platform, with the
//! checksums of `Cargo.lock`.

use super::{InputsError, Inventory, Origin, Package, cargo, lockfile};
use crate::component::Component;
use crate::event::Events;
use crate::exec::{self, Program};
use crate::platform::Platform;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The packages in the program of `component` on `platform`; `None` where nobody can tell, which is warned of. What only
/// tests and other platforms need is left out.
///
/// Where Cargo cannot resolve it (offline, it may lack manifests that the build does not need), it is everything that is
/// locked for the package: more, never less.
pub(crate) async fn packages(
    events: &Events,
    root: &Path,
    component: &Component,
    platform: &Platform,
) -> Result<Option<Inventory>, InputsError> {
    let folder = root.join(&component.path);
    let metadata = cargo::metadata(&folder, component).await?;
    let lock = std::fs::read_to_string(metadata.workspace_root.join("Cargo.lock")).unwrap_or_default();
    let found = match resolved(&folder, component, platform).await {
        Ok(resolved) => inventory(&resolved, &folder, &lock),
        Err(InputsError::Packages { .. }) => {
            events.warn(format!(
                "cargo cannot say which packages `{}` needs on {platform}, so its SBOM has all that are locked for it",
                component.name
            ));
            own(&metadata, &folder)
                .and_then(|own| lockfile::inventory(&lock, &own.name, &own.version.to_string()))
        }
        Err(error) => return Err(error),
    };
    if found.is_none() {
        events
            .warn(format!("nobody can say which packages `{}` is made of: it gets no SBOM", component.name));
    }
    Ok(found)
}

/// The dependencies of the workspace, with every C library that hephy may build for on this platform.
async fn resolved(
    folder: &Path,
    component: &Component,
    platform: &Platform,
) -> Result<Metadata, InputsError> {
    let name = || component.name.to_string();
    let mut program = Program::new("cargo", folder)
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(folder.join("Cargo.toml"));
    for target in targets(platform) {
        program = program.args(["--filter-platform", &target]);
    }
    let output = exec::capture(&program).await;
    let output = output.map_err(|source| InputsError::Packages { component: name(), source })?;
    let text = String::from_utf8_lossy(&output);
    MetadataCommand::parse(text).map_err(|source| InputsError::Metadata { component: name(), source })
}

/// None for a platform that has no known name in Rust: then all platforms count.
fn targets(platform: &Platform) -> Vec<String> {
    let architecture = match (platform.os.as_str(), platform.architecture.as_str()) {
        ("linux", "amd64") => "x86_64",
        ("linux", "arm64") => "aarch64",
        _ => return vec![],
    };
    ["musl", "gnu"].map(|library| format!("{architecture}-unknown-linux-{library}")).to_vec()
}

fn own<'a>(metadata: &'a Metadata, folder: &Path) -> Option<&'a cargo_metadata::Package> {
    let folder = cargo::clean(folder);
    let lies_there = |package: &&cargo_metadata::Package| {
        package.manifest_path.parent().is_some_and(|path| cargo::clean(path.as_std_path()) == folder)
    };
    metadata.packages.iter().find(lies_there)
}

/// What the package in `folder` needs, without what only its tests need, sorted by name, version and source.
fn inventory(metadata: &Metadata, folder: &Path, lock: &str) -> Option<Inventory> {
    let own = &own(metadata, folder)?.id;
    let nodes = &metadata.resolve.as_ref()?.nodes;
    let edges: BTreeMap<&PackageId, Vec<(&PackageId, bool)>> = nodes
        .iter()
        .map(|node| {
            let needs = node.deps.iter().filter_map(|dependency| {
                let is = |kind| dependency.dep_kinds.iter().any(|info| info.kind == kind);
                let (normal, build) = (is(DependencyKind::Normal), is(DependencyKind::Build));
                (normal || build).then_some((&dependency.pkg, normal))
            });
            (&node.id, needs.collect())
        })
        .collect();
    let (inside, all) = (reached(own, &edges, true), reached(own, &edges, false));
    let checksums = lockfile::checksums(lock);
    let mut known: Vec<_> = metadata.packages.iter().filter(|package| all.contains(&package.id)).collect();
    known.sort_by_key(|package| (package.name.to_string(), package.version.clone(), source(package)));
    let place = |id: &PackageId| known.iter().position(|package| package.id == *id);
    let described = |package: &&cargo_metadata::Package| {
        let key = (package.name.to_string(), package.version.to_string(), source(package));
        let needs = edges.get(&package.id).into_iter().flatten();
        let mut dependencies: Vec<usize> = needs.filter_map(|(id, _)| place(id)).collect();
        dependencies.sort_unstable();
        Package {
            checksum: checksums.get(&key).cloned(),
            name: key.0,
            version: key.1,
            origin: key.2.map_or(Origin::Folder, Origin::Cargo),
            licence: package.license.clone(),
            is_build_only: !inside.contains(&package.id),
            dependencies: Some(dependencies),
        }
    };
    Some(Inventory { roots: vec![place(own)?], packages: known.iter().map(described).collect() })
}

fn source(package: &cargo_metadata::Package) -> Option<String> {
    package.source.as_ref().map(|source| source.repr.clone())
}

/// Everything that `own` leads to, through what is linked only, or through build scripts too.
fn reached<'a>(
    own: &'a PackageId,
    edges: &BTreeMap<&'a PackageId, Vec<(&'a PackageId, bool)>>,
    only_linked: bool,
) -> BTreeSet<&'a PackageId> {
    let mut reached = BTreeSet::from([own]);
    let mut waiting = vec![own];
    while let Some(id) = waiting.pop() {
        for (next, is_linked) in edges.get(id).into_iter().flatten() {
            if (*is_linked || !only_linked) && reached.insert(*next) {
                waiting.push(*next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn package(name: &str, source: Option<&str>) -> Value {
        json!({
            "name": name, "version": "1.0.0", "id": name, "source": source, "license": "MIT",
            "dependencies": [], "targets": [], "features": {}, "manifest_path": format!("/r/{name}/Cargo.toml"),
        })
    }

    fn node(name: &str, needs: &[(&str, Option<&str>)]) -> Value {
        let need = |(name, kind): &(&str, Option<&str>)| json!({"name": name, "pkg": name, "dep_kinds": [{"kind": kind, "target": null}]});
        let all: Vec<&str> = needs.iter().map(|(name, _)| *name).collect();
        let needs: Vec<Value> = needs.iter().map(need).collect();
        json!({"id": name, "dependencies": all, "deps": needs, "features": []})
    }

    fn metadata() -> Metadata {
        let packages = [
            package("api", None),
            package("serde", Some(CRATES)),
            package("cc", Some(CRATES)),
            package("jobserver", Some(CRATES)),
            package("insta", Some(CRATES)),
            package("stranger", Some(CRATES)),
        ];
        let nodes = [
            node("api", &[("serde", None), ("cc", Some("build")), ("insta", Some("dev"))]),
            node("serde", &[]),
            node("cc", &[("jobserver", None)]),
            node("jobserver", &[]),
            node("insta", &[]),
            node("stranger", &[("serde", None)]),
        ];
        let value = json!({
            "packages": packages, "workspace_members": ["api"], "workspace_root": "/r", "version": 1,
            "target_directory": "/r/target", "resolve": {"nodes": nodes, "root": "api"},
        });
        MetadataCommand::parse(value.to_string()).expect("metadata")
    }

    #[test]
    fn what_is_linked_and_what_helps_to_build_is_listed_and_nothing_else() {
        let lock = format!(
            "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"{CRATES}\"\nchecksum = \"00ff\"\n"
        );
        let found = inventory(&metadata(), Path::new("/r/api"), &lock).expect("an inventory");
        let shown: Vec<_> = found
            .packages
            .iter()
            .map(|package| (package.name.as_str(), package.is_build_only, package.checksum.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("api", false, None),
                ("cc", true, None),
                ("jobserver", true, None),
                ("serde", false, Some("00ff"))
            ]
        );
        assert_eq!(found.roots, [0]);
        assert_eq!(found.packages[0].dependencies.as_deref(), Some(&[1, 3][..]));
    }

    #[test]
    fn a_folder_without_a_package_has_no_inventory() {
        assert_eq!(inventory(&metadata(), Path::new("/r/web"), ""), None);
    }

    #[test]
    fn without_cargo_everything_that_is_locked_counts() {
        let lock = "version = 4\n\
            [[package]]\nname = \"api\"\nversion = \"0.1.0\"\ndependencies = [\"winapi\"]\n\
            [[package]]\nname = \"winapi\"\nversion = \"1.0.0\"\nsource = \"s\"\nchecksum = \"00ff\"\n\
            [[package]]\nname = \"stranger\"\nversion = \"1.0.0\"\nsource = \"s\"\n";
        let found = lockfile::inventory(lock, "api", "0.1.0").expect("an inventory");
        let names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!((names.as_slice(), found.roots.as_slice()), (&["api", "winapi"][..], &[0][..]));
        assert_eq!(found.packages[0].dependencies.as_deref(), Some(&[1][..]));
        assert_eq!(lockfile::inventory(lock, "api", "9.0.0"), None);
    }
}
