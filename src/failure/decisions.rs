//! What fails while hephy decides: the backend, the tags, the plan and which part of it, the gate.

use super::Failure;
use crate::backends::ChooseError;
use crate::exit::ExitCode;
use crate::metadata::RuleError;
use crate::plan::{GateError, PlanError, SelectError};

impl From<ChooseError> for Failure {
    fn from(error: ChooseError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        match error {
            ChooseError::Several { first: (first, _), second: (second, _), .. } => {
                failure.hint(format!("say which: `backend: {first}` or `backend: {second}` in hephy.yaml"))
            }
            ChooseError::Two { component, first: (first, _), second: (second, _) } => failure.hint(format!(
                "list both in hephy.yaml with this `path`: `{component}: {{backend: {second}}}`, and one of another name \
                 with `backend: {first}`"
            )),
            ChooseError::Unclear { names, .. } => failure.hint(format!(
                "name it in hephy.yaml: `dockerfile: {}`",
                names.first().map_or("NAME", String::as_str)
            )),
            ChooseError::Unsupported { .. } => {
                failure.hint("add a Dockerfile, or name a `backend` or `prebuilt` programs in hephy.yaml")
            }
            ChooseError::None { .. } => failure.hint(
                "add a Dockerfile, a Cargo.toml or a Go program, or name `prebuilt` programs in hephy.yaml",
            ),
        }
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self::of(ExitCode::Usage, &error).hint("docs/tags.md has every rule and expression")
    }
}

impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error).during("read `--results`");
        match error {
            GateError::UnknownJob { .. } => failure.hint("`--may-skip` names jobs that the gate `needs`"),
            GateError::Json(_) | GateError::NoJob => {
                failure.hint("write `HEPHY_RESULTS: ${{ toJSON(needs) }}`")
            }
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::of(ExitCode::Usage, &error).hint("write a new one with `hephy plan --emit json`")
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        let (SelectError::Component { known, .. }
        | SelectError::Leg { known, .. }
        | SelectError::Nothing { known }) = error;
        if known.is_empty() { failure } else { failure.hint(format!("the plan has {}", known.join(", "))) }
    }
}
