//! The upload ladder: a blob is looked for, mounted, or sent in the best way that its registry accepts.

use super::body::{Blob, Source};
use super::chunks;
use super::governor::Permit;
use super::http::{Errand, Http};
use super::learnt::{Learnt, Rung};
use super::retry::{self, Patience};
use super::session::{Begun, Session, WORTH_A_LOOK};
use super::wire::Answer;
use super::{Registry, RegistryError};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a connection may break while a blob is sent as a whole, before it is sent in parts that can be resumed.
const BREAKS: u32 = 2;

/// How a blob came to be in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It was there.
    Present,
    /// The registry took it from this repository of its own.
    Mounted(String),
    /// It was sent from here.
    Sent,
    /// It was read at this registry and sent on.
    Copied(String),
}

/// One blob on its way.
pub(super) struct Upload<'a> {
    pub(super) http: &'a Http,
    pub(super) learnt: &'a Learnt,
    pub(super) errand: &'a Errand,
    pub(super) blob: &'a Blob,
    /// Ends this upload, because another one has failed.
    stop: &'a CancellationToken,
}

/// Why a try did not bring the blob there.
#[derive(Debug)]
pub(super) enum Hitch {
    /// The registry does not take it this way.
    Lower {
        to: Rung,
        answer: Box<Answer>,
    },
    /// Another try may work, after what the registry asks for.
    Again {
        asked: Option<Duration>,
        error: RegistryError,
        broke: bool,
    },
    End(RegistryError),
    /// Nobody wants it any more.
    Stopped,
}

impl From<RegistryError> for Hitch {
    fn from(error: RegistryError) -> Self {
        match error {
            error if error.is_worth_another_try() => Self::Again { asked: None, error, broke: true },
            error => Self::End(error),
        }
    }
}

impl Hitch {
    /// What a bad answer means: to try again, or that it will not get better.
    pub(super) fn of(answer: Answer) -> Self {
        let (is_transient, asked) = (retry::is_transient(answer.status), answer.retry_after());
        // Registries that lose an upload under load find the next one (jib#4301).
        let is_lost = answer.has_code("BLOB_UPLOAD_UNKNOWN");
        match answer.successful() {
            Err(error) if is_transient || is_lost => Self::Again { asked, error, broke: false },
            Err(error) => Self::End(error),
            Ok(answer) => Self::End(answer.incomplete("an understandable status")),
        }
    }
}

impl Registry {
    /// Brings a blob into the registry. Returns how it came there, `None` if it was stopped.
    pub(super) async fn upload(
        &self,
        errand: &Errand,
        blob: &Blob,
        stop: &CancellationToken,
    ) -> Result<Option<Way>, RegistryError> {
        let (http, learnt) = (&self.http, &self.learnt);
        let turn = learnt.turn(&errand.target.host, &blob.digest);
        let Some(_turn) = stop.run_until_cancelled(turn).await else { return Ok(None) };
        match stop.run_until_cancelled(self.comes_along(errand, blob)).await {
            None => return Ok(None),
            Some(Some(way)) => return Ok(Some(way)),
            Some(None) if learnt.is_known(&errand.target, &blob.digest) => return Ok(Some(Way::Present)),
            Some(None) => {}
        }
        let way = Upload { http, learnt, errand, blob, stop }.run().await?;
        if way.is_some() {
            learnt.has(&errand.target, &blob.digest);
        }
        Ok(way)
    }
}

