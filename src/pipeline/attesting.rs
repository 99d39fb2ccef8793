//! What is attached to an image: written beside it into its layout when it is built, by the one who knows how, and pushed
//! with it by whoever pushes the layout.

use super::{Run, sboms};
use crate::attestation::{self, Facts};
use crate::component::Leg;
use crate::config::Attest;
use crate::failure::Failure;
use crate::image::Image;
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
    let wanted = run.attest();
    let layout = Layout::at(&run.build_folder(&planned.leg(leg)));
    let digest = built.digest().map_err(StoreError::from)?;
    let image = Image { repository: planned.image.clone(), digest };
    if wanted.has_sbom()
        && let Some(sbom) = sboms::sbom(run, plan, planned, leg, &image, built).await?
    {
        layout.attach(built, &sbom).map_err(StoreError::from)?;
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
    if run.attest() == Attest::None {
        return Ok(());
    }
    for left in layout.carry(flat, stamped).map_err(StoreError::from)? {
        run.events.warn(format!("{leg}: a statement about the image is left behind, {left}"));
    }
    Ok(())
}
