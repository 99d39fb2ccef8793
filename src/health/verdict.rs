//! The verdict: judges one Deployment from a snapshot, what was seen before, and the time. Pure.

use super::Expected;
use super::drift::known_drift;
use super::objects;
use super::rules::Signal;
use super::seen::{Seen, Settling, SignalKey};
use super::snapshot::Snapshot;
use k8s_openapi::api::apps::v1::Deployment;
use std::collections::BTreeSet;
use std::time::Duration;

/// What can be said of a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The expected revision is live and healthy.
    Ready {
        text: String,
    },
    /// The expected revision is there, and nothing of it is to run: 0 replicas are wanted.
    Idle,
    Waiting {
        why: String,
    },
    Failed {
        cause: String,
    },
    /// Somebody paused it: it goes on when a person says so.
    Paused,
    /// It was changed after our apply and runs something else now.
    Superseded {
        by: String,
    },
}

/// A verdict, what to remember for the next one, and when to judge again although nothing happens.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) seen: Seen,
    pub(crate) deadline: Option<Duration>,
    /// Containers whose logs tell what is wrong.
    pub(crate) suspects: Vec<Suspect>,
    /// The uids of the Deployment, its new ReplicaSet and that one's pods: whose events are evidence.
    pub(crate) members: BTreeSet<String>,
}

/// A container whose logs are worth reading.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suspect {
    pub(crate) pod: String,
    pub(crate) pod_uid: String,
    pub(crate) container: String,
    pub(crate) restarts: i32,
    pub(crate) state: SuspectState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SuspectState {
    /// It has ended and was not started again yet.
    Ended,
    /// It has ended, and the kubelet waits before it starts it again.
    BacksOff,
    /// It runs and is not ready.
    Unready,
}

/// Judges the Deployment that `expected` describes. `now` counts from the start of the wait; `settle` is how long a
/// Deployment without a readiness probe must have looked ready.
pub(crate) fn judge(
    expected: &Expected,
    snapshot: &Snapshot,
    seen: &Seen,
    settle: Duration,
    now: Duration,
) -> Judgement {
    let mut seen = seen.clone();
    let mut case = Case {
        expected,
        snapshot,
        settle,
        now,
        settling_before: seen.settling.take(),
        seen,
        present: BTreeSet::new(),
        deadlines: Vec::new(),
        suspects: Vec::new(),
        members: BTreeSet::new(),
    };
    let verdict = case.decide().unwrap_or_else(|decided| decided);
    case.seen.note_absent(&case.present, now);
    Judgement {
        verdict,
        seen: case.seen,
        deadline: case.deadlines.into_iter().filter(|deadline| *deadline > now).min(),
        suspects: case.suspects,
        members: case.members,
    }
}

/// One judgement in the making. Every step either lets the case go on or decides it, which is the `Err`.
pub(super) struct Case<'a> {
    pub(super) expected: &'a Expected,
    pub(super) snapshot: &'a Snapshot,
    pub(super) settle: Duration,
    pub(super) now: Duration,
    pub(super) seen: Seen,
    /// Only a case that gets as far as settling carries this over: everything else interrupts it.
    pub(super) settling_before: Option<Settling>,
    /// The signals that are there now.
    pub(super) present: BTreeSet<SignalKey>,
    pub(super) deadlines: Vec<Duration>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) members: BTreeSet<String>,
}

pub(super) type Step<T> = Result<T, Verdict>;

impl<'a> Case<'a> {
    fn decide(&mut self) -> Step<Verdict> {
        let deployment = self.same_object()?;
        self.same_images(deployment)?;
        self.same_spec(deployment)?;
        self.not_paused(deployment)?;
        self.observed(deployment)?;
        let replica_set = self.new_replica_set(deployment);
        let pods = self.new_pods(replica_set);
        let pods = pods.as_deref();
        self.within_deadline(deployment, pods)?;
        self.not_doomed(pods)?;
        self.not_rejected(deployment, replica_set)?;
        self.has_replica_set(replica_set)?;
        self.rolled_out(deployment, pods)?;
        self.proven(deployment, pods)?;
        self.settled(deployment, pods)
    }

    /// The Deployment is the one that was applied, and not one that somebody put in its place.
    fn same_object(&mut self) -> Step<&'a Deployment> {
        let found = self.snapshot.deployment(&self.expected.name, &self.expected.uid);
        let Some(deployment) = found else {
            return Err(if self.seen.is_known {
                Verdict::Failed { cause: "it was deleted".to_owned() }
            } else {
                waiting("the cluster has not shown it yet")
            });
        };
        let uid = deployment.metadata.uid.clone().unwrap_or_default();
        if uid != self.expected.uid {
            let text = "it was deleted and created again by somebody else".to_owned();
            // The watch may still show the Deployment that was there before ours.
            let is_over = self.held(&uid, "", Signal::Replaced, &text);
            return Err(if is_over || self.seen.is_known {
                Verdict::Failed { cause: text }
            } else {
                waiting("the cluster shows another Deployment of this name")
            });
        }
        self.seen.is_known = true;
        self.members.insert(uid);
        if deployment.metadata.deletion_timestamp.is_some() {
            return Err(Verdict::Failed { cause: "it is being deleted".to_owned() });
        }
        Ok(deployment)
    }

    fn same_images(&self, deployment: &Deployment) -> Step<()> {
        let generation = deployment.metadata.generation.unwrap_or_default();
        if generation < self.expected.generation {
            return Err(waiting("the cluster has not shown the change yet"));
        }
        match objects::other_image(&self.expected.containers, deployment) {
            None => Ok(()),
            Some(other) if generation > self.expected.generation => Err(Verdict::Superseded {
                by: format!("container {} runs image `{}` now", other.container, other.found),
            }),
            Some(other) => Err(Verdict::Failed {
                cause: format!(
                    "the cluster changed the image of container {} from `{}` to `{}`",
                    other.container, other.expected, other.found
                ),
            }),
        }
    }

    /// Nobody has changed it since: a rollback, too, may leave every image as it is.
    fn same_spec(&self, deployment: &Deployment) -> Step<()> {
        let is_newer = deployment.metadata.generation.unwrap_or_default() > self.expected.generation;
        let spec = deployment.spec.as_ref().filter(|_| is_newer);
        match spec.and_then(|spec| known_drift(&self.expected.spec, spec)) {
            None => Ok(()),
            Some(by) => Err(Verdict::Superseded { by }),
        }
    }

    fn not_paused(&self, deployment: &Deployment) -> Step<()> {
        match deployment.spec.as_ref().and_then(|spec| spec.paused) {
            Some(true) => Err(Verdict::Paused),
            _ => Ok(()),
        }
    }

    fn observed(&self, deployment: &Deployment) -> Step<()> {
        let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
        if observed.unwrap_or_default() < deployment.metadata.generation.unwrap_or_default() {
            return Err(waiting("the Deployment controller has not seen the change yet"));
        }
        Ok(())
    }
}

/// Not yet, because of `why`.
pub(super) fn waiting(why: &str) -> Verdict {
    Verdict::Waiting { why: why.to_owned() }
}
