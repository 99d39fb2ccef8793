//! The plan: for every component the image it gets, for every leg whether it is built or reused, and why.

mod cause;
mod decide;
mod file;
mod gate;
mod json;
mod reason;
mod sbom;
mod select;
#[cfg(test)]
mod tests;

pub(crate) use cause::Cause;
pub(crate) use decide::{Candidate, CandidateLeg, decide};
pub(crate) use gate::{GateError, faults_of_jobs};
pub(crate) use json::{PlanError, from_json, to_json};
pub(crate) use select::{SelectError, Selection};

use crate::component::{Backend, Component, Leg};
use crate::detect::base::{Confidence, Kind};
use crate::git::Commit;
use crate::image::{Digest, Image, Repository, Tag};
use crate::metadata::Levels;
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
    /// The commit of that name, as far as it is known without asking git once more.
    pub(crate) commit: Option<String>,
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
    /// Other repositories that get the same image under the same tags. What is deployed comes from the first.
    pub(crate) further: Vec<Repository>,
    /// The first is the version.
    pub(crate) tags: Vec<Tag>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Where those go.
    pub(crate) levels: Levels,
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
    /// No image of these inputs, and nothing to compare with.
    NoImage,
    /// No image of these inputs, although no file changed that it reads: the hint of the difference misses.
    HintMiss { base: String, causes: Vec<Cause> },
    /// Nobody can say which image this name means now.
    BaseUnknown { image: String },
    /// The user wants everything built.
    All,
    /// Images of these inputs exist for every leg.
    Unchanged,
    /// The same, although this change is one that it reads: a revert, a re-run, or built on another branch.
    BuiltBefore { base: String, path: String, others: usize },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed { path, why, others } => {
                write!(formatter, "`{path}` changed: {why}{}", and_more(*others))
            }
            Self::NoImage => formatter.write_str("no image of these inputs exists yet"),
            Self::HintMiss { base, causes } => {
                let causes: Vec<String> = causes.iter().map(ToString::to_string).collect();
                write!(
                    formatter,
                    "no file it reads changed since `{base}`, and still no image of its inputs exists: {}",
                    causes.join(", or ")
                )
            }
            Self::BaseUnknown { image } => {
                write!(formatter, "nothing proves that its base image `{image}` is the same")
            }
            Self::All => formatter.write_str("`--all` asks for it"),
            Self::Unchanged => formatter.write_str("an image of these inputs exists"),
            Self::BuiltBefore { base, path, others } => {
                let more = and_more(*others);
                write!(
                    formatter,
                    "an image of these inputs exists, although `{path}` changed since `{base}`{more}: this was built before"
                )
            }
        }
    }
}

/// How many changes a reason does not name.
fn and_more(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " (and 1 more change)".to_owned(),
        others => format!(" (and {others} more changes)"),
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
