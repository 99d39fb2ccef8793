//! The store: where a run's images are looked for and published, a registry or a layout folder, with one set of verbs.

mod copying;
mod joining;
mod pushing;
mod tagging;

pub(crate) use joining::Says;
pub(crate) use pushing::Built;
pub(crate) use tagging::{Fate, Step, Stuck};

use crate::component::Leg;
use crate::image::{Digest, Image, ImageError, Repository, Tag};
use crate::layout::{self, Descriptor, Layout, LayoutError};
use crate::plan::Found;
use crate::registry::{DownloadError, Registry, RegistryError};
use futures::future::try_join_all;

/// A place for images.
#[derive(Clone)]
pub(crate) enum Store {
    Layout(Layout),
    Registry(Box<Registry>),
}

/// Why images could not be found or published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error("understand the manifest of {leg}")]
    Manifest { leg: Leg, source: serde_json::Error },
    #[error("find the image of {leg}: it was not built here and is not in `{repository}`")]
    NotBuilt { leg: Leg, repository: Repository },
    #[error("understand or write the index of `{repository}`")]
    Index { repository: Repository, source: serde_json::Error },
}

/// An image that is in the store and waits for its tags, which move last.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) image: Image,
    /// Every digest under which a node may report this image: its own, and that of each platform.
    pub(crate) accepted: Vec<Digest>,
    media_type: String,
    bytes: Option<Vec<u8>>,
    size: u64,
}

impl Store {
    /// The image under `name`, a tag.
    pub(crate) async fn find(
        &self,
        repository: &Repository,
        name: &Tag,
    ) -> Result<Option<Found>, StoreError> {
        match self {
            Self::Registry(registry) => Ok(registry.find(repository, name.as_str()).await?),
            Self::Layout(layout) => match layout.reference(&entry(repository, name))? {
                Some(manifest) if is_whole(layout, &manifest) => Ok(Some(found_in(&manifest)?)),
                _ => Ok(None),
            },
        }
    }

    async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Layout(layout) => Ok(layout.read(digest)?),
            Self::Registry(registry) => Ok(registry.manifest(repository, digest).await?),
        }
    }

    /// A part of the image `found` that is gone although its manifest is there. What [`Self::find`] finds in a layout is
    /// whole.
    pub(crate) async fn missing_part(
        &self,
        repository: &Repository,
        found: &Found,
    ) -> Result<Option<Digest>, StoreError> {
        let Self::Registry(registry) = self else { return Ok(None) };
        let bytes = registry.manifest(repository, &found.digest).await?;
        let fault = |source| StoreError::Index { repository: repository.clone(), source };
        let parts = layout::children(&bytes).map_err(fault)?;
        let looks = parts.iter().map(|part| async {
            let digest = part.digest()?;
            let is_there = registry.has_blob(repository, &digest).await?;
            Ok::<_, StoreError>((!is_there).then_some(digest))
        });
        Ok(try_join_all(looks).await?.into_iter().flatten().next())
    }

    /// The platforms of `found`, none if it is no index.
    pub(crate) async fn platforms(
        &self,
        repository: &Repository,
        found: &Found,
    ) -> Result<Vec<String>, StoreError> {
        if found.media_type == layout::IMAGE_MANIFEST {
            return Ok(vec![]);
        }
        let bytes = self.manifest(repository, &found.digest).await?;
        layout::platforms(&bytes)
            .map_err(|source| StoreError::Index { repository: repository.clone(), source })
    }
}

/// Whether everything that a manifest refers to, through an index too, is really there and of the right length:
/// somebody may have cleaned up, or a disk was full.
fn is_whole(layout: &Layout, manifest: &Descriptor) -> bool {
    let is_there = |child: &Descriptor| match child.media_type.as_str() {
        layout::IMAGE_MANIFEST => is_whole(layout, child),
        _ => child.digest().is_ok_and(|digest| layout.holds(&digest, child.size)),
    };
    let bytes = manifest.digest().ok().and_then(|digest| layout.read(&digest).ok());
    let children = bytes.and_then(|bytes| layout::children(&bytes).ok());
    children.is_some_and(|children| children.iter().all(is_there))
}

/// The name of an entry in a layout's index, as other tools write it: `REPOSITORY:TAG`.
fn entry(repository: &Repository, tag: &Tag) -> String {
    format!("{repository}:{tag}")
}

fn found_in(descriptor: &Descriptor) -> Result<Found, ImageError> {
    Ok(Found {
        digest: descriptor.digest()?,
        size: descriptor.size,
        media_type: descriptor.media_type.clone(),
    })
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
