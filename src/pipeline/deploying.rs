//! The deploy and wait stages: manifests pinned by digest, handed over, and watched until the truth is known.

use super::destination::Destination;
use super::publishing::Pushed;
use super::{Ending, OWN_FOLDER, Run, guarding};
use crate::cluster::Cluster;
use crate::component::Name;
use crate::deploy::{self, Applied, Change};
use crate::event::{Events, Stage};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::health::{self, Outcome, Platforms, Settings, Watches};
use crate::plan::Plan;
use crate::release::{self, Pin, Release};
use crate::report::{ObjectSummary, Summary};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait when nobody says so.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How long a workload without a readiness probe must look ready when nobody says so.
const SETTLE: Duration = Duration::from_secs(5);

/// Reads the manifests of the plan; `None` if there are none.
pub(super) async fn read(run: &Run, plan: &Plan) -> Result<Option<Release>, Failure> {
    if plan.manifests.is_empty() {
        return Ok(None);
    }
    guarding::ensure_same_release(run, plan).await?;
    let mut files = vec![];
    for path in &plan.manifests {
        let text = std::fs::read_to_string(run.root.join(path))
            .map_err(|error| Failure::new(ExitCode::Usage, format!("read manifest `{path}`: {error}")))?;
        files.push((path.clone(), text));
    }
    Ok(Some(release::read(&files)?))
}

/// Refuses a release that could not be judged once it is deployed.
pub(super) fn ensure_provable(release: Option<&Release>) -> Result<(), Failure> {
    Ok(release.map_or(Ok(()), Release::ensure_provable)?)
}

/// Replaces the images of components by their digests.
pub(super) fn pin(
    run: &Run,
    release: &Release,
    images: &[Pushed],
    summary: &mut Summary,
) -> Result<Release, Failure> {
    let pins: Vec<Pin> = images
        .iter()
        .map(|pushed| Pin {
            component: pushed.component.clone(),
            aliases: aliases(run, &pushed.component),
            image: pushed.published.image.clone(),
        })
        .collect();
    let pinned = release::pin(release, &pins).map_err(|error| Failure::from(error).during("deploy"))?;
    for name in &pinned.unused {
        run.events.warn(format!("`{name}` is in no manifest, so its image is pushed and not deployed"));
    }
    summary.undeployed = pinned.unused;
    Ok(pinned.release)
}

/// The other names under which manifests know the image of a component.
fn aliases(run: &Run, name: &Name) -> Vec<String> {
    let component = run.config.components.iter().find(|component| component.name == *name);
    component.map(|component| component.aliases.clone()).unwrap_or_default()
}

/// Writes the pinned manifests for somebody else to apply.
pub(super) fn render(run: &Run, plan: &Plan, release: &Release) -> Result<Ending, Failure> {
    let folder = run.own_folder()?.join("release");
    let fault = |error: &dyn std::fmt::Display| {
        Failure::new(ExitCode::Unexpected, format!("write manifests to `{}`: {error}", folder.display()))
    };
    let files = release::render(release).map_err(|error| fault(&error))?;
    replace_folder(&folder, &files).map_err(|error| fault(&error))?;
    let folder = Path::new(OWN_FOLDER).join("release");
    Ok(Ending::Rendered { folder, why: no_cluster(run), target: plan.target.clone() })
}

fn no_cluster(run: &Run) -> &'static str {
    if run.settings.no_deploy { "`--no-deploy` is set" } else { "no cluster is configured" }
}

/// Writes all files beside the folder first, so that it never holds half a release.
fn replace_folder(folder: &Path, files: &[(String, String)]) -> std::io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let new = tempfile::tempdir_in(parent)?;
    for (name, text) in files {
        std::fs::write(new.path().join(name), text)?;
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let new: PathBuf = new.keep();
    std::fs::rename(new, folder)
}

/// Applies the release and waits for it. The watches are open before the apply, so that nothing is missed.
pub(super) async fn deploy_and_wait(
    run: &Run,
    cluster: &Cluster,
    release: &Release,
    images: &[Pushed],
    summary: &mut Summary,
) -> Result<Ending, Failure> {
    let server = cluster.server().to_owned();
    if run.settings.no_wait {
        deploy(run, cluster, release, summary).await?;
        return Ok(Ending::Applied { server });
    }
    let open =
        async { Ok(Watches::open(&run.events, cluster, &health::namespaces(cluster, release)).await?) };
    let watches = run.unless_cancelled(open).await.map_err(|failure| failure.during("wait"))?;
    let applied = deploy(run, cluster, release, summary).await?;
    let expected = health::expected(&applied, &platforms(images));
    let changed = applied.iter().any(|one| one.change != Change::Unchanged);
    if expected.is_empty() {
        return Ok(Ending::NothingToProve { server });
    }
    let idle = settle(run, watches, &expected).await?;
    if idle.len() == expected.len() {
        return Ok(Ending::Idle { server, deployed: true, idle });
    }
    Ok(Ending::Healthy { server, changed, idle })
}

