//! An image that one repository has, into another one: the blobs as in `copy`, then the manifests by their digests, with
//! what is attached to them.

use super::body::Source;
use super::pace::Pace;
use super::push::Looked;
use super::upload::Way;
use super::{MANIFEST_KINDS, Registry, RegistryError};
use crate::image::{Digest, Image, Repository};
use crate::layout::{self, Descriptor, Referrer};
use futures::future::try_join_all;
use reqwest::StatusCode;
use std::collections::BTreeSet;

/// What came of a copy.
#[derive(Debug)]
pub(crate) struct Copied {
    /// How the blobs came there.
    pub(crate) ways: Vec<Way>,
    /// How many blobs there were to look after.
    pub(crate) blobs: usize,
    /// The repository surely did not have the image before.
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
    /// Whether the other repository has it, and so its blobs.
    looked: Looked,
}

impl Piece {
    fn is_there(&self) -> bool {
        self.looked.is_at(&self.digest)
    }
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
        let missing = pieces.iter().filter(|piece| !piece.is_there()).flat_map(|piece| &piece.blobs);
        let blobs = each_once(missing);
        let source = |digest: &Digest, size| {
            Ok::<_, RegistryError>(Source::Registry(Box::new(self.origin(from, digest, size)?)))
        };
        let mut copied = Copied { ways: vec![], blobs: blobs.len(), is_new: false };
        copied.ways = self.bring(to, &blobs, &source, &tell).await?;
        // Whoever finds a manifest finds what it refers to, and whoever finds the image what is attached to any part of it.
        for piece in &pieces {
            let digest = &piece.digest;
            if !piece.is_there() {
                self.put_manifest(to, &digest.to_string(), &piece.media_type, &piece.bytes).await?;
            }
            let mut whole = vec![];
            for referrer in &piece.referrers {
                let blobs = each_once(&referrer.blobs);
                let Some(ways) = unless_gone(self.bring(to, &blobs, &source, &tell).await)? else {
                    let what = &referrer.descriptor.digest;
                    self.http
                        .warn(format!("{what}, attached to {image}, is not copied: a part of it is gone"));
                    continue;
                };
                copied.blobs += blobs.len();
                copied.ways.extend(ways);
                whole.push(referrer.clone());
            }
            self.refer(to, digest, &whole).await?;
        }
        try_join_all(pieces.iter().map(|piece| self.ensure_readable(to, &piece.digest))).await?;
        copied.is_new = pieces.last().is_some_and(|image| matches!(image.looked, Looked::Absent));
        Ok(copied)
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
            let (referrers, looked) =
                futures::try_join!(self.attached(&image.repository, &digest), self.look(to, &own))?;
            pieces.push(Piece { digest, media_type, bytes, blobs, referrers, looked });
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

/// What came of the blobs of an artifact; `None` if one is gone. It is somebody's note about the image, and no part of it.
fn unless_gone(brought: Result<Vec<Way>, RegistryError>) -> Result<Option<Vec<Way>>, RegistryError> {
    match brought {
        Err(RegistryError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        brought => brought.map(Some),
    }
}

/// The blobs, sorted, each once.
fn each_once<'a>(blobs: impl IntoIterator<Item = &'a Descriptor>) -> Vec<(Digest, u64)> {
    let blobs = blobs.into_iter().filter_map(|blob| Some((blob.digest().ok()?, blob.size)));
    blobs.collect::<BTreeSet<_>>().into_iter().collect()
}
