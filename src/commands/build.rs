//! `hephy build`: build the legs and leave layouts.

use super::{Context, foresee, perform, print_preview};
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

/// Prints what `build` would do, and touches nothing.
pub(crate) async fn dry_run(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.of(pipeline::plan(run).await?)?;
        print_preview(run, &plan, &pipeline::preview_build(&plan))?;
        foresee(&plan, summary);
        summary.plan = Some(plan);
        Ok("dry run: nothing was touched".to_owned())
    })
    .await
}
