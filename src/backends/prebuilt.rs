//! The `prebuilt` backend: a program that somebody else has finished, put into an image.

use super::program::{self, Finished};
use super::{BuildError, Order};
use crate::component::Component;
use crate::event::Events;
use crate::layout::Descriptor;
use crate::platform::Platform;
use std::path::Path;

/// Refuses a program that is not there or could not start.
pub(super) fn ensure_possible(
    root: &Path,
    component: &Component,
    platform: &Platform,
) -> Result<(), BuildError> {
    let finished = find(root, component, platform)?;
    program::ensure_possible(root, component, platform, &finished.programs).map(drop)
}

/// Puts the program into an image.
pub(super) fn build(events: &Events, order: &Order<'_>) -> Result<Descriptor, BuildError> {
    program::package(events, order, &find(order.root, order.component, order.platform)?)
}

/// The file or folder that the recipe names for the platform.
fn find(root: &Path, component: &Component, platform: &Platform) -> Result<Finished, BuildError> {
    let recipe = &component.recipe;
    let path = recipe.prebuilt.get(platform);
    let path = path.ok_or_else(|| BuildError::NoProgram { platform: platform.clone() })?;
    let source = root.join(&component.path).join(path);
    if !source.exists() {
        return Err(BuildError::ProgramMissing { path: source });
    }
    if source.is_file() {
        let start = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Finished { programs: vec![source.clone()], sources: vec![source], start });
    }
    match &recipe.bin {
        // What else is in the folder may be for anything.
        Some(bin) if source.join(bin).is_file() => {
            Ok(Finished { programs: vec![source.join(bin)], sources: vec![source], start: bin.clone() })
        }
        _ => Err(BuildError::NoStart { path: source }),
    }
}
