//! Causes: what can be behind a missing image when no file that the component reads changed since the base.

/// Why the input digest may be another one than that of the base, or why its image is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// This file is read and differs from its commit.
    Uncommitted(String),
    /// This file is read and git ignores it, so no comparison of commits shows its changes.
    Ignored(String),
    /// A file of settings changed: the configuration, or the pins of base images.
    Settings(String),
    /// These names of base images may mean other images by now.
    BaseImages(Vec<String>),
    /// These may be other versions of what it is built with.
    Tools(Vec<String>),
    /// What it needs may be built from something else, for any of these causes.
    Needs(Vec<String>),
    /// The base itself has no image in the target: its build failed, or never ran.
    BaseNotBuilt,
    /// Nobody knows whether the base has an image.
    EarlierBuild,
    /// The base has an image, and nothing that is known of can differ.
    Removed,
}

impl Cause {
    /// The code in `plan.json`, and the names that go with it.
    pub(super) fn code(&self) -> (&'static str, Vec<String>) {
        match self {
            Self::Uncommitted(path) => ("uncommitted", vec![path.clone()]),
            Self::Ignored(path) => ("git-ignored", vec![path.clone()]),
            Self::Settings(path) => ("settings", vec![path.clone()]),
            Self::BaseImages(names) => ("base-images", names.clone()),
            Self::Tools(names) => ("tools", names.clone()),
            Self::Needs(names) => ("needs", names.clone()),
            Self::BaseNotBuilt => ("base-not-built", vec![]),
            Self::EarlierBuild => ("earlier-build", vec![]),
            Self::Removed => ("removed", vec![]),
        }
    }

    /// The cause of this code; `None` for an unknown one.
    pub(super) fn of_code(code: &str, names: Vec<String>) -> Option<Self> {
        let only = |names: Vec<String>| names.into_iter().next().unwrap_or_default();
        Some(match code {
            "uncommitted" => Self::Uncommitted(only(names)),
            "git-ignored" => Self::Ignored(only(names)),
            "settings" => Self::Settings(only(names)),
            "base-images" => Self::BaseImages(names),
            "tools" => Self::Tools(names),
            "needs" => Self::Needs(names),
            "base-not-built" => Self::BaseNotBuilt,
            "earlier-build" => Self::EarlierBuild,
            "removed" => Self::Removed,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(" and ")
        };
        match self {
            Self::Uncommitted(path) => write!(formatter, "`{path}` differs from its commit"),
            Self::Ignored(path) => write!(formatter, "`{path}` may have changed, which git ignores"),
            Self::Settings(path) => write!(formatter, "`{path}` changed"),
            Self::BaseImages(names) => write!(formatter, "{} may be another image now", quoted(names)),
            Self::Tools(names) => write!(formatter, "{} may be another version", quoted(names)),
            Self::Needs(names) => write!(formatter, "{}, which it needs, may be another one", quoted(names)),
            Self::BaseNotBuilt => formatter.write_str("the base was not built here either"),
            Self::EarlierBuild => formatter.write_str("an earlier build may have failed or not run"),
            Self::Removed => formatter.write_str("it may have been removed"),
        }
    }
}
