//! Where the pod of a Job stands: what the cluster says of both comes in, what it means for the build goes out. Pure.

#[cfg(test)]
mod tests;

use super::spec::CONTAINER;
use crate::health::{Finding, Signal, findings, waits_for};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

/// So many warnings are remembered.
const MOST_WARNINGS: usize = 50;

/// What the cluster has said of a Job so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) job: Option<Job>,
    pub(super) pod: Option<Pod>,
    /// It was there, and somebody took it away.
    pub(super) is_pod_gone: bool,
    /// Warnings of the cluster about both, the newest last.
    pub(super) warnings: Vec<Warning>,
}

impl Known {
    /// Takes in a warning; it counts more than the oldest one.
    pub(super) fn warn(&mut self, warning: Warning) {
        if self.warnings.len() == MOST_WARNINGS {
            self.warnings.remove(0);
        }
        self.warnings.push(warning);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Where the pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Waiting {
        why: String,
    },
    Running {
        pod: String,
    },
    /// The program of the container has ended; `message` is its last word to the kubelet.
    Ended {
        pod: String,
        code: i32,
        message: String,
    },
    /// It will not run as it is asked for.
    Refused {
        why: String,
    },
    /// The cluster has ended it; asked again, it may do better.
    Lost {
        why: String,
    },
    TooLong,
    OutOfMemory {
        why: String,
    },
}

/// What all of it means. The container runs once its program has started and, if it has a probe, has answered.
pub(super) fn stand(known: &Known) -> Stand {
    if is_too_long(known) {
        return Stand::TooLong;
    }
    let Some(pod) = &known.pod else { return without_pod(known) };
    if known.is_pod_gone || pod.metadata.deletion_timestamp.is_some() {
        return Stand::Lost { why: "its pod was deleted".to_owned() };
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let status = pod.status.as_ref();
    // The cluster may have put others beside it.
    let containers = status.into_iter().flat_map(|status| status.container_statuses.iter().flatten());
    let container = containers.into_iter().find(|container| container.name == CONTAINER);
    let state = container.and_then(|container| container.state.as_ref());
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        return ended(pod, name, end);
    }
    // Evicted, preempted, or its node is gone: then there may be no word of its container.
    if status.and_then(|status| status.phase.as_deref()) == Some("Failed") {
        return Stand::Lost { why: why_failed(pod) };
    }
    if container.is_some_and(|container| container.ready) {
        return Stand::Running { pod: name };
    }
    if let Some(finding) = own_findings(pod).next() {
        let why = format!("container {} {}", finding.container, finding.text);
        // The registry of the image may come back.
        let may_change = finding.signal == Signal::ImageUnavailable;
        return if may_change { Stand::Waiting { why } } else { Stand::Refused { why } };
    }
    match known.warnings.iter().rev().find(|warning| warning.reason == "FailedMount") {
        Some(warning) if warning.message.contains("not found") => {
            Stand::Refused { why: warning.message.clone() }
        }
        Some(warning) => Stand::Waiting { why: warning.message.clone() },
        None => Stand::Waiting { why: waits_for(pod).unwrap_or_else(|| "it is not ready".to_owned()) },
    }
}

/// The signals of the container, and of those that must be done before it starts.
fn own_findings(pod: &Pod) -> impl Iterator<Item = Finding> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let beside: Vec<&str> = statuses.map(|one| one.name.as_str()).filter(|name| *name != CONTAINER).collect();
    findings(pod).into_iter().filter(move |finding| !beside.contains(&finding.container.as_str()))
}

fn is_too_long(known: &Known) -> bool {
    let conditions = known.job.as_ref().and_then(|job| job.status.as_ref()?.conditions.as_ref());
    let is_said = conditions.into_iter().flatten().any(|condition| {
        condition.status == "True" && condition.reason.as_deref() == Some("DeadlineExceeded")
    });
    is_said || known.warnings.iter().any(|warning| warning.reason == "DeadlineExceeded")
}

/// The Job's controller says in events why it cannot make a pod.
fn without_pod(known: &Known) -> Stand {
    let refusal = known.warnings.iter().rev().find(|warning| warning.reason == "FailedCreate");
    let Some(Warning { message, .. }) = refusal else {
        return Stand::Waiting { why: "its controller has made no pod yet".to_owned() };
    };
    let message = message.strip_prefix("Error creating: ").unwrap_or(message).to_owned();
    let passes = ["exceeded quota", "failed calling webhook", "timeout", "connection refused"];
    if passes.iter().any(|words| message.contains(words)) {
        return Stand::Waiting { why: message };
    }
    Stand::Refused { why: message }
}

fn ended(pod: &Pod, name: String, end: &ContainerStateTerminated) -> Stand {
    if end.reason.as_deref() == Some("OOMKilled") {
        let text = own_findings(pod).next().map(|finding| finding.text);
        return Stand::OutOfMemory { why: text.unwrap_or_else(|| "it is out of memory".to_owned()) };
    }
    let is_disrupted = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|one| one.type_ == "DisruptionTarget" && one.status == "True");
    // On its way out, a program may end with any code, also with 0.
    if is_disrupted {
        return Stand::Lost { why: why_failed(pod) };
    }
    let finding = own_findings(pod).find(|finding| finding.signal == Signal::CannotStart);
    if let Some(finding) = finding {
        return Stand::Refused { why: format!("container {} {}", finding.container, finding.text) };
    }
    let message = end.message.clone().unwrap_or_default();
    Stand::Ended { pod: name, code: end.exit_code, message }
}

/// What is said of a pod that the cluster has ended.
fn why_failed(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let condition = status.and_then(|status| {
        status.conditions.iter().flatten().find(|one| one.type_ == "DisruptionTarget" && one.status == "True")
    });
    let said = status.and_then(|status| status.message.clone().or(status.reason.clone()));
    let said = said.or(condition.and_then(|condition| condition.message.clone()));
    said.map_or_else(
        || "the cluster has ended its pod".to_owned(),
        |text| format!("the cluster has ended its pod: {text}"),
    )
}
