//! The verdict: judges one Deployment from a snapshot, what was seen before, and the time. Pure.

use super::Expected;
use super::rules::{self, Finding, Signal};
use super::snapshot::Snapshot;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What can be said of a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The expected revision is live and healthy.
    Ready {
        text: String,
    },
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

/// What earlier judgements saw. Times count from the start of the wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    signals: BTreeMap<SignalKey, Held>,
    /// Since when everything is ready, and for which pods with how many restarts.
    ready: Option<(Vec<(String, i32)>, Duration)>,
    /// The Deployment that was applied has been seen, so from now on its absence means something.
    is_known: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SignalKey {
    uid: String,
    container: String,
    signal: Signal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    since: Duration,
    gone: Option<Duration>,
    text: String,
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
    let mut case = Case {
        expected,
        snapshot,
        settle,
        now,
        seen: Seen { ready: None, ..seen.clone() },
        ready_before: seen.ready.clone(),
        present: BTreeSet::new(),
        deadlines: Vec::new(),
        suspects: Vec::new(),
        members: BTreeSet::new(),
    };
    let verdict = case.decide().unwrap_or_else(|decided| decided);
    case.note_absent_signals();
    Judgement {
        verdict,
        seen: case.seen,
        deadline: case.deadlines.into_iter().filter(|deadline| *deadline > now).min(),
        suspects: case.suspects,
        members: case.members,
    }
}

/// One judgement in the making. Every step either lets the case go on or decides it, which is the `Err`.
struct Case<'a> {
    expected: &'a Expected,
    snapshot: &'a Snapshot,
    settle: Duration,
    now: Duration,
    seen: Seen,
    /// Only a case that gets as far as settling carries this over: everything else interrupts it.
    ready_before: Option<(Vec<(String, i32)>, Duration)>,
    present: BTreeSet<SignalKey>,
    deadlines: Vec<Duration>,
    suspects: Vec<Suspect>,
    members: BTreeSet<String>,
}

type Step<T> = Result<T, Verdict>;

