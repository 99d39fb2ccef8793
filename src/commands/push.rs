//! `hephy push`: publish what was built.

use super::{Context, hand_over, mask, perform, print, print_images};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};
use crate::report;

/// Pushes the layouts, joins platforms, moves tags; prints `repository@digest` for each component on
/// stdout. Of a selection it only pushes the legs, and prints each of them.
pub(crate) async fn push(context: Context, settings: Settings) -> ExitCode {
    let output = context.github_output.clone();
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.of(pipeline::plan(run).await?)?;
        summary.plan = Some(plan.clone());
        let pushes = pipeline::push(run, &plan, summary).await?;
        if run.settings.selection.is_everything() {
            print_images(summary)?;
            hand_over(run, output.as_deref(), &plan)?;
            return Ok("published".to_owned());
        }
        print(&pushes.legs.iter().map(|(_, image)| format!("{image}\n")).collect::<String>())?;
        Ok("pushed; `hephy push` of the whole plan joins platforms and moves tags".to_owned())
    })
    .await
}

/// Prints what `push` would do and what the images would say about themselves, and touches nothing.
pub(crate) async fn dry_run(context: Context, settings: Settings) -> ExitCode {
    let output = context.github_output.clone();
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.of(pipeline::plan(run).await?)?;
        let steps = report::preview_text(&pipeline::preview_push(run, &plan));
        summary.plan = Some(plan.clone());
        print(&mask(run).lines(&format!("{steps}{}", report::metadata_text(&plan))))?;
        hand_over(run, output.as_deref(), &plan)?;
        Ok("dry run: nothing was touched".to_owned())
    })
    .await
}
