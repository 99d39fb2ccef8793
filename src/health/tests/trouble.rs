//! What ends a wait early, after which grace, and what does not.

use super::world::{World, bad_pod, crashing_pod, image, pod, set, waiting_pod, world};
use crate::health::evidence::warnings;
use crate::health::verdict::SuspectState;
use serde_json::{Value, json};

const NOT_FOUND: &str = "failed to resolve image: not found";

fn with_one(pod: Value) -> World {
    world().with_ready(0).with_pods([pod])
}

#[test]
fn every_signal_has_its_grace() {
    for (reason, message, grace) in [
        ("ErrImagePull", NOT_FOUND, 10),
        ("ErrImagePull", "unauthorized: authentication required", 10),
        ("ErrImagePull", "no match for platform in manifest", 10),
        ("ImagePullBackOff", "Back-off pulling image: ErrImagePull: manifest unknown", 10),
        ("InvalidImageName", "", 10),
        ("ErrImageNeverPull", "", 10),
        ("ErrImagePull", "dial tcp: i/o timeout", 120),
        ("ErrImagePull", "503 Service Unavailable", 120),
        ("ErrImagePull", "toomanyrequests: denied", 120),
        ("CrashLoopBackOff", "", 60),
        ("CreateContainerConfigError", "secret \"key\" not found", 20),
        ("CreateContainerError", "", 60),
        ("RunContainerError", "", 60),
    ] {
        let mut world = with_one(waiting_pod("api-new-1", reason, message));
        let first = world.judge(7);
        assert_eq!(first.deadline.map(|deadline| deadline.as_secs()), Some(7 + grace), "{reason} {message}");
        assert!(world.says(7 + grace - 1).starts_with("waiting: "), "{reason} {message}");
        let last = world.says(7 + grace);
        assert!(last.starts_with("failed: pod api-new-1 container api "), "{reason} {message}: {last}");
    }
}

#[test]
fn what_may_pass_by_itself_is_only_told() {
    let mut unschedulable = pod("new", "api-new-1");
    set(
        &mut unschedulable,
        "/status",
        json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"},
        ]}),
    );
    let running = bad_pod("api-new-1", 0, json!({"running": {}}), json!({}));
    for (pod, told) in [
        (unschedulable, "pod api-new-1 cannot be scheduled: 0/3 nodes"),
        (
            waiting_pod("api-new-1", "ContainerCreating", ""),
            "pod api-new-1 container api waits: ContainerCreating",
        ),
        (
            waiting_pod("api-new-1", "CreateContainerConfigError", "failed to sync secret cache: timed out"),
            "pod api-new-1 container api waits: CreateContainerConfigError",
        ),
        (running, "pod api-new-1 container api runs and is not ready"),
    ] {
        let mut world = with_one(pod);
        assert_eq!(world.says(0), format!("waiting: 0 of 2 pods ready: {told}"));
        assert_eq!(world.says(10_000), format!("waiting: 0 of 2 pods ready: {told}"));
    }
}

#[test]
fn a_pull_that_alternates_is_one_signal() {
    let mut world = with_one(waiting_pod("api-new-1", "ErrImagePull", NOT_FOUND));
    assert!(world.says(0).starts_with("waiting: "));
    world.pods = Some(vec![waiting_pod("api-new-1", "ImagePullBackOff", "Back-off pulling image")]);
    assert!(world.says(9).starts_with("waiting: "));
    let failed = world.says(10);
    assert!(failed.starts_with("failed: "), "{failed}");
    assert!(failed.ends_with(NOT_FOUND), "{failed}");
}

#[test]
fn a_cause_names_the_image_once() {
    let image = image();
    let message = format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve image: {image}: not found"
    );
    assert_eq!(
        with_one(waiting_pod("api-new-1", "ErrImagePull", &message)).says(0),
        format!(
            "waiting: 0 of 2 pods ready: pod api-new-1 container api cannot pull image `{image}`: \
             failed to pull and unpack image: failed to resolve image: not found"
        )
    );
}

#[test]
fn a_crash_loop_fails_by_restarts_or_by_time() {
    let mut fast = with_one(crashing_pod("api-new-1", 3, 3));
    assert_eq!(fast.says(0), "failed: pod api-new-1 container api exited with code 3 (3 restarts)");
    let mut slow = with_one(crashing_pod("api-new-1", 1, 3));
    assert_eq!(
        slow.says(0),
        "waiting: 0 of 2 pods ready: pod api-new-1 container api exited with code 3 (1 restart)"
    );
    assert_eq!(slow.says(60), "failed: pod api-new-1 container api exited with code 3 (1 restart)");
}

