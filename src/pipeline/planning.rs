//! The plan stage: facts are gathered, `plan::decide` decides.

use super::{Run, Settings, base, naming};
use crate::backends;
use crate::ci;
use crate::component::{Backend, Component, Name};
use crate::config::{self, Config};
use crate::detect::{self, Matcher, Touched};
use crate::event::{Progress, Stage};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, File};
use crate::image::Digest;
use crate::inputs;
use crate::matrix;
use crate::plan::{self, Candidate, Plan, Target};
use crate::platform::Platform;
use crate::registry::RegistryError;
use crate::store::{Store, StoreError};
use bstr::{BStr, BString, ByteSlice as _};
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders in which manifests are looked for, first come first served (DESIGN.md section 5).
const MANIFEST_FOLDERS: [&str; 3] = ["k8s", "deploy", "manifests"];

/// Finds the repository that `directory` is in and reads its configuration.
pub(crate) fn configure(directory: &Path, file: Option<&Path>) -> Result<(PathBuf, Config), Failure> {
    let directory = directory.canonicalize().map_err(|error| {
        Failure::new(ExitCode::Usage, format!("open the folder `{}`: {error}", directory.display()))
    })?;
    let root = git::find_root(&directory)?;
    let config = config::load(&root, file)?;
    Ok((root, config))
}

/// The plan: read from the file that the user names, else made.
pub(crate) async fn plan(run: &Run) -> Result<Plan, Failure> {
    if let Some(file) = &run.settings.plan {
        ensure_whole(&run.settings)?;
        let during = |failure: Failure| failure.during(&format!("read the plan `{}`", file.display()));
        let text = std::fs::read_to_string(file)
            .map_err(|error| during(Failure::new(ExitCode::Usage, error.to_string())))?;
        warn_of_unused(run);
        return plan::from_json(&text).map_err(Failure::from).map_err(during);
    }
    run.unless_cancelled(make(run)).await.map_err(|failure| failure.during("plan"))
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
    ];
    for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
        run.events.warn(format!("`{flag}` is not used: the plan has decided it"));
    }
}

/// Says what the plan decided, a line for each component.
pub(crate) fn announce(run: &Run, plan: &Plan) {
    for planned in &plan.components {
        let (progress, text) = match planned.is_built() {
            true => (Progress::Done, format!("build with {}: {}", planned.backend, planned.reason)),
            false => (Progress::Unchanged, format!("reuse: {}", planned.reason)),
        };
        run.events.step(Stage::Plan, planned.component.name.to_string(), progress, text);
    }
}

async fn make(run: &Run) -> Result<Plan, Failure> {
    let mut checkout = git::read(&run.root, run.ci.default_branch.as_deref()).await?;
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
    let (base, changes) = base::compare(run, &checkout).await?;
    let files = inputs::working_files(&checkout)?;
    let mut known = Known { digests: BTreeMap::new(), touched: BTreeMap::new() };
    let wanted = config::select(&run.config.components, &run.settings.only)?;
    let mut prepared = vec![];
    for component in in_order_of_needs(&run.config.components, &wanted) {
        prepared.push(prepare(run, &checkout, &files, &changes, &mut known, &target, component).await?);
    }
    naming::ensure_distinct(&prepared)?;
    // What is not wanted was only prepared because something wanted needs it.
    prepared.retain(|candidate| wanted.iter().any(|component| component.name == candidate.component.name));
    let looked_up = prepared.into_iter().map(|prepared| look_up(run, &store, prepared));
    let mut candidates = try_join_all(looked_up).await?;
    candidates.sort_by(|left, right| left.component.name.cmp(&right.component.name));
    let is_part = candidates.len() < run.config.components.len();
    let manifests = if is_part { vec![] } else { manifests(&files)? };
    Ok(plan::decide(checkout.commit, base, target, candidates, manifests))
}

/// The input digests of the plan's legs in this checkout. They differ from the plan's own where files changed since.
pub(super) async fn digests(run: &Run, plan: &Plan, checkout: &Checkout) -> Result<Digests, Failure> {
    let files = inputs::working_files(checkout)?;
    let mut known = Known { digests: BTreeMap::new(), touched: BTreeMap::new() };
    let wanted: Vec<&Component> = run.config.components.iter().collect();
    for component in in_order_of_needs(&run.config.components, &wanted) {
        let planned = plan.components.iter().find(|planned| planned.component.name == component.name);
        // Another machine may be another platform, and the plan says for which it was made.
        let platforms = planned.map(|planned| planned.component.platforms.clone());
        let component =
            Component { platforms: platforms.unwrap_or(component.platforms.clone()), ..component.clone() };
        prepare(run, checkout, &files, &[], &mut known, &plan.target, &component).await?;
    }
    Ok(known.digests)
}

/// What legs are built from.
pub(super) type Digests = BTreeMap<(Name, Platform), Digest>;

/// What is known of the components that others need.
struct Known {
    digests: Digests,
    touched: BTreeMap<Name, Vec<Touched>>,
}

