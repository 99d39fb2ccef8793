//! When a Deployment is ready, when not yet, and when it is not ours any more.

use super::world::{crashing_pod, image, pod, replica_set, set, world};
use crate::image::Digest;
use serde_json::{Value, json};

#[test]
fn a_finished_rollout_is_ready_at_once() {
    assert_eq!(world().says(0), "ready: 2 of 2 pods ready");
}

#[test]
fn every_gap_means_waiting() {
    for (pointer, value, why) in [
        ("/metadata/generation", json!(1), "the cluster has not shown the change yet"),
        ("/status/observedGeneration", json!(1), "the Deployment controller has not seen the change yet"),
        ("/status/observedGeneration", Value::Null, "the Deployment controller has not seen the change yet"),
        ("/status/replicas", json!(3), "2 of 2 pods ready, 1 old pod left"),
        ("/status/updatedReplicas", json!(1), "2 of 2 pods ready, 1 old pod left"),
        ("/status/readyReplicas", json!(1), "2 of 2 pods ready"),
        ("/status/availableReplicas", Value::Null, "2 of 2 pods ready"),
        (
            "/status/conditions/1/reason",
            json!("ReplicaSetUpdated"),
            "the Deployment controller has not said that the rollout is complete",
        ),
        ("/status/conditions/0/status", json!("False"), "the Deployment is not available yet"),
        (
            "/metadata/annotations/deployment.kubernetes.io~1revision",
            json!("3"),
            "there is no ReplicaSet of the new revision yet",
        ),
    ] {
        let mut world = world().with(pointer, value);
        assert_eq!(world.says(0), format!("waiting: {why}"), "{pointer}");
    }
}

#[test]
fn without_a_progress_deadline_nobody_says_that_it_is_complete() {
    for deadline in [Value::Null, json!(i32::MAX)] {
        let mut world = world()
            .with("/spec/progressDeadlineSeconds", deadline)
            .with("/status/conditions", json!([{"type": "Available", "status": "True"}]));
        assert_eq!(world.says(0), "ready: 2 of 2 pods ready");
    }
}

#[test]
fn a_deployment_that_is_gone_has_failed_once_it_was_there() {
    let mut world = world();
    let deployment = world.deployment.take();
    assert_eq!(world.says(0), "waiting: the cluster has not shown it yet");
    world.deployment = deployment;
    assert_eq!(world.says(1), "ready: 2 of 2 pods ready");
    world.deployment = None;
    assert_eq!(world.says(2), "failed: it was deleted");
}

