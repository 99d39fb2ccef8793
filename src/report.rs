//! The report: the only module that prints. Events become lines while a run goes on; a summary becomes a table and a
//! file when it ends.

mod github;
mod gitlab;
mod json;
mod legs;
mod metadata;
mod table;
mod terminal;
mod text;
#[cfg(test)]
mod tests;

pub(crate) use github::{append, matrix as github_matrix};
pub(crate) use gitlab::{Handover, pipeline as gitlab_pipeline};
pub(crate) use json::to_json;
pub(crate) use metadata::{metadata_outputs, metadata_text, metadata_variables};
pub(crate) use table::table;
pub(crate) use text::{explanation_text, plan_text, preview_text};

use crate::component::{Leg, Name};
use crate::event::Events;
use crate::image::{Digest, Image, Tag};
use crate::mask::Mask;
use crate::plan::Plan;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::thread::JoinHandle;
use std::time::Duration;

/// How to show things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// Redraw a region of a terminal instead of adding lines.
    pub(crate) live: bool,
}

/// What a run did, filled in as it goes on, so that a failed run can be told as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) plan: Option<Plan>,
    pub(crate) legs: BTreeMap<Leg, LegSummary>,
    pub(crate) images: Vec<ImageSummary>,
    pub(crate) objects: Vec<ObjectSummary>,
    /// Components that no manifest names.
    pub(crate) undeployed: Vec<Name>,
    pub(crate) duration: Duration,
}

/// What happened to a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegSummary {
    pub(crate) what: What,
    pub(crate) digest: Option<Digest>,
    pub(crate) duration: Duration,
}

/// The last thing that happened to a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    WouldBuild,
    Built,
    Reused,
    Pushed,
    Failed,
}

/// The image of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageSummary {
    pub(crate) component: Name,
    pub(crate) image: Image,
    pub(crate) tags: Vec<Tag>,
}

/// A Kubernetes object of the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectSummary {
    pub(crate) object: String,
    pub(crate) change: String,
}

/// The thread that prints.
pub(crate) struct Reporter(JoinHandle<()>);

impl Reporter {
    /// Starts to print what is sent to the returned events.
    pub(crate) fn start(style: Style, mask: Mask) -> (Events, Self) {
        let (events, receiver) = Events::channel();
        let thread = std::thread::spawn(move || terminal::show(&receiver, style, &mask));
        (events, Self(thread))
    }

    /// Waits until everything that was sent is printed. All `Events` must be dropped before.
    pub(crate) fn finish(self) {
        let _ = self.0.join();
    }
}

/// Writes data to stdout. A reader that went away is no fault of ours; a full disk is one that must be known.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes a text for people to stderr.
pub(crate) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// A duration for people.
fn seconds(duration: Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}

impl What {
    /// The word in tables and files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WouldBuild => "would build",
            Self::Built => "built",
            Self::Reused => "reused",
            Self::Pushed => "built, pushed",
            Self::Failed => "failed",
        }
    }
}
