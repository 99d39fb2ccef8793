//! The push stage: every digest of every component first, tags last.

use super::tagging::{self, Move};
use super::{Run, base_images, gating};
use crate::component::{Leg, Name};
use crate::event::Stage;
use crate::failure::Failure;
use crate::image::{Digest, Image};
use crate::layout::Layout;
use crate::plan::{Action, Found, Plan, Planned, PlannedLeg, Target};
use crate::platform::Platform;
use crate::report::{ImageSummary, Summary, What};
use crate::store::{Built, Published, Store, StoreError};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// How many components are joined at once.
const AT_ONCE: usize = 16;

/// The image of a component, in the store.
pub(super) struct Pushed {
    pub(super) component: Name,
    pub(super) published: Published,
}

/// What a push brought into the store.
pub(crate) struct Pushes {
    /// The legs that the plan does not leave out.
    pub(crate) legs: Vec<(Leg, Image)>,
    /// The components whose legs are all there.
    pub(super) images: Vec<Pushed>,
    /// Legs that were left out and are not there either, so that their components could not be joined.
    pub(super) missing: Vec<Leg>,
}

/// Brings every image into the store, and moves the tags once all are there: all or none. A push of a selection leaves
/// the joining to one without: other jobs may still be pushing theirs.
pub(super) async fn push(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<Pushes, Failure> {
    push_all(run, plan, summary).await.map_err(|failure| failure.during("push"))
}

async fn push_all(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<Pushes, Failure> {
    let store = run.store(&plan.target)?;
    let bringing = async {
        let (mut pushes, whole) = push_legs(run, &store, plan, summary).await?;
        let moves = join_all(&store, whole, &mut pushes.images).await?;
        gating::ensure_no_platform_lost(run, &store, plan, &moves).await?;
        Ok((pushes, moves))
    };
    // Every digest is there and can be read before the first tag moves.
    let (pushes, moves) = run.unless_cancelled(bringing).await?;
    tagging::move_all(run, &store, &moves, &pushes.images).await?;
    for (Move { planned, .. }, pushed) in moves.iter().zip(&pushes.images) {
        summary.images.push(ImageSummary {
            component: pushed.component.clone(),
            image: pushed.published.image.clone(),
            tags: planned.tags.clone(),
        });
    }
    Ok(pushes)
}

/// A component of which every leg is in the store.
type Whole<'a> = (&'a Planned, Vec<(Platform, Found)>);

/// Brings the legs into the store. Returns also the components that can be joined.
async fn push_legs<'a>(
    run: &Run,
    store: &Store,
    plan: &'a Plan,
    summary: &mut Summary,
) -> Result<(Pushes, Vec<Whole<'a>>), Failure> {
    let mut pushes = Pushes { legs: vec![], images: vec![], missing: vec![] };
    let mut whole = vec![];
    for planned in &plan.components {
        let mut legs = vec![];
        for leg in &planned.legs {
            let name = planned.leg(leg);
            let found = match &leg.action {
                Action::Skip(_) if !run.settings.selection.is_everything() => None,
                Action::Skip(_) => store.find(&planned.image, &leg.key).await?,
                Action::Reuse(_) | Action::Build => Some(push_leg(run, store, planned, leg, summary).await?),
            };
            match found {
                Some(found) => legs.push((leg.platform.clone(), found)),
                None => pushes.missing.push(name),
            }
        }
        let image = |digest: &Digest| Image { repository: planned.image.clone(), digest: digest.clone() };
        let of_leg = |(platform, found): &(Platform, Found)| {
            (
                Leg { component: planned.component.name.clone(), platform: platform.clone() },
                image(&found.digest),
            )
        };
        pushes.legs.extend(legs.iter().map(of_leg));
        if run.settings.selection.is_everything() && legs.len() == planned.legs.len() {
            whole.push((planned, legs));
        }
    }
    Ok((pushes, whole))
}

/// Joins the legs of each component, several components at once, and says where their tags point.
async fn join_all<'a>(
    store: &Store,
    whole: Vec<Whole<'a>>,
    images: &mut Vec<Pushed>,
) -> Result<Vec<Move<'a>>, Failure> {
    let mut joined = stream::iter(whole).map(|(planned, legs)| join(store, planned, legs)).buffered(AT_ONCE);
    let mut moves = vec![];
    while let Some((pushed, moved)) = joined.try_next().await? {
        images.push(pushed);
        moves.push(moved);
    }
    Ok(moves)
}

async fn join<'a>(
    store: &Store,
    planned: &'a Planned,
    legs: Vec<(Platform, Found)>,
) -> Result<(Pushed, Move<'a>), Failure> {
    let before = tagging::look(store, planned).await?;
    let seen: Vec<Found> = before.iter().filter_map(|(_, found)| found.clone()).collect();
    let published = store.join(&planned.image, &legs, &seen).await?;
    let image = published.image.digest.clone();
    let pushed = Pushed { component: planned.component.name.clone(), published };
    Ok((pushed, Move { planned, image, before }))
}

