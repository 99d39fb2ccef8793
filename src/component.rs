//! Components: what the user builds and ships, and the legs they are built in.

mod program_base;

pub(crate) use program_base::ProgramBase;

use crate::image::Repository;
use crate::platform::Platform;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The name of a component: lower-case letters, digits and `-`, so that it fits into tags, image names and
/// Kubernetes names as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(String);

/// Why a text is not a component name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read component name `{text}`: expected lower-case letters, digits and `-`, at most 63")]
pub(crate) struct NameError {
    pub(crate) text: String,
}

impl Name {
    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest name to `text`, which may be any folder name: `My App` becomes `my-app`.
    pub(crate) fn from_folder(text: &str) -> Result<Self, NameError> {
        let dashed: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
        parts.join("-").parse().map_err(|_| NameError { text: text.to_owned() })
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = (1..=63).contains(&bytes.len())
            && inner(bytes[0])
            && inner(bytes[bytes.len() - 1])
            && bytes.iter().all(|b| inner(*b) || *b == b'-');
        fits.then(|| Self(text.to_owned())).ok_or_else(|| NameError { text: text.to_owned() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What turns a leg into a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Backend {
    Cargo,
    Prebuilt,
    /// A Dockerfile, built by whichever engine answers.
    Dockerfile,
    Buildkit,
    Buildah,
    /// A daemon of Docker, without BuildKit.
    Docker,
    /// Only in a cluster.
    Kaniko,
    Ko,
    Spin,
    Buildpacks,
    Helm,
}

impl Backend {
    /// Every backend, for messages and documentation.
    pub(crate) const ALL: [Self; 11] = [
        Self::Cargo,
        Self::Prebuilt,
        Self::Dockerfile,
        Self::Buildkit,
        Self::Buildah,
        Self::Docker,
        Self::Kaniko,
        Self::Ko,
        Self::Spin,
        Self::Buildpacks,
        Self::Helm,
    ];

    /// The name used in configuration and messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Prebuilt => "prebuilt",
            Self::Dockerfile => "dockerfile",
            Self::Buildkit => "buildkit",
            Self::Buildah => "buildah",
            Self::Docker => "docker",
            Self::Kaniko => "kaniko",
            Self::Ko => "ko",
            Self::Spin => "spin",
            Self::Buildpacks => "buildpacks",
            Self::Helm => "helm",
        }
    }

    /// Whether it builds a Dockerfile: what that reads is the same for every engine.
    pub(crate) fn is_dockerfile(self) -> bool {
        matches!(self, Self::Dockerfile | Self::Buildkit | Self::Buildah | Self::Docker | Self::Kaniko)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What the user builds and ships: a folder with a definition. All paths are relative to the repository's root and
/// use `/`; the root itself is the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) name: Name,
    pub(crate) path: String,
    /// Where this component was found: `hephy.yaml:4`, or the definition that was discovered.
    pub(crate) origin: String,
    pub(crate) backend: Option<Backend>,
    pub(crate) platforms: Vec<Platform>,
    /// Globs, relative to the root, of files that the build reads outside `path`.
    pub(crate) watch: Vec<String>,
    /// The user says that its Dockerfile reads only the package in `path`, and what that needs of its npm workspace.
    pub(crate) is_workspace_package: bool,
    pub(crate) image: Option<Repository>,
    /// Other names under which manifests know its image.
    pub(crate) aliases: Vec<String>,
    pub(crate) needs: Vec<Name>,
    /// Whether a failed leg stops all the others.
    pub(crate) fail_fast: bool,
    pub(crate) recipe: Recipe,
    /// The Dockerfiles of other names that git lists in its folder, sorted; none where there is one of a usual name, or
    /// the user names one.
    pub(crate) dockerfile_variants: Vec<String>,
    pub(crate) rules: Rules,
}

impl Component {
    /// A component of which nothing is known but its folder and where it was found.
    pub(crate) fn new(name: Name, path: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            name,
            path: path.into(),
            origin: origin.into(),
            backend: None,
            platforms: vec![],
            watch: vec![],
            is_workspace_package: false,
            image: None,
            aliases: vec![],
            needs: vec![],
            fail_fast: true,
            recipe: Recipe::default(),
            dockerfile_variants: vec![],
            rules: Rules::default(),
        }
    }

    /// The folder that a Dockerfile copies from, from the repository's root.
    pub(crate) fn context(&self) -> &str {
        self.recipe.context.as_deref().unwrap_or(&self.path)
    }
}

/// Rules for tags, labels and annotations, in the lines of docker/metadata-action; one text may hold several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) tags: Vec<String>,
    pub(crate) flavor: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) annotations: Vec<String>,
}

