//! Before and after a build: what is built is what was planned. The image of a leg goes by the key of its inputs, and
//! whoever finds it by that key, today or in a year, takes it for what those inputs make.

use super::Run;
use super::planning;
use super::preparing::{self, Digests};
use crate::detect::Matcher;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, Deviation};
use crate::plan::{Action, Plan, Planned, PlannedLeg};
use bstr::{BStr, BString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Refuses a plan whose legs would be built from other inputs than it was made of. Returns what they are built from
/// as far as it is committed: a build may write other files beside its sources, and those are its own affair.
pub(super) async fn ensure_current(run: &Run, plan: &Plan) -> Result<Digests, Failure> {
    let checkout = run.checkout().await?;
    let here = planning::digests(run, plan, &checkout).await?;
    for planned in &plan.components {
        let name = &planned.component.name;
        let configured = run.config.components.iter().find(|component| component.name == *name);
        if planned.is_built() && configured.is_some_and(|known| known.recipe != planned.component.recipe) {
            let problem = format!("build `{name}`: the plan says another recipe than the configuration");
            return Err(Failure::new(ExitCode::Usage, problem).hint("make a new plan here"));
        }
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

/// Refuses a plan from a file whose manifests are not those of this checkout: its images would run with other settings
/// than the commit says.
pub(super) async fn ensure_same_release(run: &Run, plan: &Plan) -> Result<(), Failure> {
    if run.settings.plan.is_none() || plan.manifests.is_empty() {
        return Ok(());
    }
    let checkout = git::read(&run.root, None).await?;
    let is_manifest = |path: &BString| plan.manifests.iter().any(|manifest| *path == manifest.as_str());
    let edited = checkout.deviations.iter().any(|deviation| match deviation {
        Deviation::Dirty(path) | Deviation::Added(path) | Deviation::Ignored(path) => is_manifest(path),
    });
    if checkout.commit.id == plan.commit.id && (plan.commit.dirty || !edited) {
        return Ok(());
    }
    let commit = plan.commit.id.get(..12).unwrap_or(&plan.commit.id);
    let problem =
        format!("read manifests: the plan was made of commit {commit}, and this checkout differs from it");
    Err(Failure::new(ExitCode::Usage, problem)
        .hint(format!("check out commit {commit}, or make a new plan here")))
}

/// Refuses an image for which the tool read a file that is not among the inputs: a change of that file would go
/// unnoticed, and the image would be taken for what the commit makes.
pub(super) async fn ensure_listed(
    run: &Run,
    planned: &Planned,
    leg: &PlannedLeg,
    reads: &[PathBuf],
) -> Result<(), Failure> {
    if reads.is_empty() {
        return Ok(());
    }
    let checkout = git::read(&run.root, None).await?;
    let name = &planned.component.name;
    // A plan does not carry what is watched; the configuration does.
    let component = run.config.components.iter().find(|component| component.name == *name);
    let component = component.unwrap_or(&planned.component);
    let surveys = preparing::survey(run, &checkout, vec![component]).await?;
    let listed: Vec<Matcher<'_>> = surveys
        .iter()
        .map(|survey| preparing::matcher(run, component, &survey.reads))
        .collect::<Result<_, _>>()?;
    let is_listed = |path: &&PathBuf| {
        let path = BStr::new(path.as_os_str().as_bytes());
        listed.iter().any(|listed| listed.covers(path, &leg.platform))
    };
    let Some(unlisted) = reads.iter().find(|path| !is_listed(path)) else { return Ok(()) };
    let failure = Failure::new(
        ExitCode::Build,
        format!("the build read `{}`, which is not among the inputs", unlisted.display()),
    );
    Err(failure.hint(format!("add it to hephy.yaml: `{name}: {{watch: [\"{}\"]}}`", unlisted.display())))
}

/// Refuses what was built while its sources changed, and takes it away, so that no push can find it.
pub(super) async fn ensure_unchanged(run: &Run, plan: &Plan, before: &Digests) -> Result<(), Failure> {
    let after = planning::digests(run, plan, &committed(git::read(&run.root, None).await?)).await?;
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

/// The checkout without files that the commit does not have, of which git says nothing in submodules.
fn committed(mut checkout: Checkout) -> Checkout {
    checkout.submodules.clear();
    checkout.deviations.retain(|deviation| matches!(deviation, Deviation::Dirty(_)));
    checkout
}
