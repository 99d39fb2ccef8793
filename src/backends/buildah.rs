//! The `buildah` backend: a Dockerfile, built without a daemon.

use super::{BuildError, Order};
use crate::event::Events;
use crate::exec::{self, Program};
use crate::layout::{Descriptor, Layout};
use std::ffi::OsString;
use tokio_util::sync::CancellationToken;

/// Builds the image and exports it as a layout.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    // Beside the layout: hephy's own folder is known to be writable.
    let beside = order.out.parent().unwrap_or(order.root);
    let image_id = tempfile::NamedTempFile::new_in(beside)
        .map_err(|source| BuildError::Prepare { path: beside.to_owned(), source })?;
    let subject = order.subject();
    let on_stdout = |line: &str| events.output(subject.as_str(), line);
    exec::stream(events, cancel, &subject, &build_command(order, image_id.path()), on_stdout).await?;
    let id = std::fs::read_to_string(image_id.path())
        .map_err(|source| BuildError::Prepare { path: image_id.path().to_owned(), source })?;
    let mut place = OsString::from("oci:");
    place.push(order.out);
    place.push(format!(":{}", order.key));
    let export = Program::new("buildah", &order.folder()).args(["push", "--quiet", id.trim()]).arg(place);
    exec::stream(events, cancel, &subject, &export, on_stdout).await?;
    let layout = Layout::at(order.out);
    layout.reference(order.key.as_str())?.ok_or(BuildError::NoImage { tool: "buildah" })
}

/// `--timestamp` and `--identity-label=false` keep the time of the build and the tool's version out of the image.
fn build_command(order: &Order<'_>, image_id: &std::path::Path) -> Program {
    let folder = order.folder();
    let mut program = Program::new("buildah", &folder)
        .args(["build", "--platform", &order.platform.to_string(), "--identity-label=false"])
        .args(["--timestamp", &order.epoch.to_string(), "--isolation", "chroot", "--iidfile"])
        .arg(image_id);
    if let Some(dockerfile) = &order.component.recipe.dockerfile {
        program = program.arg("--file").arg(folder.join(dockerfile));
    }
    for (key, value) in &order.component.recipe.build_args {
        program = program.args(["--build-arg", &format!("{key}={value}")]);
    }
    program.arg(&folder)
}
