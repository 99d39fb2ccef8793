//! Events: what the doing modules say while they work. Only `report` turns them into text on a screen.

use std::sync::mpsc::{Receiver, Sender, channel};

/// The stages of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Plan,
    Build,
    Push,
    Deploy,
    Wait,
}

impl Stage {
    /// The stage's name, which is also the verb that runs it alone.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Build => "build",
            Self::Push => "push",
            Self::Deploy => "deploy",
            Self::Wait => "wait",
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It runs now.
    Doing,
    /// It waits for something outside hephy.
    Waiting,
    Done,
    /// Nothing had to be done.
    Unchanged,
    Failed,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A step of a stage moved: `subject` is a component, a leg or an object such as `Deployment/api`.
    Step { stage: Stage, subject: String, progress: Progress, text: String },
    /// How far a step is that runs: shown where lines are redrawn, and by whoever says what the run is doing.
    Progress { stage: Stage, subject: String, text: String, parts: Vec<Part> },
    /// A line of foreign output (a build tool, a pod). It is untrusted and must be sanitised before it is shown.
    Output { subject: String, line: String },
    /// Something the user should know although the run goes on.
    Warning { text: String },
}

/// A part of a step whose bytes can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Bytes that have moved.
    pub(crate) moved: u64,
    /// Bytes in all.
    pub(crate) size: u64,
}

/// Where events are sent. Cloning it is cheap; sending never blocks and never fails.
#[derive(Clone, Debug)]
pub(crate) struct Events(Sender<Event>);

impl Events {
    /// A sender and the end at which `report` listens. The listener ends when the last sender is dropped.
    pub(crate) fn channel() -> (Self, Receiver<Event>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    /// Says that a step moved.
    pub(crate) fn step(
        &self,
        stage: Stage,
        subject: impl Into<String>,
        progress: Progress,
        text: impl Into<String>,
    ) {
        self.send(Event::Step { stage, subject: subject.into(), progress, text: text.into() });
    }

    /// Says how far a running step is, and its parts that are under way. It may be called often.
    pub(crate) fn progress(
        &self,
        stage: Stage,
        subject: impl Into<String>,
        text: impl Into<String>,
        parts: Vec<Part>,
    ) {
        self.send(Event::Progress { stage, subject: subject.into(), text: text.into(), parts });
    }

    /// Passes on a line of foreign output.
    pub(crate) fn output(&self, subject: impl Into<String>, line: impl Into<String>) {
        self.send(Event::Output { subject: subject.into(), line: line.into() });
    }

    /// Warns.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.send(Event::Warning { text: text.into() });
    }

    /// A reporter that is gone is no reason to stop working: the result still counts.
    fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }
}
