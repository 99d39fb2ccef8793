//! The pipeline: the whole line from a commit to a healthy release. Every verb is a part of it.

mod ahead;
mod attesting;
mod base;
mod base_images;
mod basing;
mod beside;
mod building;
mod clustering;
mod copying;
mod deploying;
mod describing;
mod destination;
mod explaining;
mod foreign;
mod gating;
mod guarding;
mod manifests;
mod naming;
mod pinning;
mod planning;
mod preparing;
mod published;
mod publishing;
mod run;
mod sboms;
mod tagging;
mod unseen;

use crate::event::Stage;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::plan::{Plan, Target};
use crate::report::Summary;
use ahead::Ahead;
use std::path::PathBuf;

pub(crate) use explaining::{Explained, explain};
pub(crate) use gating::verify;
pub(crate) use pinning::update_pins;
pub(crate) use planning::{announce, configure, plan, read_plan};
pub(crate) use publishing::Pushes;
use run::OWN_FOLDER;
pub(crate) use run::{Configured, Run, Settings, cancelled, create_folder};

/// How a run ended, if it did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The release runs and was seen to be healthy. `changed` is false where it already was.
    /// Of the `idle` objects 0 replicas are wanted.
    Healthy { server: String, changed: bool, idle: Vec<String> },
    /// The release is there, and 0 replicas are wanted of everything in it. `deployed` by this run or before.
    Idle { server: String, deployed: bool, idle: Vec<String> },
    /// The release was handed over and nobody looked whether it is healthy.
    Applied { server: String },
    /// The release was applied, and nothing in it can be healthy or unhealthy.
    NothingToProve { server: String },
    /// Another process applied the release, all of it is there, and nothing in it can be healthy or unhealthy.
    AllThere { server: String },
    /// Manifests were written, and nothing was deployed.
    Rendered { folder: PathBuf, why: &'static str, target: Target },
    /// There was nothing to deploy.
    Published { changed: bool },
    /// Only some components were asked for, and the manifests run others too.
    PartPublished,
    /// It was built, and this run has no right to publish it.
    Withheld { why: &'static str },
    /// There was nothing to build either.
    Nothing,
}

/// From the commit to the healthy release. Whatever would stop the deploy is found out before anything is built.
pub(crate) async fn up(run: &Run, summary: &mut Summary) -> Result<Ending, Failure> {
    let destination = destination::find(run)?;
    let plan = plan(run).await?;
    announce(run, &plan);
    summary.plan = Some(plan.clone());
    if let Some(why) = foreign::why_withheld(run, &plan) {
        let _turn = run.turn().await?;
        building::build(run, &plan, None, summary).await?;
        return Ok(Ending::Withheld { why });
    }
    let release = deploying::read(run, &plan).await?;
    let cluster = destination::reach(run, &plan, release.as_ref(), destination.as_ref()).await?;
    if cluster.is_some() && !run.settings.no_wait {
        deploying::ensure_provable(release.as_ref())?;
    }
    if plan.components.is_empty() && release.is_none() {
        return Ok(Ending::Nothing);
    }
    let turn = run.turn().await?;
    let ahead = Ahead::of(run, &plan)?;
    let pushed = build_and_push(run, &plan, ahead.as_ref(), summary).await;
    if let Some(ahead) = ahead {
        ahead.end().await;
    }
    let pushes = pushed?;
    drop(turn);
    ensure_whole(&pushes)?;
    let (images, is_copied) = (pushes.images, pushes.is_copied);
    let Some(release) = release else {
        if is_part(run) {
            return Ok(Ending::PartPublished);
        }
        return Ok(Ending::Published { changed: is_copied || publishing::is_changed(summary) });
    };
    let release = deploying::pin(run, &release, &images, summary)?;
    match cluster {
        None => deploying::render(run, &plan, &release),
        Some(cluster) => deploying::deploy_and_wait(run, &cluster, &release, &images, summary).await,
    }
}

/// Builds what the plan says and leaves layouts.
pub(crate) async fn build(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<(), Failure> {
    let _turn = run.turn().await?;
    building::build(run, plan, None, summary).await
}

async fn build_and_push(
    run: &Run,
    plan: &Plan,
    ahead: Option<&Ahead>,
    summary: &mut Summary,
) -> Result<Pushes, Failure> {
    building::build(run, plan, ahead, summary).await?;
    publishing::push(run, plan, summary).await
}

/// Pushes what was built, joins platforms, moves tags.
pub(crate) async fn push(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<Pushes, Failure> {
    foreign::ensure_own(run, plan, "push")?;
    let _turn = run.turn().await?;
    let pushes = publishing::push(run, plan, summary).await?;
    if run.settings.selection.is_everything() {
        ensure_whole(&pushes)?;
    }
    Ok(pushes)
}

/// An image that lacks a platform must never get the tags of the whole.
fn ensure_whole(pushes: &Pushes) -> Result<(), Failure> {
    if pushes.missing.is_empty() {
        return Ok(());
    }
    let legs: Vec<String> = pushes.missing.iter().map(ToString::to_string).collect();
    let headline =
        format!("join platforms: the plan leaves out {}, which nobody has pushed", legs.join(", "));
    let failure = Failure::new(ExitCode::Usage, headline);
    Err(failure.hint("push them first, or make a plan without `--platform`; no tag of theirs has moved"))
}

/// Hands the plan's images to the cluster; does not wait.
pub(crate) async fn deploy(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<Ending, Failure> {
    foreign::ensure_own(run, plan, "deploy")?;
    let destination = destination::find(run)?;
    let release = deploying::read(run, plan).await?.ok_or_else(|| no_manifests(run))?;
    let cluster = destination::reach(run, plan, Some(&release), destination.as_ref()).await?;
    let images = run.unless_cancelled(publishing::collect(run, plan, summary)).await?;
    let release = deploying::pin(run, &release, &images, summary)?;
    match cluster {
        None => deploying::render(run, plan, &release),
        Some(cluster) => {
            deploying::deploy(run, &cluster, &release, summary).await?;
            Ok(Ending::Applied { server: cluster.server().to_owned() })
        }
    }
}

/// Waits until the plan's images are live and healthy.
pub(crate) async fn wait(run: &Run, plan: &Plan, summary: &mut Summary) -> Result<Ending, Failure> {
    let destination = destination::find(run)?;
    let release = deploying::read(run, plan).await?.ok_or_else(|| no_manifests(run))?;
    deploying::ensure_provable(Some(&release))?;
    let Some(cluster) = destination::reach(run, plan, Some(&release), destination.as_ref()).await? else {
        let failure = Failure::new(ExitCode::Usage, "wait for the release: no cluster is configured");
        return Err(failure.hint("set `KUBECONFIG`, or run with `--kubeconfig FILE`"));
    };
    let images = run.unless_cancelled(publishing::collect(run, plan, summary)).await?;
    let release = deploying::pin(run, &release, &images, summary)?;
    deploying::wait(run, &cluster, &release, &images).await
}

/// The Jobs that the build stage would make in a cluster, as YAML.
pub(crate) fn preview_jobs(run: &Run, plan: &Plan) -> Result<String, Failure> {
    clustering::preview(run, plan)
}

/// What [`build`] would do, without doing any of it.
pub(crate) fn preview_build(plan: &Plan) -> Vec<(Stage, String)> {
    building::preview(plan)
}

/// What each stage of [`up`] would do, without doing any of it.
pub(crate) async fn preview(run: &Run, plan: &Plan) -> Result<Vec<(Stage, String)>, Failure> {
    let destination = destination::find(run)?;
    let release = deploying::read(run, plan).await?;
    if destination.is_some() && !run.settings.no_wait {
        deploying::ensure_provable(release.as_ref())?;
    }
    let mut steps = building::preview(plan);
    if let Some(why) = foreign::why_withheld(run, plan) {
        steps.push((Stage::Push, format!("nothing: {why}")));
        return Ok(steps);
    }
    steps.extend(publishing::preview(plan));
    steps.extend(deploying::preview(run, release.as_ref(), destination.as_ref()));
    Ok(steps)
}

/// What [`push`] would do, without doing any of it.
pub(crate) fn preview_push(run: &Run, plan: &Plan) -> Vec<(Stage, String)> {
    match foreign::why_withheld(run, plan) {
        Some(why) => vec![(Stage::Push, format!("nothing: {why}"))],
        None => publishing::preview(plan),
    }
}

/// Whether only some of the components are planned. Their manifests cannot be told from those of the others.
fn is_part(run: &Run) -> bool {
    let only = &run.settings.only;
    let is_left_out =
        |component: &crate::component::Component| !only.iter().any(|name| component.name.as_str() == name);
    !only.is_empty() && run.config.components.iter().any(is_left_out)
}

fn no_manifests(run: &Run) -> Failure {
    if is_part(run) {
        let failure =
            Failure::new(ExitCode::Usage, "find manifests to deploy: `--only` plans a part of the release");
        return failure.hint("run without `--only`; what is unchanged is not built again");
    }
    let failure = Failure::new(ExitCode::Usage, "find manifests to deploy: the repository has none");
    failure.hint("put them into `k8s/`, `deploy/` or `manifests/`")
}
