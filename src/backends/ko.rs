//! The `ko` backend: a Go program on a base image, without a Dockerfile and without a daemon.

use super::tool::Tool;
use super::{BuildError, Order};
use crate::event::Events;
use crate::exec;
use crate::inputs;
use crate::layout::{Descriptor, Layout};
use std::io::Write as _;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

pub(super) const TOOLS: [Tool; 2] = [
    // The first that takes `--oci-layout-path` and `--sbom=none` and knows all templates (ko's release notes).
    Tool { program: "ko", ask: &["version"], least: "0.15" },
    Tool { program: "go", ask: &["version"], least: "1.21" },
];

/// Builds the program for the platform on the base image that the plan saw.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let program = inputs::go_program(order.root, order.component)?;
    let named = &program.settings.base;
    let base = order.base_images.get(named).map_or_else(|| named.clone(), ToString::to_string);
    // Beside the layout: hephy's own folder is known to be writable.
    let beside = order.out.parent().unwrap_or(order.root);
    let fault = |source| BuildError::Prepare { path: beside.to_owned(), source };
    let mut settings = tempfile::Builder::new().suffix(".yaml").tempfile_in(beside).map_err(fault)?;
    settings.write_all(program.settings.text(&base).as_bytes()).map_err(fault)?;
    let command = program
        .place
        .program("ko")
        .args(["build", "--bare", "--push=false", "--sbom=none", "--platform", &order.platform.to_string()])
        .arg("--oci-layout-path")
        .arg(from_folder(order, &program.folder))
        .arg(".")
        .env("KO_CONFIG_PATH", settings.path())
        // Nothing is pushed, and still ko wants a name.
        .env("KO_DOCKER_REPO", "localhost/hephy")
        .env("SOURCE_DATE_EPOCH", order.epoch.to_string());
    let command = order.foreign.iter().fold(command, exec::Program::env_remove);
    let subject = order.subject();
    exec::stream(events, cancel, &subject, &command, |line| events.output(subject.as_str(), line)).await?;
    let layout = Layout::at(order.out);
    let manifest = layout.only()?.ok_or(BuildError::NoImage { tool: "ko" })?;
    Ok(order.finish(&layout, manifest)?)
}

/// The folder of the layout, seen from the program's. ko takes it for a part of an image name, in which there are no
/// upper-case letters and no spaces; those may stand above the repository, and not in hephy's own folder.
fn from_folder(order: &Order<'_>, folder: &str) -> PathBuf {
    let up = folder.split('/').filter(|part| !part.is_empty()).map(|_| "..");
    let below = order.out.strip_prefix(order.root).unwrap_or(order.out);
    up.collect::<PathBuf>().join(below)
}
