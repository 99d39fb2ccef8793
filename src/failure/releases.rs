//! What fails between the manifests and the verdict: the release, the cluster, the deploy, the watches.

use super::{Failure, hints};
use crate::cluster::ClusterError;
use crate::deploy::DeployError;
use crate::exit::ExitCode;
use crate::health::HealthError;
use crate::release::ReleaseError;

impl From<ReleaseError> for Failure {
    fn from(error: ReleaseError) -> Self {
        Self { hints: hints::of_release(&error), ..Self::of(ExitCode::Usage, &error) }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self { hints: hints::of_cluster(&error), ..Self::of(hints::code_of_cluster(&error), &error) }
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        let failure = Self::of(ExitCode::Cluster, &error);
        match error {
            DeployError::MissingNamespace { .. } => {
                failure.hint("create it, or run with `--create-namespace`")
            }
            DeployError::Conflict { .. } => {
                failure.hint("run with `--take-ownership`, or remove the field from the manifest")
            }
            DeployError::UnknownKind { .. } => {
                failure.hint("install what defines it (a CRD) before this release")
            }
            DeployError::Apply { source, .. } | DeployError::Prepare { source } => {
                Self { code: hints::code_of_cluster(&source), hints: hints::of_cluster(&source), ..failure }
            }
        }
    }
}

impl From<HealthError> for Failure {
    fn from(error: HealthError) -> Self {
        let failure = Self::of(ExitCode::Cluster, &error);
        match error {
            HealthError::Watch { source, .. } | HealthError::Find { source, .. } => {
                Self { code: hints::code_of_cluster(&source), hints: hints::of_cluster(&source), ..failure }
            }
            HealthError::Look { source } => Self::from(*source),
            HealthError::Read { .. } => failure,
            HealthError::Missing { .. } => failure.hint("run `hephy deploy` with the same plan first"),
            HealthError::OtherImage { .. } | HealthError::OtherSpec { .. } => {
                Self { code: ExitCode::Superseded, ..failure }.hint(
                    "another release was deployed since, or this one was not deployed: run `hephy deploy`",
                )
            }
        }
    }
}
