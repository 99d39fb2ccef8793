//! The places that may define a component, in their order: `hephy.yaml`; else `skaffold.yaml`, `build-config.yaml` and
//! bare definitions. What two of them say of one component must agree (`docs/configuration.md`).

use super::definition::Definition;
use super::discover::{self, Found};
use super::source::{Source, led_from};
use super::{ConfigError, build_config};
use std::path::Path;

/// The components that `hephy.yaml` lists, and what the `build-config.yaml` in their folders adds.
pub(super) fn listed(root: &Path, mut definitions: Vec<Definition>) -> Result<Vec<Definition>, ConfigError> {
    let mut folders: Vec<String> =
        definitions.iter().map(|definition| definition.component.path.clone()).collect();
    folders.sort();
    folders.dedup();
    for folder in folders {
        if root.join(&folder).join(build_config::FILE_NAME).is_file() {
            add(&mut definitions, read(root, &folder)?)?;
        }
    }
    Ok(definitions)
}

/// The components of a repository of which `hephy.yaml` lists none, sorted by name.
pub(super) fn discovered(root: &Path) -> Result<Vec<Definition>, ConfigError> {
    let (configured, bare): (Vec<Found>, Vec<Found>) =
        discover::discover(root)?.into_iter().partition(|found| found.definition == build_config::FILE_NAME);
    let mut definitions = vec![];
    for found in configured {
        add(&mut definitions, read(root, &found.component.path)?)?;
    }
    for found in bare {
        if !definitions.iter().any(|definition| is_built_by(definition, &found)) {
            add(&mut definitions, Definition::new(found.component))?;
        }
    }
    definitions.sort_by(|left, right| left.component.name.cmp(&right.component.name));
    Ok(definitions)
}

/// Whether `found` is the very Dockerfile that a component in another folder is built from.
fn is_built_by(definition: &Definition, found: &Found) -> bool {
    let component = &definition.component;
    let dockerfile = component.recipe.dockerfile.as_deref().and_then(|name| led_from(&component.path, name));
    dockerfile.is_some_and(|path| Some(path) == led_from(&found.component.path, found.definition))
}

/// What the `build-config.yaml` in `folder` defines.
fn read(root: &Path, folder: &str) -> Result<Definition, ConfigError> {
    let path = root.join(folder).join(build_config::FILE_NAME);
    let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { file: path, source })?;
    let file = path_below(folder, build_config::FILE_NAME);
    build_config::read(&Source { file, text: &text, root }, folder, discover::name(root, folder)?)
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
        return Err(ConfigError::SameName {
            name: name.to_string(),
            first: known.component.origin.clone(),
            second: other.component.origin,
        });
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
