//! Before and after a build: what is built is what was planned. The image of a leg goes by the key of its inputs, and
//! whoever finds it by that key, today or in a year, takes it for what those inputs make.

use super::Run;
use super::planning::{self, Digests};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, Deviation};
use crate::plan::{Action, Plan};
use bstr::BString;
use std::collections::BTreeSet;

/// Refuses a plan whose legs would be built from other inputs than it was made of. Returns what they are built from
/// as far as it is committed: a build may write other files beside its sources, and those are its own affair.
pub(super) async fn ensure_current(run: &Run, plan: &Plan) -> Result<Digests, Failure> {
    let checkout = git::read(&run.root).await?;
    let here = planning::digests(run, plan, &checkout).await?;
    for planned in &plan.components {
        for leg in planned.legs.iter().filter(|leg| leg.action == Action::Build) {
            if here.get(&(planned.component.name.clone(), leg.platform.clone())) == Some(&leg.input_digest) {
                continue;
            }
            let problem = "what it is built from differs from what the plan was made of";
            let failure = Failure::new(ExitCode::Usage, format!("build {}: {problem}", planned.leg(leg)));
            let commit = plan.commit.id.get(..12).unwrap_or(&plan.commit.id);
            return Err(failure.hint(format!("check out commit {commit} unchanged, or make a new plan here")));
        }
    }
    planning::digests(run, plan, &committed(checkout)).await
}

/// Refuses what was built while its sources changed, and takes it away, so that no push can find it.
pub(super) async fn ensure_unchanged(run: &Run, plan: &Plan, before: &Digests) -> Result<(), Failure> {
    let after = planning::digests(run, plan, &committed(git::read(&run.root).await?)).await?;
    let mut result = Ok(());
    for planned in &plan.components {
        for leg in planned.legs.iter().filter(|leg| leg.action == Action::Build) {
            let of_leg = (planned.component.name.clone(), leg.platform.clone());
            if before.get(&of_leg) != after.get(&of_leg) {
                let name = planned.leg(leg);
                let folder = run.build_folder(&name);
                std::fs::remove_dir_all(&folder).map_err(|error| {
                    Failure::new(ExitCode::Unexpected, format!("remove `{}`: {error}", folder.display()))
                })?;
                let problem = format!("build {name}: what it is built from changed while it was built");
                result =
                    Err(Failure::new(ExitCode::Usage, problem).hint("run again when the files are at rest"));
            }
        }
    }
    result
}

/// The checkout without files that the commit does not have.
fn committed(mut checkout: Checkout) -> Checkout {
    let known: BTreeSet<&BString> = checkout.files.iter().map(|file| &file.path).collect();
    checkout
        .deviations
        .retain(|deviation| matches!(deviation, Deviation::Dirty(path) if known.contains(path)));
    checkout
}
