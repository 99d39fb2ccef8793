//! A run: what the user said, what is known from the start, and the places that all stages share.

use crate::ci::Ci;
use crate::component::Rules;
use crate::config::{self, Attest, BaseImages, Config};
use crate::event::Events;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, GitError};
use crate::plan::{Selection, Target};
use crate::registry::{self, Registry};
use crate::store::Store;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// hephy's own folder in a repository.
pub(super) const OWN_FOLDER: &str = ".hephy";
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
    /// What is attached to images that are built.
    pub(crate) attest: Option<Attest>,
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
    pub(super) root: PathBuf,
    pub(super) config: Config,
    /// What was read to find the components, until somebody takes it.
    checkout: Mutex<Option<Checkout>>,
    /// Made when it is first used.
    registry: OnceLock<Registry>,
}

/// A repository with what it says about itself.
pub(crate) struct Configured {
    pub(super) root: PathBuf,
    pub(super) config: Config,
    /// Git's answer, where it was needed to find the components.
    pub(super) checkout: Option<Checkout>,
}

impl Run {
    /// What is attached to the images that this run builds.
    pub(super) fn attest(&self) -> Attest {
        self.settings.attest.or(self.config.attest).unwrap_or_default()
    }

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
    pub(super) async fn checkout(&self) -> Result<Checkout, GitError> {
        let known = self.checkout.lock().unwrap_or_else(PoisonError::into_inner).take();
        match known {
            Some(checkout) => Ok(checkout),
            None => git::read(&self.root, self.ci.default_branch.as_deref()).await,
        }
    }

    /// The place that the plan's images are in.
    pub(super) fn store(&self, target: &Target) -> Result<Store, Failure> {
        match target {
            Target::Layout(path) => {
                self.own_folder()?;
                let layout = crate::layout::Layout::create(&self.root.join(path));
                Ok(Store::Layout(layout.map_err(crate::store::StoreError::from)?))
            }
            Target::Registry => Ok(Store::Registry(Box::new(self.registry()?))),
        }
    }

    /// The same place for looking only: nothing is created.
    pub(super) fn store_to_read(&self, target: &Target) -> Result<Store, Failure> {
        match target {
            Target::Layout(path) => Ok(Store::Layout(crate::layout::Layout::at(&self.root.join(path)))),
            Target::Registry => Ok(Store::Registry(Box::new(self.registry()?))),
        }
    }

    /// The files from the repository's root that say how things are built, with the pins where they are used.
    pub(super) fn settings_files(&self, with_pins: bool) -> Vec<String> {
        let is_pinned = with_pins && self.config.base_images == BaseImages::Pin;
        let pins = is_pinned.then(|| config::LOCK_NAME.to_owned());
        self.config.file.iter().cloned().chain(pins).collect()
    }

    /// The client for all registries: what it learns in one stage serves the next.
    pub(super) fn registry(&self) -> Result<Registry, Failure> {
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
    pub(super) fn own_folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.root.join(OWN_FOLDER);
        create_folder(&folder).map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("create `{}`: {error}", folder.display()))
        })?;
        Ok(folder)
    }

    /// The turn of this run in hephy's own folder: two at once would empty each other's layouts. It ends with the file.
    pub(super) async fn turn(&self) -> Result<std::fs::File, Failure> {
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
    pub(super) fn build_folder(&self, leg: &crate::component::Leg) -> PathBuf {
        let folder = Path::new(OWN_FOLDER).join("build").join(leg.component.as_str());
        self.root.join(folder).join(leg.platform.dashed())
    }

    /// Runs `work` unless the run is cancelled first.
    pub(super) async fn unless_cancelled<T>(
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

/// Creates a folder for a file of hephy's. Its own folder hides itself from git.
pub(crate) fn create_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let ignore = folder.join(".gitignore");
    if !folder.ends_with(OWN_FOLDER) || ignore.exists() { Ok(()) } else { std::fs::write(ignore, "*\n") }
}
