//! `package.json`: the name of a package, and what it depends on that may lie in the repository.

use serde_json::Value;

const LISTS: [&str; 4] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
/// The front parts of a version that is a path.
const PATHS: [&str; 3] = ["file:", "link:", "portal:"];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) name: Option<String>,
    /// It lists the packages of a workspace.
    pub(super) is_workspace: bool,
    /// What each dependency may mean.
    pub(super) dependencies: Vec<(String, Meaning)>,
}

/// What a dependency means, as far as it concerns the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A path from the package's folder.
    Path(String),
    /// The package of this name, if one here has it.
    Name(String),
}

impl Manifest {
    /// Reads the text; `None` if it is not the JSON of a package.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
        let package = value.as_object()?;
        let lists = LISTS.into_iter().filter_map(|list| package.get(list)?.as_object());
        let dependencies = lists.flatten().flat_map(|(name, version)| {
            let meanings = meanings(name, version.as_str().unwrap_or_default());
            meanings.into_iter().map(|meaning| (name.clone(), meaning))
        });
        Some(Self {
            name: package.get("name").and_then(Value::as_str).map(str::to_owned),
            is_workspace: package.contains_key("workspaces"),
            dependencies: dependencies.collect(),
        })
    }
}

/// Whatever the version is, the package of this name here may be meant: npm takes it where the version fits.
fn meanings(name: &str, version: &str) -> Vec<Meaning> {
    let mut found = vec![Meaning::Name(name.to_owned())];
    let version = version.strip_prefix("workspace:").unwrap_or(version);
    let path = PATHS.iter().find_map(|front| version.strip_prefix(front));
    let path = path.or_else(|| {
        Some(version).filter(|version| version.starts_with(['.', '/', '~']) && version.contains('/'))
    });
    if let Some(path) = path {
        found.push(Meaning::Path(path.trim_start_matches("//").to_owned()));
        return found;
    }
    // `npm:NAME@VERSION`, and `NAME@VERSION` behind `workspace:`.
    let alias = version.strip_prefix("npm:").unwrap_or(version);
    found.push(Meaning::Name(alias.to_owned()));
    if let Some((alias, _)) = alias.rsplit_once('@').filter(|(alias, _)| !alias.is_empty()) {
        found.push(Meaning::Name(alias.to_owned()));
    }
    found
}
