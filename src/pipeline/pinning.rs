//! Pins: with `base-images: pin`, the images that `hephy.lock` names are the ones that everything is built on.

use super::Run;
use super::base_images::{self, Base, Named};
use super::preparing::{self, Survey};
use crate::config::{self, BaseImages, LOCK_NAME, UPDATE_COMMAND, lock_text};
use crate::event::{Progress, Stage};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git;
use crate::image::Digest;
use crate::registry::Registry;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses a component that would be built on an image that nobody pinned, or that the build could not be given.
pub(super) fn ensure_pinned(run: &Run, surveys: &[Survey<'_>]) -> Result<(), Failure> {
    if run.config.base_images != BaseImages::Pin {
        return Ok(());
    }
    for survey in surveys {
        for image in &survey.reads.images {
            let problem = |text: &str| {
                format!("plan `{}`: its base image `{}` {text}", survey.component.name, image.name)
            };
            let fault = |text: &str| Failure::new(ExitCode::Usage, problem(text));
            match base_images::parse(&image.name) {
                Ok(Named::Pinned) => {}
                Err(error) => {
                    return Err(fault(&format!("cannot be pinned: {error}")).hint(
                        "give the variables of its name a default in the Dockerfile, or a value in `build-args`",
                    ));
                }
                Ok(_) if !image.is_replaceable => {
                    let why = "cannot be pinned, because its name is not clear to the build";
                    return Err(fault(why)
                        .hint("give stages names that no image has, or write a digest into the Dockerfile"));
                }
                Ok(_) if !run.config.pins.contains_key(&image.name) => {
                    return Err(fault(&format!("is not in `{LOCK_NAME}`"))
                        .hint(format!("run `{UPDATE_COMMAND}`, and commit `{LOCK_NAME}`")));
                }
                Ok(_) => {}
            }
        }
    }
    Ok(())
}

/// Asks the registries what the names of base images mean today and writes that down. Returns what changed, a line for
/// each name. With `--only`, other names stay as they are; without, those that nothing is built on any more go. If any
/// registry cannot tell, nothing is written.
pub(crate) async fn update_pins(run: &Run) -> Result<Vec<String>, Failure> {
    if run.config.base_images != BaseImages::Pin {
        let problem = format!("update the pins: without `base-images: pin`, nobody reads `{LOCK_NAME}`");
        return Err(Failure::new(ExitCode::Usage, problem).hint("write `base-images: pin` into hephy.yaml"));
    }
    let found = run.unless_cancelled(find(run)).await.map_err(|failure| failure.during("update the pins"))?;
    let old = &run.config.pins;
    let is_part = !run.settings.only.is_empty();
    let kept = old.clone().into_iter().filter(|_| is_part);
    let new: BTreeMap<String, Digest> = kept.chain(found).collect();
    let path = run.root.join(LOCK_NAME);
    if new != *old || !path.exists() {
        std::fs::write(&path, lock_text(&new)).map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("write `{}`: {error}", path.display()))
        })?;
    }
    Ok(differences(old, &new))
}

/// What every name means today.
async fn find(run: &Run) -> Result<BTreeMap<String, Digest>, Failure> {
    let checkout = git::read(&run.root, None).await?;
    let wanted = config::select(&run.config.components, &run.settings.only)?;
    let wanted = super::preparing::in_order_of_needs(&run.config.components, &wanted);
    let surveys = preparing::survey(run, &checkout, wanted).await?;
    let names: BTreeSet<String> = preparing::images(&surveys);
    let registry = run.registry()?;
    let found = try_join_all(names.into_iter().map(|name| one(run, &registry, name))).await?;
    Ok(found.into_iter().flatten().collect())
}

/// What `name` means today; nothing for one that has a digest or that no registry could know, which the plan names.
async fn one(run: &Run, registry: &Registry, name: String) -> Result<Option<(String, Digest)>, Failure> {
    let Ok(Named::Tagged(repository, tag)) = base_images::parse(&name) else { return Ok(None) };
    run.events.step(Stage::Plan, name.clone(), Progress::Doing, "ask its registry");
    match base_images::ask(registry, repository, &tag).await {
        Ok(Base::Is(image)) => Ok(Some((name, image.digest))),
        Ok(_) => Ok(None),
        Err(problem) => {
            let headline = format!("find out what the base image `{name}` is: {problem}");
            Err(Failure::new(ExitCode::Registry, headline).hint(format!("`{LOCK_NAME}` is as it was")))
        }
    }
}

fn differences(old: &BTreeMap<String, Digest>, new: &BTreeMap<String, Digest>) -> Vec<String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let line = |name: &String| match (old.get(name), new.get(name)) {
        (Some(old), Some(new)) if old != new => Some(format!("{name}: {old} -> {new}")),
        (None, Some(new)) => Some(format!("{name}: {new}")),
        (Some(old), None) => Some(format!("{name}: {old} -> nothing is built on it any more")),
        _ => None,
    };
    names.into_iter().filter_map(line).collect()
}
