//! `hephy push`: publish what was built.

use super::{Context, perform, print_images};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};

/// Pushes the layouts, joins platforms, moves tags; prints `repository@digest` for each component on stdout.
pub(crate) async fn push(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = pipeline::plan(run).await?;
        summary.plan = Some(plan.clone());
        pipeline::push(run, &plan, summary).await?;
        print_images(summary)?;
        Ok("published".to_owned())
    })
    .await
}
