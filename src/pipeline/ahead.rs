//! Layers that are sent while they are being made. Nothing refers to them before the whole build is known to be good, so a
//! build that fails leaves nothing in the registry that anybody could find.

use super::Run;
use crate::failure::Failure;
use crate::image::Repository;
use crate::layout::Growing;
use crate::plan::{Plan, Target};
use crate::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Those of a run.
pub(super) struct Ahead {
    registry: Registry,
    stop: CancellationToken,
    sending: TaskTracker,
}

impl Ahead {
    /// `None` where images go to a folder, to which nothing has to be sent.
    pub(super) fn of(run: &Run, plan: &Plan) -> Result<Option<Self>, Failure> {
        if plan.target != Target::Registry {
            return Ok(None);
        }
        let (registry, stop) = (run.registry()?, run.cancel.child_token());
        Ok(Some(Self { registry, stop, sending: TaskTracker::new() }))
    }

    /// Begins to send a layer of an image in `repository`. What is wrong is said by the push, which sends it once more.
    pub(super) fn send(&self, repository: &Repository, layer: Growing) {
        if let Ok(work) = self.registry.send_along(repository, layer, self.stop.clone()) {
            self.sending.spawn(work);
        }
    }

    /// Gives up what nobody waited for, and waits until the registry knows.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.sending.close();
        self.sending.wait().await;
    }
}
