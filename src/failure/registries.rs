//! What fails where images are kept: a registry, or a layout folder.

use super::{Failure, hints};
use crate::exit::ExitCode;
use crate::registry::{DownloadError, RegistryError};
use crate::store::StoreError;
use std::error::Error;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::of(ExitCode::Registry, &error);
        match error {
            StoreError::Registry(error) => error.into(),
            StoreError::Download(error) => error.into(),
            StoreError::NotBuilt { .. } => Self { code: ExitCode::Usage, ..failure }
                .hint("run `hephy build` and `hephy push` with the same plan first"),
            StoreError::Layout(_)
            | StoreError::Image(_)
            | StoreError::Manifest { .. }
            | StoreError::Index { .. } => failure,
        }
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Registry(error) => error.into(),
            DownloadError::Layout(error) => StoreError::from(error).into(),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let code = match error {
            RegistryError::Unreachable { .. }
            | RegistryError::Silent { .. }
            | RegistryError::Unwell { .. }
            | RegistryError::Unreadable { .. } => ExitCode::Infrastructure,
            RegistryError::NoHost { .. } | RegistryError::Certificates { .. } => ExitCode::Usage,
            _ => ExitCode::Registry,
        };
        let failure = Self { hints: hints::of_registry(&error), ..Self::of(code, &error) };
        match &error {
            // The layers in between say "client error (Connect)" and the like, which helps nobody.
            RegistryError::Unreachable { source, .. } | RegistryError::Untrusted { source, .. } => {
                Self { headline: format!("{error}: {}", innermost(source)), ..failure }
            }
            _ => failure,
        }
    }
}

/// The cause that all others only pass on.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
