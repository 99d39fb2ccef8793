//! What a chart is made of: every file of its folder that `.helmignore` does not leave out.

mod chart;
mod ignore;

pub(crate) use chart::Chart;
pub(crate) use ignore::Helmignore;

use super::{Hidden, Ignore, InputsError, Reads, Rule};
use crate::component::Component;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The chart in the folder of `component`.
pub(crate) fn chart(root: &Path, component: &Component) -> Result<Chart, InputsError> {
    let path = root.join(&component.path).join("Chart.yaml");
    let text = std::fs::read_to_string(&path).map_err(|source| InputsError::Disk { path, source })?;
    let fault = |problem| InputsError::Definition { component: component.name.to_string(), problem };
    Chart::read(&text).map_err(|problem| fault(format!("read `Chart.yaml`: {problem}")))
}

/// The files of the chart's package, sorted: as the package names them below the chart's folder, and where they lie. A
/// symbolic link counts as what it leads to, as for Helm.
pub(crate) fn chart_files(root: &Path, component: &Component) -> Result<Vec<(String, PathBuf)>, InputsError> {
    let folder = root.join(&component.path);
    let ignore = helmignore(root, component)?;
    let fault = |path: &Path, source| InputsError::Disk { path: path.to_owned(), source };
    let walk = ::ignore::WalkBuilder::new(&folder).standard_filters(false).follow_links(true).build();
    let mut files = vec![];
    for entry in walk {
        let entry = entry.map_err(|error| fault(&folder, std::io::Error::other(error)))?;
        let below = entry.path().strip_prefix(&folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
        let is_own = [".git", ".hephy"].iter().any(|own| below.split('/').next() == Some(own));
        if entry.file_type().is_some_and(|kind| kind.is_file()) && !is_own && !ignore.leaves_out(&below) {
            files.push((below, entry.into_path()));
        }
    }
    files.sort();
    Ok(files)
}

/// The first chart that this one needs and that does not lie in its `charts` folder, as a folder or as an archive.
pub(crate) fn missing_dependency(
    root: &Path,
    component: &Component,
    chart: &Chart,
) -> Result<Option<String>, InputsError> {
    let files = chart_files(root, component)?;
    let is_there = |name: &str| {
        let is_archive = |file: &str| {
            let version = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            version.is_some_and(|version| {
                version.ends_with(".tgz") && version.starts_with(|c: char| c.is_ascii_digit() || c == 'v')
            })
        };
        files.iter().filter_map(|(path, _)| path.strip_prefix("charts/")).any(|path| {
            match path.split_once('/') {
                Some((folder, "Chart.yaml")) => folder == name,
                Some(_) => false,
                None => is_archive(path),
            }
        })
    };
    let missing = chart.dependencies.iter().find(|dependency| !is_there(&dependency.name));
    Ok(missing.map(|dependency| dependency.name.clone()))
}

pub(super) fn reads(root: &Path, component: &Component) -> Result<Reads, InputsError> {
    let by = Ignore::Helm(helmignore(root, component)?);
    let hidden = Some(Arc::new(Hidden { folder: component.path.clone(), by }));
    let why = format!("it is in the chart of `{}`", component.name);
    let rule = Rule { hidden, ..Rule::path(&component.path, why) };
    Ok(Reads { rules: vec![rule], caches: true, ..Reads::default() })
}

fn helmignore(root: &Path, component: &Component) -> Result<Helmignore, InputsError> {
    let bytes = std::fs::read(root.join(&component.path).join(".helmignore")).unwrap_or_default();
    Helmignore::read(&String::from_utf8_lossy(&bytes)).map_err(|line| InputsError::Definition {
        component: component.name.to_string(),
        problem: format!("read `.helmignore`: `{line}` is no pattern that Helm knows"),
    })
}
