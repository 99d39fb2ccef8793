//! The places that may define a component, in their order: `hephy.yaml`; else `skaffold.yaml`, `build-config.yaml` and
//! bare definitions. What two of them say of one component must agree (`docs/configuration.md`).

use super::definition::Definition;
use super::discover::{self, Discovered, Found};
use super::source::{Source, led_from};
use super::{Config, ConfigError, build_config, doubts, skaffold};
use crate::component::Component;
use bstr::BStr;
use std::path::Path;

/// The components that `hephy.yaml` lists, and what the `build-config.yaml` in their folders adds.
pub(super) fn listed(root: &Path, mut definitions: Vec<Definition>) -> Result<Vec<Component>, ConfigError> {
    let mut folders: Vec<String> =
        definitions.iter().map(|definition| definition.component.path.clone()).collect();
    folders.sort();
    folders.dedup();
    for folder in folders {
        if root.join(&folder).join(build_config::FILE_NAME).is_file() {
            add(&mut definitions, read(root, &folder)?)?;
        }
    }
    Ok(components(definitions))
}

/// The configuration with what the repository itself says, where `hephy.yaml` lists no components: these are found among
/// `files`, and in `repositories` that lie within this one (see [`discover::discover`]).
pub(crate) fn discover(
    config: Config,
    root: &Path,
    files: &[&BStr],
    repositories: &[&BStr],
) -> Result<Config, ConfigError> {
    let skaffold = skaffold(root)?;
    let is_listed = skaffold.as_ref().is_some_and(|read| !read.definitions.is_empty());
    let Discovered { found, doubts } = discover::discover(root, files, repositories)?;
    let (configured, bare): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|found| found.definition == build_config::FILE_NAME);
    let mut definitions = vec![];
    let (mut manifests, mut warnings) = (None, vec![]);
    if let Some(read) = skaffold {
        for definition in read.definitions {
            add_new(&mut definitions, definition)?;
        }
        manifests = read.manifests;
        warnings.extend(read.warning);
    }
    for found in configured {
        add(&mut definitions, read(root, &found.component.path)?)?;
    }
    // A list of artifacts is a whole one: a Dockerfile beside it is for something else.
    for found in bare.into_iter().filter(|_| !is_listed) {
        if !is_used(&definitions, &path_below(&found.component.path, &found.definition)) {
            add(&mut definitions, Definition::new(found.component))?;
        }
    }
    if !is_listed {
        warnings.extend(doubts::warnings(doubts, |path| is_used(&definitions, path)));
    }
    definitions.sort_by(|left, right| left.component.name.cmp(&right.component.name));
    Ok(Config { manifests, warnings, ..config.with(components(definitions)) })
}

fn components(definitions: Vec<Definition>) -> Vec<Component> {
    definitions.into_iter().map(|definition| definition.component).collect()
}

fn skaffold(root: &Path) -> Result<Option<skaffold::Read>, ConfigError> {
    let path = root.join(skaffold::FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ConfigError::Read { file: path, source }),
    };
    skaffold::read(&Source { file: skaffold::FILE_NAME.to_owned(), text: &text, root }).map(Some)
}

/// Whether some component says that it is built from the Dockerfile at `path`, from the root.
fn is_used(definitions: &[Definition], path: &str) -> bool {
    definitions.iter().map(|definition| &definition.component).any(|component| {
        let dockerfile =
            component.recipe.dockerfile.as_deref().and_then(|name| led_from(&component.path, name));
        dockerfile.as_deref() == Some(path)
    })
}

/// What the `build-config.yaml` in `folder` defines.
fn read(root: &Path, folder: &str) -> Result<Definition, ConfigError> {
    let path = root.join(folder).join(build_config::FILE_NAME);
    let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { file: path, source })?;
    let file = path_below(folder, build_config::FILE_NAME);
    build_config::read(&Source { file, text: &text, root }, folder, discover::name(root, folder)?)
}

/// Adds a component of a list, in which none is named twice.
fn add_new(definitions: &mut Vec<Definition>, other: Definition) -> Result<(), ConfigError> {
    match definitions.iter().find(|known| known.component.name == other.component.name) {
        Some(known) => Err(twins(known, &other)),
        None => {
            definitions.push(other);
            Ok(())
        }
    }
}

fn twins(first: &Definition, second: &Definition) -> ConfigError {
    ConfigError::SameName {
        name: first.component.name.to_string(),
        first: first.component.origin.clone(),
        second: second.component.origin.clone(),
    }
}

fn path_below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Adds what is said of a component to those that are known. It means the component of its name, else the one in its
/// folder.
fn add(definitions: &mut Vec<Definition>, other: Definition) -> Result<(), ConfigError> {
    let (name, path) = (&other.component.name, &other.component.path);
    let twin = definitions.iter().position(|known| known.component.name == *name);
    let is_neighbour = |known: &&mut Definition| known.component.path == *path;
    if let Some(twin) = twin {
        let known = &mut definitions[twin];
        if known.component.path == *path {
            return known.merge(other);
        }
        return Err(twins(known, &other));
    }
    let mut neighbours: Vec<&mut Definition> = definitions.iter_mut().filter(is_neighbour).collect();
    match neighbours.as_mut_slice() {
        [] => {
            definitions.push(other);
            Ok(())
        }
        [known] => known.merge(other),
        several => {
            let names = several.iter().map(|known| format!("`{}`", known.component.name)).collect();
            Err(ConfigError::Unclear { place: other.component.origin, names })
        }
    }
}
