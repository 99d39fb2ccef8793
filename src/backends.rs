//! Backends: what turns a leg into a layout. Each gets an [`Order`] and leaves an OCI layout in its folder.

mod answers;
mod apart;
mod asking;
mod buildah;
mod buildkit;
mod buildpacks;
mod cargo;
mod choose;
mod context;
mod docker;
mod dockerfile;
mod elf;
mod engine;
mod helm;
mod ko;
mod prebuilt;
mod program;
mod spin;
mod tool;

pub(crate) use apart::{Apart, kaniko_arguments};
pub(crate) use asking::ask;
pub(crate) use choose::{Choice, ChooseError, Tried, choose};
pub(crate) use engine::{Answer, Chosen, Engine};

use crate::capture::CaptureError;
use crate::component::{Backend, Component, Recipe};
use crate::config::Definitions;
use crate::event::Events;
use crate::exec::ExecError;
use crate::image::{Image, Tag};
use crate::inputs::{self, InputsError};
use crate::layout::{Base, Descriptor, Layout, LayoutError, Listener};
use crate::platform::Platform;
use engine::{Need, Unfit};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// One leg to build.
pub(crate) struct Order<'a> {
    /// The repository's root.
    pub(crate) root: &'a Path,
    pub(crate) component: &'a Component,
    pub(crate) platform: &'a Platform,
    /// The folder that becomes the layout; it is emptied first.
    pub(crate) out: &'a Path,
    /// The name of the manifest in the layout.
    pub(crate) key: &'a Tag,
    /// `SOURCE_DATE_EPOCH`: the date of the commit, in seconds since 1970.
    pub(crate) epoch: u64,
    pub(crate) cargo_home: Option<&'a Path>,
    /// Variables that must not reach the build tool: they would change what it makes, and no input tells.
    pub(crate) foreign: &'a [String],
    /// What the names of base images mean.
    pub(crate) base_images: &'a BTreeMap<String, Image>,
    /// The image that a program is put on; nothing if absent.
    pub(crate) base: Option<&'a Base>,
    /// The user names files that the build reads, beside those that hephy finds.
    pub(crate) is_watched: bool,
    /// What builds the Dockerfile; `None` for a backend that has none.
    pub(crate) engine: Option<&'a Chosen>,
    /// Hears of layers before they are whole.
    pub(crate) listener: Listener<'a>,
}

/// A leg that was built.
pub(crate) struct Built {
    /// The manifest that is now in the layout.
    pub(crate) manifest: Descriptor,
    /// The files of the repository that the tool says it read, as paths from its root; empty where the tool does not say.
    pub(crate) reads: Vec<PathBuf>,
}

