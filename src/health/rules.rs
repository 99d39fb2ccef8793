//! The rules: which signs of trouble a pod can show, how long each may last, and in which words it is told.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodSpec};
use std::time::Duration;

/// A sign that a rollout will not become healthy by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// The registry has answered: there is no such image, or not for us, or not for this platform.
    ImageRefused,
    /// The registry could not be asked.
    ImageUnavailable,
    Crash,
    /// The container's program cannot be started at all.
    CannotStart,
    ConfigMissing,
    CreateFails,
    PodsRejected,
    QuotaExceeded,
    /// Another object has taken the place of ours.
    Replaced,
}

/// How long a signal may hold before it is a failure (`facts`: zero grace hurts slow starters, endless grace hurts
/// everybody).
pub(crate) fn grace(signal: Signal) -> Duration {
    Duration::from_secs(match signal {
        Signal::ImageRefused | Signal::Replaced => 10,
        Signal::ConfigMissing => 20,
        Signal::PodsRejected => 30,
        Signal::Crash | Signal::CannotStart | Signal::CreateFails | Signal::QuotaExceeded => 60,
        Signal::ImageUnavailable => 120,
    })
}

/// A signal that comes and goes, as between two crashes, is one signal until it has been away for this long.
pub(crate) const FORGET: Duration = Duration::from_secs(30);
/// So many restarts are a failure however fast they came.
const RESTARTS: i32 = 3;
/// A program that cannot be started will not start the third time either.
const START_RESTARTS: i32 = 2;

/// A signal seen on a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) container: String,
    pub(crate) signal: Signal,
    /// The restarts alone make it a failure.
    pub(crate) is_beyond_grace: bool,
    pub(crate) restarts: i32,
    /// The container is dead now and has not been started again: its logs are those of the current run.
    pub(crate) is_fresh: bool,
    /// What happened, completing "pod api-abc container api ...".
    pub(crate) text: String,
}

/// The signals that `pod` shows.
pub(crate) fn findings(pod: &Pod) -> Vec<Finding> {
    let Some(status) = &pod.status else { return Vec::new() };
    let empty = Vec::new();
    let init = status.init_container_statuses.as_ref().unwrap_or(&empty);
    let main = status.container_statuses.as_ref().unwrap_or(&empty);
    let spec = pod.spec.as_ref();
    let init = init.iter().filter_map(|container| finding(spec, container, Role::Init));
    init.chain(main.iter().filter_map(|container| finding(spec, container, Role::Main))).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It may end, with code 0.
    Init,
    /// It must not end.
    Main,
}

fn finding(spec: Option<&PodSpec>, container: &ContainerStatus, role: Role) -> Option<Finding> {
    let state = container.state.as_ref()?;
    let (signal, text) = match (&state.waiting, &state.terminated) {
        (Some(waiting), _) => {
            let message = waiting.message.as_deref().unwrap_or_default();
            waiting_signal(spec, container, waiting.reason.as_deref().unwrap_or_default(), message)?
        }
        (None, Some(terminated)) if role == Role::Main || terminated.exit_code != 0 => {
            ended(spec, container, terminated)
        }
        _ => return None,
    };
    let limit = match signal {
        Signal::Crash => RESTARTS,
        Signal::CannotStart => START_RESTARTS,
        _ => i32::MAX,
    };
    Some(Finding {
        container: container.name.clone(),
        signal,
        is_beyond_grace: container.restart_count >= limit,
        restarts: container.restart_count,
        is_fresh: state.terminated.is_some(),
        text,
    })
}

