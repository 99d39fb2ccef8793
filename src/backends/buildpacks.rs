//! The `buildpacks` backend: `pack`, which leaves an OCI layout (pack, "Export to OCI layout format"; experimental there).

use super::tool::{self, Tool};
use super::{BuildError, Order};
use crate::component::Component;
use crate::event::Events;
use crate::exec::{self, Program};
use crate::inputs;
use crate::layout::{Descriptor, Layout};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

const TOOLS: [Tool; 1] = [
    // The first that can leave a layout (pack's release notes).
    Tool { program: "pack", ask: &["version"], least: "0.29" },
];

/// Refuses a component without a builder: the one that somebody has chosen on his machine is no input.
pub(super) async fn ensure_possible(root: &Path, component: &Component) -> Result<(), BuildError> {
    builder(root, component)?;
    tool::ensure(&TOOLS, root).await
}

fn builder(root: &Path, component: &Component) -> Result<String, BuildError> {
    inputs::project(root, component)?.builder.ok_or(BuildError::NoBuilder)
}

/// Builds the image on the builder that the plan saw.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let named = builder(order.root, order.component)?;
    let builder = order.base_images.get(&named).map_or_else(|| named.clone(), ToString::to_string);
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Prepare { path, source }
    };
    // Beside the layout: hephy's own folder is known to be writable, and on the same file system.
    let beside = order.out.parent().unwrap_or(order.root);
    let work = tempfile::tempdir_in(beside).map_err(fault(beside))?;
    let home = work.path().join("home");
    // pack's own settings of this machine are no input either, and layouts are still an experiment to it.
    let settings = home.join("config.toml");
    std::fs::create_dir_all(&home).map_err(fault(&home))?;
    std::fs::write(&settings, "experimental = true\n").map_err(fault(&settings))?;
    let subject = order.subject();
    let command = command(order, &builder, work.path()).env("PACK_HOME", &home);
    exec::stream(events, cancel, &subject, &command, |line| events.output(subject.as_str(), line)).await?;
    let made = find(&work.path().join("image")).ok_or(BuildError::NoImage { tool: "pack" })?;
    let moved = std::fs::remove_dir_all(order.out).and_then(|()| std::fs::rename(made, order.out));
    moved.map_err(fault(order.out))?;
    let layout = Layout::at(order.out);
    let manifest = layout.only()?.ok_or(BuildError::NoImage { tool: "pack" })?;
    Ok(order.finish(&layout, manifest)?)
}

fn command(order: &Order<'_>, builder: &str, directory: &Path) -> Program {
    let program = Program::new("pack", directory)
        .args(["build", "oci:image", "--builder", builder, "--platform", &order.platform.to_string()])
        .args(["--creation-time", &order.epoch.to_string(), "--path"])
        .arg(order.folder());
    let variables = &order.component.recipe.build_args;
    variables
        .iter()
        .fold(program, |program, (name, value)| program.args(["--env", &format!("{name}={value}")]))
}

/// The layout at `folder` or below it: pack adds the tag as a folder.
fn find(folder: &Path) -> Option<PathBuf> {
    if folder.join("index.json").is_file() {
        return Some(folder.to_owned());
    }
    let folders = folder.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.filter(|path| path.is_dir()).find_map(|path| find(&path))
}
