//! `hephy wait`: prove that a release is live and healthy.

use super::{Context, perform, sentence};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};

/// Waits for the plan's images, which another process has deployed.
pub(crate) async fn wait(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = pipeline::plan(run).await?;
        summary.plan = Some(plan.clone());
        let ending = pipeline::wait(run, &plan, summary).await?;
        Ok(sentence(&ending))
    })
    .await
}
