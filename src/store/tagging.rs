//! Tagging: the tags of all images of a run move together, and back if one of them cannot.

use super::{Published, Store, StoreError, entry};
use crate::image::{Digest, Tag};
use crate::layout::Descriptor;
use crate::plan::Found;
use crate::registry::{Registry, Tagged};
use futures::future::join_all;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A tag that is to point at a published image.
pub(crate) struct Step<'a> {
    pub(crate) published: &'a Published,
    pub(crate) tag: &'a Tag,
    /// Where it points until then.
    pub(crate) before: Option<&'a Found>,
    /// The image came with this run, so that no other tag can point at it.
    pub(crate) is_new: bool,
}

/// Where a tag points after a move that failed.
#[derive(Debug)]
pub(crate) enum Fate {
    /// Where it pointed before, if anywhere.
    AsBefore,
    /// Somebody else has moved it meanwhile, or deleted it.
    Elsewhere(Option<Digest>),
    /// At the new image, and this is why it could not be put back.
    Moved(Stuck),
    /// Nobody knows, for this reason; without one the time was over.
    Unknown(Option<StoreError>),
}

/// Why a tag stays where it is.
#[derive(Debug)]
pub(crate) enum Stuck {
    Refused(StoreError),
    /// The registry says that it put it back, and did not.
    Ignored,
    /// Some registries delete what a tag points at together with it, and other tags may need that.
    Shared,
}

impl Store {
    /// Lets every tag point at its image: in a layout in one step, in a registry side by side, with as few requests as it
    /// takes. After a failure nothing more is begun, and what was begun has ended.
    pub(crate) async fn tag(&self, steps: &[Step<'_>]) -> Result<(), StoreError> {
        let registry = match self {
            Self::Layout(layout) => {
                let references = steps.iter().map(|step| (step.name(), step.published.descriptor()));
                return Ok(layout.refer(&references.collect::<Vec<_>>())?);
            }
            Self::Registry(registry) => registry,
        };
        let stop = CancellationToken::new();
        let same = |one: &Step<'_>, other: &Step<'_>| std::ptr::eq(one.published, other.published);
        let images = steps.chunk_by(same).map(async |steps| {
            let published = steps[0].published;
            let bytes = bytes_of(registry, published).await.inspect_err(|_| stop.cancel())?;
            let tags: Vec<&Tag> = steps.iter().map(|step| step.tag).collect();
            Ok::<_, StoreError>(registry.tag(&published.tagged(&bytes), &tags, &stop).await?)
        });
        join_all(images).await.into_iter().collect()
    }

    /// Looks where each tag points and puts it back to where it pointed before. `limit` is for each of them.
    pub(crate) async fn put_back(&self, steps: &[Step<'_>], limit: Duration) -> Vec<Fate> {
        let one = async |step| {
            let fate = tokio::time::timeout(limit, self.put_one_back(step)).await;
            fate.unwrap_or(Fate::Unknown(None))
        };
        join_all(steps.iter().map(one)).await
    }

    async fn put_one_back(&self, step: &Step<'_>) -> Fate {
        match self.fate(step).await {
            Fate::Moved(_) if step.before.is_none() && !step.is_new => Fate::Moved(Stuck::Shared),
            Fate::Moved(_) => match self.undo(step).await {
                Ok(()) => self.fate(step).await,
                Err(error) => Fate::Moved(Stuck::Refused(error)),
            },
            fate => fate,
        }
    }

    /// Where a tag points now.
    async fn fate(&self, step: &Step<'_>) -> Fate {
        let now = match self.find(&step.published.image.repository, step.tag).await {
            Ok(now) => now.map(|found| found.digest),
            Err(error) => return Fate::Unknown(Some(error)),
        };
        match now {
            now if now.as_ref() == step.before.map(|found| &found.digest) => Fate::AsBefore,
            Some(digest) if digest == step.published.image.digest => Fate::Moved(Stuck::Ignored),
            now => Fate::Elsewhere(now),
        }
    }

    async fn undo(&self, step: &Step<'_>) -> Result<(), StoreError> {
        // The tags of a layout move in one step, so there is nothing to undo.
        let Self::Registry(registry) = self else { return Ok(()) };
        let repository = &step.published.image.repository;
        match step.before {
            Some(before) => {
                let bytes = registry.manifest(repository, &before.digest).await?;
                let tag = step.tag.as_str();
                registry.put_manifest(repository, tag, &before.media_type, &bytes).await?;
            }
            None => {
                let bytes = bytes_of(registry, step.published).await?;
                registry.untag(&step.published.tagged(&bytes), step.tag).await?;
            }
        }
        Ok(())
    }
}

async fn bytes_of(registry: &Registry, published: &Published) -> Result<Vec<u8>, StoreError> {
    match &published.bytes {
        Some(bytes) => Ok(bytes.clone()),
        None => Ok(registry.manifest(&published.image.repository, &published.image.digest).await?),
    }
}

impl Step<'_> {
    /// The tag as people write it.
    pub(crate) fn name(&self) -> String {
        entry(&self.published.image.repository, self.tag)
    }
}

impl Published {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, &self.image.digest, self.size)
    }

    fn tagged<'a>(&'a self, bytes: &'a [u8]) -> Tagged<'a> {
        Tagged { repository: &self.image.repository, media_type: &self.media_type, bytes }
    }
}
