//! A head start: a large blob is sent while it is still being written, as Docker does it (POST, one PATCH whose length
//! nobody knows yet, an empty PUT). It is only that: if anything goes wrong, the blob is sent like any other when its image
//! is pushed, and what is wrong is said then.

use super::body::{Blob, PIECE};
use super::http::Errand;
use super::learnt::Rung;
use super::pace::TELL;
use super::pulse::Pulse;
use super::session::{Session, WORTH_A_LOOK};
use super::upload::{Hitch, Way};
use super::{Registry, RegistryError};
use crate::image::{Digest, Repository};
use crate::layout::Growing;
use futures::stream;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

/// A smaller blob is quickly sent when it is whole, and may turn out to be there already.
const WORTH_IT: u64 = 1 << 20;

/// A blob that goes along with its being written.
#[derive(Clone, Debug)]
pub(super) struct Along {
    host: String,
    growing: Growing,
    /// How much of it is sent.
    sent: Arc<AtomicU64>,
    /// Held until it has arrived, or will not.
    turn: Arc<Mutex<()>>,
}

impl Registry {
    /// Sends a blob of `repository` along while it grows, if it gets large. The pushes of this run know of it from now on;
    /// the work is left to the caller, and ends early when `stop` fires.
    pub(crate) fn send_along(
        &self,
        repository: &Repository,
        growing: Growing,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send + use<>, RegistryError> {
        let errand = self.http.to_write(repository, format!("push a layer to {repository}"))?;
        let (along, turn) = Along::begin(&errand.target.host, growing);
        self.learnt.goes_along(along.clone());
        let registry = self.clone();
        Ok(async move { registry.bring_along(&errand, along, turn, &stop).await })
    }

    async fn bring_along(
        &self,
        errand: &Errand,
        along: Along,
        _turn: OwnedMutexGuard<()>,
        stop: &CancellationToken,
    ) {
        let host = &errand.target.host;
        let mut growing = along.growing.clone();
        let begun = stop.run_until_cancelled(async {
            let is_worth_it = growing.exceeds(WORTH_IT).await && self.learnt.habits(host).rung == Rung::Whole;
            if !is_worth_it {
                return None;
            }
            let permit = self.http.governor.permit(host, u64::MAX).await;
            Some((permit, self.http.open(errand).await.ok()?))
        });
        let Some(Some((_permit, mut session))) = begun.await else { return };
        let sent = async {
            tokio::select! {
                sent = self.stream(errand, &along, &mut session) => sent.ok(),
                () = self.is_useless(errand, &along) => None,
            }
        };
        match stop.run_until_cancelled(sent).await.flatten() {
            Some(digest) => self.learnt.has(&errand.target, &digest),
            None => self.http.cancel(errand, &session).await,
        }
    }

    /// Sends the blob as one body of unknown length. Returns its digest.
    async fn stream(&self, errand: &Errand, along: &Along, session: &mut Session) -> Result<Digest, Hitch> {
        let answer = self.http.once(errand, Method::PATCH, &session.place, |request, pulse| {
            request.header(CONTENT_TYPE, "application/octet-stream").body(along.body(pulse))
        });
        let answer = answer.await?.successful()?;
        session.place = self.http.place(errand, &answer)?;
        let (digest, size) =
            along.growing.whole().ok_or_else(|| Hitch::End(answer.incomplete("patience")))?;
        self.http.close(errand, session, &digest, size).await.map(|()| digest)
    }

    /// Ends when it turns out that the registry has the blob, or gets it from another image of this run.
    async fn is_useless(&self, errand: &Errand, along: &Along) {
        let Errand { target, .. } = errand;
        let Some((digest, size)) = along.growing.clone().end().await else { return pending().await };
        let is_nearly_sent = size - along.sent.load(Ordering::Relaxed).min(size) < WORTH_A_LOOK;
        let is_known = self.learnt.is_known(target, &digest)
            || self.learnt.elsewhere(target, &digest).is_some()
            || self.learnt.goes_along_before(along, &digest);
        if !is_known && (is_nearly_sent || !self.http.is_there(errand, &digest).await.unwrap_or(false)) {
            pending().await
        }
    }

    /// Waits for the blob, if it goes along. `None` if it does not, or did not arrive.
    pub(super) async fn comes_along(&self, errand: &Errand, blob: &Blob) -> Option<Way> {
        let along = self.learnt.along(&errand.target.host, &blob.digest)?;
        along.ended(blob).await;
        let has_arrived = self.learnt.is_known(&errand.target, &blob.digest);
        blob.show(if has_arrived { blob.size } else { 0 });
        has_arrived.then_some(Way::Sent)
    }
}

impl Along {
    fn begin(host: &str, growing: Growing) -> (Self, OwnedMutexGuard<()>) {
        let turn = Arc::new(Mutex::new(()));
        let own = Arc::clone(&turn).try_lock_owned().expect("nobody else knows of it");
        (Self { host: host.to_owned(), growing, sent: Arc::default(), turn }, own)
    }

    /// Where it goes.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether both are one and the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.turn, &other.turn)
    }

    /// Whether it is this blob, and goes to this host.
    pub(super) fn is(&self, host: &str, digest: &Digest) -> bool {
        self.host == host && self.growing.whole().is_some_and(|(own, _)| own == *digest)
    }

    /// Waits until it has arrived or will not, and shows meanwhile how far it is.
    async fn ended(&self, blob: &Blob) {
        while tokio::time::timeout(TELL, self.turn.lock()).await.is_err() {
            blob.show(self.sent.load(Ordering::Relaxed));
        }
    }

    fn body(&self, pulse: &Pulse) -> reqwest::Body {
        let start = Reading { along: self.clone(), pulse: pulse.clone(), position: 0 };
        reqwest::Body::wrap_stream(stream::try_unfold(start, Reading::next))
    }
}

/// Where the reading of a body stands.
struct Reading {
    along: Along,
    pulse: Pulse,
    position: u64,
}

impl Reading {
    /// The next bytes, as soon as they are written; that may take longer than a registry may be silent.
    async fn next(mut self) -> io::Result<Option<(Vec<u8>, Self)>> {
        self.pulse.hold();
        let piece = self.along.growing.read(self.position, PIECE).await?;
        if piece.is_empty() {
            self.pulse.all_sent(self.position);
            return Ok(None);
        }
        self.pulse.beat();
        self.position += piece.len() as u64;
        self.along.sent.store(self.position, Ordering::Relaxed);
        Ok(Some((piece, self)))
    }
}
