//! The plan stage: facts are gathered, `plan::decide` decides.

use super::preparing::{Digests, Known, Survey, images, in_order_of_needs, prepare, survey};
use super::{Configured, Run, Settings, base, base_images, describing, manifests, naming, pinning};
use crate::component::Component;
use crate::config::{self, Config};
use crate::event::{Progress, Stage};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, Commit};
use crate::inputs;
use crate::metadata::{self, Tree};
use crate::plan::{self, Action, Base, Candidate, Cause, Plan};
use crate::registry::RegistryError;
use crate::store::{Store, StoreError};
use futures::future::try_join_all;
use std::path::Path;
use tokio::try_join;

/// Finds the repository that `directory` is in and reads its configuration; git is asked only where that does not say
/// what the components are, or which Dockerfile may be theirs. `default_branch` is its name, where somebody knows it.
pub(crate) async fn configure(
    directory: &Path,
    file: Option<&Path>,
    default_branch: Option<&str>,
) -> Result<Configured, Failure> {
    let directory = directory.canonicalize().map_err(|error| {
        Failure::new(ExitCode::Usage, format!("open the folder `{}`: {error}", directory.display()))
    })?;
    let root = git::find_root(&directory)?;
    let mut config = config::load(&root, file)?;
    let mut checkout = None;
    let is_silent = config.components.is_empty();
    if is_silent || config::may_have_variants(&config, &root) {
        let read = git::read(&root, default_branch).await?;
        let (files, repositories) = (read.listed(), read.repositories());
        if is_silent {
            config = config::discover(config, &root, &files, &repositories)?;
        }
        config = config::find_variants(config, &root, &files, &repositories)?;
        checkout = Some(read);
    }
    Ok(Configured { root, config, checkout })
}

/// The plan: read from the file that the user names, else made.
pub(crate) async fn plan(run: &Run) -> Result<Plan, Failure> {
    if let Some(file) = &run.settings.plan {
        ensure_whole(&run.settings)?;
        warn_of_unused(run);
        return Ok(with_variants(read_plan(file)?, &run.config));
    }
    run.unless_cancelled(make(run)).await.map_err(|failure| failure.during("plan"))
}

/// A plan does not carry which Dockerfiles of other names there are; this checkout says the same as the one that it was
/// made of, or their inputs differ and it is refused.
fn with_variants(mut plan: Plan, config: &Config) -> Plan {
    for component in plan.components.iter_mut().map(|planned| &mut planned.component) {
        let known = config.components.iter().find(|known| known.name == component.name);
        component.dockerfile_variants = known.map_or(vec![], |known| known.dockerfile_variants.clone());
    }
    plan
}

/// A plan is followed as it is; leaving out a part of it in silence would not be what either side asked for.
fn ensure_whole(settings: &Settings) -> Result<(), Failure> {
    let problem = match settings {
        Settings { all: true, .. } => "`--all` decides anew, and `--plan` has decided",
        Settings { only, .. } if !only.is_empty() => "`--only` decides anew, and `--plan` has decided",
        _ => return Ok(()),
    };
    Err(Failure::new(ExitCode::Usage, format!("follow the plan: {problem}"))
        .hint("name it where the plan is made"))
}

/// A plan has decided what these flags would decide.
fn warn_of_unused(run: &Run) {
    let settings = &run.settings;
    let given = [
        ("--base", settings.base.is_some()),
        ("--since", settings.since.is_some()),
        ("--registry", settings.registry.is_some()),
        ("--layout", settings.layout.is_some()),
        ("--tags", !settings.rules.tags.is_empty()),
        ("--flavor", !settings.rules.flavor.is_empty()),
        ("--labels", !settings.rules.labels.is_empty()),
        ("--annotations", !settings.rules.annotations.is_empty()),
        ("--images", !settings.images.is_empty()),
    ];
    for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
        run.events.warn(format!("`{flag}` is not used: the plan has decided it"));
    }
}

