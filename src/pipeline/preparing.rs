//! Everything about a component but what the store holds: who builds it, what that reads, which inputs count.

use super::base_images::Base;
use super::{Run, beside, naming};
use crate::backends::{self, Choice};
use crate::ci;
use crate::component::{Backend, Component, Name};
use crate::config::BaseImages;
use crate::detect::{self, Matcher, Touched};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::{Checkout, Deviation, File};
use crate::image::{Digest, Image};
use crate::inputs::{self, BaseImage, Chart, InputsError, Reads, Workspaces};
use crate::matrix;
use crate::metadata::Metadata;
use crate::plan::{Candidate, CandidateLeg, Cause, Target};
use crate::platform::Platform;
use crate::store::StoreError;
use bstr::{BStr, BString};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What legs are built from.
pub(super) type Digests = BTreeMap<(Name, Platform), Digest>;

/// What is known of the components that others need, and of the images that all of them are built on.
pub(super) struct Known {
    pub(super) digests: Digests,
    touched: BTreeMap<Name, Vec<Touched>>,
    pub(super) bases: BTreeMap<String, Base>,
}

impl Known {
    pub(super) fn new(bases: BTreeMap<String, Base>) -> Self {
        Self { digests: BTreeMap::new(), touched: BTreeMap::new(), bases }
    }
}

/// A component with what its build reads.
pub(super) struct Survey<'a> {
    pub(super) component: &'a Component,
    pub(super) choice: Choice,
    platforms: Vec<Platform>,
    pub(super) reads: Reads,
    /// The chart, where it is one.
    chart: Option<Chart>,
}

impl Survey<'_> {
    /// What the user should know about the component, whatever is decided about it.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &str> {
        self.choice.warnings.iter().chain(&self.reads.warnings).map(String::as_str)
    }
}

/// Refuses platforms for what is the same on all of them: nothing would be built for them.
fn ensure_platforms(component: &Component, built: &[Platform]) -> Result<(), Failure> {
    let Some(platform) = component.platforms.iter().find(|platform| !built.contains(platform)) else {
        return Ok(());
    };
    let headline = format!("plan `{}`: it is the same on every platform, `{platform}` too", component.name);
    Err(Failure::new(ExitCode::Usage, headline).hint("remove its `platforms` from hephy.yaml"))
}

/// What each of `components` reads.
pub(super) async fn survey<'a>(
    run: &Run,
    checkout: &Checkout,
    components: Vec<&'a Component>,
) -> Result<Vec<Survey<'a>>, Failure> {
    let mut surveys = vec![];
    let mut workspaces = Workspaces::default();
    for component in components {
        let choice = backends::choose(component, &backends::definitions(&run.root, component))?;
        let backend = choice.backend;
        let legs = matrix::legs(component, backend, &ci::host_platform()).into_iter();
        let platforms: Vec<Platform> = legs.map(|leg| leg.platform).collect();
        let reads =
            inputs::reads(&run.events, &mut workspaces, checkout, component, backend, &platforms).await?;
        ensure_platforms(component, &platforms)?;
        let chart = chart(checkout, component, backend)?;
        surveys.push(Survey { component, choice, platforms, reads, chart });
    }
    Ok(surveys)
}

/// The chart of `component`, if it is one.
pub(super) fn chart(
    checkout: &Checkout,
    component: &Component,
    backend: Backend,
) -> Result<Option<Chart>, InputsError> {
    (backend == Backend::Helm).then(|| inputs::chart(&checkout.root, component)).transpose()
}

/// The names of all images that are built on.
pub(super) fn images(surveys: &[Survey<'_>]) -> BTreeSet<String> {
    surveys.iter().flat_map(|survey| &survey.reads.images).map(|image| image.name.clone()).collect()
}

/// The rules of `reads`, ready to be asked.
pub(super) fn matcher<'a>(
    run: &Run,
    component: &Component,
    reads: &'a Reads,
) -> Result<Matcher<'a>, Failure> {
    Matcher::new(reads, &run.config.ignore).map_err(|error| {
        Failure::new(ExitCode::Usage, format!("read the globs of `{}`: {error}", component.name))
    })
}

/// Everything about a component but what the store holds.
pub(super) fn prepare(
    run: &Run,
    checkout: &Checkout,
    files: &[File],
    changes: &[BString],
    known: &mut Known,
    target: &Target,
    survey: &Survey<'_>,
) -> Result<Candidate, Failure> {
    let Survey { component, choice, reads, .. } = survey;
    let matcher = matcher(run, component, reads)?;
    let unseen = inputs::ignored_files(checkout, reads, &|path: &BStr| matcher.rule(path, None).is_some())?;
    let mut legs = vec![];
    for platform in &survey.platforms {
        let mut counted = selected(checkout, files, &unseen, &matcher, survey, platform)?;
        counted.extend(beside::all(component, reads, platform, known).map(Cow::Owned));
        counted.sort();
        let digest =
            detect::input_digest(component, choice.backend, platform, counted.iter().map(AsRef::as_ref));
        known.digests.insert((component.name.clone(), platform.clone()), digest.clone());
        let key = matrix::key(&digest, platform).map_err(StoreError::from)?;
        let runners = matrix::runners(&run.config.runners, platform);
        let platform = platform.clone();
        legs.push(CandidateLeg { platform, input_digest: digest, key, runners, found: None });
    }
    let touched = touched(component, &matcher, changes, known);
    known.touched.insert(component.name.clone(), touched.clone());
    let (base_images, unknown_base) = bases(reads, known);
    let causes = causes(run, checkout, changes, &unseen, &matcher, survey, &base_images);
    let chart = survey.chart.as_ref();
    let chart_name = chart.map(|chart| &*chart.name);
    Ok(Candidate {
        component: (*component).clone(),
        backend: choice.backend,
        backend_reason: choice.reason.clone(),
        image: naming::repository(run, target, component, chart_name)?,
        further: naming::further(run, component, chart_name)?,
        version: chart.map(|chart| chart.tag().parse()).transpose().map_err(StoreError::from)?,
        legs,
        is_asked: run.settings.all,
        touched,
        base_images,
        unknown_base,
        metadata: Metadata::default(),
        causes,
    })
}

