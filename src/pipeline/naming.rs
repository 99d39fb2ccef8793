//! Where images go and what they are called.

use super::{OWN_FOLDER, Run};
use crate::component::Component;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::image::Repository;
use crate::plan::{Candidate, Target};
use crate::store::StoreError;
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
    let name = match chart {
        Some(chart) => format!("charts/{chart}").parse::<Repository>().map_err(StoreError::from)?.path,
        None => component.name.to_string(),
    };
    match registry(run)?.filter(|_| *target == Target::Registry) {
        Some(registry) if component.path.is_empty() && chart.is_none() => Ok(registry),
        Some(registry) => Ok(registry.join(&name)),
        None => Ok(Repository { host: None, path: name }),
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
    for (index, candidate) in candidates.iter().enumerate() {
        if let Some(twin) = candidates[..index].iter().find(|other| other.image == candidate.image) {
            let (first, second) = (&twin.component.name, &candidate.component.name);
            let problem = format!("`{first}` and `{second}` are both pushed to `{}`", candidate.image);
            return Err(Failure::new(ExitCode::Usage, problem).hint("give one of them another `image`"));
        }
    }
    Ok(())
}
