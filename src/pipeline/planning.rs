//! The plan stage: facts are gathered, `plan::decide` decides.

use super::bases::{self, Base};
use super::{Run, naming};
use crate::backends;
use crate::ci;
use crate::component::{Backend, Component, Name};
use crate::config::{self, Config};
use crate::detect::{self, Matcher, Touched};
use crate::event::{Progress, Stage};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{self, Checkout, Comparison, File};
use crate::image::Digest;
use crate::inputs::{self, BaseImage, Reads, Workspaces};
use crate::matrix;
use crate::plan::{self, Action, Candidate, CandidateLeg, Plan, Target};
use crate::platform::Platform;
use crate::registry::RegistryError;
use crate::store::{Store, StoreError};
use bstr::{BStr, BString, ByteSlice as _};
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
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
        warn_of_unused(run);
        return read_plan(file);
    }
    run.unless_cancelled(make(run)).await.map_err(|failure| failure.during("plan"))
}

/// A plan has decided what these flags would decide.
fn warn_of_unused(run: &Run) {
    let settings = &run.settings;
    let given = [
        ("--base", settings.base.is_some()),
        ("--registry", settings.registry.is_some()),
        ("--layout", settings.layout.is_some()),
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
    let mut checkout = git::read(&run.root).await?;
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
    let (base, changes) = base(run, &checkout).await?;
    let files = inputs::working_files(&checkout)?;
    let surveys = survey(run, &checkout, &run.config.components).await?;
    let mut known = Known::new(bases::resolve(run, images(&surveys)).await?);
    let mut prepared = vec![];
    for survey in &surveys {
        prepared.push(prepare(run, &checkout, &files, &changes, &mut known, &target, survey)?);
    }
    naming::ensure_distinct(&prepared)?;
    let looked_up = prepared.into_iter().map(|prepared| look_up(run, &store, prepared));
    let mut candidates = try_join_all(looked_up).await?;
    candidates.sort_by(|left, right| left.component.name.cmp(&right.component.name));
    let manifests = manifests(&files)?;
    Ok(plan::decide(checkout.commit, base, target, candidates, manifests))
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
    let surveys = survey(run, checkout, &components).await?;
    let recorded = plan.components.iter().flat_map(|planned| planned.base_images.clone()).collect();
    let mut known = Known::new(bases::recorded(run, images(&surveys), &recorded));
    for survey in &surveys {
        prepare(run, checkout, &files, &[], &mut known, &plan.target, survey)?;
    }
    Ok(known.digests)
}

/// What legs are built from.
pub(super) type Digests = BTreeMap<(Name, Platform), Digest>;

/// What is known of the components that others need, and of the images that all of them are built on.
struct Known {
    digests: Digests,
    touched: BTreeMap<Name, Vec<Touched>>,
    bases: BTreeMap<String, Base>,
}

impl Known {
    fn new(bases: BTreeMap<String, Base>) -> Self {
        Self { digests: BTreeMap::new(), touched: BTreeMap::new(), bases }
    }
}

/// A component with what its build reads.
struct Survey<'a> {
    component: &'a Component,
    backend: Backend,
    backend_reason: String,
    platforms: Vec<Platform>,
    reads: Reads,
}

/// What each component reads, in the order of their needs.
async fn survey<'a>(
    run: &Run,
    checkout: &Checkout,
    components: &'a [Component],
) -> Result<Vec<Survey<'a>>, Failure> {
    let mut surveys = vec![];
    let mut workspaces = Workspaces::default();
    for component in in_order_of_needs(components) {
        let (backend, backend_reason) =
            backends::choose(component, &backends::definitions(&run.root, component))?;
        let legs = matrix::legs(component, &ci::host_platform()).into_iter();
        let platforms: Vec<Platform> = legs.map(|leg| leg.platform).collect();
        let reads =
            inputs::reads(&run.events, &mut workspaces, checkout, component, backend, &platforms).await?;
        surveys.push(Survey { component, backend, backend_reason, platforms, reads });
    }
    Ok(surveys)
}

