//! The capture registry over real sockets: by hand, endpoint by endpoint; by the programs it is for; by chance.

mod arbitrary;
mod life;
mod programs;
mod reading;
mod wire;
mod writing;

use super::{Capture, CaptureError, Captured};
use crate::layout::Layout;
use std::path::PathBuf;
use tempfile::TempDir;
use wire::Client;

/// A folder with nothing in it but a layout, so that whatever leaves the layout is seen.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    fn layout(&self) -> Layout {
        Layout::create(&self.path()).expect("create the layout")
    }

    async fn open(&self) -> Capture {
        Capture::open(self.layout()).await.expect("a capture registry")
    }
}

/// Runs `work` against a registry of its own. Returns what it returned and what was captured.
async fn capture<T>(place: &Place, work: impl AsyncFnOnce(Client) -> T) -> (T, Vec<Captured>) {
    let capture = place.open().await;
    let client = Client::of(&capture);
    let work = async { Ok::<T, CaptureError>(work(client).await) };
    capture.during(work).await.expect("everything is whole")
}

/// The captured tags as `name:tag`.
fn names(captured: &[Captured]) -> Vec<String> {
    captured.iter().map(|captured| format!("{}:{}", captured.name, captured.tag)).collect()
}