#[test]
fn a_crash_is_remembered_between_two_runs_and_forgotten_after_a_while() {
    let running = || vec![bad_pod("api-new-1", 1, json!({"running": {}}), json!({}))];
    let crashed = || Some(vec![crashing_pod("api-new-1", 1, 3)]);
    let mut world = with_one(crashing_pod("api-new-1", 1, 3));
    world.says(0);
    world.pods = Some(running());
    world.says(20);
    world.pods = crashed();
    world.says(50);
    assert!(world.says(60).starts_with("failed: "), "30 seconds without are still the same crash loop");

    let mut world = with_one(crashing_pod("api-new-1", 1, 3));
    world.says(0);
    world.pods = Some(running());
    world.says(20);
    world.pods = crashed();
    world.says(51);
    assert!(world.says(60).starts_with("waiting: "), "31 seconds without are a new start");
    assert!(world.says(111).starts_with("failed: "));
}

#[test]
fn the_cause_names_what_killed_the_container() {
    let end = |reason: &str, code: i32, message: &str| json!({"terminated": {"reason": reason, "exitCode": code, "message": message}});
    for (end, cause) in [
        (end("OOMKilled", 137, ""), "was killed because it is out of memory (limit 64Mi) (3 restarts)"),
        (end("Error", 127, ""), "cannot be started, code 127 (3 restarts)"),
        (
            end("StartError", 128, "exec: \"/api\": no such file or directory"),
            "cannot be started, code 128: exec: \"/api\": no such file or directory (3 restarts)",
        ),
        (end("Completed", 0, ""), "exited with code 0 (3 restarts)"),
    ] {
        let mut world = with_one(bad_pod("api-new-1", 3, end, json!({})));
        assert_eq!(world.says(0), format!("failed: pod api-new-1 container api {cause}"));
    }
}

#[test]
fn a_program_that_cannot_start_gets_two_chances() {
    let end =
        json!({"terminated": {"reason": "StartError", "exitCode": 128, "message": "exec format error"}});
    let pod = |restarts| bad_pod("api-new-1", restarts, end.clone(), json!({}));
    assert!(with_one(pod(1)).says(0).starts_with("waiting: "));
    assert!(with_one(pod(2)).says(0).starts_with("failed: "));
}

#[test]
fn an_init_container_may_end_but_not_fail() {
    let with_init = |code: i32, restarts: i32| {
        let mut pod = waiting_pod("api-new-1", "PodInitializing", "");
        set(
            &mut pod,
            "/status/initContainerStatuses",
            json!([{
                "name": "migrate", "image": "m", "imageID": "", "ready": code == 0, "restartCount": restarts,
                "state": {"terminated": {"exitCode": code}},
            }]),
        );
        with_one(pod).says(0)
    };
    assert_eq!(
        with_init(0, 3),
        "waiting: 0 of 2 pods ready: pod api-new-1 container api waits: PodInitializing"
    );
    assert_eq!(with_init(1, 3), "failed: pod api-new-1 container migrate exited with code 1 (3 restarts)");
}

#[test]
fn one_pod_that_may_come_up_keeps_hope() {
    let doomed = || crashing_pod("api-new-1", 9, 1);
    let hopeful = waiting_pod("api-new-2", "ContainerCreating", "");
    let both = |second: Value| world().with_ready(0).with_pods([doomed(), second]).says(0);
    assert!(both(hopeful).starts_with("waiting: "));
    assert_eq!(
        both(crashing_pod("api-new-2", 9, 1)),
        "failed: pod api-new-1 container api exited with code 1 (9 restarts) (and 1 pod more)"
    );
}

