//! The `prebuilt` backend: a program that somebody else has finished, put into an image.

use super::{BuildError, Order, program};
use crate::component::Recipe;
use crate::event::Events;
use crate::layout::Descriptor;
use crate::platform::Platform;
use std::path::{Path, PathBuf};

/// The file or folder that the recipe names for the platform, if it is there.
pub(super) fn find(folder: &Path, recipe: &Recipe, platform: &Platform) -> Result<PathBuf, BuildError> {
    let path = recipe.prebuilt.get(platform);
    let path = path.ok_or_else(|| BuildError::NoProgram { platform: platform.clone() })?;
    let source = folder.join(path);
    if source.exists() { Ok(source) } else { Err(BuildError::ProgramMissing { path: source }) }
}

/// Puts it into an image.
pub(super) fn build(events: &Events, order: &Order<'_>) -> Result<Descriptor, BuildError> {
    let recipe = &order.component.recipe;
    let source = find(&order.folder(), recipe, order.platform)?;
    let file_name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let start = match &recipe.bin {
        _ if source.is_file() => file_name,
        Some(bin) if source.join(bin).is_file() => bin.clone(),
        _ => return Err(BuildError::NoStart { path: source }),
    };
    let program = if source.is_file() { source.clone() } else { source.join(&start) };
    program::package(events, order, &[source], &start, &program)
}
