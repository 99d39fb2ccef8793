//! What earlier judgements saw: since when a signal has held, and since when all has looked well. Pure.

use super::rules::{FORGET, Signal};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The memory from one judgement to the next. Times count from the start of the wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    signals: BTreeMap<SignalKey, Held>,
    pub(super) settling: Option<Settling>,
    /// The Deployment that was applied has been seen, so from now on its absence means something.
    pub(super) is_known: bool,
}

/// Since when everything has looked ready, and for which pods with how many restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settling {
    pub(super) pods: Vec<(String, i32)>,
    pub(super) since: Duration,
}

/// A signal and the object and container that show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SignalKey {
    uid: String,
    container: String,
    signal: Signal,
}

impl SignalKey {
    pub(super) fn new(uid: &str, container: &str, signal: Signal) -> Self {
        Self { uid: uid.to_owned(), container: container.to_owned(), signal }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    since: Duration,
    gone: Option<Duration>,
    text: String,
}

impl Held {
    fn is_forgotten(&self, now: Duration) -> bool {
        self.gone.is_some_and(|gone| now > gone + FORGET)
    }
}

impl Seen {
    /// Remembers that a signal is there, and says since when. One that was away only for a while was always there.
    pub(super) fn hold(&mut self, key: &SignalKey, text: &str, now: Duration) -> Duration {
        let fresh = Held { since: now, gone: None, text: text.to_owned() };
        let held = self.signals.entry(key.clone()).or_insert_with(|| fresh.clone());
        if held.is_forgotten(now) {
            *held = fresh;
        }
        held.gone = None;
        held.since
    }

    /// What a signal said when it began.
    pub(super) fn recall(&self, key: &SignalKey, now: Duration) -> Option<&str> {
        let held = self.signals.get(key).filter(|held| !held.is_forgotten(now))?;
        Some(&held.text)
    }

    /// Remembers that all signals but the `present` ones are away.
    pub(super) fn note_absent(&mut self, present: &BTreeSet<SignalKey>, now: Duration) {
        for (key, held) in &mut self.signals {
            if !present.contains(key) {
                held.gone.get_or_insert(now);
            }
        }
    }
}
