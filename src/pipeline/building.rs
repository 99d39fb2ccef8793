//! The build stage: every leg that the plan says, several at once.

use super::ahead::Ahead;
use super::clustering::{self, Away};
use super::{Run, attesting, basing, describing, guarding, sboms, unseen};
use crate::backends::{self, Answer, BuildError, Chosen, Engine, Order};
use crate::component::{Backend, Component, Leg};
use crate::event::{Progress, Stage};
use crate::failure::Failure;
use crate::image::Digest;
use crate::layout::{self, Layout};
use crate::plan::{Action, Plan, Planned, PlannedLeg, Reason};
use crate::report::{LegSummary, Summary, What};
use crate::store::StoreError;
use futures::stream::{self, StreamExt as _};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How many legs are built at once. Build tools use all cores themselves; more would only fight over memory.
const PARALLEL_LEGS: usize = 4;

/// Builds the legs and leaves a layout for each; of layers that take long, `ahead` sends what there is already. The first
/// failure ends the stage; what runs is stopped.
pub(super) async fn build(
    run: &Run,
    plan: &Plan,
    ahead: Option<&Ahead>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let to_build = legs_to_build(plan, summary);
    if to_build.is_empty() {
        return Ok(());
    }
    ensure_components(run, &to_build).await?;
    let before = run.unless_cancelled(guarding::ensure_current(run, plan)).await?;
    let answers = run.unless_cancelled(ask_engines(run, &to_build)).await?;
    let planned: Vec<&Planned> = to_build.iter().map(|(planned, _)| *planned).collect();
    let away = clustering::reach(run, plan, &planned).await?;
    ensure_legs(run, &to_build, &answers).await?;
    let stop = run.cancel.child_token();
    let mut results = stream::iter(to_build)
        .map(|(planned, leg)| {
            let work = Work { run, plan, stop: &stop, answers: &answers, away: away.as_ref(), ahead };
            async move { (planned, planned.leg(leg), one(work, planned, leg).await) }
        })
        .buffer_unordered(PARALLEL_LEGS);
    let mut first_failure = None;
    while let Some((planned, leg, (result, duration))) = results.next().await {
        let (what, digest) = match result {
            Ok(digest) => (What::Built, Some(digest)),
            Err(failure) => {
                // The others are stopped kindly, and their being stopped is not the cause.
                if planned.component.fail_fast {
                    stop.cancel();
                }
                first_failure.get_or_insert(failure);
                (What::Failed, None)
            }
        };
        summary.legs.insert(leg, LegSummary { what, digest, duration });
    }
    match first_failure {
        None => run.unless_cancelled(guarding::ensure_unchanged(run, plan, &before)).await,
        Some(failure) => Err(failure),
    }
}

/// A leg that is to be built, with what is planned for its component.
type ToBuild<'a> = (&'a Planned, &'a PlannedLeg);

/// The legs to build; those that are reused go into the summary.
fn legs_to_build<'a>(plan: &'a Plan, summary: &mut Summary) -> Vec<ToBuild<'a>> {
    let mut to_build = vec![];
    for (planned, leg) in legs(plan) {
        match &leg.action {
            Action::Build => to_build.push((planned, leg)),
            Action::Reuse(found) => {
                let (what, digest) = (What::Reused, Some(found.digest.clone()));
                summary.legs.insert(planned.leg(leg), LegSummary { what, digest, duration: Duration::ZERO });
            }
            Action::Skip(_) => {}
        }
    }
    to_build
}

fn legs(plan: &Plan) -> impl Iterator<Item = (&Planned, &PlannedLeg)> {
    plan.components.iter().flat_map(|planned| planned.legs.iter().map(move |leg| (planned, leg)))
}

