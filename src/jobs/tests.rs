//! Jobs as data: what is asked of the cluster.

use super::spec::{Engine, Work, yaml};
use crate::component::Name;
use crate::config::Builder;
use crate::image::Tag;
use crate::platform::Platform;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

/// What a test does with the Job of a builder.
fn with<T>(builder: &Builder, engine: Engine, then: impl FnOnce(Work<'_>) -> T) -> T {
    let component: Name = "api".parse().expect("a name");
    let (platform, key): (_, Tag) = (Platform::new("linux", "arm64"), "in-0123".parse().expect("a tag"));
    let arguments = if engine == Engine::Kaniko { vec!["--context=tar://stdin".to_owned()] } else { vec![] };
    then(Work {
        builder,
        engine,
        component: &component,
        platform: &platform,
        key: &key,
        run: "run-7",
        arguments,
    })
}

const BUILDKIT: &str = "---
apiVersion: batch/v1
kind: Job
metadata:
  annotations:
    hephy.dev/key: in-0123
  labels:
    app.kubernetes.io/managed-by: hephy
    hephy.dev/component: api
    hephy.dev/platform: linux-arm64
    hephy.dev/run: run-7
  name: hephy-api-linux-arm64-dry-run
  namespace: builds
spec:
  activeDeadlineSeconds: 1800
  backoffLimit: 0
  template:
    metadata:
      annotations:
        cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"
        karpenter.sh/do-not-disrupt: \"true\"
      labels:
        app.kubernetes.io/managed-by: hephy
        hephy.dev/component: api
        hephy.dev/platform: linux-arm64
        hephy.dev/run: run-7
    spec:
      automountServiceAccountToken: false
      containers:
      - args:
        - --addr
        - unix:///run/user/1000/buildkit/buildkitd.sock
        - --oci-worker-no-process-sandbox
        image: docker.io/moby/buildkit:buildx-stable-1-rootless
        name: builder
        securityContext:
          appArmorProfile:
            type: Unconfined
          runAsGroup: 1000
          runAsUser: 1000
          seccompProfile:
            type: Unconfined
        startupProbe:
          exec:
            command:
            - buildctl
            - --addr
            - unix:///run/user/1000/buildkit/buildkitd.sock
            - debug
            - workers
          failureThreshold: 120
          periodSeconds: 1
          timeoutSeconds: 10
        volumeMounts:
        - mountPath: /home/user/.local/share/buildkit
          name: state
        - mountPath: /hephy
          name: files
      enableServiceLinks: false
      nodeSelector:
        kubernetes.io/arch: arm64
      restartPolicy: Never
      terminationGracePeriodSeconds: 5
      volumes:
      - emptyDir: {}
        name: state
      - emptyDir: {}
        name: files
  ttlSecondsAfterFinished: 600
";

#[test]
fn buildkit_asks_for_no_more_than_it_needs() {
    let text =
        with(&Builder::default(), Engine::Buildkit, |work| yaml(&[work], Some("builds")).expect("YAML"));
    assert_eq!(text, BUILDKIT);
}

/// A builder of which everything is said.
fn full() -> Builder {
    let text = |text: &str| Some(text.to_owned());
    Builder {
        buildkit: text("registry.example.com/buildkit@sha256:1"),
        kaniko: text("registry.example.com/kaniko@sha256:2"),
        secret: text("regcred"),
        config_map: text("buildkitd"),
        service_account: text("builder"),
        node_selector: [
            ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
            ("pool".to_owned(), "ci".to_owned()),
        ]
        .into(),
        is_privileged: true,
        memory: text("4Gi"),
        ..Builder::default()
    }
}

#[test]
fn what_the_user_says_is_in_the_pod() {
    let pod =
        |engine| with(&full(), engine, |work| work.job("x", "builds")["spec"]["template"]["spec"].clone());
    let (buildkit, kaniko) = (pod(Engine::Buildkit), pod(Engine::Kaniko));
    for pod in [&buildkit, &kaniko] {
        assert_eq!(pod["serviceAccountName"], "builder");
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "regcred"}]));
        assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/arch": "amd64", "pool": "ci"}));
        assert_eq!(
            pod["containers"][0]["resources"],
            json!({"requests": {"memory": "4Gi"}, "limits": {"memory": "4Gi"}})
        );
    }
    let container = &buildkit["containers"][0];
    assert_eq!(container["image"], "registry.example.com/buildkit@sha256:1");
    assert_eq!(container["securityContext"], json!({"privileged": true, "runAsUser": 0, "runAsGroup": 0}));
    assert_eq!(
        container["args"],
        json!([
            "--addr",
            "unix:///run/buildkit/buildkitd.sock",
            "--config",
            "/etc/hephy-buildkit/buildkitd.toml"
        ])
    );
    assert_eq!(container["env"], json!([{"name": "DOCKER_CONFIG", "value": "/etc/hephy-logins"}]));
    let container = &kaniko["containers"][0];
    assert_eq!(container["image"], "registry.example.com/kaniko@sha256:2");
    assert_eq!(container["args"], json!(["--context=tar://stdin"]));
    assert_eq!((&container["stdin"], &container["stdinOnce"]), (&json!(true), &json!(true)));
    assert_eq!(container["securityContext"], Value::Null);
    assert_eq!(
        container["volumeMounts"],
        json!([{"name": "logins", "mountPath": "/kaniko/.docker", "readOnly": true}])
    );
}

#[test]
fn a_job_is_one_for_the_api_too_and_its_name_fits() {
    for engine in [Engine::Buildkit, Engine::Kaniko] {
        let job = with(&full(), engine, |work| work.job("x", "builds"));
        let read: Job = serde_json::from_value(job.clone()).expect("a Job");
        // Nothing of it is unknown to the API.
        assert_eq!(serde_json::to_value(&read).expect("JSON"), job);
    }
    let long: Name = "a".repeat(63).parse().expect("a name");
    let name = with(&Builder::default(), Engine::Kaniko, |work| {
        Work { component: &long, ..work }.name("0123456789")
    });
    assert_eq!((name.len(), name.ends_with("a-0123456789")), (63, true), "{name}");
}
