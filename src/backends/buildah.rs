//! The `buildah` backend: a Dockerfile, built without a daemon.

use super::{BuildError, Order};
use crate::event::Events;
use crate::exec::{self, Program};
use crate::inputs::{self, Reading};
use crate::layout::{Descriptor, Layout};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

/// Builds the image and exports it as a layout.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    // Beside the layout: hephy's own folder is known to be writable.
    let beside = order.out.parent().unwrap_or(order.root);
    let image_id = NamedTempFile::new_in(beside)
        .map_err(|source| BuildError::Prepare { path: beside.to_owned(), source })?;
    let subject = order.subject();
    let on_stdout = |line: &str| events.output(subject.as_str(), line);
    let reading = inputs::dockerfile_reading(order.root, order.component, order.platform);
    let ignore = ignore_file(order, beside)?;
    let command = build_command(order, &reading, image_id.path(), ignore.path());
    exec::stream(events, cancel, &subject, &command, on_stdout).await?;
    ensure_seen(order, &reading).await?;
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

/// The component's own ignore file, and what is never part of a context: git's folder and hephy's are no inputs, they
/// change with every run, and an image with them would be another one each time. Of the pins only those count that the
/// component uses.
fn ignore_file(order: &Order<'_>, beside: &Path) -> Result<NamedTempFile, BuildError> {
    let fault = |source| BuildError::Prepare { path: beside.to_owned(), source };
    let dockerfile = inputs::dockerfile_name(order.root, order.component).unwrap_or_default();
    let own = match inputs::ignore_file(order.root, order.component, &dockerfile) {
        Some(path) => std::fs::read(&path).map_err(|source| BuildError::Read { path, source })?,
        None => vec![],
    };
    let mut file = NamedTempFile::new_in(beside).map_err(fault)?;
    let always: &[u8] = match order.component.context() {
        "" => b"\n.git\n.hephy\nhephy.lock\n",
        _ => b"\n.git\n.hephy\n",
    };
    file.write_all(&own).and_then(|()| file.write_all(always)).map_err(fault)?;
    Ok(file)
}

/// Without `--force-rm`, which wants `--no-cache`, buildah leaves the containers of builds that failed, and those of
/// images from `--build-context`. `--timestamp` and `--identity-label=false` keep the time of the build and the tool's version out of the image.
fn build_command(order: &Order<'_>, reading: &Reading, image_id: &Path, ignore: &Path) -> Program {
    let folder = order.folder();
    let mut program = Program::new("buildah", &folder)
        .args(["build", "--platform", &order.platform.to_string(), "--identity-label=false"])
        .args([
            "--timestamp",
            &order.epoch.to_string(),
            "--isolation",
            "chroot",
            "--no-cache",
            "--force-rm",
            "--iidfile",
        ])
        .arg(image_id);
    // Which of two files it takes by itself depends on its version, and not on what the inputs were made of.
    if let Some(dockerfile) = inputs::dockerfile_name(order.root, order.component) {
        program = program.arg("--file").arg(folder.join(&dockerfile));
    }
    program = program.arg("--ignorefile").arg(ignore);
    for (key, value) in &order.component.recipe.build_args {
        program = program.args(["--build-arg", &format!("{key}={value}")]);
    }
    for name in reading.images.keys().filter(|name| !reading.is_stage(name)) {
        let Some(image) = order.base_images.get(name) else { continue };
        for spelling in reading.clear_spellings(name) {
            program = program.args(["--build-context", &format!("{spelling}=docker-image://{image}")]);
        }
    }
    // What cannot be pinned is at least what its registry has, and not an old copy of this machine.
    let is_followed = |name: &String| order.base_images.contains_key(name);
    if reading.images.keys().all(is_followed) && reading.images.keys().any(|name| reading.is_stage(name)) {
        program = program.arg("--pull=always");
    }
    if let Some(stage) = &order.component.recipe.target {
        program = program.args(["--target", stage]);
    }
    program.arg(order.context())
}

/// What only the base images know, and what the list of inputs took for granted: they have no `ONBUILD` lines, which
/// read more of the context, and no variables of the names that paths are made of.
async fn ensure_seen(order: &Order<'_>, reading: &Reading) -> Result<(), BuildError> {
    if order.is_watched || reading.is_everything() {
        return Ok(());
    }
    let format = "{{range .Docker.Config.OnBuild}}ONBUILD {{println .}}{{end}}{{range .Docker.Config.Env}}{{println .}}{{end}}";
    for name in reading.images.keys() {
        let image = order.base_images.get(name).filter(|_| !reading.is_stage(name));
        let image = image.map_or_else(|| name.clone(), ToString::to_string);
        let program = Program::new("buildah", &order.folder())
            .args(["inspect", "--type", "image", "--format", format, &image]);
        // An image of a stage that nothing needs is not there, and it brought nothing.
        let Ok(output) = exec::capture(&program).await else { continue };
        let output = String::from_utf8_lossy(&output);
        let is_unseen = |line: &&str| {
            line.starts_with("ONBUILD ")
                || line.split_once('=').is_some_and(|(name, _)| reading.assumed.contains(name))
        };
        if let Some(line) = output.lines().find(is_unseen) {
            return Err(BuildError::Unseen { image: name.clone(), what: format!("`{line}`") });
        }
    }
    Ok(())
}
