//! The SBOM of an image: a document of the user's own, else what Cargo says, else what its programs say about themselves.

use super::Run;
use crate::attestation::{self, Attachment, Contained, SbomError};
use crate::backends::BuildError;
use crate::component::{Backend, Sbom};
use crate::failure::Failure;
use crate::image::Image;
use crate::inputs::{self, Inventory};
use crate::layout::{Descriptor, Layout};
use crate::plan::{Plan, Planned, PlannedLeg};
use object::ReadCache;

/// Refuses a leg that could not get the SBOM that the user wants, before anything is built.
pub(super) fn ensure_possible(run: &Run, planned: &Planned, leg: &PlannedLeg) -> Result<(), Failure> {
    if !run.attest().has_sbom() {
        return Ok(());
    }
    let checked = match &planned.component.recipe.sbom {
        Some(Sbom::Required) if !has_list(planned.backend) => {
            Err(SbomError::NoList { backend: planned.backend })
        }
        _ => supplied(run, planned, leg).map(drop),
    };
    checked.map_err(|error| Failure::from(error).during(&format!("build {}", planned.leg(leg))))
}

/// Whether hephy or what it builds can say what is in the images of this backend.
fn has_list(backend: Backend) -> bool {
    matches!(backend, Backend::Cargo | Backend::Prebuilt | Backend::Ko)
}

/// The SBOM of the image that was just built; `None` where nobody says what is in it, and nobody wants to know.
pub(super) async fn sbom(
    run: &Run,
    plan: &Plan,
    planned: &Planned,
    leg: &PlannedLeg,
    image: &Image,
    built: &Descriptor,
) -> Result<Option<Attachment>, Failure> {
    if let Some(document) = supplied(run, planned, leg)? {
        return Ok(Some(document));
    }
    let found = match planned.backend {
        Backend::Cargo => inputs::packages(&run.events, &run.root, &planned.component, &leg.platform).await?,
        Backend::Prebuilt | Backend::Ko => carried(run, planned, leg, built)?,
        _ => None,
    };
    if found.is_none() && planned.component.recipe.sbom == Some(Sbom::Required) {
        return Err(SbomError::Silent.into());
    }
    let contained = |inventory: Inventory| {
        attestation::cyclonedx(&Contained {
            image,
            platform: &leg.platform,
            created: plan.commit.time,
            inventory: &inventory,
        })
    };
    Ok(found.map(|inventory| attestation::listed(contained(inventory))))
}

/// The document that the user names for the platform.
fn supplied(run: &Run, planned: &Planned, leg: &PlannedLeg) -> Result<Option<Attachment>, SbomError> {
    let component = &planned.component;
    let file = match &component.recipe.sbom {
        None | Some(Sbom::Required) => return Ok(None),
        Some(sbom) => sbom.file(&leg.platform),
    };
    let file = file.ok_or_else(|| SbomError::NoPlatform { platform: leg.platform.clone() })?;
    let path = run.root.join(&component.path).join(file);
    let bytes = std::fs::read(&path).map_err(|source| SbomError::Read { path: path.clone(), source })?;
    attestation::supplied(&path, bytes).map(Some)
}

/// What the programs in an image say that they are made of; `None` if none of them says anything.
fn carried(
    run: &Run,
    planned: &Planned,
    leg: &PlannedLeg,
    built: &Descriptor,
) -> Result<Option<Inventory>, Failure> {
    let mut found = vec![];
    let leg = planned.leg(leg);
    let programs = Layout::at(&run.build_folder(&leg)).programs(built, |path, program| {
        match attestation::carried(&ReadCache::new(program)) {
            Ok(inventory) => found.extend(inventory),
            Err(error) => {
                run.events.warn(format!("{leg}: `{path}` does not say what it is made of: {error}"));
            }
        }
    });
    programs.map_err(BuildError::from)?;
    Ok((!found.is_empty()).then(|| Inventory::joined(found)))
}