/// Everything about a component but what the store holds.
async fn prepare(
    run: &Run,
    checkout: &Checkout,
    files: &[File],
    changes: &[BString],
    known: &mut Known,
    target: &Target,
    component: &Component,
) -> Result<Candidate, Failure> {
    let (backend, backend_reason) =
        backends::choose(component, &backends::definitions(&run.root, component))?;
    let reads = inputs::reads(&run.events, checkout, component, backend).await?;
    let matcher = Matcher::new(&reads, &run.config.ignore).map_err(|error| {
        Failure::new(ExitCode::Usage, format!("read the globs of `{}`: {error}", component.name))
    })?;
    let unseen = inputs::ignored_files(checkout, &reads, &|path: &BStr| matcher.rule(path, None).is_some())?;
    let mut legs = vec![];
    for leg in matrix::legs(component, &ci::host_platform()) {
        let is_read = |file: &&File| matcher.reads(file, &leg.platform);
        let selected = files.iter().chain(&unseen).filter(is_read).cloned().collect();
        let mut selected = inputs::here(checkout, component, selected)?;
        if backend == Backend::Cargo {
            selected.extend(inputs::behind_links(checkout, component, files, &selected)?);
        }
        selected.extend(needed(component, &leg.platform, known));
        selected.sort();
        let digest = detect::input_digest(component, backend, &leg.platform, &selected);
        known.digests.insert((component.name.clone(), leg.platform.clone()), digest.clone());
        let key = matrix::key(&digest, &leg.platform).map_err(StoreError::from)?;
        legs.push((leg.platform, digest, key, None));
    }
    let mut touched = detect::touched(&matcher, changes);
    for need in &component.needs {
        let through = known.touched.get(need).into_iter().flatten();
        touched.extend(
            through
                .map(|touch| Touched { why: format!("`{need}`, which it needs, reads it"), ..touch.clone() }),
        );
    }
    known.touched.insert(component.name.clone(), touched.clone());
    let image = naming::repository(run, target, component)?;
    let (component, is_asked) = (component.clone(), run.settings.all);
    Ok(Candidate { component, backend, backend_reason, image, legs, is_asked, touched })
}

/// The input digests of what `component` needs stand for its content, so a rebuild there is a rebuild here.
fn needed(component: &Component, platform: &Platform, known: &Known) -> Vec<File> {
    let digest = |need: &Name| {
        let of_platform = known.digests.get(&(need.clone(), platform.clone()));
        let any = || known.digests.iter().find(|((name, _), _)| name == need).map(|(_, digest)| digest);
        of_platform.or_else(any).cloned()
    };
    let file = |need: &Name| {
        let content = digest(need)?.to_string();
        Some(File { path: format!("needs/{need}").into(), mode: "needs".to_owned(), content })
    };
    component.needs.iter().filter_map(file).collect()
}

/// The wanted components and all that they need, each after those it needs; the configuration has no circles.
fn in_order_of_needs<'a>(components: &'a [Component], wanted: &[&'a Component]) -> Vec<&'a Component> {
    let mut left: Vec<&Component> = wanted.iter().rev().copied().collect();
    let mut ordered: Vec<&Component> = vec![];
    while let Some(component) = left.pop() {
        let is_known = |name: &Name| ordered.iter().any(|known| known.name == *name);
        let missing = |need: &&Component| component.needs.contains(&need.name) && !is_known(&need.name);
        let needed: Vec<&Component> = components.iter().filter(missing).collect();
        if needed.is_empty() {
            ordered.extend(Some(component).filter(|component| !is_known(&component.name)));
        } else {
            left.push(component);
            left.extend(needed);
        }
    }
    ordered
}

/// Asks the store for the images of a component. Registries also refuse to say whether something is there that was
/// never pushed; then nothing proves that the image exists, and it is built.
async fn look_up(run: &Run, store: &Store, mut candidate: Candidate) -> Result<Candidate, Failure> {
    if candidate.is_asked {
        return Ok(candidate);
    }
    let image = candidate.image.clone();
    let finds = candidate.legs.iter().map(|(_, _, key, _)| store.find(&image, key));
    let found = match try_join_all(finds).await {
        Err(StoreError::Registry(error @ RegistryError::Unauthorised { .. })) => {
            run.events.warn(format!("{error}; it is built because nothing proves that it exists"));
            return Ok(candidate);
        }
        found => found?,
    };
    for (leg, found) in candidate.legs.iter_mut().zip(found) {
        leg.3 = found;
    }
    Ok(candidate)
}

/// The manifests of the release: the YAML files directly in the first folder that has any.
fn manifests(files: &[File]) -> Result<Vec<String>, Failure> {
    let is_yaml = |path: &str| path.ends_with(".yaml") || path.ends_with(".yml");
    let paths: Vec<_> = files.iter().map(|file| file.path.to_str_lossy()).collect();
    for folder in MANIFEST_FOLDERS {
        let inside = |path: &&std::borrow::Cow<str>| {
            path.strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|name| !name.contains('/'))
        };
        let found: Vec<String> =
            paths.iter().filter(inside).filter(|path| is_yaml(path)).map(ToString::to_string).collect();
        if let Some(file) = found.iter().find(|path| path.contains(char::REPLACEMENT_CHARACTER)) {
            let failure =
                Failure::new(ExitCode::Usage, format!("read manifests: the name of `{file}` is not UTF-8"));
            return Err(failure.hint("rename it"));
        }
        let kustomization = |path: &&std::borrow::Cow<str>| {
            matches!(
                path.rsplit('/').next(),
                Some("kustomization.yaml" | "kustomization.yml" | "Kustomization")
            )
        };
        if let Some(file) = paths.iter().filter(inside).find(kustomization) {
            let failure = Failure::new(
                ExitCode::Usage,
                format!("read manifests: `{file}` needs kustomize, which this version does not drive"),
            );
            return Err(failure.hint("render it into plain manifests first, and keep them in another folder"));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![])
}