/// Applies the release.
pub(super) async fn deploy(
    run: &Run,
    cluster: &Cluster,
    release: &Release,
    summary: &mut Summary,
) -> Result<Vec<Applied>, Failure> {
    let options = deploy::Options {
        create_namespace: run.settings.create_namespace,
        take_ownership: run.settings.take_ownership,
    };
    let apply = async { Ok(deploy::apply(&run.events, cluster, release, options).await?) };
    let applied = run.unless_cancelled(apply).await.map_err(|failure| failure.during("deploy"))?;
    summary.objects = applied
        .iter()
        .map(|one| ObjectSummary { object: one.object.to_string(), change: one.change.to_string() })
        .collect();
    Ok(applied)
}

/// Waits for a release that another process has applied.
pub(super) async fn wait(
    run: &Run,
    cluster: &Cluster,
    release: &Release,
    images: &[Pushed],
) -> Result<Ending, Failure> {
    let open = async {
        let watches = Watches::open(&run.events, cluster, &health::namespaces(cluster, release)).await?;
        let expected = health::expected_now(&run.events, cluster, release, &platforms(images)).await?;
        Ok((watches, expected))
    };
    let (watches, expected) = run.unless_cancelled(open).await.map_err(|failure| failure.during("wait"))?;
    let server = cluster.server().to_owned();
    if expected.is_empty() {
        return Ok(Ending::AllThere { server });
    }
    let idle = settle(run, watches, &expected).await?;
    if idle.len() == expected.len() {
        return Ok(Ending::Idle { server, deployed: false, idle });
    }
    Ok(Ending::Healthy { server, changed: false, idle })
}

/// Waits until the release is healthy, and returns of which objects 0 replicas are wanted.
async fn settle(run: &Run, watches: Watches, expected: &[health::Expected]) -> Result<Vec<String>, Failure> {
    let events: &Events = &run.events;
    let outcome = async { Ok(health::settle(events, watches, expected, patience(run)).await?) };
    let outcome = run.unless_cancelled(outcome).await.map_err(|failure| failure.during("wait"))?;
    match outcome {
        Outcome::Healthy { idle } => Ok(idle),
        outcome => Failure::of_outcome(outcome).map_or(Ok(vec![]), Err),
    }
}

/// How long to wait: what flags say, else `hephy.yaml`, else the defaults.
fn patience(run: &Run) -> Settings {
    Settings {
        timeout: run.settings.timeout.or(run.config.wait.timeout).unwrap_or(TIMEOUT),
        settle: run.settings.settle.or(run.config.wait.settle).unwrap_or(SETTLE),
    }
}

fn platforms(images: &[Pushed]) -> Platforms {
    images
        .iter()
        .map(|pushed| (pushed.published.image.digest.clone(), pushed.published.accepted.clone()))
        .collect()
}

/// What the stages would do.
pub(super) fn preview(
    run: &Run,
    release: Option<&Release>,
    destination: Option<&Destination>,
) -> Vec<(Stage, String)> {
    let Some(release) = release else {
        let why = match super::is_part(run) {
            true => "nothing: `--only` plans a part of the release",
            false => "nothing: there are no manifests",
        };
        return vec![(Stage::Deploy, why.to_owned())];
    };
    let Some(destination) = destination else {
        let text =
            format!("nothing: {}; write the pinned manifests to `{OWN_FOLDER}/release`", no_cluster(run));
        return vec![(Stage::Deploy, text)];
    };
    let objects = release.objects.iter().map(|object| (Stage::Deploy, format!("{object} to {destination}")));
    let mut steps: Vec<_> = objects.collect();
    if !run.settings.no_wait {
        let judged = release.objects.iter().filter(|object| release::proof(object) == release::Proof::Judged);
        let timeout = patience(run).timeout.as_secs();
        steps.extend(judged.map(|object| (Stage::Wait, format!("{object}, at most {timeout} s"))));
    }
    steps
}
