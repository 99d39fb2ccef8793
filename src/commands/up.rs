//! `hephy up`: the whole line.

use super::{Context, hand_over, perform, sentence};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};
use crate::plan::{Action, Plan};
use crate::report::{self, LegSummary, Summary, What};
use std::time::Duration;

/// Runs plan, build, push, deploy and wait; prints `repository@digest` for each component on stdout.
pub(crate) async fn up(context: Context, settings: Settings) -> ExitCode {
    let output = context.github_output.clone();
    perform(context, settings, async |run, summary| {
        let ending = pipeline::up(run, summary).await?;
        super::print_images(summary)?;
        summary.plan.as_ref().map_or(Ok(()), |plan| hand_over(output.as_deref(), plan))?;
        Ok(sentence(&ending))
    })
    .await
}

/// Prints what `up` would do, and touches nothing.
pub(crate) async fn dry_run(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = pipeline::plan(run).await?;
        let steps = pipeline::preview(run, &plan).await?;
        foresee(&plan, summary);
        summary.plan = Some(plan);
        super::print(&super::mask(run).lines(&report::preview_text(&steps)))?;
        Ok("dry run: nothing was touched".to_owned())
    })
    .await
}

fn foresee(plan: &Plan, summary: &mut Summary) {
    for planned in &plan.components {
        for leg in &planned.legs {
            let (what, digest) = match &leg.action {
                Action::Build => (What::WouldBuild, None),
                Action::Reuse(found) => (What::Reused, Some(found.digest.clone())),
                Action::Skip(_) => continue,
            };
            summary.legs.insert(planned.leg(leg), LegSummary { what, digest, duration: Duration::ZERO });
        }
    }
}
