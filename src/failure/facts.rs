//! What fails while hephy finds out where it is: configuration, git, inputs.

use super::{Failure, hints};
use crate::config::ConfigError;
use crate::exit::ExitCode;
use crate::git::GitError;
use crate::inputs::InputsError;

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        match error {
            ConfigError::At { excerpt, hint, .. } => Self {
                evidence: excerpt.lines().map(str::to_owned).collect(),
                hints: hint.into_iter().collect(),
                ..failure
            },
            ConfigError::UnknownComponent { hint, .. } => {
                Self { hints: hint.into_iter().collect(), ..failure }
            }
            ConfigError::Unclear { .. } => failure.hint("say it in hephy.yaml, for each of them"),
            ConfigError::Disagree { .. } => failure.hint("say it in one place only, or the same in both"),
            ConfigError::SameName { .. } => failure.hint("name them apart under `components` in hephy.yaml"),
            ConfigError::Name { .. } => failure.hint("name it under `components` in hephy.yaml"),
            ConfigError::OtherName { .. } => failure.hint("rename it, or name it with `--config`"),
            ConfigError::Read { .. } | ConfigError::Walk { .. } => failure,
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        match error {
            GitError::NoRepository { .. } => {
                failure.hint("run `git init`, or name the repository with `--directory`")
            }
            GitError::Empty { .. } => failure.hint("commit something first: what hephy builds is a commit"),
            GitError::Base { source, .. } | GitError::Fetch { source, .. } => {
                failure.words_of(&source).hint("fetch it, or name another with `--base`")
            }
            GitError::OptionLikeBase { .. }
            | GitError::FetchTooSlow { .. }
            | GitError::Unfetchable { .. }
            | GitError::NoMergeBase { .. }
            | GitError::NoAncestor { .. } => failure,
            GitError::Git { source, .. } => hints::of_git(failure.words_of(&source), &source),
            GitError::Output { .. } => Self { code: ExitCode::Unexpected, ..failure },
        }
    }
}

impl From<InputsError> for Failure {
    fn from(error: InputsError) -> Self {
        let failure = Self { hints: hints::of_inputs(&error), ..Self::of(ExitCode::Usage, &error) };
        match error {
            InputsError::Cargo { source, .. } | InputsError::Go { source, .. } => {
                hints::of_exec(failure.words_of(&source), &source)
            }
            InputsError::Packages { source, .. } => {
                failure.words_of(&source).hint("run with `--attest none` for an image without an SBOM")
            }
            _ => failure,
        }
    }
}
