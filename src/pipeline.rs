//! The pipeline: the whole line from a commit to a healthy release. Every verb is a part of it.

mod base;
mod base_images;
mod basing;
mod building;
mod deploying;
mod describing;
mod explaining;
mod foreign;
mod gating;
mod guarding;
mod manifests;
mod naming;
mod pinning;
mod planning;
mod preparing;
mod publishing;
mod unseen;

use crate::ci::Ci;
use crate::component::Rules;
use crate::config::{self, BaseImages, Config};
use crate::event::{Events, Stage};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, GitError};
use crate::plan::{Plan, Selection, Target};
use crate::registry::{self, Registry};
use crate::report::Summary;
use crate::store::Store;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) use explaining::{Explained, explain};
pub(crate) use gating::verify;
pub(crate) use pinning::update_pins;
pub(crate) use planning::{announce, configure, plan, read_plan};
pub(crate) use publishing::Pushes;

/// hephy's own folder in a repository.
const OWN_FOLDER: &str = ".hephy";
/// A registry that says nothing for this long is asked again; a slow upload is not silent.
const REGISTRY_SILENCE: Duration = Duration::from_secs(60);

/// What the user said, in the words of the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) base: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) all: bool,
    /// Only these components; all if it is empty.
    pub(crate) only: Vec<String>,
    pub(crate) registry: Option<String>,
    pub(crate) layout: Option<PathBuf>,
    pub(crate) insecure_registries: Vec<String>,
    /// Certificates that are trusted beside the system's.
    pub(crate) registry_ca: Option<PathBuf>,
    /// How long a registry may say nothing.
    pub(crate) registry_timeout: Option<Duration>,
    /// Rules that come before those of the configuration.
    pub(crate) rules: Rules,
    /// Lines that name the one image, as docker/metadata-action has them.
    pub(crate) images: Vec<String>,
    /// The part of the plan that this run is about.
    pub(crate) selection: Selection,
    pub(crate) plan: Option<PathBuf>,
    /// What the forge says about the jobs that followed the plan.
    pub(crate) results: Option<String>,
    /// The jobs of them that the workflow itself leaves out.
    pub(crate) may_skip: Vec<String>,
    /// Images may lose platforms.
    pub(crate) drop_platforms: bool,
    pub(crate) environment: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) create_namespace: bool,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
    pub(crate) take_ownership: bool,
    pub(crate) no_deploy: bool,
    pub(crate) no_wait: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) settle: Option<Duration>,
}

/// Everything that a run knows from its start.
pub(crate) struct Run {
    pub(crate) events: Events,
    pub(crate) cancel: CancellationToken,
    pub(crate) ci: Ci,
    pub(crate) settings: Settings,
    root: PathBuf,
    config: Config,
    /// What was read to find the components, until somebody takes it.
    checkout: Mutex<Option<Checkout>>,
    /// Made when it is first used.
    registry: OnceLock<Registry>,
}

/// A repository with what it says about itself.
pub(crate) struct Configured {
    root: PathBuf,
    config: Config,
    /// Git's answer, where it was needed to find the components.
    checkout: Option<Checkout>,
}

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
    let destination = deploying::destination(run)?;
    let plan = plan(run).await?;
    announce(run, &plan);
    summary.plan = Some(plan.clone());
    if let Some(why) = foreign::why_withheld(run, &plan) {
        let _turn = run.turn().await?;
        building::build(run, &plan, summary).await?;
        return Ok(Ending::Withheld { why });
    }
    let release = deploying::read(run, &plan).await?;
    let cluster = deploying::reach(run, &plan, release.as_ref(), destination.as_ref()).await?;
    if cluster.is_some() && !run.settings.no_wait {
        deploying::ensure_provable(release.as_ref())?;
    }
    if plan.components.is_empty() && release.is_none() {
        return Ok(Ending::Nothing);
    }
    let turn = run.turn().await?;
    building::build(run, &plan, summary).await?;
    let pushes = publishing::push(run, &plan, summary).await?;
    drop(turn);
    ensure_whole(&pushes)?;
    let images = pushes.images;
    let Some(release) = release else {
        if is_part(run) {
            return Ok(Ending::PartPublished);
        }
        return Ok(Ending::Published { changed: publishing::is_changed(summary) });
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
    building::build(run, plan, summary).await
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
    let destination = deploying::destination(run)?;
    let release = deploying::read(run, plan).await?.ok_or_else(|| no_manifests(run))?;
    let cluster = deploying::reach(run, plan, Some(&release), destination.as_ref()).await?;
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
    let destination = deploying::destination(run)?;
    let release = deploying::read(run, plan).await?.ok_or_else(|| no_manifests(run))?;
    deploying::ensure_provable(Some(&release))?;
    let Some(cluster) = deploying::reach(run, plan, Some(&release), destination.as_ref()).await? else {
        let failure = Failure::new(ExitCode::Usage, "wait for the release: no cluster is configured");
        return Err(failure.hint("set `KUBECONFIG`, or run with `--kubeconfig FILE`"));
    };
    let images = run.unless_cancelled(publishing::collect(run, plan, summary)).await?;
    let release = deploying::pin(run, &release, &images, summary)?;
    deploying::wait(run, &cluster, &release, &images).await
}

