//! Pushing an image: asked for first, blobs side by side, the manifest last, and done when it can be read.

use super::body::Blob;
use super::http::Errand;
use super::retry::Patience;
use super::{Registry, RegistryError, tag_or_digest};
use crate::image::{Digest, Repository};
use crate::layout::{Layout, Referrer};
use futures::stream::{self, StreamExt as _};
use reqwest::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many blobs of an image are looked after at once; the governor says how many of them go.
const AT_ONCE: usize = 32;
/// How often the progress is told.
const TELL: Duration = Duration::from_millis(200);

/// An image in a layout, ready to be pushed.
pub(crate) struct Ready<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) media_type: &'a str,
    /// The bytes of the manifest.
    pub(crate) manifest: &'a [u8],
    /// What the manifest refers to, with sizes in bytes.
    pub(crate) blobs: Vec<(Digest, u64)>,
    /// The artifacts about it, which are there before its name is.
    pub(crate) referrers: Vec<Referrer>,
}

/// How far a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Blobs that are there.
    pub(crate) done: usize,
    /// Bytes that were sent.
    pub(crate) sent: u64,
}

impl Registry {
    /// Pushes an image under `name`, a tag. `tell` hears now and then how far it is. Returns how many blobs were sent.
    /// What the registry has is not sent: neither the whole nor a part of it.
    pub(crate) async fn push(
        &self,
        repository: &Repository,
        name: &str,
        image: &Ready<'_>,
        tell: impl Fn(Pace),
    ) -> Result<usize, RegistryError> {
        let digest = Digest::of(image.manifest);
        self.learnt.keep(&digest, image.manifest);
        if self.points_at(repository, name, &digest).await? {
            return Ok(0);
        }
        let mut sent = 0;
        let own = digest.to_string();
        if !self.points_at(repository, &own, &digest).await? {
            sent = self.push_blobs(repository, image.layout, &image.blobs, &tell).await?;
        }
        // Whoever finds the name must find what is attached, so the name comes last.
        let first = if image.referrers.is_empty() { name } else { own.as_str() };
        let put = self.put_manifest(repository, first, image.media_type, image.manifest).await;
        match put {
            // Somebody cleaned up: what a manifest promised, or this run has seen, is gone.
            Err(RegistryError::Refused { message: Some(message), .. })
                if message.contains("BLOB_UNKNOWN") =>
            {
                self.learnt.forget(&self.http.to_write(repository, String::new())?.target);
                sent = self.push_blobs(repository, image.layout, &image.blobs, &tell).await?;
                self.put_manifest(repository, first, image.media_type, image.manifest).await?;
            }
            put => put?,
        }
        if !image.referrers.is_empty() {
            self.attach(repository, image).await?;
            self.put_manifest(repository, name, image.media_type, image.manifest).await?;
        }
        self.ensure_readable(repository, &digest).await?;
        Ok(sent)
    }

    /// Whether `reference` is this manifest. Registries that hide what one may not read answer 403.
    async fn points_at(
        &self,
        repository: &Repository,
        reference: &str,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let errand =
            self.http.to_write(repository, format!("look for {}", tag_or_digest(repository, reference)))?;
        let answer = self.head(&errand, reference).await?;
        match answer.status {
            StatusCode::FORBIDDEN => Ok(false),
            _ => Ok(super::found(answer)?.is_some_and(|found| found.digest == *digest)),
        }
    }

    /// Waits until the registry gives back what was pushed: some answer before all of their servers know it.
    pub(crate) async fn ensure_readable(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let errand = self.http.to_write(repository, format!("read {repository}@{digest} back"))?;
        let mut patience = Patience::default();
        loop {
            if super::found(self.head(&errand, &digest.to_string()).await?)?.is_some() {
                return Ok(());
            }
            let Errand { action, target, .. } = &errand;
            let missing = || RegistryError::Unreadable { action: action.clone(), host: target.host.clone() };
            tokio::time::sleep(patience.next(None).ok_or_else(missing)?).await;
        }
    }

    /// Uploads what is missing, several blobs at once. The first failure ends the others, which cancel their uploads.
    pub(super) async fn push_blobs(
        &self,
        repository: &Repository,
        layout: &Layout,
        blobs: &[(Digest, u64)],
        tell: &impl Fn(Pace),
    ) -> Result<usize, RegistryError> {
        let (sent, done, stop) = (Arc::new(AtomicU64::new(0)), AtomicUsize::new(0), CancellationToken::new());
        // An image may have the same layer twice.
        let blobs: BTreeSet<&(Digest, u64)> = blobs.iter().collect();
        let push = async |(digest, size): &&(Digest, u64)| {
            let blob = Blob::new(digest, *size, layout.blob(digest), Arc::clone(&sent))?;
            let errand =
                self.http.to_write(repository, format!("push blob {} to {repository}", digest.short()))?;
            let sent = self.upload(&errand, &blob, &stop).await.inspect_err(|_| stop.cancel())?;
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<Option<bool>, RegistryError>(sent)
        };
        let all = stream::iter(&blobs).map(push).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let pace = || Pace { done: done.load(Ordering::Relaxed), sent: sent.load(Ordering::Relaxed) };
        let results = telling(all, || tell(pace())).await;
        // Those that were stopped have nothing to say; the one that failed has.
        let results: Vec<Option<bool>> = results.into_iter().collect::<Result<_, _>>()?;
        Ok(results.into_iter().filter(|sent| *sent == Some(true)).count())
    }
}

/// Runs `work`, and `tell` now and then.
async fn telling<T>(work: impl Future<Output = T>, tell: impl Fn()) -> T {
    tokio::pin!(work);
    loop {
        match tokio::time::timeout(TELL, &mut work).await {
            Ok(done) => return done,
            Err(_) => tell(),
        }
    }
}