async fn push_leg(
    run: &Run,
    store: &Store,
    planned: &Planned,
    leg: &PlannedLeg,
    summary: &mut Summary,
) -> Result<Found, Failure> {
    let name = planned.leg(leg);
    if let Action::Reuse(found) = &leg.action {
        // A plan from a file may be old, and images can be deleted.
        let is_there = run.settings.plan.is_none()
            || store.find(&planned.image, &leg.key).await?.is_some_and(|now| now.digest == found.digest);
        let missing = || StoreError::NotBuilt { leg: name, repository: planned.image.clone() };
        return if is_there { Ok(found.clone()) } else { Err(missing().into()) };
    }
    let built = Layout::at(&run.build_folder(&name));
    let Some(manifest) = built.reference(leg.key.as_str()).map_err(StoreError::from)? else {
        // Another job may have built and pushed this leg: the store is the hand-over medium.
        let missing = || StoreError::NotBuilt { leg: name, repository: planned.image.clone() };
        return Ok(store.find(&planned.image, &leg.key).await?.ok_or_else(missing)?);
    };
    let elsewhere = match manifest.blobs_from().map_err(StoreError::from)? {
        Some(repository) => Some((run.registry()?, repository)),
        None => None,
    };
    let built = Built { leg: &name, layout: &built, manifest, elsewhere };
    let found = store.push_leg(&run.events, &planned.image, &leg.key, &built).await?;
    if let Some(done) = summary.legs.get_mut(&name) {
        done.what = What::Pushed;
    }
    Ok(found)
}

/// Finds the images of a plan that another process has pushed.
pub(super) async fn collect(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<Vec<Pushed>, Failure> {
    let store = run.store_to_read(&plan.target)?;
    let mut images = vec![];
    for planned in &plan.components {
        let mut legs = vec![];
        for leg in &planned.legs {
            let found = store.find(&planned.image, &leg.key).await?.ok_or_else(|| StoreError::NotBuilt {
                leg: planned.leg(leg),
                repository: planned.image.clone(),
            })?;
            legs.push((leg.platform.clone(), found));
        }
        // The first tag mostly points at the very index, and then no image has to be read.
        let seen = match planned.tags.first() {
            Some(tag) if legs.len() > 1 => store.find(&planned.image, tag).await?,
            _ => None,
        };
        let published = store.join(&planned.image, &legs, &Vec::from_iter(seen)).await?;
        summary.images.push(ImageSummary {
            component: planned.component.name.clone(),
            image: published.image.clone(),
            tags: planned.tags.clone(),
        });
        images.push(Pushed { component: planned.component.name.clone(), published });
    }
    Ok(images)
}

/// Looks for every leg that the plan does not leave out, and returns what is wrong with those that are not what it says.
pub(super) async fn faults(run: &Run, plan: &Plan) -> Result<Vec<String>, Failure> {
    let store = run.store_to_read(&plan.target)?;
    let mut faults = vec![];
    for planned in &plan.components {
        for leg in &planned.legs {
            let name = planned.leg(leg);
            let found = match &leg.action {
                Action::Skip(_) => continue,
                Action::Build | Action::Reuse(_) => store.find(&planned.image, &leg.key).await?,
            };
            let at = format!("`{}:{}`", planned.image, leg.key);
            match (&leg.action, found) {
                (Action::Reuse(_), None) => {
                    faults.push(format!("{name}: the image that was to be reused is gone from {at}"));
                }
                (_, None) => faults.push(format!("{name}: nothing was pushed to {at}")),
                (Action::Reuse(planned), Some(found)) if planned.digest != found.digest => {
                    faults.push(format!("{name}: another image than the planned one is at {at}"));
                }
                (_, Some(found)) => {
                    if let Some(part) = store.missing_part(&planned.image, &found).await? {
                        faults.push(format!("{name}: blob sha256:{} is gone from {at}", part.short()));
                    }
                }
            }
        }
    }
    Ok(faults)
}

/// Whether this run made anything new.
pub(super) fn is_changed(summary: &Summary) -> bool {
    summary.legs.values().any(|leg| leg.what != What::Reused)
}

/// What the stage would do, a line for each component.
pub(super) fn preview(plan: &Plan) -> Vec<(Stage, String)> {
    let line = |planned: &Planned| {
        let tags: Vec<String> = planned.tags.iter().map(|tag| format!("`{tag}`")).collect();
        let built = planned.legs.iter().filter(|leg| leg.action == Action::Build).count();
        let index = if planned.legs.len() > 1 { ", joined into an index" } else { "" };
        format!(
            "{}: {built} of {} images{index}, then tag {}{}",
            planned.image,
            planned.legs.len(),
            tags.join(" "),
            if built > 0 { preview_base(plan, planned) } else { String::new() },
        )
    };
    plan.components.iter().map(|planned| (Stage::Push, line(planned))).collect()
}

/// Where the layers of the base come from that the target lacks.
fn preview_base(plan: &Plan, planned: &Planned) -> String {
    let name = planned.component.recipe.base.as_deref();
    let base = name.and_then(|name| Some((name, base_images::of_plan(planned, name)?)));
    let Some((name, Image { repository, .. })) = base else { return String::new() };
    let how = match &repository.host {
        host if plan.target == Target::Registry && *host == planned.image.host => {
            format!("mounted from `{}`", repository.path)
        }
        host => format!("copied from `{}`", host.as_deref().unwrap_or_default()),
    };
    format!("; missing layers of `{name}` are {how}")
}