/// What each stage of [`up`] would do, without doing any of it.
pub(crate) async fn preview(run: &Run, plan: &Plan) -> Result<Vec<(Stage, String)>, Failure> {
    let destination = deploying::destination(run)?;
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

/// Creates a folder for a file of hephy's. Its own folder hides itself from git.
pub(crate) fn create_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let ignore = folder.join(".gitignore");
    if !folder.ends_with(OWN_FOLDER) || ignore.exists() { Ok(()) } else { std::fs::write(ignore, "*\n") }
}

impl Run {
    /// A run in the repository that was configured. Says first what the user should know about the configuration.
    pub(crate) fn new(
        events: Events,
        cancel: CancellationToken,
        ci: Ci,
        settings: Settings,
        configured: Configured,
    ) -> Self {
        let Configured { root, config, checkout } = configured;
        config.warnings.iter().for_each(|warning| events.warn(warning.as_str()));
        let (checkout, registry) = (Mutex::new(checkout), OnceLock::new());
        Self { events, cancel, ci, settings, root, config, checkout, registry }
    }

    /// What git knows about the checkout. The first who asks gets what was read to find the components.
    async fn checkout(&self) -> Result<Checkout, GitError> {
        let known = self.checkout.lock().unwrap_or_else(PoisonError::into_inner).take();
        match known {
            Some(checkout) => Ok(checkout),
            None => git::read(&self.root, self.ci.default_branch.as_deref()).await,
        }
    }

    /// The place that the plan's images are in.
    fn store(&self, target: &Target) -> Result<Store, Failure> {
        match target {
            Target::Layout(path) => {
                self.own_folder()?;
                let layout = crate::layout::Layout::create(&self.root.join(path));
                Ok(Store::Layout(layout.map_err(crate::store::StoreError::from)?))
            }
            Target::Registry => Ok(Store::Registry(self.registry()?)),
        }
    }

    /// The same place for looking only: nothing is created.
    fn store_to_read(&self, target: &Target) -> Result<Store, Failure> {
        match target {
            Target::Layout(path) => Ok(Store::Layout(crate::layout::Layout::at(&self.root.join(path)))),
            Target::Registry => Ok(Store::Registry(self.registry()?)),
        }
    }

    /// The files from the repository's root that say how things are built, with the pins where they are used.
    fn settings_files(&self, with_pins: bool) -> Vec<String> {
        let is_pinned = with_pins && self.config.base_images == BaseImages::Pin;
        let pins = is_pinned.then(|| config::LOCK_NAME.to_owned());
        self.config.file.iter().cloned().chain(pins).collect()
    }

    /// The client for all registries: what it learns in one stage serves the next.
    fn registry(&self) -> Result<Registry, Failure> {
        if let Some(known) = self.registry.get() {
            return Ok(known.clone());
        }
        let settings = registry::Settings {
            login: self.ci.registry_login.clone(),
            insecure: self.settings.insecure_registries.clone(),
            certificates: self.settings.registry_ca.clone(),
            silence: self.settings.registry_timeout.unwrap_or(REGISTRY_SILENCE),
        };
        let new = Registry::new(self.events.clone(), settings)?;
        Ok(self.registry.get_or_init(|| new).clone())
    }

    /// hephy's own folder, which hides itself from git: what lies in it must not make the next run dirty.
    fn own_folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.root.join(OWN_FOLDER);
        create_folder(&folder).map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("create `{}`: {error}", folder.display()))
        })?;
        Ok(folder)
    }

    /// The turn of this run in hephy's own folder: two at once would empty each other's layouts. It ends with the file.
    async fn turn(&self) -> Result<std::fs::File, Failure> {
        let path = self.own_folder()?.join("lock");
        let fault = |error| Failure::new(ExitCode::Unexpected, format!("lock `{}`: {error}", path.display()));
        let file = std::fs::File::create(&path).map_err(fault)?;
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        self.events.warn("another run of hephy works in this repository; this one waits for it");
        let wait = async {
            while file.try_lock().is_err() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Ok(())
        };
        self.unless_cancelled(wait).await?;
        Ok(file)
    }

    /// Where the layout of a leg lies between `build` and `push`.
    fn build_folder(&self, leg: &crate::component::Leg) -> PathBuf {
        let folder = Path::new(OWN_FOLDER).join("build").join(leg.component.as_str());
        self.root.join(folder).join(leg.platform.dashed())
    }

    /// Runs `work` unless the run is cancelled first.
    async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.cancel.run_until_cancelled(work).await.unwrap_or_else(|| Err(cancelled()))
    }
}

/// Why a run ended that was told to stop.
pub(crate) fn cancelled() -> Failure {
    Failure::new(ExitCode::Terminated, "the run was cancelled")
}