/// A plan that was saved.
pub(crate) fn read_plan(file: &Path) -> Result<Plan, Failure> {
    let during = |failure: Failure| failure.during(&format!("read the plan `{}`", file.display()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| during(Failure::new(ExitCode::Usage, error.to_string())))?;
    plan::from_json(&text).map_err(Failure::from).map_err(during)
}

/// Says what the plan decided, a line for each component.
pub(crate) fn announce(run: &Run, plan: &Plan) {
    let is_left_out =
        |planned: &&plan::Planned| planned.legs.iter().all(|leg| matches!(leg.action, Action::Skip(_)));
    for planned in plan.components.iter().filter(|planned| !is_left_out(planned)) {
        let (progress, text) = match planned.is_built() {
            true => (Progress::Done, format!("build with {}: {}", planned.backend, planned.reason)),
            false => (Progress::Unchanged, format!("reuse: {}", planned.reason)),
        };
        run.events.step(Stage::Plan, planned.component.name.to_string(), progress, text);
    }
}

async fn make(run: &Run) -> Result<Plan, Failure> {
    let mut checkout = run.checkout().await?;
    // In CI, HEAD is detached and only the CI system knows the branch.
    checkout.commit.branch = checkout.commit.branch.or_else(|| run.ci.reference.clone());
    if checkout.commit.dirty {
        let short = checkout.commit.id.get(..12).unwrap_or(&checkout.commit.id);
        run.events.warn(format!(
            "the working tree differs from commit {short}; images are built from it and tagged `-dirty`"
        ));
    }
    let target = naming::target(run)?;
    let store = run.store_to_read(&target)?;
    let files = inputs::working_files(&checkout)?;
    let wanted = config::select(&run.config.components, &run.settings.only)?;
    let in_order = in_order_of_needs(&run.config.components, &wanted);
    // Git compares while the definitions are read.
    let ((base, changes), surveys) =
        try_join!(base::compare(run, &checkout, &target), survey(run, &checkout, in_order))?;
    pinning::ensure_pinned(run, &surveys)?;
    // Only here: before and after a build the same is found once more.
    let is_wanted = |survey: &&Survey<'_>| wanted.iter().any(|wanted| wanted.name == survey.component.name);
    for survey in surveys.iter().filter(is_wanted) {
        survey.warnings().for_each(|warning| run.events.warn(warning));
    }
    let mut known = Known::new(base_images::resolve(run, images(&surveys)).await?);
    let mut prepared = vec![];
    for survey in &surveys {
        prepared.push(prepare(run, &checkout, &files, &changes, &mut known, &target, survey)?);
    }
    naming::ensure_distinct(&prepared)?;
    let created = created(run, &checkout.commit)?;
    describing::describe(run, &checkout.commit, created, &mut prepared)?;
    // What is not wanted was only prepared because something wanted needs it.
    prepared.retain(|candidate| wanted.iter().any(|component| component.name == candidate.component.name));
    let looked_up =
        prepared.into_iter().map(|prepared| look_up(run, &store, &checkout.commit, &base, prepared));
    let mut candidates = try_join_all(looked_up).await?;
    candidates.sort_by(|left, right| left.component.name.cmp(&right.component.name));
    let is_part = candidates.len() < run.config.components.len();
    let manifests = if is_part { vec![] } else { manifests::find(&run.config, &files)? };
    checkout.commit.time = created;
    Ok(plan::decide(checkout.commit, base, target, candidates, manifests))
}

/// When images say that they were made, in seconds since 1970: what `SOURCE_DATE_EPOCH` says, else the time of the commit
/// (reproducible-builds.org, "SOURCE_DATE_EPOCH specification": a wrong value is an error).
fn created(run: &Run, commit: &Commit) -> Result<u64, Failure> {
    let Some(text) = &run.ci.source_date else { return Ok(commit.time) };
    let time = text.parse().ok().filter(|time| jiff::Timestamp::from_second(*time).is_ok());
    time.and_then(|time: i64| u64::try_from(time).ok()).ok_or_else(|| {
        let problem = format!("read `SOURCE_DATE_EPOCH`: `{text}` is no number of seconds since 1970");
        Failure::new(ExitCode::Usage, problem).hint("unset it: the time of the commit is the default")
    })
}

/// The input digests of the plan's legs in this checkout. They differ from the plan's own where files changed since.
pub(super) async fn digests(run: &Run, plan: &Plan, checkout: &Checkout) -> Result<Digests, Failure> {
    let files = inputs::working_files(checkout)?;
    let as_planned = |component: &Component| {
        let planned = plan.components.iter().find(|planned| planned.component.name == component.name);
        // Another machine may be another platform, and the plan says for which it was made.
        let platforms = planned.map(|planned| planned.component.platforms.clone());
        Component { platforms: platforms.unwrap_or(component.platforms.clone()), ..component.clone() }
    };
    let components: Vec<Component> = run.config.components.iter().map(as_planned).collect();
    let wanted: Vec<&Component> = components.iter().collect();
    let surveys = survey(run, checkout, in_order_of_needs(&components, &wanted)).await?;
    let recorded = plan.components.iter().flat_map(|planned| planned.base_images.clone()).collect();
    let mut known = Known::new(base_images::recorded(run, images(&surveys), &recorded));
    for survey in &surveys {
        prepare(run, checkout, &files, &[], &mut known, &plan.target, survey)?;
    }
    Ok(known.digests)
}

/// Asks the store for the images of a component. Registries also refuse to say whether something is there that was
/// never pushed; then nothing proves that the image exists, and it is built.
async fn look_up(
    run: &Run,
    store: &Store,
    commit: &Commit,
    base: &Base,
    mut candidate: Candidate,
) -> Result<Candidate, Failure> {
    // The key of an unknown base does not say what it is built on, so an image that goes by it proves nothing.
    if candidate.is_asked || candidate.unknown_base.is_some() {
        return Ok(candidate);
    }
    let image = candidate.image.clone();
    let finds = candidate.legs.iter().map(|leg| store.find(&image, &leg.key));
    let found = match try_join_all(finds).await {
        Err(StoreError::Registry(
            error @ (RegistryError::Unauthorised { .. } | RegistryError::Login { .. }),
        )) => {
            run.events.warn(format!("{error}; it is built because nothing proves that it exists"));
            return Ok(candidate);
        }
        found => found?,
    };
    for (leg, found) in candidate.legs.iter_mut().zip(found) {
        leg.found = found;
    }
    let is_missing = candidate.legs.iter().any(|leg| leg.found.is_none());
    if is_missing && candidate.touched.is_empty() {
        // Where the rules give no tag of the commit, the base has none either, built or not.
        let of_base = base.commit.as_deref().filter(|_| describing::has_commit_tag(run, commit, &candidate));
        explain_miss(store, of_base, &mut candidate).await;
    }
    Ok(candidate)
}

/// Finds out whether the base has an image, because then something must differ between the two. It costs a request for
/// a component that is built and of which no change says why. `base` is a commit whose images would carry its tag.
async fn explain_miss(store: &Store, base: Option<&str>, candidate: &mut Candidate) {
    let tag = base.and_then(|commit| metadata::commit_tag(commit, Tree::Clean));
    let found = match &tag {
        Some(tag) => store.find(&candidate.image, tag).await.ok(),
        None => None,
    };
    match found {
        Some(None) => candidate.causes.push(Cause::BaseNotBuilt),
        Some(Some(_)) if candidate.causes.is_empty() => candidate.causes.push(Cause::Removed),
        Some(Some(_)) => {}
        None => candidate.causes.push(Cause::EarlierBuild),
    }
}