impl Upload<'_> {
    async fn run(&self) -> Result<Option<Way>, RegistryError> {
        let host = &self.errand.target.host;
        let Some(mut permit) = self.permit().await else { return Ok(None) };
        let mut patience = Patience::default();
        let mut rung = self.learnt.habits(host).rung;
        let mut breaks = 0;
        loop {
            let hitch = match self.attempt(rung, &mut patience).await {
                Ok(way) => {
                    // What a flaky connection needed says nothing about the registry.
                    if matches!(way, Way::Sent | Way::Copied(_)) && breaks < BREAKS {
                        self.learnt.note(host, |habits| habits.rung = habits.rung.max(rung));
                    }
                    return Ok(Some(way));
                }
                Err(hitch) => hitch,
            };
            if let Some(fault) = self.blob.take_fault() {
                return Err(fault);
            }
            match hitch {
                Hitch::Lower { to, .. } if to > rung => rung = to,
                Hitch::Lower { answer, .. } => return answer.successful().map(|_| None),
                Hitch::Stopped => return Ok(None),
                Hitch::End(error) => return Err(error),
                Hitch::Again { asked, error, broke } => {
                    breaks += u32::from(broke);
                    if breaks >= BREAKS && self.blob.size > WORTH_A_LOOK {
                        rung = Rung::Chunks;
                    }
                    let Some(pause) = patience.next(asked) else { return Err(error) };
                    // Those that were told to come later must not all come back at once.
                    drop(permit);
                    let pause = tokio::time::sleep(pause);
                    if self.stop.run_until_cancelled(pause).await.is_none() {
                        return Ok(None);
                    }
                    let Some(next) = self.permit().await else { return Ok(None) };
                    permit = next;
                }
            }
        }
    }

    /// The right to send this blob now, as far as the registry can take it; `None` if it is not wanted any more.
    async fn permit(&self) -> Option<Permit> {
        let permit = self.http.governor.permit(&self.errand.target.host, self.blob.size);
        self.stop.run_until_cancelled(permit).await
    }

    /// One try on one rung. A session that came to nothing is cancelled.
    async fn attempt(&self, rung: Rung, patience: &mut Patience) -> Result<Way, Hitch> {
        let mut session = match self.begin().await? {
            Begun::Done(way) => return Ok(way),
            Begun::Session(session) => session,
        };
        let send = async {
            match rung {
                Rung::Whole => self.put_whole(&session).await,
                Rung::Patch => self.patch(&mut session).await,
                Rung::Chunks => chunks::send(self, &mut session, patience).await,
            }
        };
        let sent = self.stop.run_until_cancelled(send).await.unwrap_or(Err(Hitch::Stopped));
        if sent.is_err() {
            self.http.cancel(self.errand, &session).await;
        }
        sent.map(|()| match &self.blob.source {
            Source::File(_) => Way::Sent,
            Source::Registry(origin) => Way::Copied(origin.host().to_owned()),
        })
    }

    async fn put_whole(&self, session: &Session) -> Result<(), Hitch> {
        let attempt = self.blob.begin();
        let url = session.whole(&self.blob.digest);
        let answer = self.http.once(self.errand, Method::PUT, &url, |request, pulse| {
            let request = request.header(CONTENT_TYPE, "application/octet-stream");
            request.header(CONTENT_LENGTH, self.blob.size).body(self.blob.whole(pulse, &attempt))
        });
        let answer = answer.await?;
        if !answer.status.is_success() {
            return Err(refused(answer, Rung::Patch));
        }
        self.errand.ensure_same(&answer, &self.blob.digest).inspect(|()| attempt.keep())
    }

    async fn patch(&self, session: &mut Session) -> Result<(), Hitch> {
        let attempt = self.blob.begin();
        let answer = self.http.once(self.errand, Method::PATCH, &session.place, |request, pulse| {
            let request = request.header(CONTENT_TYPE, "application/octet-stream");
            request.header(CONTENT_LENGTH, self.blob.size).body(self.blob.whole(pulse, &attempt))
        });
        let answer = answer.await?;
        if !answer.status.is_success() {
            return Err(refused(answer, Rung::Chunks));
        }
        session.place = self.http.place(self.errand, &answer)?;
        self.finish(session).await.inspect(|()| attempt.keep())
    }

    /// Ends an upload whose bytes are all there.
    pub(super) async fn finish(&self, session: &Session) -> Result<(), Hitch> {
        self.http.close(self.errand, session, &self.blob.digest, self.blob.size).await
    }
}

/// What to do about an answer to a request with the bytes of the blob: some mean that it should be sent otherwise.
fn refused(answer: Answer, to: Rung) -> Hitch {
    match answer.status.as_u16() {
        404 if answer.has_code("BLOB_UPLOAD_UNKNOWN") => Hitch::of(answer),
        413 => Hitch::Lower { to: Rung::Chunks, answer: Box::new(answer) },
        404 | 405 | 411 | 416 => Hitch::Lower { to, answer: Box::new(answer) },
        _ => Hitch::of(answer),
    }
}
