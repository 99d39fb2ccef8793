//! How an upload begins and is given up: a blob that is there, or in another repository, is not sent at all.

use super::RegistryError;
use super::body::Source;
use super::http::Errand;
use super::learnt::SelfMount;
use super::retry;
use super::upload::{Hitch, Upload, Way};
use super::wire::Answer;
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
                    return self.session(&answer).map(Begun::Session);
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
        if self.is_there().await? {
            return Ok(Begun::Done(Way::Present));
        }
        let answer = self.post(&target.url("blobs/uploads/"), self.errand).await?;
        match answer.status.is_success() {
            true => self.session(&answer).map(Begun::Session),
            false => Err(Hitch::of(answer)),
        }
    }

    /// A session that a mount has begun, unless a look shows that the blob is there all the same: not every registry says
    /// so to a mount, and what is far away or large is dear.
    async fn unless_there(&self, answer: &Answer) -> Result<Begun, Hitch> {
        let session = self.session(answer)?;
        let is_dear = self.blob.size > WORTH_A_LOOK || matches!(self.blob.source, Source::Registry(_));
        if is_dear && self.is_there().await? {
            self.cancel(&session).await;
            return Ok(Begun::Done(Way::Present));
        }
        Ok(Begun::Session(session))
    }

    async fn mount(&self, from: &str) -> Result<Answer, RegistryError> {
        let mut url = self.errand.target.url("blobs/uploads/");
        let digest = self.blob.digest.to_string();
        url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
        self.post(&url, &self.errand.reading(from)).await
    }

    async fn post(&self, url: &Url, errand: &Errand) -> Result<Answer, RegistryError> {
        self.http.once(errand, Method::POST, url, |request, _| request.header(CONTENT_LENGTH, 0)).await
    }

    /// Registries that hide what one may not read answer 403 here and still take the blob.
    async fn is_there(&self) -> Result<bool, Hitch> {
        let url = self.errand.target.url(&format!("blobs/{}", self.blob.digest));
        let answer = self.http.once(self.errand, Method::HEAD, &url, |request, _| request).await?;
        if retry::is_transient(answer.status) {
            Err(Hitch::of(answer))
        } else {
            Ok(answer.status.is_success())
        }
    }

    fn session(&self, answer: &Answer) -> Result<Session, Hitch> {
        let shortest = answer.header("oci-chunk-min-length").and_then(|text| text.parse().ok());
        Ok(Session { place: self.place(answer)?, shortest_chunk: shortest.unwrap_or(0) })
    }

    /// Where the upload goes on: `Location` may be relative and may have a query of its own (distribution spec, end-4a).
    pub(super) fn place(&self, answer: &Answer) -> Result<Url, Hitch> {
        let location = answer
            .header(LOCATION.as_str())
            .ok_or_else(|| Hitch::End(answer.incomplete("a place for the upload")))?;
        Ok(self.http.onward(self.errand, &answer.url, location)?)
    }

    /// Tells the registry that nothing more will come, so that it need not keep what it has.
    pub(super) async fn cancel(&self, session: &Session) {
        let delete = self.http.once(self.errand, Method::DELETE, &session.place, |request, _| request);
        let _ = tokio::time::timeout(CANCEL, delete).await;
    }
}
