//! Configuration: what `hephy.yaml` says, or what can be discovered where it says nothing.

mod attest;
mod build_config;
mod builder;
mod check;
mod definition;
mod definitions;
mod discover;
mod doubts;
mod file;
mod pins;
mod reading;
mod skaffold;
mod source;
mod sources;
mod unsupported;
mod variants;

pub(crate) use attest::Attest;
pub(crate) use builder::Builder;
pub(crate) use definitions::Definitions;
pub(crate) use sources::discover;
pub(crate) use unsupported::Unsupported;
pub(crate) use variants::{
    USUAL as USUAL_DOCKERFILES, find as find_variants, may_be_there as may_have_variants,
};

pub(crate) use pins::{LOCK_NAME, UPDATE_COMMAND, lock_text};

use crate::component::{Component, Rules};
use crate::image::{Digest, Repository};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read when no other is named.
pub(crate) const FILE_NAME: &str = "hephy.yaml";

/// What the file is easily called by mistake; to pass over it would be to ignore all that it says.
const OTHER_NAME: &str = "hephy.yml";

/// Everything the user configured, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// The file that was read, or would be if it were there, as errors name it.
    pub(crate) file: Option<String>,
    /// Sorted by name; names are unique and `needs` has no cycle.
    pub(crate) components: Vec<Component>,
    /// Globs of files that never change a component.
    pub(crate) ignore: Vec<String>,
    pub(crate) registry: Option<Repository>,
    /// Labels of the machines that a CI system runs legs on, by the front part of a platform or `default`.
    pub(crate) runners: BTreeMap<String, Vec<String>>,
    pub(crate) base_images: BaseImages,
    /// What is attached to images, if the file says so.
    pub(crate) attest: Option<Attest>,
    /// Which image the name of a base image is, where `base-images` is `pin`.
    pub(crate) pins: BTreeMap<String, Digest>,
    /// Where Dockerfiles are built, and how a cluster does it.
    pub(crate) builder: Builder,
    pub(crate) environments: BTreeMap<String, Environment>,
    pub(crate) wait: Wait,
    /// Paths and globs of the release's manifests, from the root; `None` if nobody names them.
    pub(crate) manifests: Option<Vec<String>>,
    /// What the user should know about what was read.
    pub(crate) warnings: Vec<String>,
    /// Rules of all components; each component has them under its own.
    pub(crate) rules: Rules,
}

/// What a base image counts as in an input digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BaseImages {
    /// The digest that its name has now.
    #[default]
    Follow,
    /// The digest that `hephy.lock` has for its name: no registry is asked, and a name that is not there is an error.
    Pin,
    /// Its name only: no registry is asked, and a name that means another image builds nothing.
    Offline,
}

/// Where a release goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) context: Option<String>,
    pub(crate) namespace: Option<String>,
}

/// How long to wait for a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) timeout: Option<Duration>,
    pub(crate) settle: Option<Duration>,
}

/// A place in a configuration file, both counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("read `{file}`")]
    Read { file: PathBuf, source: std::io::Error },
    #[error("read `{found}`: the configuration is called `{FILE_NAME}`")]
    OtherName { found: &'static str },
    #[error("`{file}:{}:{}`: {problem}", spot.line, spot.column)]
    At { file: String, spot: Spot, problem: String, excerpt: String, hint: Option<String> },
    #[error("walk through `{root}`")]
    Walk { root: PathBuf, source: ignore::Error },
    #[error(
        "`{component}` is defined in two places that disagree: `{first}` says `{mine}`, `{second}` says `{theirs}`"
    )]
    Disagree { component: String, first: String, mine: String, second: String, theirs: String },
    #[error("`{first}` and `{second}` are both named `{name}`")]
    SameName { name: String, first: String, second: String },
    #[error("read `{place}`: it may mean {}", names.join(" or "))]
    Unclear { place: String, names: Vec<String> },
    #[error("find the component `{name}`: there is none of this name")]
    UnknownComponent { name: String, hint: Option<String> },
    #[error("name the component in `{folder}`")]
    Name { folder: String, source: crate::component::NameError },
}

/// Reads the configuration of the repository at `root`: `file` if one is named, else `hephy.yaml` if it exists. Where it
/// lists no components, [`discover`] finds them.
pub(crate) fn load(root: &Path, file: Option<&Path>) -> Result<Config, ConfigError> {
    let path = file.map_or_else(|| root.join(FILE_NAME), Path::to_owned);
    if file.is_none() && !path.exists() && root.join(OTHER_NAME).exists() {
        return Err(ConfigError::OtherName { found: OTHER_NAME });
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => String::new(),
        Err(source) => return Err(ConfigError::Read { file: path, source }),
    };
    let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
    let (config, listed) = source::Source { file: shown.clone(), text: &text, root }.read()?;
    let pins = if config.base_images == BaseImages::Pin { pins::load(root)? } else { BTreeMap::new() };
    // Where there is no file today, there may have been one.
    let file = Some(shown);
    let config = Config { file, pins, ..config };
    let listed = sources::listed(root, listed)?;
    Ok(config.with(listed))
}

impl Config {
    /// The same with these components, each of which has the rules of all under its own.
    fn with(self, components: Vec<Component>) -> Self {
        let ruled =
            |component: Component| Component { rules: component.rules.over(&self.rules), ..component };
        Self { components: components.into_iter().map(ruled).collect(), ..self }
    }
}

/// The components of these names, all if there are none.
pub(crate) fn select<'a>(
    components: &'a [Component],
    names: &[String],
) -> Result<Vec<&'a Component>, ConfigError> {
    let is_known = |name: &&String| components.iter().any(|component| component.name.as_str() == *name);
    if let Some(name) = names.iter().find(|name| !is_known(name)) {
        let hint = source::nearest(name, components.iter().map(|component| component.name.as_str()));
        return Err(ConfigError::UnknownComponent { name: name.clone(), hint });
    }
    let is_wanted =
        |component: &&Component| names.is_empty() || names.iter().any(|name| component.name.as_str() == name);
    Ok(components.iter().filter(is_wanted).collect())
}
