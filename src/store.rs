//! The store: where a run's images are looked for and published, a registry or a layout folder, with one set of verbs.

mod pushing;

pub(crate) use pushing::Built;

use crate::component::Leg;
use crate::image::{Digest, Image, ImageError, Repository, Tag};
use crate::layout::{self, Descriptor, Layout, LayoutError};
use crate::plan::Found;
use crate::platform::Platform;
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

    /// Joins the images of a component's platforms and puts the result into the store by its digest. One platform
    /// needs no index.
    pub(crate) async fn join(
        &self,
        repository: &Repository,
        legs: &[(Platform, Found)],
    ) -> Result<Published, StoreError> {
        let mut accepted: Vec<Digest> = legs.iter().map(|(_, found)| found.digest.clone()).collect();
        if let [(_, only)] = legs {
            let image = Image { repository: repository.clone(), digest: only.digest.clone() };
            let media_type = only.media_type.clone();
            return Ok(Published { image, accepted, media_type, bytes: None, size: only.size });
        }
        let entries: Vec<_> = legs
            .iter()
            .map(|(platform, found)| {
                (platform.clone(), Descriptor::new(&found.media_type, &found.digest, found.size))
            })
            .collect();
        let index = |source| StoreError::Index { repository: repository.clone(), source };
        // One after another would wait for each answer; a component has few platforms.
        let manifests = legs.iter().map(|(_, found)| self.manifest(repository, &found.digest));
        let annotations = layout::common_annotations(&try_join_all(manifests).await?);
        let bytes = layout::index(&entries, annotations).map_err(index)?;
        let digest = Digest::of(&bytes);
        match self {
            Self::Layout(layout) => {
                layout.write(&bytes, layout::IMAGE_INDEX)?;
            }
            Self::Registry(registry) => {
                if registry.find(repository, &digest.to_string()).await?.is_none() {
                    registry
                        .put_manifest(repository, &digest.to_string(), layout::IMAGE_INDEX, &bytes)
                        .await?;
                    registry.ensure_readable(repository, &digest).await?;
                }
            }
        }
        accepted.push(digest.clone());
        let image = Image { repository: repository.clone(), digest };
        let size = bytes.len() as u64;
        Ok(Published {
            image,
            accepted,
            media_type: layout::IMAGE_INDEX.to_owned(),
            bytes: Some(bytes),
            size,
        })
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

    /// Lets `tag` point at a published image.
    pub(crate) async fn tag(&self, published: &Published, tag: &Tag) -> Result<(), StoreError> {
        let image = &published.image;
        match self {
            Self::Layout(layout) => {
                let descriptor = Descriptor::new(&published.media_type, &image.digest, published.size);
                layout.refer(&[(entry(&image.repository, tag), descriptor)])?;
            }
            Self::Registry(registry) => {
                let bytes = match &published.bytes {
                    Some(bytes) => bytes.clone(),
                    None => registry.manifest(&image.repository, &image.digest).await?,
                };
                registry.put_manifest(&image.repository, tag.as_str(), &published.media_type, &bytes).await?;
            }
        }
        Ok(())
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