impl<'a> Case<'a> {
    fn decide(&mut self) -> Step<Verdict> {
        let deployment = self.same_object()?;
        self.same_images(deployment)?;
        self.not_paused(deployment)?;
        self.observed(deployment)?;
        let replica_set = self.new_replica_set(deployment);
        let pods = self.new_pods(replica_set.as_ref().ok().copied().flatten());
        let trouble = self.trouble(&pods);
        self.within_deadline(deployment, trouble.as_deref())?;
        self.not_doomed(&pods)?;
        self.not_rejected(deployment, replica_set.as_ref().ok().copied().flatten())?;
        let replica_set = replica_set?;
        self.rolled_out(deployment, &pods)?;
        self.proven(deployment, replica_set, &pods)?;
        self.settled(deployment, &pods)
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
        match rules::other_image(&self.expected.containers, deployment) {
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

    /// The ReplicaSet of the Deployment's present template, found as its controller finds it. The revision alone is
    /// not enough: when replicas and template change together, the controller first scales the old ReplicaSet and
    /// calls the change observed. `None` means that ReplicaSets may not be seen.
    fn new_replica_set(&mut self, deployment: &Deployment) -> Step<Option<&'a ReplicaSet>> {
        let Some(all) = &self.snapshot.replica_sets else { return Ok(None) };
        let revision = revision(&deployment.metadata);
        let is_new = |one: &&ReplicaSet| {
            is_owned_by(&one.metadata, &self.expected.uid)
                && revision.is_some()
                && self::revision(&one.metadata) == revision
                && rules::has_template_of(one, deployment)
        };
        let Some(found) = all.values().find(is_new) else {
            return Err(waiting("there is no ReplicaSet of the new revision yet"));
        };
        self.members.extend(found.metadata.uid.clone());
        Ok(Some(found))
    }

    /// The pods of the new revision that are to stay. Evicted and finished ones are replaced by the controller.
    fn new_pods(&mut self, replica_set: Option<&ReplicaSet>) -> Option<Vec<&'a Pod>> {
        let pods = self.snapshot.pods.as_ref()?;
        self.snapshot.replica_sets.as_ref()?;
        let uid = replica_set.and_then(|one| one.metadata.uid.as_deref()).unwrap_or("none");
        let stays = |pod: &&Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            is_owned_by(&pod.metadata, uid)
                && pod.metadata.deletion_timestamp.is_none()
                && !matches!(phase, Some("Failed" | "Succeeded"))
        };
        let found: Vec<&Pod> = pods.values().filter(stays).collect();
        self.members.extend(found.iter().filter_map(|pod| pod.metadata.uid.clone()));
        Some(found)
    }

    /// The first trouble of any new pod, as a sentence, for those who have to know why nothing moves.
    fn trouble(&mut self, pods: &Option<Vec<&Pod>>) -> Option<String> {
        let pods = pods.as_ref()?;
        let find = |pod: &&Pod| rules::findings(pod).first().map(|finding| sentence(pod, finding));
        pods.iter().find_map(find)
    }

    fn within_deadline(&self, deployment: &Deployment, trouble: Option<&str>) -> Step<()> {
        let exceeded = condition(deployment, "Progressing")
            .filter(|one| one.reason.as_deref() == Some("ProgressDeadlineExceeded"));
        let Some(condition) = exceeded else { return Ok(()) };
        let trouble = trouble.map(|text| format!("; {text}")).unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        Err(Verdict::Failed { cause: format!("the progress deadline is exceeded: {message}{trouble}") })
    }

    /// A rollout has failed when every pod of the new revision is doomed: as long as one may still come up, so may
    /// the others.
    fn not_doomed(&mut self, pods: &Option<Vec<&'a Pod>>) -> Step<()> {
        let Some(pods) = pods else { return Ok(()) };
        let dooms: Vec<Option<String>> = pods.iter().map(|pod| self.doom(pod)).collect();
        let Some(Some(first)) = dooms.first() else { return Ok(()) };
        if dooms.iter().any(Option::is_none) {
            return Ok(());
        }
        let others = match dooms.len() - 1 {
            0 => String::new(),
            1 => " (and 1 pod more)".to_owned(),
            count => format!(" (and {count} pods more)"),
        };
        Err(Verdict::Failed { cause: format!("{first}{others}") })
    }

    /// Why `pod` cannot become ready any more, if so.
    fn doom(&mut self, pod: &Pod) -> Option<String> {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let mut doom = None;
        for finding in rules::findings(pod) {
            let finding = self.recall(&uid, finding);
            self.suspect(pod, &finding);
            let is_over = self.held(&uid, &finding.container, finding.signal, &finding.text);
            if doom.is_none() && (is_over || finding.is_beyond_grace) {
                doom = Some(sentence(pod, &finding));
            }
        }
        doom
    }

    /// While it backs off, the kubelet may no longer say that the registry refused the image: what it said counts.
    fn recall(&self, uid: &str, finding: Finding) -> Finding {
        if finding.signal != Signal::ImageUnavailable {
            return finding;
        }
        let key = key(uid, &finding.container, Signal::ImageRefused);
        match self.seen.signals.get(&key) {
            Some(held) => Finding { signal: Signal::ImageRefused, text: held.text.clone(), ..finding },
            None => finding,
        }
    }

    fn suspect(&mut self, pod: &Pod, finding: &Finding) {
        if matches!(finding.signal, Signal::Crash | Signal::CannotStart) {
            let state = if finding.is_fresh { SuspectState::Ended } else { SuspectState::BacksOff };
            self.suspects.push(suspect(pod, &finding.container, finding.restarts, state));
        }
    }

    /// The controller may not create pods: quota, admission, a missing service account.
    fn not_rejected(&mut self, deployment: &Deployment, replica_set: Option<&ReplicaSet>) -> Step<()> {
        let of_set = replica_set.and_then(|one| one.status.as_ref()?.conditions.as_ref());
        let of_set =
            of_set.into_iter().flatten().find(|one| one.type_ == "ReplicaFailure" && one.status == "True");
        let of_deployment = condition(deployment, "ReplicaFailure")
            .filter(|one| one.status == "True" && replica_set.is_none());
        let message = of_set.map(|one| &one.message).or(of_deployment.map(|one| &one.message));
        let Some(message) = message else { return Ok(()) };
        let message = message.as_deref().unwrap_or_default();
        let signal =
            if message.contains("exceeded quota") { Signal::QuotaExceeded } else { Signal::PodsRejected };
        let text = format!("the cluster refuses to create its pods: {message}");
        if self.held(&self.expected.uid, "", signal, &text) {
            return Err(Verdict::Failed { cause: text });
        }
        Err(Verdict::Waiting { why: text })
    }

    /// The counts and conditions of the status say that the rollout is complete.
    fn rolled_out(&mut self, deployment: &Deployment, pods: &Option<Vec<&Pod>>) -> Step<()> {
        let wanted = wanted(deployment);
        let empty = DeploymentStatus::default();
        let status = deployment.status.as_ref().unwrap_or(&empty);
        let ready = status.ready_replicas.unwrap_or_default();
        let is_complete = [status.updated_replicas, status.replicas, status.available_replicas, Some(ready)]
            .iter()
            .all(|count| count.unwrap_or_default() == wanted);
        if !is_complete {
            return Err(waiting(&self.progress(wanted, status, pods)));
        }
        if has_progress_deadline(deployment)
            && condition(deployment, "Progressing").and_then(|one| one.reason.as_deref())
                != Some("NewReplicaSetAvailable")
        {
            return Err(waiting("the Deployment controller has not said that the rollout is complete"));
        }
        if condition(deployment, "Available").is_none_or(|one| one.status != "True") {
            return Err(waiting("the Deployment is not available yet"));
        }
        Ok(())
    }

    /// How far the rollout is, and what holds it up.
    fn progress(&mut self, wanted: i32, status: &DeploymentStatus, pods: &Option<Vec<&Pod>>) -> String {
        let updated = status.updated_replicas.unwrap_or_default();
        let old = status.replicas.unwrap_or_default() - updated;
        let Some(pods) = pods else {
            return format!("{updated} of {wanted} pods updated{}", left(old));
        };
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let mut unready = pods.iter().filter(|pod| !is_ready(pod)).copied();
        let text = format!("{ready} of {wanted} pods ready");
        match unready.next() {
            Some(pod) => format!("{text}: {}", self.why_unready(pod)),
            None => format!("{text}{}", left(old)),
        }
    }

    fn why_unready(&mut self, pod: &Pod) -> String {
        for status in pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()) {
            let runs = status.state.as_ref().is_some_and(|state| state.running.is_some());
            if runs && !status.ready {
                self.suspects.push(suspect(pod, &status.name, status.restart_count, SuspectState::Unready));
            }
        }
        match rules::findings(pod).first() {
            Some(finding) => sentence(pod, finding),
            None => match rules::waits_for(pod) {
                Some(text) => format!("pod {} {text}", name(pod)),
                None => format!("pod {} is not ready", name(pod)),
            },
        }
    }

    /// Enough pods of the new revision run the expected image. Without a view on pods the status and the digest in
    /// the template have to do; the watch has then warned.
    fn proven(
        &self,
        deployment: &Deployment,
        replica_set: Option<&ReplicaSet>,
        pods: &Option<Vec<&Pod>>,
    ) -> Step<()> {
        let (Some(pods), Some(_)) = (pods, replica_set) else { return Ok(()) };
        let ready: Vec<_> = pods.iter().filter(|pod| is_ready(pod)).collect();
        let mut others =
            ready.iter().filter_map(|pod| Some((pod, rules::other_digest(&self.expected.containers, pod)?)));
        if let Some((pod, (container, running))) = others.next() {
            let text = format!("pod {} container {container} runs `{running}`, which is not ours", name(pod));
            return Err(waiting(&text));
        }
        let wanted = wanted(deployment);
        if i32::try_from(ready.len()).unwrap_or(i32::MAX) < wanted {
            let text = format!("{} of {wanted} pods of the new revision are ready", ready.len());
            return Err(waiting(&text));
        }
        Ok(())
    }

    fn settled(&mut self, deployment: &Deployment, pods: &Option<Vec<&Pod>>) -> Step<Verdict> {
        let wanted = wanted(deployment);
        let text = match wanted {
            0 => "scaled to 0, so nothing runs".to_owned(),
            _ => format!("{wanted} of {wanted} pods ready"),
        };
        if wanted == 0 || self.settle.is_zero() || !rules::needs_settling(deployment) {
            return Ok(Verdict::Ready { text });
        }
        let restarts: Vec<_> = pods.iter().flatten().map(|pod| restarts(pod)).collect();
        let since = match &self.ready_before {
            Some((before, since)) if *before == restarts => *since,
            _ => self.now,
        };
        self.seen.ready = Some((restarts, since));
        if self.now >= since + self.settle {
            return Ok(Verdict::Ready { text });
        }
        self.deadlines.push(since + self.settle);
        Err(waiting(&format!("{text}; there is no readiness probe, so it must stay up for a moment")))
    }

    /// Remembers that a signal is there, and says whether it has been for too long.
    fn held(&mut self, uid: &str, container: &str, signal: Signal, text: &str) -> bool {
        let key = key(uid, container, signal);
        let now = self.now;
        let fresh = Held { since: now, gone: None, text: text.to_owned() };
        let held = self.seen.signals.entry(key.clone()).or_insert_with(|| fresh.clone());
        if held.gone.is_some_and(|gone| now > gone + rules::FORGET) {
            *held = fresh;
        }
        held.gone = None;
        let over = held.since + rules::grace(signal);
        self.deadlines.push(over);
        self.present.insert(key);
        now >= over
    }

    fn note_absent_signals(&mut self) {
        for (key, held) in &mut self.seen.signals {
            if !self.present.contains(key) {
                held.gone.get_or_insert(self.now);
            }
        }
    }
}

