//! The gate: what was planned is there, nothing else is, and no job was left out; one check that a forge can require.

use super::tagging::Move;
use super::{Run, describing, foreign, publishing};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::image::{Repository, Tag};
use crate::metadata::{self, Tree};
use crate::plan::{self, Found, Plan, Planned};
use crate::store::Store;
use futures::future::try_join_all;

/// Proves that the jobs did what was planned and that the store holds every leg that the plan does not leave out, and
/// under the tag of the commit no other. Of a fork nothing is published, so the jobs alone must do. Returns what was
/// proven.
pub(crate) async fn verify(run: &Run, plan: &Plan) -> Result<String, Failure> {
    let of_jobs = faults_of_jobs(run, plan)?;
    let withheld = foreign::why_withheld(run, plan).filter(|_| run.settings.results.is_some());
    let of_legs = match withheld {
        Some(_) => vec![],
        None => {
            let faults = run.unless_cancelled(faults_of_legs(run, plan)).await;
            faults.map_err(|failure| failure.during("verify the plan"))?
        }
    };
    let (code, what) = match of_jobs.is_empty() {
        true => (ExitCode::Registry, "legs are"),
        false => (ExitCode::Build, "jobs and legs are"),
    };
    let faults = [of_jobs, of_legs].concat();
    let Some(first) = faults.first() else {
        return Ok(match withheld {
            Some(why) => format!("verified: every job did what was planned; nothing was published: {why}"),
            None => "verified: the image of every planned leg is there".to_owned(),
        });
    };
    let headline = match faults.len() {
        1 => format!("verify the plan: {first}"),
        count => format!("verify the plan: {count} {what} not what it says, the first of them {first}"),
    };
    let mut failure = Failure::new(code, headline);
    failure.evidence = if faults.len() > 1 { faults } else { vec![] };
    Err(failure.hint("run the jobs of these legs again, then `hephy push` without a selection"))
}

/// What the forge says about the jobs, if it was asked. A plan that is made now has nothing to build once everything is
/// pushed, so only one from a file says what there was to do.
fn faults_of_jobs(run: &Run, plan: &Plan) -> Result<Vec<String>, Failure> {
    let Some(results) = &run.settings.results else { return Ok(vec![]) };
    let has_work = run.settings.plan.is_some().then(|| plan.components.iter().any(Planned::is_built));
    Ok(plan::faults_of_jobs(results, &run.settings.may_skip, has_work)?)
}

async fn faults_of_legs(run: &Run, plan: &Plan) -> Result<Vec<String>, Failure> {
    let mut faults = publishing::faults(run, plan).await?;
    let store = run.store_to_read(&plan.target)?;
    let Some(tag) = describing::commit_tag(&plan.commit) else { return Ok(faults) };
    for planned in plan.components.iter().filter(|planned| planned.tags.contains(&tag)) {
        let Some(found) = store.find(&planned.image, &tag).await? else { continue };
        for platform in unplanned(&store, &planned.image, planned, &found).await? {
            let at = format!("`{}:{tag}`", planned.image);
            faults.push(format!(
                "{} ({platform}): it is in {at}, and the plan does not have it",
                planned.component.name
            ));
        }
    }
    Ok(faults)
}

/// The platforms that an image has and the plan has not.
async fn unplanned(
    store: &Store,
    repository: &Repository,
    planned: &Planned,
    found: &Found,
) -> Result<Vec<String>, Failure> {
    let is_planned = |name: &String| planned.legs.iter().any(|leg| leg.platform.to_string() == *name);
    let there = store.platforms(repository, found).await?;
    Ok(there.into_iter().filter(|name| !is_planned(name)).collect())
}

/// Refuses to move tags to an image that lacks a platform of the image before it: of the one that a tag is taken from,
/// or that of the commit that the plan was compared with. Who runs the lost platform would learn of it when a machine of
/// it starts next.
pub(super) async fn ensure_no_platform_lost(
    run: &Run,
    store: &Store,
    plan: &Plan,
    moves: &[Move<'_>],
) -> Result<(), Failure> {
    if run.settings.drop_platforms {
        return Ok(());
    }
    let of_base = plan.base.commit.as_deref().and_then(|commit| metadata::commit_tag(commit, Tree::Clean));
    try_join_all(moves.iter().map(|moved| keeps_platforms(store, moved, of_base.as_ref()))).await.map(drop)
}

async fn keeps_platforms(store: &Store, moved: &Move<'_>, of_base: Option<&Tag>) -> Result<(), Failure> {
    let Move { planned, published, before, .. } = moved;
    let repository = &published.image.repository;
    let is_other = |found: &Found| !moved.is_at(found);
    let mut others: Vec<(Tag, Found)> = before
        .iter()
        .filter_map(|(tag, found)| Some((tag.clone(), found.clone().filter(is_other)?)))
        .collect();
    let stays = |(_, found): &(Tag, Option<Found>)| found.as_ref().is_some_and(|found| !is_other(found));
    // What was compared with is the same commit in all repositories.
    if let Some(tag) = of_base.filter(|_| !moved.is_further() && !before.iter().all(stays)) {
        let found = store.find(repository, tag).await?.filter(is_other);
        others.extend(found.map(|found| (tag.clone(), found)));
    }
    for (tag, found) in &others {
        let lost = unplanned(store, repository, planned, found).await?;
        if !lost.is_empty() {
            return Err(lost_platforms(planned, repository, tag, &lost));
        }
    }
    Ok(())
}

fn lost_platforms(planned: &Planned, repository: &Repository, tag: &Tag, lost: &[String]) -> Failure {
    let name = &planned.component.name;
    let problem =
        format!("join `{name}`: `{repository}:{tag}` has {}, and the plan does not", lost.join(" and "));
    Failure::new(ExitCode::Usage, problem)
        .hint("name the platform in `platforms`, or drop it on purpose with `--drop-platforms`")
}
