//! A Dockerfile, built by the engine that was chosen, and what all engines have in common.

use super::engine::{Chosen, Engine};
use super::{BuildError, Order, buildah, buildkit};
use crate::ci;
use crate::component::Backend;
use crate::event::{Events, Progress, Stage};
use crate::image::Image;
use crate::inputs::{self, Reading};
use crate::layout::Descriptor;
use crate::platform::Platform;
use tokio_util::sync::CancellationToken;

/// Builds `order` with its engine and says which one that is.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let Some(Chosen { engine, reason }) = order.engine else {
        let tried = vec!["none was asked".to_owned()];
        return Err(BuildError::NoEngine { backend: Backend::Dockerfile, tried });
    };
    events.step(Stage::Build, order.subject(), Progress::Doing, format!("by {engine}: {reason}"));
    let name = inputs::dockerfile_name(order.root, order.component).unwrap_or_default();
    let text = std::fs::read_to_string(order.folder().join(name)).unwrap_or_default();
    if is_emulated(&text, order.platform, &ci::host_platform()) {
        events.warn(format!(
            "build {}: its `RUN` lines are for another processor, so they are emulated, or fail where nothing emulates \
             it; `--platform=$BUILDPLATFORM` in `FROM`, or a runner of that platform, is faster",
            order.subject()
        ));
    }
    match engine {
        Engine::Buildctl | Engine::Buildx => buildkit::build(events, cancel, *engine, order).await,
        Engine::Buildah => buildah::build(events, cancel, order).await,
    }
}

/// Whether lines run on a processor that this machine may not have. An engine may have others, and it does not say which
/// of them are real.
fn is_emulated(dockerfile: &str, platform: &Platform, host: &Platform) -> bool {
    let runs =
        |line: &str| line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("run"));
    platform.architecture != host.architecture
        && dockerfile.lines().any(runs)
        && !dockerfile.contains("BUILDPLATFORM")
}

/// The base images of which the plan knows what they are, by the names that the Dockerfile gives them. The input digest
/// has the digest of each, so the build must use that very image. A stage of the same name would be hidden by it.
pub(super) fn pinned<'a>(
    order: &'a Order<'_>,
    reading: &'a Reading,
) -> impl Iterator<Item = (&'a String, &'a Image)> {
    let names = reading.images.keys().filter(|name| is_pinned(reading, name));
    names.filter_map(|name| Some((name, order.base_images.get(name)?)))
}

pub(super) fn is_pinned(reading: &Reading, name: &str) -> bool {
    !reading.stages.contains(&name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_another_processor_are_noticed() {
        let (amd, arm) = (Platform::new("linux", "amd64"), Platform::new("linux", "arm64"));
        for (text, platform, expected) in [
            ("FROM a\nrun make\n", &arm, true),
            ("FROM a\nRUN make\n", &amd, false),
            ("FROM a\nCOPY run /\nRUNNER x\n", &arm, false),
            ("FROM --platform=$BUILDPLATFORM a\nRUN make\n", &arm, false),
        ] {
            assert_eq!(is_emulated(text, platform, &amd), expected, "{text}");
        }
    }
}