#[test]
fn a_deployment_that_is_being_deleted_has_failed() {
    let mut world = world().with("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    assert_eq!(world.says(0), "failed: it is being deleted");
}

#[test]
fn a_deployment_of_another_uid_is_not_ours() {
    let mut early = world().with("/metadata/uid", json!("other"));
    assert_eq!(early.says(0), "waiting: the cluster shows another Deployment of this name");
    assert_eq!(early.judge(1).deadline, Some(std::time::Duration::from_secs(10)));
    assert_eq!(early.says(10), "failed: it was deleted and created again by somebody else");

    let mut late = world();
    late.says(0);
    let mut late = late.with("/metadata/uid", json!("other"));
    assert_eq!(late.says(1), "failed: it was deleted and created again by somebody else");
}

#[test]
fn a_pause_is_an_answer() {
    assert_eq!(world().with("/spec/paused", json!(true)).says(0), "paused");
}

#[test]
fn a_newer_image_supersedes_ours_and_a_newer_scale_does_not() {
    let newer =
        || world().with("/metadata/generation", json!(3)).with("/status/observedGeneration", json!(3));
    assert_eq!(newer().says(0), "ready: 2 of 2 pods ready");
    let mut other = newer().with("/spec/template/spec/containers/0/image", json!("api:v3"));
    assert_eq!(other.says(0), "superseded: container api runs image `api:v3` now");
}

#[test]
fn an_image_that_the_cluster_changed_is_not_ours() {
    let mut world = world().with("/spec/template/spec/containers/0/image", json!("mirror/api"));
    let image = image();
    assert_eq!(
        world.says(0),
        format!("failed: the cluster changed the image of container api from `{image}` to `mirror/api`")
    );
}

#[test]
fn a_replica_set_of_the_old_image_proves_nothing() {
    let mut world = world();
    world.replica_sets = Some(vec![replica_set("new", 2, "ghcr.io/acme/api:old")]);
    assert_eq!(world.says(0), "waiting: there is no ReplicaSet of the new revision yet");
}

/// When replicas and template change together, the controller says "observed" before it has made a ReplicaSet.
#[test]
fn the_revision_before_is_not_ours_although_it_is_observed() {
    let mut world = world().with_pods([crashing_pod("api-new-1", 9, 1)]);
    set(
        &mut world.replica_sets.as_mut().expect("sets")[1],
        "/spec/template/spec/containers/0/args",
        json!(["of the revision before"]),
    );
    assert_eq!(world.says(0), "waiting: there is no ReplicaSet of the new revision yet");
}

#[test]
fn only_ready_pods_of_the_new_revision_count() {
    let mut leaving = pod("new", "api-new-2");
    set(&mut leaving, "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let mut unready = pod("new", "api-new-2");
    set(&mut unready, "/status/conditions/0/status", json!("False"));
    for second in [pod("old", "api-old-1"), pod("stranger", "x"), leaving, unready] {
        let mut world = world().with_pods([pod("new", "api-new-1"), second]);
        assert_eq!(world.says(0), "waiting: 1 of 2 pods of the new revision are ready");
    }
}

#[test]
fn the_running_digest_must_be_ours() {
    let run = |image_id: &str| {
        let mut second = pod("new", "api-new-2");
        set(&mut second, "/status/containerStatuses/0/imageID", json!(image_id));
        world().with_pods([pod("new", "api-new-1"), second]).says(0)
    };
    let platform = Digest::of(b"platform");
    assert_eq!(run(&format!("mirror/api@{platform}")), "ready: 2 of 2 pods ready");
    assert_eq!(run(&platform.to_string()), "ready: 2 of 2 pods ready");
    let other = format!("ghcr.io/acme/api@{}", Digest::of(b"other"));
    assert_eq!(
        run(&other),
        format!("waiting: pod api-new-2 container api runs `{other}`, which is not ours")
    );
    assert_eq!(run(""), "waiting: pod api-new-2 container api runs ``, which is not ours");
}

#[test]
fn scaled_to_nothing_is_not_ready_but_idle() {
    let mut world = world().with("/spec/replicas", json!(0)).with_pods([]);
    for count in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        world = world.with(&format!("/status/{count}"), Value::Null);
    }
    assert_eq!(world.says(0), "idle");
}

#[test]
fn without_a_probe_it_must_stay_up_for_a_moment() {
    let mut world = world().without_probe();
    let settling = "waiting: 2 of 2 pods ready; there is no readiness probe, so it must stay up for a moment";
    assert_eq!(world.says(3), settling);
    assert_eq!(world.judge(4).deadline, Some(std::time::Duration::from_secs(8)));
    assert_eq!(world.says(7), settling);
    assert_eq!(world.says(8), "ready: 2 of 2 pods ready");
    assert_eq!(world.says(9), "ready: 2 of 2 pods ready");
}

#[test]
fn a_restart_or_a_gap_starts_the_moment_anew() {
    let settling = "waiting: 2 of 2 pods ready; there is no readiness probe, so it must stay up for a moment";
    let mut world = world().without_probe();
    assert_eq!(world.says(0), settling);
    set(&mut world.pods.as_mut().expect("pods")[0], "/status/containerStatuses/0/restartCount", json!(1));
    assert_eq!(world.says(4), settling);
    assert_eq!(world.says(8), settling);
    let mut world = world.with_ready(1);
    assert_eq!(world.says(8), "waiting: 2 of 2 pods ready");
    let mut world = world.with_ready(2);
    assert_eq!(world.says(9), settling);
    assert_eq!(world.says(13), settling);
    assert_eq!(world.says(14), "ready: 2 of 2 pods ready");
}

#[test]
fn a_minimum_ready_time_is_moment_enough_only_if_it_is_long_enough() {
    let at = |minimum: i32, second: u64| {
        let mut world = world().without_probe().with("/spec/minReadySeconds", json!(minimum));
        (world.says(0), world.says(second)).1
    };
    let settling = "waiting: 2 of 2 pods ready; there is no readiness probe, so it must stay up for a moment";
    for minimum in [-1, 0, 1, 4] {
        assert_eq!(at(minimum, 0), settling, "{minimum}");
        assert_eq!(at(minimum, 4), settling, "{minimum}");
        assert_eq!(at(minimum, 5), "ready: 2 of 2 pods ready", "{minimum}");
    }
    for minimum in [5, 60] {
        assert_eq!(at(minimum, 0), "ready: 2 of 2 pods ready", "{minimum}");
    }
}

#[test]
fn a_crash_after_the_minimum_ready_time_is_seen() {
    let mut world = world().without_probe().with("/spec/minReadySeconds", json!(1));
    assert!(world.says(1).starts_with("waiting: "));
    let mut world = world.with_ready(0).with_pods([crashing_pod("api-new-1", 3, 3)]);
    assert!(world.says(3).starts_with("failed: "));
}

#[test]
fn without_a_view_on_pods_the_status_decides() {
    for hide_pods in [true, false] {
        let mut world = world();
        if hide_pods {
            world.pods = None
        } else {
            world.replica_sets = None
        }
        assert_eq!(world.says(0), "ready: 2 of 2 pods ready");
        let mut world = world.with("/status/updatedReplicas", json!(1)).with("/status/replicas", json!(3));
        assert_eq!(world.says(0), "waiting: 1 of 2 pods updated, 2 old pods left");
    }
}
