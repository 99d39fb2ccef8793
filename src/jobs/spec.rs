//! The Job that builds a leg, as data: an order comes in, an object for the cluster goes out. Pure.

use crate::component::Name;
use crate::config::Builder;
use crate::image::Tag;
use crate::platform::Platform;
use serde_json::{Map, Value, json};

/// Who builds in the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Buildkit,
    Kaniko,
}

/// A leg to build, as its Job needs to know it.
#[derive(Clone, Debug)]
pub(crate) struct Work<'a> {
    pub(crate) builder: &'a Builder,
    pub(crate) engine: Engine,
    pub(crate) component: &'a Name,
    pub(crate) platform: &'a Platform,
    pub(crate) key: &'a Tag,
    /// What the Jobs of this run have in common.
    pub(crate) run: &'a str,
    /// What kaniko is told; BuildKit is told later.
    pub(crate) arguments: Vec<String>,
}

/// The names of the container and of what is mounted.
pub(super) const CONTAINER: &str = "builder";
/// The folder that the files go to.
pub(super) const PLACE: &str = "/hephy";
const LOGINS: &str = "/etc/hephy-logins";
const CONFIGURATION: &str = "/etc/hephy-buildkit";
/// The channel that BuildKit's makers keep stable, with and without rights of root.
const BUILDKIT: &str = "docker.io/moby/buildkit:buildx-stable-1";
/// The end of the names that a dry run shows.
pub(super) const FORESEEN: &str = "dry-run";
/// How long an ended Job may still be looked at, in seconds, where hephy could not delete it.
const KEPT: u64 = 600;
/// A name of a Job is a label of its pod, and may be no longer than one.
const LONGEST_NAME: usize = 63;

impl Engine {
    /// How messages call it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Buildkit => "BuildKit",
            Self::Kaniko => "kaniko",
        }
    }
}

