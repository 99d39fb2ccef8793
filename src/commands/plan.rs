//! `hephy plan`: what would be built, and why.

use super::{Context, mask, perform, print};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};
use crate::plan;
use crate::report;

/// The shape of the plan on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Emit {
    /// A table for people
    #[default]
    Text,
    /// A file for `--plan`
    Json,
}

/// Makes the plan and prints it.
pub(crate) async fn plan(context: Context, settings: Settings, emit: Emit) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = pipeline::plan(run).await?;
        match emit {
            Emit::Text => print(&mask(run).lines(&report::plan_text(&plan)))?,
            Emit::Json => print(&plan::to_json(&plan))?,
        }
        summary.plan = Some(plan);
        Ok(String::new())
    })
    .await
}
