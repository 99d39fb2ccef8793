//! How much a registry is asked to do at once: less when it says that it is too much, slowly more when it is well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What may be under way at one host: eight small blobs or four large ones.
const WIDEST: u32 = 8;
/// A blob of more bytes is a large one. It needs a connection's throughput and not its round trips.
const LARGE: u64 = 8 << 20;
/// Answers that come together are about one and the same jam.
const ONE_JAM: Duration = Duration::from_secs(1);

/// The hosts of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Governor(Arc<Mutex<BTreeMap<String, Arc<Lane>>>>);

#[derive(Debug, Default)]
struct Lane {
    pace: Mutex<Pace>,
    freed: Notify,
}

#[derive(Debug)]
struct Pace {
    limit: u32,
    used: u32,
    well: u32,
    cut: Option<Instant>,
    rest: Option<Instant>,
}

/// The right to send one blob. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    lane: Arc<Lane>,
    weight: u32,
}

impl Governor {
    /// Waits for the turn of a blob of `size` bytes.
    pub(super) async fn permit(&self, host: &str, size: u64) -> Permit {
        let (lane, weight) = (self.lane(host), if size > LARGE { 2 } else { 1 });
        loop {
            // Listening starts before looking, so that nothing is missed in between.
            let freed = lane.freed.notified();
            if lane.pace().enter(weight) {
                return Permit { lane: Arc::clone(&lane), weight };
            }
            freed.await;
        }
    }

    /// The host says that it has too much to do and asks for a rest of this length.
    pub(super) fn slow_down(&self, host: &str, rest: Option<Duration>) {
        self.lane(host).pace().jam(Instant::now(), rest);
    }

    /// The host did what it was asked.
    pub(super) fn went_well(&self, host: &str) {
        let lane = self.lane(host);
        lane.pace().flow();
        lane.freed.notify_waiters();
    }

    /// Waits while the host rests.
    pub(super) async fn rest(&self, host: &str) {
        let until = self.lane(host).pace().rest;
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    fn lane(&self, host: &str) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(host.to_owned()).or_default())
    }
}

impl Lane {
    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.lane.pace().used -= self.weight;
        self.lane.freed.notify_waiters();
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { limit: WIDEST, used: 0, well: 0, cut: None, rest: None }
    }
}

impl Pace {
    /// Takes up `weight` if there is room. One may always go, however narrow it is.
    fn enter(&mut self, weight: u32) -> bool {
        let fits = self.used == 0 || self.used + weight <= self.limit;
        self.used += if fits { weight } else { 0 };
        fits
    }

    fn jam(&mut self, now: Instant, rest: Option<Duration>) {
        self.well = 0;
        if self.cut.is_none_or(|cut| now.duration_since(cut) >= ONE_JAM) {
            self.limit = (self.limit / 2).max(1);
            self.cut = Some(now);
        }
        self.rest = self.rest.max(rest.map(|rest| now + rest.min(super::retry::LONGEST)));
    }

    fn flow(&mut self) {
        self.well += 1;
        if self.well > 2 * self.limit && self.limit < WIDEST {
            self.limit += 1;
            self.well = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jam_halves_the_pace_once_and_good_answers_widen_it_slowly() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!((0..9).filter(|_| pace.enter(1)).count(), 8);
        pace.used = 0;
        assert_eq!((0..9).filter(|_| pace.enter(2)).count(), 4);
        pace.used = 0;
        // Given eight uploads that are all told to slow down, it is one jam;
        (0..8).for_each(|_| pace.jam(now, None));
        assert_eq!(pace.limit, 4);
        // the next one is another, and in the end one upload goes on.
        (1..9).for_each(|second| pace.jam(now + Duration::from_secs(second), None));
        assert_eq!(pace.limit, 1);
        assert!(pace.enter(2) && !pace.enter(1));
        // Then it takes more and more good answers for each step.
        (0..3).for_each(|_| pace.flow());
        assert_eq!(pace.limit, 2);
        (0..4).for_each(|_| pace.flow());
        assert_eq!(pace.limit, 2);
        (0..1000).for_each(|_| pace.flow());
        assert_eq!(pace.limit, WIDEST);
    }

    #[tokio::test]
    async fn a_busy_host_keeps_no_other_one_waiting() {
        let soon = Duration::from_millis(100);
        let governor = Governor::default();
        // Given one host that wants a rest and whose uploads are all under way,
        governor.slow_down("busy", Some(Duration::from_hours(1)));
        let permits: Vec<Permit> =
            vec![governor.permit("busy", LARGE + 1).await, governor.permit("busy", LARGE + 1).await];
        // when somebody wants to send to it, then he waits;
        assert!(tokio::time::timeout(soon, governor.rest("busy")).await.is_err());
        assert!(tokio::time::timeout(soon, governor.permit("busy", 1)).await.is_err());
        // to another host everything goes at once, and as much as ever.
        let long = Duration::from_secs(20);
        tokio::time::timeout(long, governor.rest("idle")).await.expect("no rest");
        let mut idle = vec![];
        for _ in 0..WIDEST {
            idle.push(tokio::time::timeout(long, governor.permit("idle", 1)).await.expect("no waiting"));
        }
        assert!(permits.len() < idle.len());
    }

    #[test]
    fn the_longest_rest_that_was_asked_for_counts() {
        let now = Instant::now();
        let mut pace = Pace::default();
        let seconds = |count| Some(Duration::from_secs(count));
        for (asked, expected) in
            [(None, None), (seconds(5), Some(5)), (seconds(2), Some(5)), (seconds(9), Some(9))]
        {
            pace.jam(now, asked);
            assert_eq!(pace.rest.map(|until| until.duration_since(now).as_secs()), expected);
        }
    }
}