/// What a component lacks ends the run before anything starts.
async fn ensure_components(run: &Run, to_build: &[ToBuild<'_>]) -> Result<(), Failure> {
    for (planned, leg) in to_build {
        sboms::ensure_possible(run, planned, leg)?;
    }
    // What a component needs is the same for all its legs.
    let of_one = |left: &ToBuild<'_>, right: &ToBuild<'_>| std::ptr::eq(left.0, right.0);
    for (planned, leg) in to_build.chunk_by(of_one).filter_map(|legs| legs.first()) {
        let refused = |error| Failure::from(error).during(&format!("build {}", planned.leg(leg)));
        run.unless_cancelled(async {
            backends::ensure_possible(planned.backend, &run.root, &planned.component).await.map_err(refused)
        })
        .await?;
    }
    Ok(())
}

/// What nothing can build here ends here, before anything starts; unless the other legs are to be built all the same.
async fn ensure_legs(
    run: &Run,
    to_build: &[ToBuild<'_>],
    answers: &[(Engine, Answer)],
) -> Result<(), Failure> {
    for (planned, leg) in to_build.iter().filter(|(planned, _)| planned.component.fail_fast) {
        if clustering::engine(run, planned.backend).is_none() {
            engine(run, planned, leg, answers)?;
        }
        let refused = |error| Failure::from(error).during(&format!("build {}", planned.leg(leg)));
        let (backend, component) = (planned.backend, &planned.component);
        run.unless_cancelled(async {
            backends::ensure_platform(backend, &run.root, component, &leg.platform).await.map_err(refused)
        })
        .await?;
    }
    Ok(())
}

/// What all legs of the stage share.
#[derive(Clone, Copy)]
struct Work<'a> {
    run: &'a Run,
    plan: &'a Plan,
    stop: &'a CancellationToken,
    /// What the engines of this machine said.
    answers: &'a [(Engine, Answer)],
    /// The cluster that builds, where one does.
    away: Option<&'a Away>,
    /// Who sends layers before they are whole, where they are pushed.
    ahead: Option<&'a Ahead>,
}

/// Nobody is asked where no Dockerfile is built here.
async fn ask_engines(run: &Run, to_build: &[ToBuild<'_>]) -> Result<Vec<(Engine, Answer)>, Failure> {
    let here = to_build.iter().map(|(planned, _)| planned.backend);
    let backends: Vec<Backend> = here.filter(|backend| clustering::engine(run, *backend).is_none()).collect();
    Ok(backends::ask(&run.root, &backends).await)
}

fn engine(
    run: &Run,
    planned: &Planned,
    leg: &PlannedLeg,
    answers: &[(Engine, Answer)],
) -> Result<Option<Chosen>, Failure> {
    let engine = backends::engine_for(&run.root, &planned.component, &leg.platform, planned.backend, answers);
    engine.map_err(|error| Failure::from(error).during(&format!("build {}", planned.leg(leg))))
}

async fn one(work: Work<'_>, planned: &Planned, leg: &PlannedLeg) -> (Result<Digest, Failure>, Duration) {
    let Work { run, stop, .. } = work;
    let name = planned.leg(leg);
    let started = Instant::now();
    if stop.is_cancelled() {
        let stopped = Failure::new(crate::exit::ExitCode::Terminated, "stopped before it began");
        return (Err(stopped.during(&format!("build {name}"))), Duration::ZERO);
    }
    run.events.step(
        Stage::Build,
        name.to_string(),
        Progress::Doing,
        format!("with {}: {}", planned.backend, planned.backend_reason),
    );
    let result = with_backend(work, planned, leg, &name).await;
    match &result {
        Ok(digest) => {
            run.events.step(
                Stage::Build,
                name.to_string(),
                Progress::Done,
                format!("sha256:{}", digest.short()),
            );
        }
        Err(failure) => {
            run.events.step(Stage::Build, name.to_string(), Progress::Failed, failure.headline.as_str())
        }
    }
    (result, started.elapsed())
}

async fn with_backend(
    work: Work<'_>,
    planned: &Planned,
    leg: &PlannedLeg,
    name: &Leg,
) -> Result<Digest, Failure> {
    let Work { run, plan, stop, answers, away, ahead } = work;
    let during = |failure: Failure| failure.during(&format!("build {name}"));
    let away = away.zip(clustering::engine(run, planned.backend));
    let engine = match away {
        Some(_) => None,
        None => engine(run, planned, leg, answers)?,
    };
    let watches = |component: &Component| {
        component.name == name.component && (!component.watch.is_empty() || component.is_workspace_package)
    };
    let is_watched = run.config.components.iter().any(watches);
    let is_buildah = engine.as_ref().is_some_and(|chosen| chosen.engine == Engine::Buildah);
    if planned.backend.is_dockerfile() && !is_buildah && !is_watched {
        let check = unseen::ensure_seen(run, planned, &leg.platform);
        // A run that was cancelled builds nothing; the build says so.
        stop.run_until_cancelled(check).await.unwrap_or(Ok(())).map_err(during)?;
    }
    let base = basing::fetch(run, stop, planned, &leg.platform).await.map_err(during)?;
    let order = Order {
        root: &run.root,
        component: &planned.component,
        platform: &leg.platform,
        out: &run.build_folder(name),
        key: &leg.key,
        epoch: plan.commit.time,
        cargo_home: run.ci.cargo_home.as_deref(),
        foreign: &run.ci.build_variables,
        base_images: &planned.base_images,
        base: base.as_ref(),
        is_watched,
        engine: engine.as_ref(),
        listener: &|layer| {
            if let Some(ahead) = ahead {
                ahead.send(&planned.image, layer);
            }
        },
    };
    let built = match away {
        Some((away, engine)) => away.build(run, stop, engine, planned, &order).await,
        None => backends::build(&run.events, stop, planned.backend, &order).await.map_err(Failure::from),
    };
    let again = |failure: Failure| during(failure.again(planned.backend, &planned.component, name));
    let built = built.map_err(again)?;
    guarding::ensure_listed(run, planned, leg, &built.reads).await.map_err(during)?;
    let stamp = describing::stamp(run, planned, leg);
    let layout = Layout::at(order.out);
    let flat = layout.flatten(&built.manifest, &leg.platform);
    let flat = flat.map_err(BuildError::from).map_err(Failure::from).map_err(during)?;
    let stamped = layout::stamp(&layout, leg.key.as_str(), &flat.image, &stamp);
    let stamped = stamped.map_err(StoreError::from).map_err(Failure::from).map_err(during)?;
    attesting::carry(run, name, &layout, &flat, &stamped).map_err(during)?;
    attesting::attest(run, plan, planned, leg, &stamped).await.map_err(during)?;
    stamped.digest().map_err(StoreError::from).map_err(Failure::from).map_err(during)
}

/// What the stage would do, a line for each leg.
pub(super) fn preview(plan: &Plan) -> Vec<(Stage, String)> {
    let step = |(planned, leg): (&Planned, &PlannedLeg)| {
        let name = planned.leg(leg);
        let text = match leg.action {
            Action::Build => {
                format!("{name} with {} ({}): {}", planned.backend, planned.backend_reason, planned.reason)
            }
            Action::Reuse(_) => format!("not {name}: {}", Reason::Unchanged),
            Action::Skip(ref reason) => format!("not {name}: {reason}"),
        };
        (Stage::Build, text)
    };
    legs(plan).map(step).collect()
}
