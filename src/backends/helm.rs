//! The `helm` backend: a chart, packaged without Helm, so that equal files make an equal package.

use super::{BuildError, Order};
use crate::component::Component;
use crate::inputs;
use crate::layout::{self, ChartPackage, Descriptor, Layout};
use std::path::Path;

/// Refuses a chart whose package would lack what it depends on.
pub(super) fn ensure_possible(root: &Path, component: &Component) -> Result<(), BuildError> {
    let chart = inputs::chart(root, component)?;
    match inputs::missing_dependency(root, component, &chart)? {
        Some(dependency) => Err(BuildError::MissingChart { chart: chart.name, dependency }),
        None => Ok(()),
    }
}

/// Packages the chart as an artifact that `helm pull` takes.
pub(super) fn build(order: &Order<'_>) -> Result<Descriptor, BuildError> {
    let chart = inputs::chart(order.root, order.component)?;
    let created = jiff::Timestamp::from_second(order.epoch.cast_signed()).unwrap_or_default().to_string();
    let package = ChartPackage {
        name: &chart.name,
        configuration: &chart.configuration(),
        files: &inputs::chart_files(order.root, order.component)?,
        annotations: chart.annotations(created),
    };
    let layout = Layout::create(order.out)?;
    let manifest = layout::package(&layout, &package)?;
    Ok(order.finish(&layout, manifest)?)
}
