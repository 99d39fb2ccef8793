//! `hephy push`: publish what was built.

use super::{Context, perform, print, print_images};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};

/// Pushes the layouts, joins platforms, moves tags; prints `repository@digest` for each component on
/// stdout. Of a selection it only pushes the legs, and prints each of them.
pub(crate) async fn push(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.of(pipeline::plan(run).await?)?;
        summary.plan = Some(plan.clone());
        let pushes = pipeline::push(run, &plan, summary).await?;
        if run.settings.selection.is_everything() {
            print_images(summary)?;
            return Ok("published".to_owned());
        }
        print(&pushes.legs.iter().map(|(_, image)| format!("{image}\n")).collect::<String>())?;
        Ok("pushed; `hephy push` of the whole plan joins platforms and moves tags".to_owned())
    })
    .await
}
