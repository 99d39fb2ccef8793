//! Blobs from a registry into a layout: piece by piece, so that memory stays small, and a fault costs no byte twice.

use super::{Registry, RegistryError};
use crate::image::{Digest, Repository};
use crate::layout::{Layout, LayoutError};

/// Why a blob is not in the layout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Registry {
    /// Brings the blob `digest` of `size` bytes into `layout`, unless it is there, and checks its digest on the way.
    pub(crate) async fn download(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        layout: &Layout,
    ) -> Result<(), DownloadError> {
        let origin = self.origin(repository, digest, size)?;
        if layout.holds(digest, size) {
            return Ok(());
        }
        let (mut coming, mut blob) = (origin.open(0..size), layout.receive()?);
        while let Some(piece) = coming.next().await? {
            blob.write(&piece)?;
        }
        layout.keep(blob, digest)?.map(drop).ok_or_else(|| origin.damaged().into())
    }
}
