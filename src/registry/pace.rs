//! How far the blobs of an image are, told to people while they move.

use crate::event::Part;
use crate::image::Digest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often it is told.
pub(super) const TELL: Duration = Duration::from_millis(200);

/// How far an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Blobs that are there.
    pub(crate) done: usize,
    /// Bytes that have moved.
    pub(crate) moved: u64,
    /// The blobs of which some bytes have moved.
    pub(crate) under_way: Vec<Part>,
}

/// A blob that is to move.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) moved: Arc<AtomicU64>,
    is_done: AtomicBool,
}

impl Track {
    /// Blobs that have not moved yet, each once.
    pub(super) fn of(blobs: &[(Digest, u64)]) -> Vec<Self> {
        let track = |(digest, size): (Digest, u64)| Self {
            digest,
            size,
            moved: Arc::default(),
            is_done: AtomicBool::new(false),
        };
        let blobs: std::collections::BTreeSet<(Digest, u64)> = blobs.iter().cloned().collect();
        blobs.into_iter().map(track).collect()
    }

    /// It is there.
    pub(super) fn end(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }

    fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Relaxed)
    }

    fn part(&self) -> Part {
        let (name, moved) = (self.digest.short().to_owned(), self.moved.load(Ordering::Relaxed));
        Part { name, moved, size: self.size }
    }
}

/// Runs `work`, which moves the blobs, and says now and then how far they are.
pub(super) async fn telling<T>(tracks: &[Track], work: impl Future<Output = T>, tell: &impl Fn(Pace)) -> T {
    tokio::pin!(work);
    loop {
        match tokio::time::timeout(TELL, &mut work).await {
            Ok(done) => return done,
            Err(_) => tell(pace(tracks)),
        }
    }
}

fn pace(tracks: &[Track]) -> Pace {
    let parts: Vec<(bool, Part)> = tracks.iter().map(|track| (track.is_done(), track.part())).collect();
    Pace {
        done: parts.iter().filter(|(is_done, _)| *is_done).count(),
        moved: parts.iter().map(|(_, part)| part.moved).sum(),
        under_way: parts
            .into_iter()
            .filter(|(is_done, part)| !is_done && part.moved > 0)
            .map(|(_, part)| part)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_under_way_between_their_first_byte_and_their_end() {
        let blobs: Vec<_> = (0..3_u8).map(|number| (Digest::of(&[number]), 10)).collect();
        let tracks = Track::of(&[blobs.clone(), blobs].concat());
        tracks[0].moved.store(10, Ordering::Relaxed);
        tracks[0].end();
        tracks[1].moved.store(4, Ordering::Relaxed);
        let name = tracks[1].digest.short().to_owned();
        let under_way = vec![Part { name, moved: 4, size: 10 }];
        assert_eq!(pace(&tracks), Pace { done: 1, moved: 14, under_way });
    }
}
