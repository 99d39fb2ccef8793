//! The push stage: every digest of every component first, tags last.

use super::tagging::{self, Move};
use super::{Run, base_images, copying, describing, gating};
use crate::component::{Leg, Name};
use crate::event::Stage;
use crate::failure::Failure;
use crate::image::Image;
use crate::layout::Layout;
use crate::plan::{Action, Found, Plan, Planned, PlannedLeg, Target};
use crate::platform::Platform;
use crate::report::{ImageSummary, Summary, What};
use crate::store::{Built, Published, Store, StoreError};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

/// How many legs are brought at once; the requests of all of them have their limit in the registry's governor.
const LEGS_AT_ONCE: usize = 8;
/// How many components are joined at once.
pub(super) const AT_ONCE: usize = 16;

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
    /// A further repository lacked an image.
    pub(super) is_copied: bool,
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
        let mut moves = join_all(&store, whole, &mut pushes.images).await?;
        moves.extend(copying::look_further(&store, &moves).await?);
        pushes.is_copied = copying::copy_all(run, &store, &mut moves).await?;
        gating::ensure_no_platform_lost(run, &store, plan, &moves).await?;
        Ok((pushes, moves))
    };
    // Every digest is in every repository and can be read before the first tag moves.
    let (pushes, moves) = run.unless_cancelled(bringing).await?;
    tagging::move_all(run, &store, &moves).await?;
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
struct Whole<'a> {
    planned: &'a Planned,
    legs: Vec<(Platform, Found)>,
    /// The registry did not have one of them before.
    is_new: bool,
}

/// Brings the legs into the store, several at once. Returns also the components that can be joined. After a failure the
/// others stop; what they have brought stays, and the next run finds it.
async fn push_legs<'a>(
    run: &Run,
    store: &Store,
    plan: &'a Plan,
    summary: &mut Summary,
) -> Result<(Pushes, Vec<Whole<'a>>), Failure> {
    let stop = CancellationToken::new();
    let all = plan.components.iter().flat_map(|planned| planned.legs.iter().map(move |leg| (planned, leg)));
    let bring = async |(planned, leg)| match stop.run_until_cancelled(bring(run, store, planned, leg)).await {
        None => Ok(None),
        Some(brought) => brought.inspect_err(|_| stop.cancel()),
    };
    let brought: Vec<_> = stream::iter(all).map(bring).buffered(LEGS_AT_ONCE).collect().await;
    let mut brought = brought.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
    let mut pushes = Pushes { legs: vec![], images: vec![], missing: vec![], is_copied: false };
    let mut whole = vec![];
    for planned in &plan.components {
        let (mut legs, mut is_any_new) = (vec![], false);
        for (leg, brought) in planned.legs.iter().zip(brought.by_ref()) {
            let name = planned.leg(leg);
            let Some(Brought { found, is_pushed, is_new }) = brought else {
                pushes.missing.push(name);
                continue;
            };
            if is_pushed && let Some(done) = summary.legs.get_mut(&name) {
                done.what = What::Pushed;
            }
            is_any_new |= is_new;
            let image = Image { repository: planned.image.clone(), digest: found.digest.clone() };
            pushes.legs.push((name, image));
            legs.push((leg.platform.clone(), found));
        }
        if run.settings.selection.is_everything() && legs.len() == planned.legs.len() {
            whole.push(Whole { planned, legs, is_new: is_any_new });
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
    let mut joined = stream::iter(whole).map(|whole| join(store, whole)).buffered(AT_ONCE);
    let mut moves = vec![];
    while let Some((pushed, moved)) = joined.try_next().await? {
        images.push(pushed);
        moves.push(moved);
    }
    Ok(moves)
}

async fn join<'a>(
    store: &Store,
    Whole { planned, legs, is_new }: Whole<'a>,
) -> Result<(Pushed, Move<'a>), Failure> {
    let before = tagging::look(store, &planned.image, planned).await?;
    let seen: Vec<Found> = before.iter().filter_map(|(_, found)| found.clone()).collect();
    let published = store.join(&planned.image, &legs, &seen, &describing::index_says(planned)).await?;
    let pushed = Pushed { component: planned.component.name.clone(), published: published.clone() };
    Ok((pushed, Move { planned, published, is_new, before }))
}

/// A leg that is in the store.
struct Brought {
    found: Found,
    /// It was pushed just now.
    is_pushed: bool,
    /// The registry had nothing of it before.
    is_new: bool,
}

/// Brings a leg into the store, unless it is there. `None` if the plan leaves it out and it is not there either.
async fn bring(
    run: &Run,
    store: &Store,
    planned: &Planned,
    leg: &PlannedLeg,
) -> Result<Option<Brought>, Failure> {
    let (name, image) = (planned.leg(leg), &planned.image);
    let there = |found| Brought { found, is_pushed: false, is_new: false };
    let missing = || StoreError::NotBuilt { leg: planned.leg(leg), repository: image.clone() };
    match &leg.action {
        Action::Skip(_) if !run.settings.selection.is_everything() => return Ok(None),
        Action::Skip(_) => return Ok(store.find(image, &leg.key).await?.map(there)),
        Action::Reuse(found) => {
            // A plan from a file may be old, and images can be deleted.
            let is_there = run.settings.plan.is_none()
                || store.find(image, &leg.key).await?.is_some_and(|now| now.digest == found.digest);
            return if is_there { Ok(Some(there(found.clone()))) } else { Err(missing().into()) };
        }
        Action::Build => {}
    }
    let built = Layout::at(&run.build_folder(&name));
    let Some(manifest) = built.reference(leg.key.as_str()).map_err(StoreError::from)? else {
        // Another job may have built and pushed this leg: the store is the hand-over medium.
        let found = store.find(image, &leg.key).await?.ok_or_else(missing)?;
        return Ok(Some(there(found)));
    };
    let elsewhere = match manifest.blobs_from().map_err(StoreError::from)? {
        Some(repository) => Some((run.registry()?, repository)),
        None => None,
    };
    let built = Built { leg: &name, layout: &built, manifest, elsewhere };
    let (found, is_new) = store.push_leg(&run.events, image, &leg.key, &built).await?;
    Ok(Some(Brought { found, is_pushed: true, is_new }))
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
        let says = describing::index_says(planned);
        let published = store.join(&planned.image, &legs, &Vec::from_iter(seen), &says).await?;
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
            "{}: {built} of {} images{index}, then tag {}{}{}",
            planned.image,
            planned.legs.len(),
            tags.join(" "),
            preview_further(planned),
            if built > 0 { preview_base(plan, planned) } else { String::new() },
        )
    };
    plan.components.iter().map(|planned| (Stage::Push, line(planned))).collect()
}

/// Where else the image and its tags go.
fn preview_further(planned: &Planned) -> String {
    let further = planned.further.iter().map(|further| format!("`{further}`")).collect::<Vec<_>>();
    if further.is_empty() { String::new() } else { format!("; the same to {}", further.join(" ")) }
}

/// Where the layers of the base come from that the target lacks.
fn preview_base(plan: &Plan, planned: &Planned) -> String {
    let name = planned.component.recipe.base.image();
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
