//! What builds in a cluster fail of: who must act, and what helps.

use super::{Failure, hints};
use crate::exit::ExitCode;
use crate::jobs::JobError;

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let failure = Self::of(code(&error), &error);
        match error {
            JobError::Build(error) => error.into(),
            JobError::Registry(error) => error.into(),
            JobError::Download(error) => error.into(),
            JobError::Cluster(error) => {
                let code = hints::code_of_cluster(&error);
                Self { code, ..failure }.hint(match error.status() {
                    Some(403) => {
                        "in the namespace, allow this identity to create, get, list, watch and delete `jobs`, to get, list and watch `pods` and `events`, to get `pods/log`, and to get and create `pods/exec` and `pods/attach`"
                    }
                    Some(404) => "name a namespace that exists: `builder: {namespace: NAME}` in hephy.yaml",
                    _ => "check the kubeconfig and the cluster, or build on this machine: `builder: {in: here}` in hephy.yaml",
                })
            }
            JobError::NoDaemon { last_lines, .. } => Self { evidence: last_lines, ..failure }.hint(
                "if its nodes let nobody but root do this, write `builder: {privileged: true}` in hephy.yaml",
            ),
            error => Self { hints: hint(&error).map(str::to_owned).into_iter().collect(), ..failure },
        }
    }
}

fn code(error: &JobError) -> ExitCode {
    match error {
        JobError::Refused { .. } | JobError::NoDaemon { .. } | JobError::NoProgram { .. } => {
            ExitCode::Cluster
        }
        JobError::NotStarted { .. } | JobError::Lost { .. } | JobError::Connection { .. } => {
            ExitCode::Infrastructure
        }
        JobError::NotPushed { .. } => ExitCode::Registry,
        JobError::Name { .. } | JobError::Write { .. } => ExitCode::Unexpected,
        _ => ExitCode::Build,
    }
}

fn hint(error: &JobError) -> Option<&'static str> {
    Some(match error {
        JobError::Refused { why, .. } | JobError::NotStarted { why, .. } => of_start(why)?,
        JobError::NoProgram { .. } => {
            "name an image that has `buildctl`, `tar` and `cat`: `builder: {buildkit: IMAGE}` in hephy.yaml"
        }
        JobError::OutOfMemory { .. } => "give it more: `builder: {memory: 8Gi}` in hephy.yaml",
        JobError::TooLong { .. } => "give it more time: `builder: {timeout: 1h}` in hephy.yaml",
        JobError::Lost { .. } | JobError::Connection { .. } => "run again",
        _ => return None,
    })
}

/// What helps a pod that does not start.
fn of_start(why: &str) -> Option<&'static str> {
    Some(match why {
        _ if why.contains("violates PodSecurity") => {
            "name a namespace that allows such pods: `builder: {namespace: NAME}`; kaniko asks for fewer rights than BuildKit"
        }
        _ if why.contains("cannot pull image") => {
            "name an image that the nodes can pull: `builder: {buildkit: IMAGE}` or `{kaniko: IMAGE}`, and a login for it with `secret`"
        }
        _ if why.contains("cannot be scheduled") => {
            "no node is free that fits; `builder: {node-selector: {...}, memory: ...}` says which may be taken, also one of another `kubernetes.io/arch` with emulation"
        }
        _ if why.contains("secret") || why.contains("configmap") || why.contains("service account") => {
            "create it in the namespace that builds, or correct `builder` in hephy.yaml"
        }
        _ if why.contains("quota") => "wait for other builds to end, or ask for a larger quota",
        _ => return None,
    })
}