/// What can make the input digest another one where no change does that the component reads.
fn causes(
    run: &Run,
    checkout: &Checkout,
    changes: &[BString],
    unseen: &[File],
    matcher: &Matcher<'_>,
    survey: &Survey<'_>,
    base_images: &BTreeMap<String, Image>,
) -> Vec<Cause> {
    let reads = |path: &&BString| matcher.rule(BStr::new(path), None).is_some();
    let dirty = checkout.deviations.iter().filter_map(|deviation| match deviation {
        Deviation::Dirty(path) | Deviation::Added(path) => Some(path),
        Deviation::Ignored(_) => None,
    });
    let uncommitted = dirty.clone().find(reads).map(|path| Cause::Uncommitted(path.to_string()));
    let ignored = unseen.first().map(|file| Cause::Ignored(file.path.to_string()));
    let settings = run.settings_files(!base_images.is_empty());
    let is_changed = |file: &&String| changes.iter().chain(dirty.clone()).any(|path| path == file.as_str());
    let settings = settings.iter().filter(is_changed).cloned().map(Cause::Settings);
    let named = |names: Vec<String>, cause: fn(Vec<String>) -> Cause| {
        Some(names).filter(|names| !names.is_empty()).map(cause)
    };
    let needs = survey.component.needs.iter().map(ToString::to_string).collect();
    // A pin moves only in its file.
    let is_followed = run.config.base_images == BaseImages::Follow;
    let followed = base_images.keys().filter(|_| is_followed).cloned().collect();
    let mut tools = survey.reads.tools.clone();
    tools.extend(beside::own_base(survey.component).map(|_| "base: static".to_owned()));
    let others = [named(followed, Cause::BaseImages), named(tools, Cause::Tools), named(needs, Cause::Needs)];
    uncommitted.into_iter().chain(ignored).chain(settings).chain(others.into_iter().flatten()).collect()
}

/// The files that the build for `platform` reads, as they are here.
fn selected<'f>(
    checkout: &Checkout,
    files: &'f [File],
    unseen: &'f [File],
    matcher: &Matcher<'_>,
    survey: &Survey<'_>,
    platform: &Platform,
) -> Result<Vec<Cow<'f, File>>, Failure> {
    let Survey { component, reads, .. } = survey;
    let mut read = matcher.files(files, platform);
    read.extend(matcher.files(unseen, platform));
    inputs::ensure_checked_out(checkout, component, read.iter().copied())?;
    let mut selected: Vec<Cow<'f, File>> = read.into_iter().map(Cow::Borrowed).collect();
    let behind = match survey.choice.backend {
        Backend::Cargo | Backend::Ko | Backend::Spin | Backend::Buildpacks | Backend::Helm => {
            inputs::behind_links(checkout, component, files, &selected)?
        }
        Backend::Dockerfile | Backend::Buildkit | Backend::Buildah | Backend::Docker | Backend::Kaniko => {
            inputs::behind_links_in_context(checkout, component, files, &selected)?
        }
        Backend::Prebuilt => vec![],
    };
    selected.extend(behind.into_iter().map(Cow::Owned));
    for file in selected.iter_mut().filter(|_| !reads.parts.is_empty()) {
        if let Some(part) = reads.parts.get(&file.path) {
            file.to_mut().content.clone_from(part);
        }
    }
    Ok(selected)
}

/// The changes that the component reads, or that something reads which it needs.
fn touched(component: &Component, matcher: &Matcher<'_>, changes: &[BString], known: &Known) -> Vec<Touched> {
    let mut touched = detect::touched(matcher, changes);
    for need in &component.needs {
        let through = known.touched.get(need).into_iter().flatten();
        let why = format!("`{need}`, which it needs, reads it");
        touched.extend(through.map(|touch| Touched { why: why.clone(), ..touch.clone() }));
    }
    touched
}

/// What the names of base images mean, and one of which nobody knows that.
fn bases(reads: &Reads, known: &Known) -> (BTreeMap<String, Image>, Option<String>) {
    let mut images = BTreeMap::new();
    let mut unknown = None;
    for BaseImage { name, .. } in &reads.images {
        match known.bases.get(name) {
            Some(Base::Is(image)) => drop(images.insert(name.clone(), image.clone())),
            Some(Base::Pinned | Base::Offline) => {}
            Some(Base::Unknown) | None => unknown = Some(name.clone()),
        }
    }
    (images, unknown)
}

/// The wanted components and all that they need, each after those it needs; the configuration has no circles.
pub(super) fn in_order_of_needs<'a>(
    components: &'a [Component],
    wanted: &[&'a Component],
) -> Vec<&'a Component> {
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
