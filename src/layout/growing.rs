//! A blob that can be read while it is still being written, so that nobody has to wait for its end to begin to send it.

use super::LayoutError;
use crate::image::Digest;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::sync::watch;

/// Hears of each blob that begins to grow.
pub(crate) type Listener<'a> = &'a (dyn Fn(Growing) + Sync);

/// The reading side. Clones read the same blob, each at a place of its own.
#[derive(Clone, Debug)]
pub(crate) struct Growing {
    file: Arc<File>,
    grown: watch::Receiver<Grown>,
}

/// How far a blob is.
#[derive(Debug, Default)]
struct Grown {
    length: u64,
    /// The digest of a blob to which nothing will be added.
    whole: Option<Digest>,
}

/// The writing side, a file that has no name yet. Readers of one that is dropped before its end get an error.
pub(super) struct Growth {
    file: NamedTempFile,
    grown: watch::Sender<Grown>,
}

impl Growth {
    /// A new blob in `folder`, of which `listener` hears.
    pub(super) fn begin(folder: &Path, listener: Listener<'_>) -> Result<Self, LayoutError> {
        let fault = |source| LayoutError::Write { path: folder.to_owned(), source };
        let file = NamedTempFile::new_in(folder).map_err(fault)?;
        let (sender, grown) = watch::channel(Grown::default());
        // Readers have the file open: neither its new name nor its end takes it away from them.
        listener(Growing { file: Arc::new(file.reopen().map_err(fault)?), grown });
        Ok(Self { file, grown: sender })
    }

    /// Gives the blob its name, which is all that readers still wait for.
    pub(super) fn end(self, path: &Path, digest: &Digest) -> io::Result<()> {
        self.file.persist(path).map_err(|error| error.error)?;
        self.grown.send_modify(|grown| grown.whole = Some(digest.clone()));
        Ok(())
    }
}

impl Write for Growth {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.grown.send_modify(|grown| grown.length += written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Growing {
    /// Waits until the blob has more than `length` bytes. Returns false if it ends, or is given up, before.
    pub(crate) async fn exceeds(&mut self, length: u64) -> bool {
        let is_enough = |grown: &Grown| grown.length > length || grown.whole.is_some();
        self.grown.wait_for(|grown| is_enough(grown)).await.is_ok_and(|grown| grown.whole.is_none())
    }

    /// The digest and the size in bytes, if the blob is whole.
    pub(crate) fn whole(&self) -> Option<(Digest, u64)> {
        let grown = self.grown.borrow();
        Some((grown.whole.clone()?, grown.length))
    }

    /// The same, as soon as it is whole; `None` if it is given up.
    pub(crate) async fn end(&mut self) -> Option<(Digest, u64)> {
        self.grown.wait_for(|grown| grown.whole.is_some()).await.ok()?;
        self.whole()
    }

    /// The bytes from `start`, at most `most` of them, as soon as there are some; none at the end of the blob.
    pub(crate) async fn read(&mut self, start: u64, most: u64) -> io::Result<Vec<u8>> {
        let is_enough = |grown: &Grown| grown.length > start || grown.whole.is_some();
        let gone = |_| io::Error::other("the blob was given up");
        let end = self.grown.wait_for(|grown| is_enough(grown)).await.map_err(gone)?.length;
        let mut piece = vec![0; usize::try_from(end.saturating_sub(start).min(most)).unwrap_or_default()];
        let file = Arc::clone(&self.file);
        let reading = move || file.read_exact_at(&mut piece, start).map(|()| piece);
        tokio::task::spawn_blocking(reading).await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn growth(folder: &Path) -> (Growth, Growing) {
        let heard = Mutex::new(None);
        let growth = Growth::begin(folder, &|growing| *heard.lock().expect("no panic") = Some(growing));
        let growing = heard.into_inner().expect("no panic").expect("it is told at once");
        (growth.expect("begin"), growing)
    }

    #[tokio::test]
    async fn a_blob_is_read_while_it_grows() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut growth, mut growing) = growth(folder.path());
        growth.write_all(b"one ").expect("write");
        assert!(growing.exceeds(3).await);
        assert_eq!(growing.read(0, 3).await.expect("read"), b"one");
        assert_eq!(growing.read(3, 9).await.expect("read"), b" ");
        assert_eq!(growing.whole(), None);
        // Given a reader that waits, when more is written, then it gets it; and at the end, nothing.
        let waiting = tokio::spawn({
            let mut growing = growing.clone();
            async move { growing.read(4, 9).await }
        });
        growth.write_all(b"two").expect("write");
        assert_eq!(waiting.await.expect("no panic").expect("read"), b"two");
        let (path, digest) = (folder.path().join("blob"), Digest::of(b"one two"));
        growth.end(&path, &digest).expect("end");
        assert_eq!(growing.read(7, 9).await.expect("read"), b"");
        assert_eq!(growing.end().await, Some((digest, 7)));
        assert_eq!(std::fs::read(path).expect("it has its name"), b"one two");
        assert!(!growing.exceeds(3).await, "there is no time to be won any more");
    }

    #[tokio::test]
    async fn a_blob_that_is_given_up_has_no_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut growth, mut growing) = growth(folder.path());
        growth.write_all(b"one").expect("write");
        drop(growth);
        assert_eq!(growing.read(0, 9).await.expect("what is there"), b"one");
        assert!(growing.read(3, 9).await.is_err());
        assert!(!growing.exceeds(3).await);
        assert_eq!(growing.end().await, None);
    }
}
