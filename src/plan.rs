//! The plan: for every component the image it gets, for every leg whether it is built or reused, and why.

mod decide;
mod file;
mod json;
mod select;
#[cfg(test)]
mod tests;

pub(crate) use decide::{Candidate, CandidateLeg, decide};
pub(crate) use json::{PlanError, from_json, to_json};
pub(crate) use select::{SelectError, Selection};

use crate::component::{Backend, Component, Leg};
use crate::detect::base::{Confidence, Kind};
use crate::git::Commit;
use crate::image::{Digest, Image, Repository, Tag};
use crate::platform::Platform;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that later stages need; `hephy plan --emit json` writes it and `--plan` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) commit: Commit,
    pub(crate) base: Base,
    pub(crate) target: Target,
    /// Sorted by name.
    pub(crate) components: Vec<Planned>,
    /// Kubernetes manifests, as paths from the repository's root.
    pub(crate) manifests: Vec<String>,
}

/// What the commit was compared with, to explain the decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// A ref or commit; `None` where there is nothing to compare with.
    pub(crate) reference: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) confidence: Confidence,
    pub(crate) reason: String,
}

/// Where images go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An OCI layout folder, as a path from the repository's root or an absolute one.
    Layout(PathBuf),
    Registry,
}

/// A component with its decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) component: Component,
    pub(crate) backend: Backend,
    /// Why this backend: which file or key decided.
    pub(crate) backend_reason: String,
    pub(crate) image: Repository,
    /// The first is the version.
    pub(crate) tags: Vec<Tag>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) reason: Reason,
    pub(crate) legs: Vec<PlannedLeg>,
    /// What the names of base images meant when the plan was made; the build uses these and no others.
    pub(crate) base_images: BTreeMap<String, Image>,
}

/// A leg with its decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedLeg {
    pub(crate) platform: Platform,
    pub(crate) input_digest: Digest,
    pub(crate) key: Tag,
    /// Labels of the machines that may build it, as far as they are configured.
    pub(crate) runners: Vec<String>,
    pub(crate) action: Action,
}

/// What happens to a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Build,
    /// The target holds the image of these very inputs.
    Reuse(Found),
    /// It was left out on demand; the reason says by what.
    Skip(String),
}

/// An image that the target holds, as a descriptor needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) media_type: String,
}

/// Why a component is built, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No image of these inputs, and this change explains it.
    Changed { path: String, why: String, others: usize },
    /// No image of these inputs, and the difference to the base does not explain it.
    NoImage { base: Option<String> },
    /// The same, and it is built on images whose names may mean others by now.
    NoImageOn { base: String, images: Vec<String> },
    /// Nobody can say which image this name means now.
    BaseUnknown { image: String },
    /// The user wants everything built.
    All,
    /// Images of these inputs exist for every leg.
    Unchanged,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed { path, why, others } => {
                write!(formatter, "`{path}` changed: {why}")?;
                match others {
                    0 => Ok(()),
                    1 => formatter.write_str(" (and 1 more change)"),
                    others => write!(formatter, " (and {others} more changes)"),
                }
            }
            Self::NoImage { base: None } => formatter.write_str("no image of these inputs exists yet"),
            Self::NoImage { base: Some(base) } => {
                write!(
                    formatter,
                    "no image of these inputs exists yet, although nothing it reads changed since `{base}`"
                )
            }
            Self::NoImageOn { base, images } => {
                let names: Vec<String> = images.iter().map(|name| format!("`{name}`")).collect();
                let names = names.join(" and ");
                write!(
                    formatter,
                    "no image of these inputs on today's {names} exists yet; no file it reads changed since `{base}`"
                )
            }
            Self::BaseUnknown { image } => {
                write!(formatter, "nothing proves that its base image `{image}` is the same")
            }
            Self::All => formatter.write_str("`--all` asks for it"),
            Self::Unchanged => formatter.write_str("an image of these inputs exists"),
        }
    }
}

impl Planned {
    /// The legs of this component by name.
    pub(crate) fn leg(&self, leg: &PlannedLeg) -> Leg {
        Leg { component: self.component.name.clone(), platform: leg.platform.clone() }
    }

    /// Whether any leg must be built.
    pub(crate) fn is_built(&self) -> bool {
        self.legs.iter().any(|leg| leg.action == Action::Build)
    }
}
