//! The `prebuilt` backend: a program that somebody else has finished, put into an image.

use super::{BuildError, Order, program};
use crate::event::Events;
use crate::layout::Descriptor;

/// Puts the file or folder that the recipe names for the platform into an image.
pub(super) fn build(events: &Events, order: &Order<'_>) -> Result<Descriptor, BuildError> {
    let recipe = &order.component.recipe;
    let path = recipe
        .prebuilt
        .get(order.platform)
        .ok_or_else(|| BuildError::NoProgram { platform: order.platform.clone() })?;
    let source = order.folder().join(path);
    if !source.exists() {
        return Err(BuildError::ProgramMissing { path: source });
    }
    let file_name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let start = match &recipe.bin {
        _ if source.is_file() => file_name,
        Some(bin) if source.join(bin).is_file() => bin.clone(),
        _ => return Err(BuildError::NoStart { path: source }),
    };
    let program = if source.is_file() { source.clone() } else { source.join(&start) };
    program::package(events, order, &[source], &start, &program)
}
