//! Blobs from a registry into a layout: piece by piece, so that memory stays small and a fault costs one piece.

use super::{Registry, RegistryError};
use crate::image::{Digest, Repository};
use crate::layout::{Layout, LayoutError};
use reqwest::header::RANGE;
use reqwest::{Method, StatusCode};

/// How much is asked for at once.
const PIECE: u64 = 8 << 20;

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
        let errand =
            self.http.to_read(repository, format!("fetch blob {} of {repository}", digest.short()))?;
        // An image on it may be pushed to the same host, which can mount the blob then.
        self.learnt.has(&errand.target, digest);
        if layout.holds(digest, size) {
            return Ok(());
        }
        let url = errand.target.url(&format!("blobs/{digest}"));
        let mut blob = layout.receive()?;
        while blob.size() < size {
            let (from, to) = (blob.size(), size.min(blob.size() + PIECE) - 1);
            let range = format!("bytes={from}-{to}");
            let answer = self.http.send(&errand, Method::GET, &url, |request| request.header(RANGE, &range));
            let answer = answer.await?.successful()?;
            // A registry that knows no ranges sends everything.
            let is_whole = answer.status == StatusCode::OK && from == 0;
            let expected = if is_whole { size } else { to + 1 - from };
            if !is_whole && answer.status != StatusCode::PARTIAL_CONTENT
                || answer.body.len() as u64 != expected
            {
                return Err(answer.incomplete("the part of the blob that was asked for").into());
            }
            blob.write(&answer.body)?;
        }
        match layout.keep(blob, digest)? {
            Some(_) => Ok(()),
            None => {
                let host = errand.target.host;
                Err(RegistryError::OtherDigest { action: errand.action, host }.into())
            }
        }
    }
}