/// Why a leg was not built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("prepare `{path}`")]
    Prepare { path: PathBuf, source: std::io::Error },
    #[error("read `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The daemon that builds had a fault of its own, or no room.
    #[error("build with BuildKit, for the second time")]
    Unwell { source: ExecError },
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Inputs(#[from] InputsError),
    #[error("choose a builder: `project.toml` names none")]
    NoBuilder,
    #[error("package the chart `{chart}`: it depends on `{dependency}`, which is not in its `charts` folder")]
    MissingChart { chart: String, dependency: String },
    #[error("use `{program}`: it is version {found}, and hephy needs {least} or newer")]
    TooOld { program: &'static str, found: String, least: &'static str },
    #[error("build for {platform}: no Rust target for it is installed")]
    NoTarget { platform: Platform, target: &'static str },
    #[error("build for {platform}: cargo cannot build for it")]
    NoTriple { platform: Platform },
    #[error("find the program that cargo built: the package has no binary")]
    NoBinary,
    #[error("find the program that cargo built: there are several, {}", names.join(", "))]
    SeveralBinaries { names: Vec<String> },
    #[error("find the finished program for {platform}: `prebuilt` does not name one")]
    NoProgram { platform: Platform },
    #[error("find the finished program `{path}`")]
    ProgramMissing { path: PathBuf },
    #[error("add `{path}` to the image: it is not there")]
    NoAsset { path: PathBuf },
    #[error("package `{path}` for {platform}: it is a program for {found}")]
    OtherMachine { path: PathBuf, found: String, platform: Platform },
    #[error("start `{path}`: it needs the loader `{loader}`, and its image has none")]
    NoLoader { path: PathBuf, loader: String },
    #[error("find the program to start in the folder `{path}`: `bin` does not name a file in it")]
    NoStart { path: PathBuf },
    #[error(
        "build on `{image}`: it has {what}, so the build may have read files that do not count as its inputs"
    )]
    Unseen { image: String, what: String },
    #[error("find the image that `{tool}` built")]
    NoImage { tool: &'static str },
    #[error("take the image of `{tool}`: it says that it made {said}, and {found} is what it left")]
    OtherImage { tool: &'static str, said: String, found: String },
    #[error("take the image of `docker`: it is for {found}, and not for {platform}")]
    OtherPlatform { found: String, platform: Platform },
    #[error("build on `{image}`: the Dockerfile cannot be given the very image that the plan saw")]
    Unpinned { image: String },
    #[error("take the image from the cluster: {what} is missing or damaged")]
    Cut { what: String },
    #[error("find an engine that builds a Dockerfile ({backend}): {}", tried.join("; "))]
    NoEngine {
        backend: Backend,
        tried: Vec<String>,
        /// The platform that an engine was passed over for.
        lacking: Option<Platform>,
    },
}

/// Looks for the definitions in the folder of `component`.
pub(crate) fn definitions(root: &Path, component: &Component) -> Definitions {
    let found = Definitions::look(root, component);
    let dockerfile = inputs::sure_dockerfile_name(root, component);
    let variants = if dockerfile.is_none() { found.variants } else { vec![] };
    Definitions { dockerfile, variants, ..found }
}

/// Refuses what cannot be built here before anything starts: a tool is missing or too old, or a part of the sources is.
pub(crate) async fn ensure_possible(
    backend: Backend,
    root: &Path,
    component: &Component,
) -> Result<(), BuildError> {
    match backend {
        Backend::Cargo
        | Backend::Prebuilt
        | Backend::Dockerfile
        | Backend::Buildkit
        | Backend::Buildah
        | Backend::Docker
        | Backend::Kaniko => Ok(()),
        Backend::Ko => tool::ensure(&ko::TOOLS, root).await,
        Backend::Spin => tool::ensure(&spin::TOOLS, root).await,
        Backend::Helm => helm::ensure_possible(root, component),
        Backend::Buildpacks => buildpacks::ensure_possible(root, component).await,
    }
}

/// Refuses a leg that cannot be built here, or whose program could not start. Engines of a Dockerfile: [`engine_for`].
pub(crate) async fn ensure_platform(
    backend: Backend,
    root: &Path,
    component: &Component,
    platform: &Platform,
) -> Result<(), BuildError> {
    match backend {
        Backend::Cargo => cargo::ensure_possible(root, component, platform).await,
        Backend::Prebuilt => prebuilt::ensure_possible(root, component, platform),
        _ => Ok(()),
    }
}

/// Builds a leg with `backend` into the layout at `order.out`.
pub(crate) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    backend: Backend,
    order: &Order<'_>,
) -> Result<Built, BuildError> {
    empty(order.out)?;
    match backend {
        Backend::Cargo => cargo::build(events, cancel, order).await,
        Backend::Prebuilt => Ok(Built { manifest: prebuilt::build(events, order)?, reads: vec![] }),
        Backend::Dockerfile | Backend::Buildkit | Backend::Buildah | Backend::Docker | Backend::Kaniko => {
            let manifest = dockerfile::build(events, cancel, order).await?;
            Ok(Built { manifest, reads: vec![] })
        }
        Backend::Ko => Ok(Built { manifest: ko::build(events, cancel, order).await?, reads: vec![] }),
        Backend::Helm => Ok(Built { manifest: helm::build(order)?, reads: vec![] }),
        Backend::Buildpacks => {
            Ok(Built { manifest: buildpacks::build(events, cancel, order).await?, reads: vec![] })
        }
        Backend::Spin => Ok(Built { manifest: spin::build(events, cancel, order).await?, reads: vec![] }),
    }
}

/// What makes the compiler say its errors again in the folder of the component, without hephy; `None` where no other tool
/// builds from what hephy builds from.
pub(crate) fn by_hand(backend: Backend, recipe: &Recipe) -> Option<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match backend {
        Backend::Cargo => Some(cargo::by_hand(recipe)),
        // Of a folder that has one program, Go would leave it there.
        Backend::Ko => Some(words(&["go", "build", "-o", "/dev/null", "./..."])),
        Backend::Spin => Some(words(&["spin", "build"])),
        _ => None,
    }
}

/// The engine that builds the leg, `None` if `backend` needs none. `answers` is what [`ask`] found out.
pub(crate) fn engine_for(
    root: &Path,
    component: &Component,
    platform: &Platform,
    backend: Backend,
    answers: &[(Engine, Answer)],
) -> Result<Option<Chosen>, BuildError> {
    if !backend.is_dockerfile() {
        return Ok(None);
    }
    let runs = inputs::dockerfile_reading(root, component, platform).runs;
    let chosen = engine::pick(backend, Need { platform, runs }, answers);
    chosen.map(Some).map_err(|Unfit { tried, is_platform }| {
        let lacking = is_platform.then(|| platform.clone());
        BuildError::NoEngine { backend, tried, lacking }
    })
}

/// Makes `folder` an empty one.
fn empty(folder: &Path) -> Result<(), BuildError> {
    let fault = |source| BuildError::Prepare { path: folder.to_owned(), source };
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fault(error)),
        _ => std::fs::create_dir_all(folder).map_err(fault),
    }
}

impl Order<'_> {
    fn folder(&self) -> PathBuf {
        self.root.join(&self.component.path)
    }

    /// The folder that a Dockerfile copies from.
    fn context(&self) -> PathBuf {
        self.root.join(self.component.context())
    }

    /// The leg, as messages name it.
    pub(crate) fn subject(&self) -> String {
        format!("{} ({})", self.component.name, self.platform)
    }

    /// Names the finished manifest in the layout.
    fn finish(&self, layout: &Layout, manifest: Descriptor) -> Result<Descriptor, LayoutError> {
        layout.refer(&[(self.key.to_string(), manifest.clone())])?;
        Ok(manifest)
    }
}
