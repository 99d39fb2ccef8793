//! Foreign code: the pull request of a fork is built, and never published with the rights of this repository.

use super::Run;
use crate::ci::{Source, Trigger};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::plan::{Plan, Target};
use crate::registry;

/// Why the code that this run builds, and its configuration, may be anybody's; `None` if they are not.
pub(super) fn why_foreign(run: &Run) -> Option<&'static str> {
    let Trigger::PullRequest(request) = &run.ci.trigger else { return None };
    match request.source {
        Source::Own => None,
        Source::Fork => Some("the pull request comes from a fork"),
        Source::Unknown => Some("the CI system does not say whether the pull request comes from a fork"),
    }
}

/// Why this run must not publish or deploy the plan; `None` if it may. What stays on this machine may always be made,
/// so that a fork can be tested against a registry and a cluster of the job's own.
pub(super) fn why_withheld(run: &Run, plan: &Plan) -> Option<&'static str> {
    let repositories =
        plan.components.iter().flat_map(|planned| [&planned.image].into_iter().chain(&planned.further));
    let hosts = repositories.filter_map(|repository| repository.host.as_deref());
    let leaves = plan.target == Target::Registry && !hosts.into_iter().all(registry::is_loopback);
    why_foreign(run).filter(|_| leaves)
}

/// Refuses to `verb` what must not be published.
pub(super) fn ensure_own(run: &Run, plan: &Plan, verb: &str) -> Result<(), Failure> {
    let Some(why) = why_withheld(run, plan) else { return Ok(()) };
    let failure =
        Failure::new(ExitCode::Usage, format!("{verb}: {why}, and the code of others is not published"));
    Err(failure.hint(
        "use `hephy build` or `hephy up`, which build and leave it at that; or run this after the merge",
    ))
}
