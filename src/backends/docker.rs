//! The `docker` engine: a daemon of Docker, asked for its classic builder, and its image taken out as an archive. For
//! daemons whose builders cannot leave a layout, or that have none.

use super::context::{DOCKERFILE, Staged, stage};
use super::dockerfile::pinned;
use super::{BuildError, Order};
use crate::event::Events;
use crate::exec::{self, Program};
use crate::image::Digest;
use crate::inputs::{self, Reading};
use crate::layout::{self, Descriptor, Layout};
use std::collections::BTreeSet;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// The argument with the time of the commit, for a Dockerfile that asks for it.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Builds the image, and takes it as a layout. It gets no name in the daemon; what stays there is the builder's cache.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let staged = stage(order)?;
    let subject = order.subject();
    let reading = inputs::dockerfile_reading(order.root, order.component, order.platform);
    let dockerfile = prepare(order, &reading, &staged)?;
    let on_stdout = |line: &str| events.output(subject.as_str(), line);
    let id_file = staged.beside().join("id");
    let command = build_command(order, &staged, &id_file, dockerfile.contains(EPOCH));
    exec::stream(events, cancel, &subject, &command, on_stdout).await?;
    let id = std::fs::read_to_string(&id_file)
        .map_err(|source| BuildError::Read { path: id_file.clone(), source })?;
    let base = layers_of_base(order, &reading).await?;
    let archive = staged.beside().join("image.tar");
    let save = docker(order).args(["image", "save", "--output"]).arg(&archive).arg(id.trim());
    exec::stream(events, cancel, &subject, &save, on_stdout).await?;
    taken(order, archive, base).await
}

/// Docker's client, which must not build with BuildKit, whatever the settings of this machine say: a builder of its own
/// has its own name among the engines.
fn docker(order: &Order<'_>) -> Program {
    Program::new("docker", order.root).env("DOCKER_BUILDKIT", "0").env_remove("DOCKER_DEFAULT_PLATFORM")
}

/// Writes the images that the plan saw into the copied Dockerfile, and returns that. The client reads only
/// `.dockerignore`, whichever file it is that counts, and adds a random name to it (for a Dockerfile that lies elsewhere),
/// so that file must not get into the image.
fn prepare(order: &Order<'_>, reading: &Reading, staged: &Staged) -> Result<String, BuildError> {
    let text = staged.pin(order, reading)?;
    let path = staged.beside().join(format!("{DOCKERFILE}.dockerignore"));
    let fault = |source| BuildError::Prepare { path: path.clone(), source };
    let mut ignore = std::fs::read(&path).map_err(fault)?;
    ignore.extend(b"\n.dockerignore\n");
    std::fs::write(staged.context().join(".dockerignore"), ignore).map_err(fault)?;
    Ok(text)
}

fn build_command(order: &Order<'_>, staged: &Staged, id_file: &Path, takes_epoch: bool) -> Program {
    let mut program = docker(order)
        .args(["build", "--force-rm", "--iidfile"])
        .arg(id_file)
        .arg("--file")
        .arg(staged.beside().join(DOCKERFILE));
    if takes_epoch {
        program = program.args(["--build-arg", &format!("{EPOCH}={}", order.epoch)]);
    }
    for (key, value) in &order.component.recipe.build_args {
        program = program.args(["--build-arg", &format!("{key}={value}")]);
    }
    if let Some(stage) = &order.component.recipe.target {
        program = program.args(["--target", stage]);
    }
    program.arg(staged.context())
}

/// The layers of the image at the bottom of the last stage, by the digests of their tars. They are somebody else's.
async fn layers_of_base(order: &Order<'_>, reading: &Reading) -> Result<BTreeSet<Digest>, BuildError> {
    let Some(name) = &reading.base else { return Ok(BTreeSet::new()) };
    let image = pinned(order, reading).find(|(pinned, _)| *pinned == name);
    let image = image.map_or_else(|| name.clone(), |(_, image)| image.to_string());
    let inspect = docker(order).args(["image", "inspect", "--format", "{{json .RootFS.Layers}}", &image]);
    let output = exec::capture(&inspect).await?;
    let layers: Option<Vec<String>> = serde_json::from_slice(&output).unwrap_or_default();
    Ok(layers.into_iter().flatten().filter_map(|layer| layer.parse().ok()).collect())
}

/// The image of the archive, called by the key of the leg. Compressing it takes long, and other legs go on meanwhile.
async fn taken(
    order: &Order<'_>,
    archive: std::path::PathBuf,
    base: BTreeSet<Digest>,
) -> Result<Descriptor, BuildError> {
    let layout = Layout::create(order.out)?;
    let (place, epoch) = (layout.clone(), order.epoch);
    let take = move || layout::take(&place, &layout::Archive { file: &archive, epoch, base: &base });
    let work = tokio::task::spawn_blocking(take).await;
    let taken = work.map_err(|_| BuildError::NoImage { tool: "docker" })??;
    let (os, architecture) = &taken.platform;
    if (os, architecture) != (&order.platform.os, &order.platform.architecture) {
        let found = format!("{os}/{architecture}");
        return Err(BuildError::OtherPlatform { found, platform: order.platform.clone() });
    }
    Ok(order.finish(&layout, taken.manifest)?)
}
