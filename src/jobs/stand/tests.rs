//! What the answers of a cluster mean.

use super::{Known, MOST_WARNINGS, Stand, Warning, stand};
use serde_json::{Value, json};

/// What is known of a pod with this status.
fn known(status: Value) -> Known {
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "builder"}]}, "status": status});
    Known { pod: Some(serde_json::from_value(pod).expect("a pod")), ..Known::default() }
}

/// The status of a pod whose container is in this state.
fn container(state: Value, ready: bool) -> Value {
    let status = json!({"name": "builder", "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "state": state});
    json!({"phase": "Pending", "containerStatuses": [status]})
}

fn ended(reason: &str, code: i32, message: &str) -> Value {
    container(json!({"terminated": {"reason": reason, "exitCode": code, "message": message}}), false)
}

#[test]
fn a_pod_stands_where_its_status_says() {
    let pulling =
        |message: &str| container(json!({"waiting": {"reason": "ErrImagePull", "message": message}}), false);
    let evicted =
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    let mut drained = ended("Error", 0, "sha256:1");
    drained["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "message": "preempted"}]);
    for (status, expected) in [
        (json!({}), "waits: it is not ready"),
        (
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]}),
            "waits: cannot be scheduled: 0/1 nodes",
        ),
        (container(json!({"running": {}}), false), "waits: container builder runs and is not ready"),
        (container(json!({"running": {}}), true), "runs"),
        (ended("Completed", 0, "sha256:1"), "ended 0 sha256:1"),
        (ended("Error", 1, ""), "ended 1 "),
        (ended("OOMKilled", 137, ""), "out of memory: was killed because it is out of memory"),
        (
            ended("StartError", 128, "exec: no such file or directory"),
            "refused: container builder cannot be started, code 128: exec: no such file or directory",
        ),
        (pulling("i: not found"), "refused: container builder cannot pull image `i`: not found"),
        (
            pulling("dial tcp: i/o timeout"),
            "waits: container builder cannot pull image `i`: dial tcp: i/o timeout",
        ),
        (evicted, "lost: the cluster has ended its pod: The node was low on resource: memory."),
        // A program that the cluster ends may still say that all is well.
        (drained, "lost: the cluster has ended its pod: preempted"),
    ] {
        assert_eq!(told(&stand(&known(status.clone()))), expected, "{status}");
    }
}

#[test]
fn what_the_cluster_puts_beside_the_container_does_not_count() {
    let beside = |state: Value, ready: bool| json!({"name": "a-proxy", "image": "p", "imageID": "", "ready": ready, "restartCount": 0, "state": state});
    let done = beside(json!({"terminated": {"reason": "Error", "exitCode": 1}}), false);
    let unfit = json!({"waiting": {"reason": "ErrImagePull", "message": "p: not found"}});
    for (first, own, expected) in [
        (beside(json!({"running": {}}), true), ended("Completed", 0, "sha256:1"), "ended 0 sha256:1"),
        (
            beside(json!({"running": {}}), true),
            ended("OOMKilled", 137, ""),
            "out of memory: was killed because it is out of memory",
        ),
        (beside(unfit, false), container(json!({"running": {}}), true), "runs"),
        (done.clone(), container(json!({"running": {}}), true), "runs"),
        (
            done,
            container(json!({"waiting": {"reason": "ErrImagePull", "message": "i: not found"}}), false),
            "refused: container builder cannot pull image `i`: not found",
        ),
    ] {
        let mut status = own;
        status["containerStatuses"].as_array_mut().expect("a list").insert(0, first);
        assert_eq!(told(&stand(&known(status.clone()))), expected, "{status}");
    }
    // What must be done before it starts does count.
    let mut status = json!({"phase": "Pending"});
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "p: not found"}});
    status["initContainerStatuses"] = json!([beside(waiting, false)]);
    assert!(told(&stand(&known(status))).starts_with("refused: container a-proxy cannot pull"));
}

#[test]
fn the_newest_warning_counts_however_many_there_were() {
    let mut known = Known::default();
    for number in 0..=MOST_WARNINGS {
        known.warn(Warning { reason: "FailedCreate".to_owned(), message: number.to_string() });
    }
    assert_eq!(known.warnings.len(), MOST_WARNINGS);
    assert_eq!(told(&stand(&known)), format!("refused: {MOST_WARNINGS}"));
}

#[test]
fn what_its_controller_says_counts_too() {
    let warned = |reason: &str, message: &str| {
        vec![Warning { reason: reason.to_owned(), message: message.to_owned() }]
    };
    let without_pod = |warnings| Known { warnings, ..Known::default() };
    let running = || known(container(json!({"running": {}}), true));
    let mut deleted = running();
    deleted.is_pod_gone = true;
    let mut late = running();
    let status = json!({"status": {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]}});
    late.job = Some(serde_json::from_value(status).expect("a Job"));
    let mount = |message| Known { warnings: warned("FailedMount", message), ..known(json!({})) };
    for (known, expected) in [
        (without_pod(vec![]), "waits: its controller has made no pod yet"),
        (
            without_pod(warned(
                "FailedCreate",
                "Error creating: pods \"p\" is forbidden: violates PodSecurity",
            )),
            "refused: pods \"p\" is forbidden: violates PodSecurity",
        ),
        (
            without_pod(warned("FailedCreate", "Error creating: pods \"p\" is forbidden: exceeded quota: q")),
            "waits: pods \"p\" is forbidden: exceeded quota: q",
        ),
        (mount("secret \"regcred\" not found"), "refused: secret \"regcred\" not found"),
        (mount("timed out"), "waits: timed out"),
        (deleted, "lost: its pod was deleted"),
        (late, "too long"),
    ] {
        assert_eq!(told(&stand(&known)), expected);
    }
}

fn told(stand: &Stand) -> String {
    match stand {
        Stand::Waiting { why } => format!("waits: {why}"),
        Stand::Running { .. } => "runs".to_owned(),
        Stand::Ended { code, message, .. } => format!("ended {code} {message}"),
        Stand::Refused { why } => format!("refused: {why}"),
        Stand::Lost { why } => format!("lost: {why}"),
        Stand::TooLong => "too long".to_owned(),
        Stand::OutOfMemory { why } => format!("out of memory: {why}"),
    }
}