/// The names of all images that are built on.
fn images(surveys: &[Survey<'_>]) -> BTreeSet<String> {
    surveys.iter().flat_map(|survey| &survey.reads.images).map(|image| image.name.clone()).collect()
}

/// Who builds a component, why, and what that reads.
pub(super) async fn reads_of(
    run: &Run,
    checkout: &Checkout,
    component: &Component,
) -> Result<(Backend, String, Reads), Failure> {
    let definitions = backends::definitions(&run.root, component);
    let (backend, reason) = backends::choose(component, &definitions)?;
    let platforms: Vec<Platform> =
        matrix::legs(component, &ci::host_platform()).into_iter().map(|leg| leg.platform).collect();
    let mut workspaces = Workspaces::default();
    let reads = inputs::reads(&run.events, &mut workspaces, checkout, component, backend, &platforms).await?;
    Ok((backend, reason, reads))
}

/// Everything about a component but what the store holds.
fn prepare(
    run: &Run,
    checkout: &Checkout,
    files: &[File],
    changes: &[BString],
    known: &mut Known,
    target: &Target,
    survey: &Survey<'_>,
) -> Result<Candidate, Failure> {
    let Survey { component, backend, reads, .. } = survey;
    let matcher = Matcher::new(reads, &run.config.ignore).map_err(|error| {
        Failure::new(ExitCode::Usage, format!("read the globs of `{}`: {error}", component.name))
    })?;
    let unseen = inputs::ignored_files(checkout, reads, &|path: &BStr| matcher.rule(path, None).is_some())?;
    let mut legs = vec![];
    for platform in &survey.platforms {
        let read = [matcher.files(files, platform), matcher.files(&unseen, platform)];
        let selected = read.concat().into_iter().cloned().collect();
        let mut selected = inputs::here(checkout, component, selected)?;
        selected.extend(match backend {
            Backend::Cargo => inputs::behind_links(checkout, component, files, &selected)?,
            Backend::Buildah => inputs::behind_links_in_context(checkout, component, files, &selected)?,
            Backend::Prebuilt => vec![],
        });
        for file in &mut selected {
            if let Some(part) = reads.parts.get(&file.path) {
                file.content.clone_from(part);
            }
        }
        selected.extend(needed(component, platform, known));
        selected.extend(reads.tools.iter().map(|version| tool(version)));
        selected.extend(built_on(reads, platform, known));
        selected.sort();
        let digest = detect::input_digest(component, *backend, platform, &selected);
        known.digests.insert((component.name.clone(), platform.clone()), digest.clone());
        let key = matrix::key(&digest, platform).map_err(StoreError::from)?;
        let runners = matrix::runners(&run.config.runners, platform);
        let platform = platform.clone();
        legs.push(CandidateLeg { platform, input_digest: digest, key, runners, found: None });
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
    let mut base_images = BTreeMap::new();
    let mut unknown_base = None;
    for BaseImage { name, .. } in &reads.images {
        match known.bases.get(name) {
            Some(Base::Is(image)) => drop(base_images.insert(name.clone(), image.clone())),
            Some(Base::Pinned | Base::Offline) => {}
            Some(Base::Unknown) | None => unknown_base = Some(name.clone()),
        }
    }
    Ok(Candidate {
        component: (*component).clone(),
        backend: *backend,
        backend_reason: survey.backend_reason.clone(),
        image,
        legs,
        touched,
        base_images,
        unknown_base,
    })
}

/// A tool stands beside the files that it builds from.
fn tool(version: &str) -> File {
    File { path: "tool".into(), mode: "tool".to_owned(), content: version.to_owned() }
}

/// The images that the build for `platform` starts from stand beside the files that it reads.
fn built_on(reads: &Reads, platform: &Platform, known: &Known) -> Vec<File> {
    let concerns = |image: &&BaseImage| image.platform.as_ref().is_none_or(|of_image| of_image == platform);
    let file = |image: &BaseImage| {
        let content = known.bases.get(&image.name).unwrap_or(&Base::Unknown).content();
        File { path: image.name.clone().into(), mode: "base".to_owned(), content }
    };
    reads.images.iter().filter(concerns).map(file).collect()
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

/// Components after those they need; the configuration has no circles.
pub(super) fn in_order_of_needs(components: &[Component]) -> Vec<&Component> {
    let mut ordered: Vec<&Component> = vec![];
    while ordered.len() < components.len() {
        let is_known = |name: &Name| ordered.iter().any(|known| known.name == *name);
        let next = components
            .iter()
            .find(|component| !is_known(&component.name) && component.needs.iter().all(is_known));
        let Some(next) = next else { break };
        ordered.push(next);
    }
    ordered
}

/// Asks the store for the images of a component. Registries also refuse to say whether something is there that was
/// never pushed; then nothing proves that the image exists, and it is built.
async fn look_up(run: &Run, store: &Store, mut candidate: Candidate) -> Result<Candidate, Failure> {
    // Its key does not say what it is built on, so an image that goes by it proves nothing.
    if candidate.unknown_base.is_some() {
        return Ok(candidate);
    }
    let image = candidate.image.clone();
    let finds = candidate.legs.iter().map(|leg| store.find(&image, &leg.key));
    let found = match try_join_all(finds).await {
        Err(StoreError::Registry(error @ RegistryError::Unauthorised { .. })) => {
            run.events.warn(format!("{error}; it is built because nothing proves that it exists"));
            return Ok(candidate);
        }
        found => found?,
    };
    for (leg, found) in candidate.legs.iter_mut().zip(found) {
        leg.found = found;
    }
    Ok(candidate)
}

/// The base and what changed since: what the user names, else what the CI system names, else the default branch.
async fn base(run: &Run, checkout: &Checkout) -> Result<(plan::Base, Vec<BString>), Failure> {
    let (reference, comparison, reason) = match (&run.settings.base, &run.ci.base, &checkout.default_base) {
        (Some(base), ..) => {
            let changes = git::changes(&run.root, base, Comparison::Tree).await?;
            return Ok((
                plan::Base { reference: Some(base.clone()), reason: "named with `--base`".to_owned() },
                changes,
            ));
        }
        (_, Some((base, variable)), _) => (base, comparison_of(base), format!("named by `{variable}`")),
        (.., Some(base)) if base.starts_with("refs/") => {
            (base, Comparison::MergeBase, "the default branch".to_owned())
        }
        (.., Some(base)) => (base, Comparison::Tree, "the parent commit".to_owned()),
        (.., None) => {
            return Ok((plan::Base { reference: None, reason: "the first commit".to_owned() }, vec![]));
        }
    };
    match git::changes(&run.root, reference, comparison).await {
        Ok(changes) => Ok((plan::Base { reference: Some(reference.clone()), reason }, changes)),
        // A shallow clone often lacks the base. It only explains, so the plan is the same without it.
        Err(_) => Ok((
            plan::Base { reference: None, reason: format!("`{reference}`, {reason}, is not in this clone") },
            vec![],
        )),
    }
}

/// A branch went on since the fork; a commit is meant as it is.
fn comparison_of(base: &str) -> Comparison {
    if base.starts_with("origin/") { Comparison::MergeBase } else { Comparison::Tree }
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
