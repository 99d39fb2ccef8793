//! A small world to judge: one Deployment `api`, written as the cluster would show it.

use crate::health::seen::Seen;
use crate::health::snapshot::Snapshot;
use crate::health::verdict::{Judgement, Verdict, judge};
use crate::health::{Expected, ExpectedContainer};
use crate::image::Digest;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The objects of a namespace, and what is expected of them. It starts as a finished rollout of two pods.
#[derive(Clone)]
pub(super) struct World {
    pub(super) expected: Expected,
    pub(super) deployment: Option<Value>,
    pub(super) replica_sets: Option<Vec<Value>>,
    pub(super) pods: Option<Vec<Value>>,
    pub(super) events: Vec<Value>,
    seen: Seen,
}

/// The digest of the image that is expected.
pub(super) fn digest() -> Digest {
    Digest::of(b"new")
}

/// The image that is expected.
pub(super) fn image() -> String {
    format!("ghcr.io/acme/api@{}", digest())
}

pub(super) fn world() -> World {
    World {
        expected: Expected {
            object: "Deployment/api".to_owned(),
            namespace: "shop".to_owned(),
            name: "api".to_owned(),
            uid: "deployment".to_owned(),
            generation: 2,
            spec: deployment()["spec"].clone(),
            containers: vec![ExpectedContainer {
                name: "api".to_owned(),
                image: image(),
                digests: vec![digest(), Digest::of(b"platform")],
            }],
        },
        deployment: Some(deployment()),
        replica_sets: Some(vec![
            replica_set("old", 1, "ghcr.io/acme/api:old"),
            replica_set("new", 2, &image()),
        ]),
        pods: Some(vec![pod("new", "api-new-1"), pod("new", "api-new-2")]),
        events: Vec::new(),
        seen: Seen::default(),
    }
}

fn deployment() -> Value {
    json!({
        "metadata": {
            "name": "api", "namespace": "shop", "uid": "deployment", "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": 2, "progressDeadlineSeconds": 600,
            "selector": {},
            "template": template(&image()),
        },
        "status": {
            "observedGeneration": 2,
            "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            ],
        },
    })
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [
        {"name": "api", "image": image, "readinessProbe": {"tcpSocket": {"port": 80}},
         "resources": {"limits": {"memory": "64Mi"}}},
        {"name": "injected", "image": "mesh:1", "readinessProbe": {"tcpSocket": {"port": 81}}},
    ]}})
}

pub(super) fn replica_set(uid: &str, revision: u32, image: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("api-{uid}"), "namespace": "shop", "uid": uid,
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api",
                "uid": "deployment", "controller": true}],
        },
        "spec": {"selector": {}, "template": hashed(template(image), uid)},
    })
}

fn hashed(mut template: Value, hash: &str) -> Value {
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    template
}

/// A pod of `replica_set` that is ready and runs the expected image.
pub(super) fn pod(replica_set: &str, name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set,
                "uid": replica_set, "controller": true}],
        },
        "spec": template(&image())["spec"],
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "api", "image": image(), "imageID": image(), "ready": true, "restartCount": 0,
                "state": {"running": {}},
            }],
        },
    })
}

/// A pod that is not ready because its container is in `state`.
pub(super) fn bad_pod(name: &str, restarts: i32, state: Value, last: Value) -> Value {
    let mut pod = pod("new", name);
    set(&mut pod, "/status/conditions/0/status", json!("False"));
    set(
        &mut pod,
        "/status/containerStatuses/0",
        json!({
            "name": "api", "image": image(), "imageID": "", "ready": false, "restartCount": restarts,
            "state": state, "lastState": last,
        }),
    );
    pod
}

/// A pod whose container waits for `reason`.
pub(super) fn waiting_pod(name: &str, reason: &str, message: &str) -> Value {
    bad_pod(name, 0, json!({"waiting": {"reason": reason, "message": message}}), json!({}))
}

/// A pod whose container exited with `code` and is to be started again.
pub(super) fn crashing_pod(name: &str, restarts: i32, code: i32) -> Value {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}});
    bad_pod(name, restarts, waiting, json!({"terminated": {"exitCode": code, "reason": "Error"}}))
}

/// Sets the value at `pointer`, whose parent must be there.
pub(super) fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer starts with /");
    let parent = object.pointer_mut(parent).expect(pointer);
    match parent {
        Value::Array(items) => items[key.parse::<usize>().expect("an index")] = value,
        parent => parent[key.replace("~1", "/")] = value,
    }
}

impl World {
    /// Changes the Deployment at `pointer`, and with its template that of the new ReplicaSet.
    pub(super) fn with(mut self, pointer: &str, value: Value) -> Self {
        if pointer.starts_with("/spec/template") {
            let sets = self.replica_sets.as_mut().expect("there are ReplicaSets");
            set(&mut sets[1], pointer, value.clone());
        }
        set(self.deployment.as_mut().expect("there is a Deployment"), pointer, value);
        self
    }

    /// Replaces the pods, of which none is available unless the Deployment's status says otherwise.
    pub(super) fn with_pods(mut self, pods: impl Into<Vec<Value>>) -> Self {
        self.pods = Some(pods.into());
        self
    }

    /// The Deployment's status says that so many of its two pods are ready.
    pub(super) fn with_ready(self, count: i32) -> Self {
        self.with("/status/readyReplicas", json!(count)).with("/status/availableReplicas", json!(count))
    }

    /// No container has a readiness probe.
    pub(super) fn without_probe(self) -> Self {
        self.with("/spec/template/spec/containers/0/readinessProbe", Value::Null)
    }

    /// Judges when the wait is `seconds` old, and remembers.
    pub(super) fn judge(&mut self, seconds: u64) -> Judgement {
        let now = Duration::from_secs(seconds);
        let judgement = judge(&self.expected, &self.snapshot(), &self.seen, Duration::from_secs(5), now);
        self.seen = judgement.seen.clone();
        judgement
    }

    /// The verdict as one line: its kind and its text.
    pub(super) fn says(&mut self, seconds: u64) -> String {
        match self.judge(seconds).verdict {
            Verdict::Ready { text } => format!("ready: {text}"),
            Verdict::Idle => "idle".to_owned(),
            Verdict::Waiting { why } => format!("waiting: {why}"),
            Verdict::Failed { cause } => format!("failed: {cause}"),
            Verdict::Paused => "paused".to_owned(),
            Verdict::Superseded { by } => format!("superseded: {by}"),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            deployments: by_uid(self.deployment.as_slice()),
            replica_sets: self.replica_sets.as_deref().map(by_uid),
            pods: self.pods.as_deref().map(by_uid),
            events: Some(by_uid(&self.events)),
        }
    }
}

fn by_uid<K: DeserializeOwned>(objects: &[Value]) -> BTreeMap<String, K> {
    let parse = |object: &Value| {
        let uid = object["metadata"]["uid"].as_str().expect("a uid").to_owned();
        (uid, serde_json::from_value(object.clone()).expect("a Kubernetes object"))
    };
    objects.iter().map(parse).collect()
}
