//! What is attached to an image: written beside it into its layout when it is built, by the one who knows how, and pushed
//! with it by whoever pushes the layout.

use super::Run;
use crate::attestation::{self, Contained, Facts};
use crate::component::Backend;
use crate::failure::Failure;
use crate::image::Image;
use crate::inputs::{self, Inventory};
use crate::layout::{Descriptor, Layout};
use crate::plan::{Plan, Planned, PlannedLeg};
use crate::store::StoreError;
use object::ReadCache;

/// Attaches to a leg's image, which was just built, what the user wants to be attached.
pub(super) async fn attest(
    run: &Run,
    plan: &Plan,
    planned: &Planned,
    leg: &PlannedLeg,
    built: &Descriptor,
) -> Result<(), Failure> {
    let wanted = run.settings.attest.or(run.config.attest).unwrap_or_default();
    let layout = Layout::at(&run.build_folder(&planned.leg(leg)));
    let digest = built.digest().map_err(StoreError::from)?;
    let image = Image { repository: planned.image.clone(), digest };
    if wanted.has_sbom()
        && let Some(sbom) = sbom(run, plan, planned, leg, &image, built).await?
    {
        layout.attach(built, &attestation::listed(sbom)).map_err(StoreError::from)?;
    }
    if wanted.has_provenance() {
        let statement = attestation::statement(&Facts {
            planned,
            leg,
            digest: &image.digest,
            commit: &plan.commit,
            repository: run.ci.sources.about.url.as_deref(),
            builder: run.ci.builder.id.as_deref(),
            invocation: run.ci.builder.invocation.as_deref(),
        });
        layout.attach(built, &attestation::sealed(statement)).map_err(StoreError::from)?;
    }
    Ok(())
}

/// The SBOM, where somebody says what is in an image.
async fn sbom(
    run: &Run,
    plan: &Plan,
    planned: &Planned,
    leg: &PlannedLeg,
    image: &Image,
    built: &Descriptor,
) -> Result<Option<Vec<u8>>, Failure> {
    let found = match planned.backend {
        Backend::Cargo => inputs::packages(&run.events, &run.root, &planned.component, &leg.platform).await?,
        Backend::Prebuilt | Backend::Ko => carried(run, planned, leg, built)?,
        _ => None,
    };
    let contained = |inventory: Inventory| {
        attestation::cyclonedx(&Contained {
            image,
            platform: &leg.platform,
            created: plan.commit.time,
            inventory: &inventory,
        })
    };
    Ok(found.map(contained))
}

/// What the programs in an image say that they are made of; `None` if none of them says anything.
fn carried(
    run: &Run,
    planned: &Planned,
    leg: &PlannedLeg,
    built: &Descriptor,
) -> Result<Option<Inventory>, Failure> {
    let mut found = vec![];
    let layout = Layout::at(&run.build_folder(&planned.leg(leg)));
    let programs =
        layout.programs(built, |path, program| match attestation::carried(&ReadCache::new(program)) {
            Ok(inventory) => found.extend(inventory),
            Err(error) => {
                let leg = planned.leg(leg);
                run.events.warn(format!("{leg}: `{path}` does not say what it is made of: {error}"));
            }
        });
    programs.map_err(StoreError::from)?;
    Ok((!found.is_empty()).then(|| Inventory::joined(found)))
}
