//! Doom: the steps of a verdict that ask whether the new revision can still come up. Pure.

use super::objects;
use super::rules::{self, Finding, Signal};
use super::seen::SignalKey;
use super::verdict::{Case, Step, Suspect, SuspectState, Verdict};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;

impl Case<'_> {
    /// A rollout has failed when every pod of the new revision is doomed: as long as one may still come up, so may
    /// the others.
    pub(super) fn not_doomed(&mut self, pods: Option<&[&Pod]>) -> Step<()> {
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
        match self.seen.recall(&SignalKey::new(uid, &finding.container, Signal::ImageRefused), self.now) {
            Some(text) => Finding { signal: Signal::ImageRefused, text: text.to_owned(), ..finding },
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
    pub(super) fn not_rejected(
        &mut self,
        deployment: &Deployment,
        replica_set: Option<&ReplicaSet>,
    ) -> Step<()> {
        let of_set = replica_set.and_then(|one| one.status.as_ref()?.conditions.as_ref());
        let of_set =
            of_set.into_iter().flatten().find(|one| one.type_ == "ReplicaFailure" && one.status == "True");
        let of_deployment = objects::condition(deployment, "ReplicaFailure")
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

    /// Why `pod` is not ready, as a sentence.
    pub(super) fn why_unready(&mut self, pod: &Pod) -> String {
        for status in pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()) {
            let runs = status.state.as_ref().is_some_and(|state| state.running.is_some());
            if runs && !status.ready {
                self.suspects.push(suspect(pod, &status.name, status.restart_count, SuspectState::Unready));
            }
        }
        match rules::findings(pod).first() {
            Some(finding) => sentence(pod, finding),
            None => match rules::waits_for(pod) {
                Some(text) => format!("pod {} {text}", objects::name(pod)),
                None => format!("pod {} is not ready", objects::name(pod)),
            },
        }
    }

    /// Remembers that a signal is there, and says whether it has been for too long.
    pub(super) fn held(&mut self, uid: &str, container: &str, signal: Signal, text: &str) -> bool {
        let key = SignalKey::new(uid, container, signal);
        let over = self.seen.hold(&key, text, self.now) + rules::grace(signal);
        self.deadlines.push(over);
        self.present.insert(key);
        self.now >= over
    }
}

/// The first trouble of any pod, as a sentence.
pub(super) fn trouble(pods: Option<&[&Pod]>) -> Option<String> {
    let first = |pod: &&Pod| rules::findings(pod).first().map(|finding| sentence(pod, finding));
    pods?.iter().find_map(first)
}

fn sentence(pod: &Pod, finding: &Finding) -> String {
    format!("pod {} container {} {}", objects::name(pod), finding.container, finding.text)
}

fn suspect(pod: &Pod, container: &str, restarts: i32, state: SuspectState) -> Suspect {
    let pod_uid = pod.metadata.uid.clone().unwrap_or_default();
    Suspect { pod: objects::name(pod).to_owned(), pod_uid, container: container.to_owned(), restarts, state }
}
