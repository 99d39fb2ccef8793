//! The bytes of a blob on their way: read as they are sent, hashed meanwhile, counted, never held as a whole.

use super::RegistryError;
use super::pulse::Pulse;
use crate::image::Digest;
use futures::stream;
use sha2::{Digest as _, Sha256};
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// How much is read at once.
const PIECE: u64 = 256 << 10;

/// A blob in a file.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    /// What all uploads together have sent, for people.
    pub(super) sent: Arc<AtomicU64>,
    is_damaged: Arc<AtomicBool>,
}

/// What one try has sent. Unless it is kept, it is taken back: the next try sends it again.
#[derive(Debug)]
pub(super) struct Try {
    all: Arc<AtomicU64>,
    own: AtomicU64,
    kept: AtomicBool,
}

impl Blob {
    /// A blob whose file is there and as long as it should be.
    pub(super) fn new(
        digest: &Digest,
        size: u64,
        path: PathBuf,
        sent: Arc<AtomicU64>,
    ) -> Result<Self, RegistryError> {
        let file =
            std::fs::metadata(&path).map_err(|source| RegistryError::Read { path: path.clone(), source })?;
        let blob = Self { digest: digest.clone(), size, path, sent, is_damaged: Arc::default() };
        if file.len() == size { Ok(blob) } else { Err(blob.damaged()) }
    }

    /// The error that explains a failed try, if the file is the reason.
    pub(super) fn fault(&self) -> Option<RegistryError> {
        self.is_damaged.load(Ordering::Relaxed).then(|| self.damaged())
    }

    /// A new try to send this blob.
    pub(super) fn begin(&self) -> Arc<Try> {
        Arc::new(Try { all: Arc::clone(&self.sent), own: AtomicU64::new(0), kept: AtomicBool::new(false) })
    }

    /// The whole blob as a body. Its digest is checked before the last piece leaves, so that a damaged file is never
    /// complete at the other end.
    pub(super) fn whole(&self, pulse: &Pulse, attempt: &Arc<Try>) -> reqwest::Body {
        self.body(0..self.size, pulse, attempt, Some(Sha256::new()))
    }

    /// A part of it; whoever sends parts has called [`Blob::check`] before.
    pub(super) fn part(&self, range: Range<u64>, pulse: &Pulse, attempt: &Arc<Try>) -> reqwest::Body {
        self.body(range, pulse, attempt, None)
    }

    /// Reads the file once and compares its digest.
    pub(super) async fn check(&self) -> Result<(), RegistryError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let (mut file, mut hasher) = (std::fs::File::open(path)?, Sha256::new());
            let mut piece = vec![0; PIECE as usize];
            loop {
                match io::Read::read(&mut file, &mut piece)? {
                    0 => return Ok(Digest::of_hasher(hasher)),
                    length => hasher.update(&piece[..length]),
                }
            }
        });
        let fault = |source| RegistryError::Read { path: self.path.clone(), source };
        let found = read.await.map_err(|error| fault(io::Error::other(error)))?.map_err(fault)?;
        if found == self.digest { Ok(()) } else { Err(self.damaged()) }
    }

    fn damaged(&self) -> RegistryError {
        RegistryError::Damaged { path: self.path.clone() }
    }

    fn body(
        &self,
        range: Range<u64>,
        pulse: &Pulse,
        attempt: &Arc<Try>,
        hasher: Option<Sha256>,
    ) -> reqwest::Body {
        let (blob, pulse, attempt) = (self.clone(), pulse.clone(), Arc::clone(attempt));
        let start = Reading { blob, pulse, attempt, hasher, range, file: None };
        reqwest::Body::wrap_stream(stream::try_unfold(start, Reading::next))
    }
}

/// Where the reading of a body stands.
struct Reading {
    blob: Blob,
    pulse: Pulse,
    attempt: Arc<Try>,
    hasher: Option<Sha256>,
    range: Range<u64>,
    file: Option<tokio::fs::File>,
}

impl Reading {
    async fn next(mut self) -> io::Result<Option<(Vec<u8>, Self)>> {
        if self.range.is_empty() {
            self.pulse.all_sent(self.blob.size);
            return Ok(None);
        }
        if self.file.is_none() {
            let mut file = tokio::fs::File::open(&self.blob.path).await?;
            file.seek(SeekFrom::Start(self.range.start)).await?;
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(None) };
        let length = (self.range.end - self.range.start).min(PIECE);
        let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = file.read_exact(&mut piece).await;
        self.range.start += length;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        let is_last = self.range.is_empty();
        let hasher = if is_last { self.hasher.take() } else { None };
        let is_other = hasher.is_some_and(|hasher| Digest::of_hasher(hasher) != self.blob.digest);
        if read.is_err() || is_other {
            self.blob.is_damaged.store(true, Ordering::Relaxed);
            return Err(io::Error::other("the file has changed"));
        }
        self.pulse.beat();
        self.attempt.count(length);
        Ok(Some((piece, self)))
    }
}

impl Try {
    /// What was sent has arrived.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    fn count(&self, bytes: u64) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed) {
            self.all.fetch_sub(self.own.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}
