//! The bytes of a blob on their way: read as they are sent, from a file or from another registry, hashed meanwhile,
//! counted, never held as a whole.

use super::RegistryError;
use super::copy::{Coming, Origin};
use super::pulse::Pulse;
use crate::image::Digest;
use futures::stream;
use sha2::{Digest as _, Sha256};
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// How much is read at once.
pub(super) const PIECE: u64 = 256 << 10;

/// A blob that is sent.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) source: Source,
    /// How much of it is sent, for people.
    sent: Arc<AtomicU64>,
    /// Why it could not be read.
    fault: Arc<Mutex<Option<RegistryError>>>,
}

/// Where its bytes are. They can be read more than once.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(PathBuf),
    Registry(Box<Origin>),
}

/// What one try has sent. Unless it is kept, it is taken back: the next try sends it again.
#[derive(Debug)]
pub(super) struct Try {
    all: Arc<AtomicU64>,
    passed: Mutex<Passed>,
}

/// The bytes from the start of the blob that have passed, in order.
#[derive(Debug, Default)]
struct Passed {
    upto: u64,
    hasher: Sha256,
    is_kept: bool,
}

impl Blob {
    /// A blob; a file must be there and as long as it should be.
    pub(super) fn new(
        digest: &Digest,
        size: u64,
        source: Source,
        sent: Arc<AtomicU64>,
    ) -> Result<Self, RegistryError> {
        let blob = Self { digest: digest.clone(), size, source, sent, fault: Arc::default() };
        if let Source::File(path) = &blob.source {
            let unreadable = |source| RegistryError::Read { path: path.clone(), source };
            if std::fs::metadata(path).map_err(unreadable)?.len() != size {
                return Err(blob.damaged());
            }
        }
        Ok(blob)
    }

    /// The error that explains a failed try, if the source is the reason.
    pub(super) fn take_fault(&self) -> Option<RegistryError> {
        lock(&self.fault).take()
    }

    /// Shows people that so many bytes are sent, by somebody else.
    pub(super) fn show(&self, sent: u64) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    /// A new try to send this blob.
    pub(super) fn begin(&self) -> Arc<Try> {
        Arc::new(Try { all: Arc::clone(&self.sent), passed: Mutex::default() })
    }

    /// The whole blob as a body. Its digest is checked before the last piece leaves, so that a wrong blob is never
    /// complete at the other end.
    pub(super) fn whole(&self, pulse: &Pulse, attempt: &Arc<Try>) -> reqwest::Body {
        self.part(0..self.size, pulse, attempt)
    }

    /// A part of it, of which the last one is checked in the same way.
    pub(super) fn part(&self, range: Range<u64>, pulse: &Pulse, attempt: &Arc<Try>) -> reqwest::Body {
        let (blob, pulse, attempt) = (self.clone(), pulse.clone(), Arc::clone(attempt));
        let start = Reading { blob, pulse, attempt, range, opened: None };
        reqwest::Body::wrap_stream(stream::try_unfold(start, Reading::next))
    }

    fn damaged(&self) -> RegistryError {
        match &self.source {
            Source::File(path) => RegistryError::Damaged { path: path.clone() },
            Source::Registry(origin) => origin.damaged(),
        }
    }
}

/// Where the reading of a body stands.
struct Reading {
    blob: Blob,
    pulse: Pulse,
    attempt: Arc<Try>,
    range: Range<u64>,
    opened: Option<Opened>,
}

/// A source that is being read.
enum Opened {
    File(File),
    Registry(Box<Coming>),
}

impl Reading {
    async fn next(mut self) -> io::Result<Option<(Vec<u8>, Self)>> {
        if self.range.is_empty() {
            self.pulse.all_sent(self.blob.size);
            return Ok(None);
        }
        match self.piece().await {
            Ok(piece) => {
                self.pulse.beat();
                Ok(Some((piece, self)))
            }
            Err(fault) => {
                *lock(&self.blob.fault) = Some(fault);
                Err(io::Error::other("the source of the blob failed"))
            }
        }
    }

    async fn piece(&mut self) -> Result<Vec<u8>, RegistryError> {
        let piece = self.read().await?;
        let end = self.attempt.pass(self.range.start, &piece);
        self.range.start += piece.len() as u64;
        let end = end.filter(|_| self.range.start == self.blob.size);
        match end.is_some_and(|hasher| Digest::of_hasher(hasher) != self.blob.digest) {
            true => Err(self.blob.damaged()),
            false => Ok(piece),
        }
    }

    async fn read(&mut self) -> Result<Vec<u8>, RegistryError> {
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open().await?,
        };
        match self.opened.insert(opened) {
            Opened::File(file) => {
                let length = (self.range.end - self.range.start).min(PIECE);
                let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                match file.read_exact(&mut piece).await {
                    Ok(_) => Ok(piece),
                    Err(_) => Err(self.blob.damaged()),
                }
            }
            Opened::Registry(coming) => {
                // It is the other registry that is waited for, and its silence has a limit of its own.
                self.pulse.hold();
                coming.next().await?.ok_or_else(|| self.blob.damaged())
            }
        }
    }

    async fn open(&self) -> Result<Opened, RegistryError> {
        match &self.blob.source {
            Source::Registry(origin) => Ok(Opened::Registry(Box::new(origin.open(self.range.clone())))),
            Source::File(path) => {
                let fault = |source| RegistryError::Read { path: path.clone(), source };
                let mut file = File::open(path).await.map_err(fault)?;
                file.seek(SeekFrom::Start(self.range.start)).await.map_err(fault)?;
                Ok(Opened::File(file))
            }
        }
    }
}

impl Try {
    /// What was sent has arrived.
    pub(super) fn keep(&self) {
        lock(&self.passed).is_kept = true;
    }

    /// Counts and hashes a piece that begins at `position`. Returns the hash up to its end, `None` if bytes before it are
    /// unknown. What is sent twice counts once; what is sent from the start is hashed anew.
    fn pass(&self, position: u64, piece: &[u8]) -> Option<Sha256> {
        let mut passed = lock(&self.passed);
        if position == 0 {
            self.all.fetch_sub(passed.upto, Ordering::Relaxed);
            (passed.upto, passed.hasher) = (0, Sha256::new());
        }
        let known = usize::try_from(passed.upto.checked_sub(position)?).ok()?;
        let new = piece.get(known..)?;
        passed.hasher.update(new);
        passed.upto += new.len() as u64;
        self.all.fetch_add(new.len() as u64, Ordering::Relaxed);
        Some(passed.hasher.clone())
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let passed = lock(&self.passed);
        if !passed.is_kept {
            self.all.fetch_sub(passed.upto, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
