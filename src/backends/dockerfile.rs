//! A Dockerfile, built by the engine that was chosen, and what all engines have in common.

use super::engine::{Chosen, Engine};
use super::{BuildError, Order, buildah, buildkit, docker};
use crate::ci;
use crate::component::Backend;
use crate::event::{Events, Progress, Stage};
use crate::image::Image;
use crate::inputs::{self, Reading};
use crate::layout::Descriptor;
use tokio_util::sync::CancellationToken;

/// Builds `order` with its engine and says which one that is.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let Some(Chosen { engine, reason }) = order.engine else {
        let tried = vec!["none was asked".to_owned()];
        return Err(BuildError::NoEngine { backend: Backend::Dockerfile, tried, lacking: None });
    };
    events.step(Stage::Build, order.subject(), Progress::Doing, format!("by {engine}: {reason}"));
    let runs = inputs::dockerfile_reading(order.root, order.component, order.platform).runs;
    // An engine may have machines of others, and it does not say which of them are real.
    if runs && order.platform.architecture != ci::host_platform().architecture {
        events.warn(format!(
            "build {}: its `RUN` lines are for another processor than this machine's, so they are probably emulated; \
             `--platform=$BUILDPLATFORM` in `FROM`, or a runner of that platform, is faster",
            order.subject()
        ));
    }
    match engine {
        Engine::Buildctl | Engine::Buildx => buildkit::build(events, cancel, *engine, order).await,
        Engine::Buildah => buildah::build(events, cancel, order).await,
        Engine::Docker => docker::build(events, cancel, order).await,
    }
}

/// The base images of which the plan knows what they are, by the names that the Dockerfile gives them. The input digest
/// has the digest of each, so the build must use that very image. A stage of the same name would be hidden by it.
pub(super) fn pinned<'a>(
    order: &'a Order<'_>,
    reading: &'a Reading,
) -> impl Iterator<Item = (&'a String, &'a Image)> {
    let names = reading.images.keys().filter(|name| !reading.is_stage(name));
    names.filter_map(|name| Some((name, order.base_images.get(name)?)))
}
