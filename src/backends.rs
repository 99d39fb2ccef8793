//! Backends: what turns a leg into a layout. Each gets an [`Order`] and leaves an OCI layout in its folder.

mod buildah;
mod cargo;
mod choose;
mod prebuilt;

use choose::Definitions;
pub(crate) use choose::{ChooseError, choose};

use crate::component::{Backend, Component};
use crate::event::Events;
use crate::exec::ExecError;
use crate::image::Tag;
use crate::layout::{Descriptor, Layout, LayoutError};
use crate::platform::Platform;
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
    #[error(transparent)]
    Layout(#[from] LayoutError),
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
    #[error("find the program to start in the folder `{path}`: `bin` does not name a file in it")]
    NoStart { path: PathBuf },
    #[error("find the image that `{tool}` built")]
    NoImage { tool: &'static str },
}

/// Looks for the definitions in the folder of `component`.
pub(crate) fn definitions(root: &Path, component: &Component) -> Definitions {
    let folder = root.join(&component.path);
    let named = component.recipe.dockerfile.clone();
    let usual = ["Dockerfile", "Containerfile"].map(str::to_owned);
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml"));
    Definitions {
        dockerfile: named.into_iter().chain(usual).find(|name| folder.join(name).is_file()),
        cargo_mark: manifest.as_ref().is_ok_and(|text| text.contains("[package.metadata.hephy")),
        cargo_manifest: manifest.is_ok(),
    }
}

/// Builds a leg with `backend` into the layout at `order.out`.
pub(crate) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    backend: Backend,
    order: &Order<'_>,
) -> Result<Built, BuildError> {
    let fault = |source| BuildError::Prepare { path: order.out.to_owned(), source };
    match std::fs::remove_dir_all(order.out) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        _ => std::fs::create_dir_all(order.out).map_err(fault)?,
    }
    match backend {
        Backend::Cargo => cargo::build(events, cancel, order).await,
        Backend::Prebuilt => Ok(Built { manifest: prebuilt::build(order)?, reads: vec![] }),
        Backend::Buildah => {
            Ok(Built { manifest: buildah::build(events, cancel, order).await?, reads: vec![] })
        }
    }
}

impl Order<'_> {
    fn folder(&self) -> PathBuf {
        self.root.join(&self.component.path)
    }

    fn subject(&self) -> String {
        format!("{} ({})", self.component.name, self.platform)
    }

    /// Names the finished manifest in the layout.
    fn finish(&self, layout: &Layout, manifest: Descriptor) -> Result<Descriptor, LayoutError> {
        layout.refer(&[(self.key.to_string(), manifest.clone())])?;
        Ok(manifest)
    }
}
