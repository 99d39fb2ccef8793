//! An image that one repository has, into another one: the blobs as in `copy`, then the manifests by their digests, with
//! what is attached to them.

use super::body::Source;
use super::pace::Pace;
use super::upload::Way;
use super::{MANIFEST_KINDS, Registry, RegistryError};
use crate::image::{Digest, Image, Repository};
use crate::layout::{self, Descriptor, Referrer};
use futures::future::try_join_all;

/// What came of a copy.
#[derive(Debug)]
pub(crate) struct Copied {
    /// How the blobs came there.
    pub(crate) ways: Vec<Way>,
    /// How many blobs there were to look after.
    pub(crate) blobs: usize,
    /// The repository did not have the image before.
    pub(crate) is_new: bool,
}

/// A manifest on its way.
struct Piece {
    digest: Digest,
    media_type: String,
    bytes: Vec<u8>,
    blobs: Vec<Descriptor>,
    /// The artifacts about it.
    referrers: Vec<Referrer>,
    /// The other repository has it, and so its blobs.
    is_there: bool,
}

impl Registry {
    /// Copies `image`, which may be an index, to the repository `to`, and reads it back. No tag points at it there, and
    /// whatever is there already is not moved. `tell` hears how far the blobs are.
    pub(crate) async fn copy_image(
        &self,
        image: &Image,
        media_type: &str,
        to: &Repository,
        tell: impl Fn(Pace),
    ) -> Result<Copied, RegistryError> {
        let from = &image.repository;
        let pieces = self.pieces(image, media_type, to).await?;
        let blobs = blobs_of(&pieces);
        let source = |digest: &Digest, size| {
            Ok::<_, RegistryError>(Source::Registry(Box::new(self.origin(from, digest, size)?)))
        };
        let ways = self.bring(to, &blobs, &source, &tell).await?;
        // Whoever finds a manifest finds what it refers to, and whoever finds the image what is attached to any part of it.
        for Piece { digest, media_type, bytes, referrers, is_there, .. } in &pieces {
            if !is_there {
                self.put_manifest(to, &digest.to_string(), media_type, bytes).await?;
            }
            self.refer(to, digest, referrers).await?;
        }
        try_join_all(pieces.iter().map(|piece| self.ensure_readable(to, &piece.digest))).await?;
        let is_new = pieces.last().is_some_and(|image| !image.is_there);
        Ok(Copied { ways, blobs: blobs.len(), is_new })
    }

    /// The manifests of an image, each before the one that needs it, with what is attached to them.
    async fn pieces(
        &self,
        image: &Image,
        media_type: &str,
        to: &Repository,
    ) -> Result<Vec<Piece>, RegistryError> {
        let mut pieces = vec![];
        let mut left = vec![Descriptor::new(media_type, &image.digest, 0)];
        while let Some(Descriptor { media_type, digest, .. }) = left.pop() {
            let Ok(digest) = digest.parse::<Digest>() else { return Err(self.unfit(image)?) };
            let bytes = self.manifest(&image.repository, &digest).await?;
            let Ok(parts) = layout::children(&bytes) else { return Err(self.unfit(image)?) };
            let (manifests, blobs) = parts.into_iter().partition(|part| is_manifest(&part.media_type));
            left.extend::<Vec<_>>(manifests);
            let own = digest.to_string();
            let (referrers, is_there) = futures::try_join!(
                self.attached(&image.repository, &digest),
                self.points_at(to, &own, &digest)
            )?;
            pieces.push(Piece { digest, media_type, bytes, blobs, referrers, is_there });
        }
        pieces.reverse();
        Ok(pieces)
    }

    fn unfit(&self, image: &Image) -> Result<RegistryError, RegistryError> {
        let host = self.http.target(&image.repository)?.host;
        Ok(RegistryError::Incomplete { action: format!("read {image}"), host, what: "a manifest" })
    }
}

fn is_manifest(media_type: &str) -> bool {
    MANIFEST_KINDS.split(", ").any(|kind| kind == media_type)
}

/// The blobs that the other repository may lack, each once.
fn blobs_of(pieces: &[Piece]) -> Vec<(Digest, u64)> {
    let of_images = pieces.iter().filter(|piece| !piece.is_there).flat_map(|piece| &piece.blobs);
    let of_artifacts = pieces.iter().flat_map(|piece| &piece.referrers).flat_map(|referrer| &referrer.blobs);
    let mut blobs: Vec<(Digest, u64)> =
        of_images.chain(of_artifacts).filter_map(|blob| Some((blob.digest().ok()?, blob.size))).collect();
    blobs.sort();
    blobs.dedup();
    blobs
}
