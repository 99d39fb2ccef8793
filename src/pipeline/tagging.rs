//! The last step of a push: the tags of all components move together, or none does.

use super::{Run, cancelled};
use crate::event::{Progress, Stage};
use crate::failure::Failure;
use crate::image::{Image, Repository, Tag};
use crate::plan::{Found, Planned};
use crate::store::{Fate, Published, Step, Store, StoreError, Stuck};
use futures::future::try_join_all;
use std::time::Duration;

/// How long a run that is told to stop still moves tags, and then puts them back. Forges kill it soon after.
const GRACE: Duration = Duration::from_secs(3);
/// How long a registry that failed is asked to put a tag back.
const UNDO: Duration = Duration::from_secs(60);

/// Tags of a component, in one repository, that are about to point at its image.
pub(super) struct Move<'a> {
    pub(super) planned: &'a Planned,
    /// The image in that repository.
    pub(super) published: Published,
    /// No other tag can point at it.
    pub(super) is_new: bool,
    /// Where they point until then.
    pub(super) before: Vec<(Tag, Option<Found>)>,
}

impl Move<'_> {
    /// The repository is not the component's own one.
    pub(super) fn is_further(&self) -> bool {
        self.published.image.repository != self.planned.image
    }

    /// One of the tags points at the image already.
    pub(super) fn is_tagged(&self) -> bool {
        self.before.iter().any(|(_, found)| found.as_ref().is_some_and(|found| self.is_at(found)))
    }

    /// Whether `found` is the image.
    pub(super) fn is_at(&self, found: &Found) -> bool {
        found.digest == self.published.image.digest
    }
}

/// Looks where the tags of a component point in `repository`.
pub(super) async fn look(
    store: &Store,
    repository: &Repository,
    planned: &Planned,
) -> Result<Vec<(Tag, Option<Found>)>, Failure> {
    let finds = planned.tags.iter().map(|tag| async {
        let found = match *repository == planned.image {
            true => store.find(repository, tag).await?,
            // Nothing was pushed there yet.
            false => store.find_where_it_goes(repository, tag).await?,
        };
        Ok::<_, StoreError>((tag.clone(), found))
    });
    Ok(try_join_all(finds).await?)
}

/// Lets the tags that point elsewhere point at the images. If one of them cannot, those that moved are put back, and the
/// failure says where each one points then. A run that is told to stop goes on for a moment: a tag is quickly moved.
pub(super) async fn move_all(run: &Run, store: &Store, moves: &[Move<'_>]) -> Result<(), Failure> {
    let steps = steps(moves);
    if steps.is_empty() {
        return Ok(());
    }
    let too_late = async {
        run.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let moved = tokio::select! {
        moved = store.tag(&steps) => moved.map_err(Failure::from),
        () = too_late => Err(cancelled()),
    };
    let Err(failure) = moved else {
        tell(run, moves, &steps);
        return Ok(());
    };
    let is_stopped = run.cancel.is_cancelled();
    let fates = store.put_back(&steps, if is_stopped { GRACE } else { UNDO }).await;
    let failure = with_fates(failure, &steps, fates);
    // What was under way then may still arrive, after the look at it.
    let caution =
        "a request that was under way when the run was stopped may still move its tag: run it again";
    Err(if is_stopped { failure.hint(caution) } else { failure })
}

/// The tags that do not point at their images yet; those of one image together.
fn steps<'a>(moves: &'a [Move<'_>]) -> Vec<Step<'a>> {
    let of_one = |moved: &'a Move<'_>| {
        let step = |(tag, before): &'a (Tag, Option<Found>)| Step {
            published: &moved.published,
            tag,
            before: before.as_ref(),
            is_new: moved.is_new,
        };
        let is_elsewhere = |step: &Step<'_>| step.before.is_none_or(|found| !moved.is_at(found));
        moved.before.iter().map(step).filter(is_elsewhere).collect::<Vec<_>>()
    };
    moves.iter().flat_map(of_one).collect()
}

/// Says of each component which tags moved, in the order of the plan.
fn tell(run: &Run, moves: &[Move<'_>], steps: &[Step<'_>]) {
    for moved in moves {
        let is_own = |step: &&Step<'_>| std::ptr::eq(step.published, &moved.published);
        let tags: Vec<String> =
            steps.iter().filter(is_own).map(|step| format!("tagged `{}`", step.tag)).collect();
        if !tags.is_empty() {
            let Image { repository, digest } = &moved.published.image;
            let place = if moved.is_further() { format!(" in `{repository}`") } else { String::new() };
            let text = format!("sha256:{} {}{place}", digest.short(), tags.join(" "));
            run.events.step(Stage::Push, moved.planned.component.name.to_string(), Progress::Done, text);
        }
    }
}

/// The failure, with where every tag points now.
fn with_fates(failure: Failure, steps: &[Step<'_>], fates: Vec<Fate>) -> Failure {
    let stuck = fates.iter().filter(|fate| !matches!(fate, Fate::AsBefore)).count();
    let result = match stuck {
        0 => "every tag points where it did before".to_owned(),
        stuck => format!("{stuck} of {} tags could not be put back", steps.len()),
    };
    let lines = steps.iter().zip(fates).map(|(step, fate)| where_now(step, fate));
    let evidence = [failure.evidence, lines.collect()].concat();
    Failure { headline: format!("{}; {result}", failure.headline), evidence, ..failure }
}

/// Where a tag points now, and why.
fn where_now(step: &Step<'_>, fate: Fate) -> String {
    let name = step.name();
    let why = |error: StoreError| Failure::from(error).headline;
    let new = step.published.image.digest.short();
    match (fate, step.before) {
        (Fate::AsBefore, Some(before)) => {
            format!("`{name}` points at sha256:{}, as before", before.digest.short())
        }
        (Fate::AsBefore, None) => format!("`{name}` does not exist, as before"),
        (Fate::Elsewhere(Some(digest)), _) => {
            format!("`{name}` points at sha256:{}, where somebody else has put it", digest.short())
        }
        (Fate::Elsewhere(None), _) => format!("`{name}` does not exist: somebody else has deleted it"),
        (Fate::Moved(stuck), before) => {
            let before = before.map_or_else(
                || "did not exist before".to_owned(),
                |before| format!("not at sha256:{}", before.digest.short()),
            );
            let stuck = match stuck {
                Stuck::Refused(error) => why(error),
                Stuck::Ignored => "the registry answered that it changed it back, and did not".to_owned(),
                Stuck::Shared => {
                    "it is not deleted, because a registry may delete the image with it, which others use"
                        .to_owned()
                }
            };
            format!("`{name}` points at sha256:{new}, which is the new image, and {before}: {stuck}")
        }
        (Fate::Unknown(error), _) => {
            let why = error.map_or_else(|| "it took too long".to_owned(), why);
            format!("`{name}`: nobody knows where it points: {why}")
        }
    }
}