fn left(old: i32) -> String {
    match old {
        ..=0 => String::new(),
        1 => ", 1 old pod left".to_owned(),
        _ => format!(", {old} old pods left"),
    }
}

fn waiting(why: &str) -> Verdict {
    Verdict::Waiting { why: why.to_owned() }
}

fn key(uid: &str, container: &str, signal: Signal) -> SignalKey {
    SignalKey { uid: uid.to_owned(), container: container.to_owned(), signal }
}

fn sentence(pod: &Pod, finding: &Finding) -> String {
    format!("pod {} container {} {}", name(pod), finding.container, finding.text)
}

fn suspect(pod: &Pod, container: &str, restarts: i32, state: SuspectState) -> Suspect {
    let pod_uid = pod.metadata.uid.clone().unwrap_or_default();
    Suspect { pod: name(pod).to_owned(), pod_uid, container: container.to_owned(), restarts, state }
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn restarts(pod: &Pod) -> (String, i32) {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    (pod.metadata.uid.clone().unwrap_or_default(), statuses.map(|status| status.restart_count).sum())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let owners = metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.uid == uid && owner.controller == Some(true))
}

fn revision(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get("deployment.kubernetes.io/revision").map(String::as_str)
}

fn wanted(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn condition<'a>(deployment: &'a Deployment, kind: &str) -> Option<&'a DeploymentCondition> {
    deployment.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// The largest number means "no deadline", and then the controller never reports progress.
fn has_progress_deadline(deployment: &Deployment) -> bool {
    let deadline = deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds);
    deadline.is_some_and(|seconds| seconds != i32::MAX)
}