fn waiting_signal(
    spec: Option<&PodSpec>,
    container: &ContainerStatus,
    reason: &str,
    message: &str,
) -> Option<(Signal, String)> {
    let image = &container.image;
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "ImageInspectError"
        | "SignatureValidationFailed" => {
            let signal = if is_refusal(message) { Signal::ImageRefused } else { Signal::ImageUnavailable };
            Some((signal, format!("cannot pull image `{image}`: {}", brief(message, image))))
        }
        "InvalidImageName" | "ErrImageNeverPull" => {
            Some((Signal::ImageRefused, format!("cannot pull image `{image}`: {reason} {message}")))
        }
        "CrashLoopBackOff" => Some(match last_end(container) {
            Some(terminated) => ended(spec, container, terminated),
            None => (Signal::Crash, format!("crashes: {message}")),
        }),
        // The kubelet's caches are empty for a moment after its start; that is nobody's fault.
        "CreateContainerConfigError" if message.contains("failed to sync") && message.contains("cache") => {
            None
        }
        "CreateContainerConfigError" => {
            Some((Signal::ConfigMissing, format!("lacks its configuration: {message}")))
        }
        "RunContainerError" if is_unstartable(message) => {
            Some((Signal::CannotStart, format!("cannot be started: {message}")))
        }
        "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            Some((Signal::CreateFails, format!("cannot be created: {reason} {message}")))
        }
        _ => None,
    }
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.last_state.as_ref()?.terminated.as_ref()
}

/// Says how a container ended.
fn ended(
    spec: Option<&PodSpec>,
    container: &ContainerStatus,
    terminated: &ContainerStateTerminated,
) -> (Signal, String) {
    let code = terminated.exit_code;
    let restarts = match container.restart_count {
        0 => String::new(),
        1 => " (1 restart)".to_owned(),
        count => format!(" ({count} restarts)"),
    };
    let message = terminated.message.as_deref().unwrap_or_default();
    let reason = terminated.reason.as_deref().unwrap_or_default();
    if reason == "OOMKilled" {
        let limit = memory_limit(spec, &container.name).unwrap_or_default();
        return (Signal::Crash, format!("was killed because it is out of memory{limit}{restarts}"));
    }
    if matches!(code, 126 | 127) || is_unstartable(message) {
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        return (Signal::CannotStart, format!("cannot be started, code {code}{message}{restarts}"));
    }
    (Signal::Crash, format!("exited with code {code}{restarts}"))
}

fn memory_limit(spec: Option<&PodSpec>, name: &str) -> Option<String> {
    let spec = spec?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let container = containers.into_iter().find(|container| container.name == name)?;
    let limit = container.resources.as_ref()?.limits.as_ref()?.get("memory")?;
    Some(format!(" (limit {})", limit.0))
}

/// A runtime's message without its wrapping and without the image, which is named already.
fn brief(message: &str, image: &str) -> String {
    let inner = message.rsplit("desc = ").next().unwrap_or(message);
    inner.replace(&format!(" \"{image}\""), "").replace(&format!("{image}: "), "")
}

/// Whether the registry has said no, which asking again does not change.
fn is_refusal(message: &str) -> bool {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    says(&[
        "not found",
        "manifest unknown",
        "unauthorized",
        "denied",
        "no match for platform",
        "403 forbidden",
    ]) && !says(&["toomanyrequests", "no such host", "timeout"])
}

fn is_unstartable(message: &str) -> bool {
    ["exec format error", "no such file or directory", "executable file not found", "permission denied"]
        .iter()
        .any(|words| message.contains(words))
}

/// What a pod that is not ready waits for, without judging it.
pub(crate) fn waits_for(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let unschedulable = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(condition) = unschedulable {
        return Some(format!("cannot be scheduled: {}", condition.message.as_deref().unwrap_or_default()));
    }
    let init = status.init_container_statuses.iter().flatten().find(|one| !is_done(one));
    let main = status.container_statuses.iter().flatten().find(|one| !one.ready);
    let container = init.or(main)?;
    let state = container.state.as_ref()?;
    let waiting = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref());
    Some(match (waiting, &state.running) {
        (Some(reason), _) => format!("container {} waits: {reason}", container.name),
        (None, Some(_)) if init.is_some() => format!("init container {} runs", container.name),
        (None, Some(_)) => format!("container {} runs and is not ready", container.name),
        _ => format!("container {} is not ready", container.name),
    })
}

fn is_done(container: &ContainerStatus) -> bool {
    let ended = |state: &ContainerState| state.terminated.as_ref().is_some_and(|end| end.exit_code == 0);
    container.state.as_ref().is_some_and(ended) || container.ready || container.started == Some(true)
}
