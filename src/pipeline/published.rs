//! What the published images of a branch were built from: a request for each component, and only where the event alone
//! has no exact answer.

use super::{Run, describing, naming, preparing};
use crate::backends;
use crate::component::Component;
use crate::config;
use crate::detect::base::{self, Choice, Origin};
use crate::failure::Failure;
use crate::git::Checkout;
use crate::image::Repository;
use crate::layout::{self, CREATED, Described, REVISION};
use crate::mask::Mask;
use crate::plan::Target;
use crate::registry::{Registry, RegistryError};
use futures::future::join_all;
use std::collections::BTreeMap;

/// The commits that images of `branch` were built from, best first, and what was wrong, if something was. Nothing here
/// fails a plan: whatever the registry does, the next answer is as good, and the legs are looked for later.
pub(super) async fn ask(
    run: &Run,
    checkout: &Checkout,
    target: &Target,
    branch: &str,
) -> (Vec<Choice>, Option<String>) {
    // Layouts are of this machine, and `--all` needs no explanation.
    if *target != Target::Registry || run.settings.all {
        return (vec![], None);
    }
    let Ok(registry) = run.registry() else { return (vec![], None) };
    let wanted = config::select(&run.config.components, &run.settings.only).unwrap_or_default();
    let asked = wanted.into_iter().map(|component| {
        let registry = &registry;
        async move {
            let said = of_component(run, checkout, registry, component, target, branch).await;
            let why = |failure: Failure| Mask::new(run.ci.secrets.clone()).lines(&failure.headline);
            (component.name.to_string(), said.map_err(why))
        }
    });
    base::published(branch, &join_all(asked).await)
}

async fn of_component(
    run: &Run,
    checkout: &Checkout,
    registry: &Registry,
    component: &Component,
    target: &Target,
    branch: &str,
) -> Result<Option<Origin>, Failure> {
    let Some(tag) = describing::channel(run, &checkout.commit, component, branch) else { return Ok(None) };
    let backend = backends::choose(component, &backends::definitions(&run.root, component))?.backend;
    let chart = preparing::chart(checkout, component, backend)?;
    let repository = naming::repository(run, target, component, chart.as_ref().map(|chart| &*chart.name))?;
    let Some(manifest) = registry.manifest_of(&repository, &tag).await? else { return Ok(None) };
    let texts = describing_texts(registry, &repository, &manifest).await?;
    let text = |key: &str| texts.get(key).cloned();
    Ok(Some(Origin { revision: text(REVISION), created: text(CREATED) }))
}

/// Annotations with a revision, else the labels: other tools write only those. An index leads to one of its images.
async fn describing_texts(
    registry: &Registry,
    repository: &Repository,
    manifest: &[u8],
) -> Result<BTreeMap<String, String>, RegistryError> {
    let mut described = layout::described(manifest);
    if let Described::InManifest(digest) = &described {
        described = layout::described(&registry.manifest(repository, digest).await?);
    }
    match described {
        Described::Here(annotations) => Ok(annotations),
        Described::InConfig(digest) => Ok(layout::labels(&registry.blob(repository, &digest).await?)),
        Described::InManifest(_) | Described::Nowhere => Ok(BTreeMap::new()),
    }
}
