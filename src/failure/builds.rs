//! What builds on this machine fail of, and the documents that go with an image.

use super::{Failure, hints};
use crate::attestation::SbomError;
use crate::backends::BuildError;
use crate::exit::ExitCode;

impl From<SbomError> for Failure {
    fn from(error: SbomError) -> Self {
        let code = if matches!(error, SbomError::Silent) { ExitCode::Build } else { ExitCode::Usage };
        Self::of(code, &error).hint(hints::of_sbom(&error))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let failure = Self::of(ExitCode::Build, &error);
        match error {
            BuildError::Inputs(error) => error.into(),
            BuildError::Exec(source) => hints::of_exec(failure.words_of(&source), &source),
            BuildError::Unwell { source } => Self { code: ExitCode::Infrastructure, ..failure }
                .words_of(&source)
                .hint("run again later; what the daemon wrote into its own log says more"),
            error => Self { hints: hints::of_build(&error), ..failure },
        }
    }
}
