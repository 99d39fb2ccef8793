//! A Helm chart as an OCI artifact (Helm, "Use OCI-based registries"): one archive, always of the same bytes.

use super::layer::{add_file, layer};
use super::manifest::annotated;
use super::{Descriptor, IMAGE_MANIFEST, Layout, LayoutError};
use std::collections::BTreeMap;
use std::path::PathBuf;

const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART_ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What goes into the artifact.
pub(crate) struct ChartPackage<'a> {
    pub(crate) name: &'a str,
    /// `Chart.yaml` as JSON.
    pub(crate) configuration: &'a [u8],
    /// The files by their paths in the chart's folder, sorted.
    pub(crate) files: &'a [(String, PathBuf)],
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Writes the artifact into `layout` and returns its manifest. Neither the times nor the rights of the files are in it:
/// a checkout sets them anew.
pub(crate) fn package(layout: &Layout, chart: &ChartPackage<'_>) -> Result<Descriptor, LayoutError> {
    let (archive, _) = layer(layout, CHART_ARCHIVE, &drop, |tar| {
        let mut files = chart.files.iter();
        files.try_for_each(|(path, file)| add_file(tar, &format!("{}/{path}", chart.name), file, 0o644))
    })?;
    let configuration = layout.write(chart.configuration, CHART_CONFIG)?;
    let path = layout.root.join("manifest");
    let bytes = annotated(configuration, vec![archive], chart.annotations.clone());
    layout.write(&bytes.map_err(|source| LayoutError::Json { path, source })?, IMAGE_MANIFEST)
}
