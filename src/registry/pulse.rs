//! Noticing that an exchange has stopped. A large upload takes as long as it takes, so only silence counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A registry reads what it was sent once more before it answers; at least this many bytes a second.
const READ_AGAIN: u64 = 10 << 20;

/// How long one waits for somebody else who is watched too.
const MUCH_LATER: Duration = Duration::from_secs(86_400);

/// When bytes last moved. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    silence: Duration,
    born: Instant,
    /// Milliseconds from the start until when nothing more is expected.
    deadline: Arc<AtomicU64>,
}

impl Pulse {
    /// `silence` is how long nothing may move.
    pub(super) fn new(silence: Duration) -> Self {
        let pulse = Self { silence, born: Instant::now(), deadline: Arc::default() };
        pulse.beat();
        pulse
    }

    /// Bytes have moved.
    pub(super) fn beat(&self) {
        self.expect_within(self.silence);
    }

    /// How long nothing may move.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// Nothing moves because another registry, which has a pulse of its own, has to deliver first.
    pub(super) fn hold(&self) {
        self.expect_within(MUCH_LATER);
    }

    /// All of an upload of `size` bytes is sent, and the other side may think about it.
    pub(super) fn all_sent(&self, size: u64) {
        self.expect_within(self.silence + Duration::from_secs(size / READ_AGAIN));
    }

    /// Runs `work`; `None` if it fell silent.
    pub(super) async fn watch<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.stopped() => None,
        }
    }

    async fn stopped(&self) {
        loop {
            let deadline = self.born + Duration::from_millis(self.deadline.load(Ordering::Relaxed));
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }

    fn expect_within(&self, time: Duration) {
        let deadline = (self.born.elapsed() + time).as_millis();
        self.deadline.store(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
