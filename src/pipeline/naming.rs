//! Where images go and what they are called.

use super::{OWN_FOLDER, Run, describing};
use crate::component::{Component, Name};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::image::Repository;
use crate::plan::{Candidate, Target};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::path::Path;

const REGISTRY_HINT: &str = "write it like `ghcr.io/OWNER/REPOSITORY`";

/// Where images go: the layout that the user names, else the registry that anybody names, else hephy's own layout.
pub(super) fn target(run: &Run) -> Result<Target, Failure> {
    if let Some(layout) = &run.settings.layout {
        return Ok(Target::Layout(layout.clone()));
    }
    let components = &run.config.components;
    let is_hosted =
        |component: &Component| component.image.as_ref().is_some_and(|image| image.host.is_some());
    let all_hosted = !components.is_empty() && components.iter().all(is_hosted);
    match registry(run)? {
        Some(_) => Ok(Target::Registry),
        None if all_hosted => Ok(Target::Registry),
        None => Ok(Target::Layout(Path::new(OWN_FOLDER).join("oci"))),
    }
}

fn registry(run: &Run) -> Result<Option<Repository>, Failure> {
    if let Some(image) = describing::images(run)?.into_iter().next() {
        return Ok(Some(image));
    }
    let parse = |text: &String| text.parse::<Repository>().map_err(StoreError::from);
    if let Some(named) = &run.settings.registry {
        let refuse = |failure: Failure| Failure { code: ExitCode::Usage, ..failure }.hint(REGISTRY_HINT);
        let registry = parse(named).map_err(Failure::from).map_err(refuse)?;
        return match registry.host {
            Some(_) => Ok(Some(registry)),
            None => {
                let problem = format!("use the registry `{named}`: it names no host");
                Err(refuse(Failure::new(ExitCode::Usage, problem)))
            }
        };
    }
    match &run.config.registry {
        Some(registry) => Ok(Some(registry.clone())),
        None => Ok(run.ci.registry.as_ref().map(parse).transpose()?),
    }
}

/// `REGISTRY/COMPONENT`, or what the component says itself. A component at the root is the repository. A chart of this
/// name is `REGISTRY/charts/CHART`: its repository must end with its own name (Helm's strict mode), and a service is often
/// called the same.
pub(super) fn repository(
    run: &Run,
    target: &Target,
    component: &Component,
    chart: Option<&str>,
) -> Result<Repository, Failure> {
    if let Some(image) = &component.image {
        ensure_name_of_chart(image, chart)?;
        return Ok(image.clone());
    }
    let named = match target {
        Target::Registry => registry(run)?,
        Target::Layout(_) => describing::images(run)?.into_iter().next(),
    };
    match named {
        Some(registry) => below(run, &registry, component, chart),
        None => Ok(Repository { host: None, path: own_name(component, chart)? }),
    }
}

/// The other repositories that get the same image: of each further image of `--images`, what the first is made into.
pub(super) fn further(
    run: &Run,
    component: &Component,
    chart: Option<&str>,
) -> Result<Vec<Repository>, Failure> {
    if component.image.is_some() {
        return Ok(vec![]);
    }
    let images = describing::images(run)?;
    images.iter().skip(1).map(|image| below(run, image, component, chart)).collect()
}

fn below(
    run: &Run,
    registry: &Repository,
    component: &Component,
    chart: Option<&str>,
) -> Result<Repository, Failure> {
    // The action's `images` name the image itself, which only one component can be.
    let is_named = !run.settings.images.is_empty() && run.config.components.len() == 1;
    match (component.path.is_empty() || is_named) && chart.is_none() {
        true => Ok(registry.clone()),
        false => Ok(registry.join(&own_name(component, chart)?)),
    }
}

fn own_name(component: &Component, chart: Option<&str>) -> Result<String, Failure> {
    match chart {
        Some(chart) => Ok(format!("charts/{chart}").parse::<Repository>().map_err(StoreError::from)?.path),
        None => Ok(component.name.to_string()),
    }
}

fn ensure_name_of_chart(image: &Repository, chart: Option<&str>) -> Result<(), Failure> {
    let last = image.path.rsplit('/').next();
    let Some(chart) = chart.filter(|chart| last != Some(*chart)) else { return Ok(()) };
    let headline = format!("push the chart `{chart}` to `{image}`: a chart's repository ends with its name");
    Err(Failure::new(ExitCode::Usage, headline).hint(format!("write `image: {image}/{chart}`")))
}

/// Two components with one repository would overwrite each other's tags, and a manifest could not tell them apart.
pub(super) fn ensure_distinct(candidates: &[Candidate]) -> Result<(), Failure> {
    let mut taken: BTreeMap<&Repository, &Name> = BTreeMap::new();
    for candidate in candidates {
        let second = &candidate.component.name;
        for repository in [&candidate.image].into_iter().chain(&candidate.further) {
            if let Some(first) = taken.insert(repository, second) {
                let problem = format!("`{first}` and `{second}` are both pushed to `{repository}`");
                return Err(Failure::new(ExitCode::Usage, problem).hint("give one of them another `image`"));
            }
        }
    }
    Ok(())
}
