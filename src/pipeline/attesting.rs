//! What is attached to an image: written beside it into its layout when it is built, by the one who knows how, and pushed
//! with it by whoever pushes the layout.

use super::Run;
use crate::attestation::{self, Contained, Facts};
use crate::component::{Backend, Leg};
use crate::config::Attest;
use crate::failure::Failure;
use crate::image::Image;
use crate::inputs;
use crate::layout::{Descriptor, Flat, Layout};
use crate::plan::{Plan, Planned, PlannedLeg};
use crate::store::StoreError;

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
        && let Some(sbom) = sbom(run, plan, planned, leg, &image).await?
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

/// Attaches to a leg's image what its build tool had attested, as far as that is still true, and says what is not.
pub(super) fn carry(
    run: &Run,
    leg: &Leg,
    layout: &Layout,
    flat: &Flat,
    stamped: &Descriptor,
) -> Result<(), Failure> {
    if run.settings.attest.or(run.config.attest) == Some(Attest::None) {
        return Ok(());
    }
    for left in layout.carry(flat, stamped).map_err(StoreError::from)? {
        run.events.warn(format!("{leg}: a statement about the image is left behind, {left}"));
    }
    Ok(())
}

/// The SBOM, where hephy knows what is in an image.
async fn sbom(
    run: &Run,
    plan: &Plan,
    planned: &Planned,
    leg: &PlannedLeg,
    image: &Image,
) -> Result<Option<Vec<u8>>, Failure> {
    if planned.backend != Backend::Cargo {
        return Ok(None);
    }
    let found = inputs::packages(&run.events, &run.root, &planned.component, &leg.platform).await?;
    let contained = |inventory: inputs::Inventory| {
        attestation::cyclonedx(&Contained {
            image,
            platform: &leg.platform,
            created: plan.commit.time,
            inventory: &inventory,
        })
    };
    Ok(found.map(contained))
}