impl Work<'_> {
    /// The name of the Job with this ending.
    pub(super) fn name(&self, suffix: &str) -> String {
        let front = format!("hephy-{}-{}", self.component, self.platform.dashed());
        let front: String = front.chars().take(LONGEST_NAME - 1 - suffix.len()).collect();
        format!("{}-{suffix}", front.trim_end_matches('-'))
    }

    /// The address of the daemon in the pod.
    pub(super) fn address(&self) -> &'static str {
        match self.builder.is_privileged {
            true => "unix:///run/buildkit/buildkitd.sock",
            false => "unix:///run/user/1000/buildkit/buildkitd.sock",
        }
    }

    /// The image of the pod. kaniko has no default: nobody asks for it without naming one.
    fn image(&self) -> String {
        let Builder { buildkit, kaniko, is_privileged, .. } = self.builder;
        match (self.engine, buildkit) {
            (Engine::Kaniko, _) => kaniko.clone().unwrap_or_default(),
            (Engine::Buildkit, Some(image)) => image.clone(),
            (Engine::Buildkit, None) if *is_privileged => BUILDKIT.to_owned(),
            (Engine::Buildkit, None) => format!("{BUILDKIT}-rootless"),
        }
    }

    /// The whole Job, called `name`.
    pub(super) fn job(&self, name: &str, namespace: &str) -> Value {
        let labels = json!({
            "app.kubernetes.io/managed-by": "hephy",
            "hephy.dev/run": self.run,
            "hephy.dev/component": self.component.as_str(),
            "hephy.dev/platform": self.platform.dashed(),
        });
        // A build that is moved to another node begins anew, so nobody should move it.
        let annotations = json!({
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "karpenter.sh/do-not-disrupt": "true",
        });
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": labels,
                "annotations": {"hephy.dev/key": self.key.as_str()},
            },
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": self.builder.timeout.as_secs(),
                "ttlSecondsAfterFinished": KEPT,
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": self.pod(),
                },
            },
        })
    }

    fn pod(&self) -> Value {
        let builder = self.builder;
        let mut nodes = Map::new();
        nodes.insert("kubernetes.io/arch".to_owned(), self.platform.architecture.as_str().into());
        nodes.extend(builder.node_selector.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
        let (mounts, volumes): (Vec<Value>, Vec<Value>) = self.volumes().into_iter().unzip();
        let mut container = match self.engine {
            Engine::Buildkit => self.daemon(),
            Engine::Kaniko => self.executor(),
        };
        container.extend([
            ("name".to_owned(), CONTAINER.into()),
            ("image".to_owned(), self.image().into()),
            ("volumeMounts".to_owned(), mounts.into()),
        ]);
        if let Some(memory) = &builder.memory {
            let resources = json!({"requests": {"memory": memory}, "limits": {"memory": memory}});
            container.insert("resources".to_owned(), resources);
        }
        let mut pod = json!({
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 5,
            "nodeSelector": nodes,
            "containers": [container],
            "volumes": volumes,
        });
        if let Some(account) = &builder.service_account {
            pod["serviceAccountName"] = account.as_str().into();
        }
        if let Some(secret) = &builder.secret {
            pod["imagePullSecrets"] = json!([{"name": secret}]);
        }
        pod
    }

    /// BuildKit's daemon, which waits for its client. As `examples/kubernetes` of its repository has it; the program is the
    /// one that the image starts.
    fn daemon(&self) -> Map<String, Value> {
        let mut arguments = vec!["--addr", self.address()];
        if !self.builder.is_privileged {
            arguments.push("--oci-worker-no-process-sandbox");
        }
        let file = format!("{CONFIGURATION}/buildkitd.toml");
        if self.builder.config_map.is_some() {
            arguments.extend(["--config", &file]);
        }
        let rights = match self.builder.is_privileged {
            true => json!({"privileged": true, "runAsUser": 0, "runAsGroup": 0}),
            false => json!({
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "seccompProfile": {"type": "Unconfined"},
                "appArmorProfile": {"type": "Unconfined"},
            }),
        };
        let ask = ["buildctl", "--addr", self.address(), "debug", "workers"];
        let mut container = object(json!({
            "args": arguments,
            "securityContext": rights,
            "startupProbe": {"exec": {"command": ask}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 120},
        }));
        if self.builder.secret.is_some() {
            container.insert("env".to_owned(), json!([{"name": "DOCKER_CONFIG", "value": LOGINS}]));
        }
        container
    }

    /// kaniko's executor, which reads the files from its stdin, once, and says its digest as it ends.
    fn executor(&self) -> Map<String, Value> {
        object(json!({"args": self.arguments, "stdin": true, "stdinOnce": true}))
    }

    /// What is mounted where: pairs of the mount and its volume.
    fn volumes(&self) -> Vec<(Value, Value)> {
        let builder = self.builder;
        let folder = |name: &str, path: &str| {
            (json!({"name": name, "mountPath": path}), json!({"name": name, "emptyDir": {}}))
        };
        let mut volumes = vec![];
        if self.engine == Engine::Buildkit {
            let state = match builder.is_privileged {
                true => "/var/lib/buildkit",
                false => "/home/user/.local/share/buildkit",
            };
            volumes.extend([folder("state", state), folder("files", PLACE)]);
            volumes.extend(builder.config_map.as_ref().map(|name| {
                let mount = json!({"name": "configuration", "mountPath": CONFIGURATION, "readOnly": true});
                (mount, json!({"name": "configuration", "configMap": {"name": name}}))
            }));
        }
        let logins = if self.engine == Engine::Kaniko { "/kaniko/.docker" } else { LOGINS };
        volumes.extend(builder.secret.as_ref().map(|name| {
            let items = json!([{"key": ".dockerconfigjson", "path": "config.json"}]);
            let mount = json!({"name": "logins", "mountPath": logins, "readOnly": true});
            (mount, json!({"name": "logins", "secret": {"secretName": name, "items": items}}))
        }));
        volumes
    }
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(object) = value { object } else { Map::new() }
}

/// The Jobs as YAML, for people and for `kubectl create --filename`. They differ from those of a run in the end of their
/// names.
pub(crate) fn yaml(works: &[Work<'_>], namespace: Option<&str>) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let documents = works.iter().map(|work| {
        let mut job = work.job(&work.name(FORESEEN), namespace.unwrap_or_default());
        if let (None, Some(metadata)) = (namespace, job["metadata"].as_object_mut()) {
            metadata.remove("namespace");
        }
        Ok(format!("---\n{}", serde_saphyr::to_string_with_options(&job, options.clone())?))
    });
    documents.collect()
}
