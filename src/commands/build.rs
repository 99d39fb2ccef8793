//! `hephy build`: build the legs and leave layouts.

use super::{Context, perform};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};

/// Builds what the plan says. The layouts wait under `.hephy/build` for `hephy push`.
pub(crate) async fn build(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.of(pipeline::plan(run).await?)?;
        pipeline::announce(run, &plan);
        summary.plan = Some(plan.clone());
        pipeline::build(run, &plan, summary).await?;
        Ok("built; `hephy push` with the same plan publishes it".to_owned())
    })
    .await
}
