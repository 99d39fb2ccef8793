//! `hephy up`: the whole line.

use super::{Context, foresee, hand_over, perform, print_preview, sentence};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};

/// Runs plan, build, push, deploy and wait; prints `repository@digest` for each component on stdout.
pub(crate) async fn up(context: Context, settings: Settings) -> ExitCode {
    let output = context.github_output.clone();
    perform(context, settings, async |run, summary| {
        let ending = pipeline::up(run, summary).await?;
        super::print_images(summary)?;
        summary.plan.as_ref().map_or(Ok(()), |plan| hand_over(run, output.as_deref(), plan))?;
        Ok(sentence(&ending))
    })
    .await
}

/// Prints what `up` would do, and touches nothing.
pub(crate) async fn dry_run(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = pipeline::plan(run).await?;
        let steps = pipeline::preview(run, &plan).await?;
        print_preview(run, &plan, &steps)?;
        foresee(&plan, summary);
        summary.plan = Some(plan);
        Ok("dry run: nothing was touched".to_owned())
    })
    .await
}
