//! How an upload begins and is given up: a blob that is there, or in another repository, is not sent at all.

use super::RegistryError;
use super::body::Source;
use super::http::{Errand, Http};
use super::learnt::SelfMount;
use super::retry;
use super::upload::{Hitch, Upload, Way};
use super::wire::Answer;
use crate::image::Digest;
use reqwest::header::{CONTENT_LENGTH, LOCATION};
use reqwest::{Method, StatusCode, Url};
use std::time::Duration;

/// A blob of more bytes is looked for where a mount has not proven to do so: sending it in vain costs more.
pub(super) const WORTH_A_LOOK: u64 = 4 << 20;
/// A registry that does not even let an upload be cancelled is not waited for.
const CANCEL: Duration = Duration::from_secs(5);

/// An upload that has begun, and where it goes on.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) place: Url,
    /// The smallest part that the registry takes (distribution spec, `OCI-Chunk-Min-Length`).
    pub(super) shortest_chunk: u64,
}

/// What came of the wish to upload.
#[derive(Debug)]
pub(super) enum Begun {
    /// The registry has the blob, or mounted it from a repository that has.
    Done(Way),
    Session(Session),
}

impl Upload<'_> {
    /// Starts an upload.
    pub(super) async fn begin(&self) -> Result<Begun, Hitch> {
        let target = &self.errand.target;
        let habits = self.learnt.habits(&target.host);
        if let Some(from) = self.learnt.elsewhere(target, &self.blob.digest) {
            match self.mount(&from).await {
                Ok(answer) if answer.status == StatusCode::CREATED => {
                    return Ok(Begun::Done(Way::Mounted(from)));
                }
                Ok(answer) if answer.status.is_success() => return self.unless_there(&answer).await,
                Ok(answer) if retry::is_transient(answer.status) => return Err(Hitch::of(answer)),
                // Harbor answers 401 where the spec has 202; whatever it is, the blob can be sent.
                Ok(_) | Err(RegistryError::Login { .. }) => self.learnt.cannot_mount(&target.host, from),
                Err(error) => return Err(error.into()),
            }
        }
        if habits.self_mount != SelfMount::Useless {
            let answer = self.mount(&target.path).await?;
            match answer.status {
                StatusCode::CREATED => {
                    self.learnt.note(&target.host, |habits| habits.self_mount = SelfMount::Works);
                    return Ok(Begun::Done(Way::Present));
                }
                status if status.is_success() && habits.self_mount == SelfMount::Works => {
                    return self.http.session(self.errand, &answer).map(Begun::Session);
                }
                status if status.is_success() => {
                    let begun = self.unless_there(&answer).await?;
                    if let Begun::Done(_) = &begun {
                        self.learnt.note(&target.host, |habits| habits.self_mount = SelfMount::Useless);
                    }
                    return Ok(begun);
                }
                status if retry::is_transient(status) => return Err(Hitch::of(answer)),
                _ => self.learnt.note(&target.host, |habits| habits.self_mount = SelfMount::Useless),
            }
        }
        if self.http.is_there(self.errand, &self.blob.digest).await? {
            return Ok(Begun::Done(Way::Present));
        }
        self.http.open(self.errand).await.map(Begun::Session)
    }

    /// A session that a mount has begun, unless a look shows that the blob is there all the same: not every registry says
    /// so to a mount, and what is far away or large is dear.
    async fn unless_there(&self, answer: &Answer) -> Result<Begun, Hitch> {
        let session = self.http.session(self.errand, answer)?;
        let is_dear = self.blob.size > WORTH_A_LOOK || matches!(self.blob.source, Source::Registry(_));
        if is_dear && self.http.is_there(self.errand, &self.blob.digest).await? {
            self.http.cancel(self.errand, &session).await;
            return Ok(Begun::Done(Way::Present));
        }
        Ok(Begun::Session(session))
    }

    async fn mount(&self, from: &str) -> Result<Answer, RegistryError> {
        let mut url = self.errand.target.url("blobs/uploads/");
        let digest = self.blob.digest.to_string();
        url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
        self.http.post(&self.errand.reading(from), &url).await
    }
}

impl Http {
    /// Begins an upload without asking whether the blob is there.
    pub(super) async fn open(&self, errand: &Errand) -> Result<Session, Hitch> {
        let answer = self.post(errand, &errand.target.url("blobs/uploads/")).await?;
        if answer.status.is_success() { self.session(errand, &answer) } else { Err(Hitch::of(answer)) }
    }

    async fn post(&self, errand: &Errand, url: &Url) -> Result<Answer, RegistryError> {
        self.once(errand, Method::POST, url, |request, _| request.header(CONTENT_LENGTH, 0)).await
    }

    fn session(&self, errand: &Errand, answer: &Answer) -> Result<Session, Hitch> {
        let shortest = answer.header("oci-chunk-min-length").and_then(|text| text.parse().ok());
        Ok(Session { place: self.place(errand, answer)?, shortest_chunk: shortest.unwrap_or(0) })
    }

    /// Where the upload goes on: `Location` may be relative and may have a query of its own (distribution spec, end-4a).
    pub(super) fn place(&self, errand: &Errand, answer: &Answer) -> Result<Url, Hitch> {
        let location = answer
            .header(LOCATION.as_str())
            .ok_or_else(|| Hitch::End(answer.incomplete("a place for the upload")))?;
        Ok(self.onward(errand, &answer.url, location)?)
    }

    /// Ends an upload of `size` bytes that are all there.
    pub(super) async fn close(
        &self,
        errand: &Errand,
        session: &Session,
        digest: &Digest,
        size: u64,
    ) -> Result<(), Hitch> {
        let url = session.whole(digest);
        let answer = self.once(errand, Method::PUT, &url, |request, pulse| {
            pulse.all_sent(size);
            request.header(CONTENT_LENGTH, 0)
        });
        let answer = answer.await?;
        if answer.status.is_success() { errand.ensure_same(&answer, digest) } else { Err(Hitch::of(answer)) }
    }

    /// Whether the blob is there. Registries that hide what one may not read answer 403 and still take it.
    pub(super) async fn is_there(&self, errand: &Errand, digest: &Digest) -> Result<bool, Hitch> {
        let url = errand.target.url(&format!("blobs/{digest}"));
        let answer = self.once(errand, Method::HEAD, &url, |request, _| request).await?;
        if retry::is_transient(answer.status) {
            Err(Hitch::of(answer))
        } else {
            Ok(answer.status.is_success())
        }
    }

    /// Tells the registry that nothing more will come, so that it need not keep what it has.
    pub(super) async fn cancel(&self, errand: &Errand, session: &Session) {
        let delete = self.once(errand, Method::DELETE, &session.place, |request, _| request);
        let _ = tokio::time::timeout(CANCEL, delete).await;
    }
}

impl Session {
    /// The address at which the upload ends as the blob `digest`.
    pub(super) fn whole(&self, digest: &Digest) -> Url {
        let mut url = self.place.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        url
    }
}

impl Errand {
    /// Refuses an answer that names another blob than `digest`; it need not name one.
    pub(super) fn ensure_same(&self, answer: &Answer, digest: &Digest) -> Result<(), Hitch> {
        match answer.header("docker-content-digest") {
            Some(stored) if stored != digest.to_string() => {
                let (action, host) = (self.action.clone(), self.target.host.clone());
                Err(Hitch::End(RegistryError::OtherDigest { action, host }))
            }
            _ => Ok(()),
        }
    }
}
