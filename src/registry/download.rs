//! Blobs from a registry into a layout: piece by piece, so that memory stays small, and a fault costs no byte twice.

use super::pace::{Pace, Track, telling};
use super::upload::Way;
use super::{Registry, RegistryError};
use crate::image::{Digest, Repository};
use crate::layout::{Layout, LayoutError};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::sync::atomic::Ordering;

/// How many blobs are fetched at once.
const AT_ONCE: usize = 3;

/// Why a blob is not in the layout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Registry {
    /// Brings blobs of `repository` into `layout`, several at once. `tell` hears now and then how far they are. Returns how
    /// they came there.
    pub(crate) async fn download(
        &self,
        repository: &Repository,
        blobs: &[(Digest, u64)],
        layout: &Layout,
        tell: impl Fn(Pace),
    ) -> Result<Vec<Way>, DownloadError> {
        let tracks = Track::of(blobs);
        let all = stream::iter(&tracks).map(|track| self.download_one(repository, track, layout));
        telling(&tracks, all.buffer_unordered(AT_ONCE).try_collect(), &tell).await
    }

    /// Brings one in, unless it is there, and checks its digest on the way.
    async fn download_one(
        &self,
        repository: &Repository,
        track: &Track,
        layout: &Layout,
    ) -> Result<Way, DownloadError> {
        let Track { digest, size, moved, .. } = track;
        let origin = self.origin(repository, digest, *size)?;
        // Several images on one base want the same layers.
        let _turn = self.learnt.turn(origin.host(), digest).await;
        if layout.holds(digest, *size) {
            track.end();
            return Ok(Way::Present);
        }
        let (mut coming, mut blob) = (origin.open(0..*size), layout.receive()?);
        while let Some(piece) = coming.next().await? {
            blob.write(&piece)?;
            moved.store(blob.size(), Ordering::Relaxed);
        }
        layout.keep(blob, digest)?.ok_or_else(|| origin.damaged())?;
        track.end();
        Ok(Way::Copied(origin.host().to_owned()))
    }
}