#[test]
fn pods_that_are_replaced_anyway_do_not_count() {
    let mut evicted = pod("new", "api-new-0");
    set(&mut evicted, "/status", json!({"phase": "Failed", "reason": "Evicted"}));
    let mut leaving = crashing_pod("api-new-3", 9, 1);
    set(&mut leaving, "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let mut old = crashing_pod("api-old-1", 9, 1);
    set(&mut old, "/metadata/ownerReferences/0/uid", json!("old"));
    for one in [evicted, leaving, old] {
        let mut alone = world().with_ready(0).with_pods([one.clone()]);
        assert!(alone.says(0).starts_with("waiting: "));
        let mut beside = world().with_pods([one, pod("new", "api-new-1"), pod("new", "api-new-2")]);
        assert_eq!(beside.says(1_000), "ready: 2 of 2 pods ready");
    }
}

#[test]
fn refused_pods_fail_after_their_grace() {
    for (message, grace) in [("denied by policy", 30), ("exceeded quota: compute", 60)] {
        let condition = json!([{"type": "ReplicaFailure", "status": "True", "message": message}]);
        let text = format!("the cluster refuses to create its pods: {message}");
        let mut seen_in_set = world().with_ready(0).with_pods([]);
        set(
            &mut seen_in_set.replica_sets.as_mut().expect("sets")[1],
            "/status",
            json!({"replicas": 0, "conditions": condition}),
        );
        let mut seen_in_deployment = world().with_ready(0).with("/status/conditions", condition);
        seen_in_deployment.replica_sets = None;
        for mut world in [seen_in_set, seen_in_deployment] {
            assert_eq!(world.says(0), format!("waiting: {text}"));
            assert_eq!(world.says(grace - 1), format!("waiting: {text}"));
            assert_eq!(world.says(grace), format!("failed: {text}"));
        }
    }
}

#[test]
fn the_progress_deadline_fails_at_once_but_not_for_the_revision_before() {
    let conditions = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"api-new\" has timed out progressing."}]);
    let exceeded =
        || with_one(crashing_pod("api-new-1", 1, 3)).with("/status/conditions", conditions.clone());
    assert_eq!(
        exceeded().says(0),
        "failed: the progress deadline is exceeded: ReplicaSet \"api-new\" has timed out progressing.; \
         pod api-new-1 container api exited with code 3 (1 restart)"
    );
    let mut stale = exceeded().with("/status/observedGeneration", json!(1));
    assert_eq!(stale.says(0), "waiting: the Deployment controller has not seen the change yet");
}

#[test]
fn crashed_and_unready_containers_are_suspects() {
    let suspects = |pod: Value| {
        let found = with_one(pod).judge(0).suspects;
        found.into_iter().map(|one| (one.restarts, one.state)).collect::<Vec<_>>()
    };
    assert_eq!(suspects(crashing_pod("p", 2, 1)), [(2, SuspectState::BacksOff)]);
    let ended = json!({"terminated": {"exitCode": 1}});
    assert_eq!(suspects(bad_pod("p", 0, ended, json!({}))), [(0, SuspectState::Ended)]);
    assert_eq!(suspects(bad_pod("p", 0, json!({"running": {}}), json!({}))), [(0, SuspectState::Unready)]);
    assert_eq!(suspects(waiting_pod("p", "ErrImagePull", NOT_FOUND)), []);
}

#[test]
fn evidence_is_about_the_new_revision_and_the_newest_comes_last() {
    let event = |number: usize, uid: &str, kind: &str, message: &str| {
        json!({
            "metadata": {"uid": format!("event-{number}")}, "type": kind, "reason": "Failed", "message": message,
            "involvedObject": {"kind": "Pod", "name": "api-new-1", "uid": uid},
            "lastTimestamp": format!("2026-01-01T00:00:{number:02}Z"),
        })
    };
    let mut world = with_one(waiting_pod("api-new-1", "ErrImagePull", NOT_FOUND));
    world.events = vec![
        event(9, "uid-api-new-1", "Warning", "newest"),
        event(1, "uid-api-new-1", "Warning", "twice"),
        event(5, "uid-api-new-1", "Warning", "twice"),
        event(3, "uid-api-new-1", "Warning", "older"),
        event(6, "uid-of-another", "Warning", "of another"),
        event(7, "uid-api-new-1", "Normal", "normal"),
    ];
    let members = world.judge(0).members;
    let lines = warnings(&world.snapshot(), &members);
    assert_eq!(
        lines,
        ["Pod/api-new-1 Failed: older", "Pod/api-new-1 Failed: twice", "Pod/api-new-1 Failed: newest"]
    );
    world.events = (0..20).map(|n| event(n, "uid-api-new-1", "Warning", &format!("number {n}"))).collect();
    assert_eq!(warnings(&world.snapshot(), &members).len(), 8);
}
