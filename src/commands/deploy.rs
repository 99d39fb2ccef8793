//! `hephy deploy`: hand a release to the cluster.

use super::{Context, perform, sentence};
use crate::exit::ExitCode;
use crate::pipeline::{self, Settings};

/// Applies the manifests, pinned to the plan's images. Does not wait for them.
pub(crate) async fn deploy(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = pipeline::plan(run).await?;
        summary.plan = Some(plan.clone());
        let ending = pipeline::deploy(run, &plan, summary).await?;
        Ok(sentence(&ending))
    })
    .await
}
