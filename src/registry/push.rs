//! Pushing an image: asked for first, blobs side by side, the manifest last, and done when it can be read.

use super::body::{Blob, Source};
use super::http::Errand;
use super::pace::{Pace, Track, telling};
use super::retry::Patience;
use super::upload::Way;
use super::{Registry, RegistryError, tag_or_digest};
use crate::image::{Digest, Repository};
use crate::layout::{Layout, Referrer};
use crate::plan::Found;
use futures::stream::{self, StreamExt as _};
use reqwest::StatusCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How many blobs of an image are looked after at once; the governor says how many of them go.
const AT_ONCE: usize = 32;

/// An image in a layout, ready to be pushed.
pub(crate) struct Ready<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) media_type: &'a str,
    /// The bytes of the manifest.
    pub(crate) manifest: &'a [u8],
    /// What the manifest refers to, with sizes in bytes.
    pub(crate) blobs: Vec<(Digest, u64)>,
    /// The repository that has the blobs which are not in the layout.
    pub(crate) elsewhere: Option<&'a Repository>,
    /// The artifacts about it, which are there before its name is.
    pub(crate) referrers: &'a [Referrer],
}

/// What is known of a manifest where images are pushed to.
#[derive(Clone, Debug)]
pub(crate) enum Looked {
    There(Found),
    Absent,
    /// 403: registries hide so what one may not read, and also what does not exist yet.
    Hidden,
}

impl Looked {
    /// Whether it is this manifest.
    pub(super) fn is_at(&self, digest: &Digest) -> bool {
        matches!(self, Self::There(found) if found.digest == *digest)
    }
}

impl Registry {
    /// Pushes an image under `name`, a tag. `tell` hears now and then how far it is. Returns how the blobs came
    /// there; none if the whole was there. What the registry has is not sent: neither the whole nor a part of it.
    pub(crate) async fn push(
        &self,
        repository: &Repository,
        name: &str,
        image: &Ready<'_>,
        tell: impl Fn(Pace),
    ) -> Result<Vec<Way>, RegistryError> {
        let digest = Digest::of(image.manifest);
        self.learnt.keep(&digest, image.manifest);
        let is_new = self.learnt.has_lacked(&self.http.target(repository)?, name);
        if !is_new && self.points_at(repository, name, &digest).await? {
            return Ok(vec![]);
        }
        let mut ways = vec![];
        let own = digest.to_string();
        if !self.points_at(repository, &own, &digest).await? {
            ways = self.push_blobs(repository, image, &image.blobs, &tell).await?;
        }
        // Whoever finds the name must find what is attached, so the name comes last.
        let first = if image.referrers.is_empty() { name } else { own.as_str() };
        let put = self.name(repository, first, image, &digest).await;
        match put {
            // Somebody cleaned up: what a manifest promised, or this run has seen, is gone.
            Err(RegistryError::Refused { message: Some(message), .. })
                if message.contains("BLOB_UNKNOWN") =>
            {
                self.learnt.forget(&self.http.target(repository)?);
                ways = self.push_blobs(repository, image, &image.blobs, &tell).await?;
                self.name(repository, first, image, &digest).await?;
            }
            put => put?,
        }
        if !image.referrers.is_empty() {
            self.attach(repository, image).await?;
            self.name(repository, name, image, &digest).await?;
        }
        self.ensure_readable(repository, &digest).await?;
        Ok(ways)
    }

    /// Puts the manifest under `name`. Somebody else may just have done so with the same one, and then it need not change.
    async fn name(
        &self,
        repository: &Repository,
        name: &str,
        image: &Ready<'_>,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let put = self.put_manifest(repository, name, image.media_type, image.manifest).await;
        match put {
            Err(RegistryError::Immutable { .. }) if self.points_at(repository, name, digest).await? => Ok(()),
            put => put,
        }
    }

    /// Whether `reference` is this manifest.
    pub(super) async fn points_at(
        &self,
        repository: &Repository,
        reference: &str,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        Ok(self.look(repository, reference).await?.is_at(digest))
    }

    /// Looks for a manifest in a repository that is pushed to and may not exist yet.
    pub(crate) async fn look(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Looked, RegistryError> {
        let action = format!("look for {}", tag_or_digest(repository, reference));
        let answer = self.head(&self.http.to_write(repository, action)?, reference).await?;
        if answer.status == StatusCode::FORBIDDEN {
            return Ok(Looked::Hidden);
        }
        Ok(super::found(answer)?.map_or(Looked::Absent, Looked::There))
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

    /// Brings in what is missing of these blobs of `image`.
    pub(super) async fn push_blobs(
        &self,
        repository: &Repository,
        image: &Ready<'_>,
        blobs: &[(Digest, u64)],
        tell: &impl Fn(Pace),
    ) -> Result<Vec<Way>, RegistryError> {
        let source = |digest: &Digest, size| match image.elsewhere {
            Some(other) if !image.layout.holds(digest, size) => {
                Ok(Source::Registry(Box::new(self.origin(other, digest, size)?)))
            }
            _ => Ok(Source::File(image.layout.blob(digest))),
        };
        self.bring(repository, blobs, &source, tell).await
    }

    /// Brings in what is missing of these blobs, several at once. The first failure ends the others, which cancel their
    /// uploads.
    pub(super) async fn bring(
        &self,
        repository: &Repository,
        blobs: &[(Digest, u64)],
        source: &impl Fn(&Digest, u64) -> Result<Source, RegistryError>,
        tell: &impl Fn(Pace),
    ) -> Result<Vec<Way>, RegistryError> {
        let (tracks, stop) = (Track::of(blobs), CancellationToken::new());
        let push = async |track: &Track| {
            let Track { digest, size, moved, .. } = track;
            let blob = Blob::new(digest, *size, source(digest, *size)?, Arc::clone(moved))?;
            let errand =
                self.http.to_write(repository, format!("push blob {} to {repository}", digest.short()))?;
            let way = self.upload(&errand, &blob, &stop).await.inspect_err(|_| stop.cancel())?;
            track.end();
            Ok::<Option<Way>, RegistryError>(way)
        };
        let all = stream::iter(&tracks).map(push).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let results = telling(&tracks, all, tell).await;
        // Those that were stopped have nothing to say; the one that failed has.
        let ways: Vec<Option<Way>> = results.into_iter().collect::<Result<_, _>>()?;
        Ok(ways.into_iter().flatten().collect())
    }
}