impl Rules {
    /// These rules where they say something about tags, else the `general` ones; labels and annotations of both, of
    /// which these come last and win.
    pub(crate) fn over(&self, general: &Self) -> Self {
        let chosen = |own: &Vec<String>, general: &Vec<String>| {
            if own.is_empty() { general.clone() } else { own.clone() }
        };
        Self {
            tags: chosen(&self.tags, &general.tags),
            flavor: chosen(&self.flavor, &general.flavor),
            labels: [general.labels.clone(), self.labels.clone()].concat(),
            annotations: [general.annotations.clone(), self.annotations.clone()].concat(),
        }
    }
}

/// How a component is built, as far as the user says. Every field belongs to the input digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// The Dockerfile, relative to the component; a usual one, or the only one of `dockerfile_variants`, if absent.
    pub(crate) dockerfile: Option<String>,
    /// The folder that the Dockerfile copies from, from the repository's root; the component's own if absent.
    pub(crate) context: Option<String>,
    /// The stage of the Dockerfile that becomes the image; the last one if absent.
    pub(crate) target: Option<String>,
    pub(crate) build_args: BTreeMap<String, String>,
    /// The Cargo binary that is started, where the package has several.
    pub(crate) bin: Option<String>,
    /// The Cargo binaries that are in the image, where that is not `bin` alone.
    pub(crate) bins: Vec<String>,
    /// Cargo features beside the default ones.
    pub(crate) features: Vec<String>,
    /// The Cargo profile; `release` if absent.
    pub(crate) profile: Option<String>,
    /// The file or folder that is the finished program, by platform, relative to the component.
    pub(crate) prebuilt: BTreeMap<Platform, String>,
    /// Files and folders from the repository's root that are in the image too, with their places there.
    pub(crate) assets: BTreeMap<String, String>,
    pub(crate) base: ProgramBase,
    /// The user that a program runs as; that of the base, else one without rights, if absent.
    pub(crate) user: Option<String>,
    /// It is no part of the image, and yet an input: who finds an image finds its documents.
    pub(crate) sbom: Option<Sbom>,
}

/// What the user says about the SBOM of the images. Paths are relative to the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sbom {
    /// An image without one is a fault.
    Required,
    /// A document for the images of all platforms.
    File(String),
    Files(BTreeMap<Platform, String>),
}

impl Sbom {
    /// The document for a platform, if the user names one.
    pub(crate) fn file(&self, platform: &Platform) -> Option<&str> {
        match self {
            Self::Required => None,
            Self::File(path) => Some(path),
            Self::Files(paths) => paths.get(platform).map(String::as_str),
        }
    }
}

/// One cell of the matrix: a component on a platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Leg {
    pub(crate) component: Name,
    pub(crate) platform: Platform,
}

impl Leg {
    /// The name of the leg's job, which no other leg has: `api-linux-amd64`.
    pub(crate) fn job(&self) -> String {
        format!("{}-{}", self.component, self.platform.dashed())
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.component, self.platform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_become_names() {
        for (folder, expected) in
            [("api", "api"), ("My App", "my-app"), ("web_ui.v2", "web-ui-v2"), ("ü b", "b")]
        {
            assert_eq!(Name::from_folder(folder).expect(folder).as_str(), expected);
        }
        assert!(Name::from_folder("ü").is_err());
    }

    #[test]
    fn names_are_checked() {
        for text in ["", "-a", "a-", "A", "a_b", "a/b", &"a".repeat(64)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
