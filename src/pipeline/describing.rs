//! Tags, labels and annotations: the facts that rules ask about, and the rules of each component.

use super::Run;
use crate::ci::{Host, Subject};
use crate::component::Component;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::Commit;
use crate::image::{ImageError, Repository, Tag};
use crate::inputs;
use crate::layout::Stamp;
use crate::metadata::{self, Facts, Level, Levels, Metadata, Tree};
use crate::plan::{Candidate, Planned, PlannedLeg};
use crate::store::Says;
use std::collections::{BTreeMap, BTreeSet};

/// How many digits of a commit the action shows.
const SHORT: usize = 7;

/// Gives each candidate its metadata, of images that say they were made at `created`, in seconds since 1970.
pub(super) fn describe(
    run: &Run,
    commit: &Commit,
    created: u64,
    candidates: &mut [Candidate],
) -> Result<(), Failure> {
    let facts = Facts { created: seconds(created), ..facts(run, Some(commit)) };
    // Of other systems nobody knows whether they run a branch or a request to change it.
    let is_known = !matches!(run.ci.host, Host::Laptop | Host::Other);
    let (levels, mut warnings) = (levels(run)?, BTreeSet::new());
    for candidate in candidates {
        let rules = run.settings.rules.over(&candidate.component.rules);
        let metadata = metadata::of_image(&facts, &rules, tree(commit), is_known)?;
        candidate.metadata = Metadata { levels: levels.clone(), ..metadata };
        warnings.extend(candidate.metadata.warnings.clone());
    }
    warnings.into_iter().for_each(|warning| run.events.warn(warning));
    if is_another_commit(run, commit) {
        run.events.warn("this is not the commit that the run started on; no tag of its branch or tag moves");
    }
    Ok(())
}

fn tree(commit: &Commit) -> Tree {
    if commit.dirty { Tree::Dirty } else { Tree::Clean }
}

/// The tag of the commit that is checked out.
pub(super) fn commit_tag(commit: &Commit) -> Option<Tag> {
    metadata::commit_tag(&commit.id, tree(commit))
}

/// Whether a component's images carry a tag of their commit; rules need not give one.
pub(super) fn has_commit_tag(run: &Run, commit: &Commit, candidate: &Candidate) -> bool {
    let tag = metadata::commit_tag(&facts(run, Some(commit)).commit, tree(commit));
    tag.is_some_and(|tag| candidate.metadata.tags.contains(&tag))
}

/// The tag that follows `branch` on the images of a component. What is wrong with the rules is said when they are
/// followed.
pub(super) fn channel(run: &Run, commit: &Commit, component: &Component, branch: &str) -> Option<Tag> {
    let rules = run.settings.rules.over(&component.rules);
    metadata::channel(&facts(run, Some(commit)), &rules, branch).ok().flatten()
}

/// The images that `--images` names and enables, each once; the first is where components go. That none of them is
/// enabled must not send images elsewhere.
pub(super) fn images(run: &Run) -> Result<Vec<Repository>, Failure> {
    let lines = &run.settings.images;
    if lines.iter().all(|line| line.trim().is_empty()) {
        return Ok(vec![]);
    }
    let refuse = |problem: String| Failure::new(ExitCode::Usage, format!("follow `--images`: {problem}"));
    let mut images = vec![];
    for name in metadata::images(&facts(run, None), lines)? {
        let image: Repository = name.parse().map_err(|error: ImageError| refuse(error.to_string()))?;
        // As everywhere but in hephy, a name without a host is one of Docker Hub.
        let image = Repository { host: image.host.or(Some("docker.io".to_owned())), path: image.path };
        if !images.contains(&image) {
            images.push(image);
        }
    }
    if images.is_empty() { Err(refuse("none of them is enabled here".to_owned())) } else { Ok(images) }
}

/// Where annotations go: `DOCKER_METADATA_ANNOTATIONS_LEVELS`, whose name people have in their workflows.
fn levels(run: &Run) -> Result<Levels, Failure> {
    const NAME: &str = "DOCKER_METADATA_ANNOTATIONS_LEVELS";
    let Some(text) = &run.ci.sources.annotation_levels else { return Ok(Levels::default()) };
    let levels = text.parse::<Levels>().map_err(|problem| {
        Failure::new(ExitCode::Usage, format!("read `{NAME}`: {problem}"))
            .hint("unset it: `manifest,index` is the default")
    })?;
    for level in levels.iter().filter(|level| !level.is_written()) {
        run.events.warn(format!(
            "`{NAME}`: hephy writes annotations to manifests and their index; `{}` is only in the outputs",
            level.as_str()
        ));
    }
    Ok(levels)
}

/// What the index of a component's images says about itself.
pub(super) fn index_says(planned: &Planned) -> Says {
    match (planned.levels.has(Level::Index), planned.levels.has(Level::Manifest)) {
        (false, _) => Says::Nothing,
        (true, true) => Says::WhatAllSay(BTreeMap::new()),
        (true, false) => Says::WhatAllSay(planned.annotations.clone()),
    }
}

/// What the image of a leg says about itself: the plan's words, which leg it is, and what it is built on.
pub(super) fn stamp(run: &Run, planned: &Planned, leg: &PlannedLeg) -> Stamp {
    let own = [
        ("dev.hephy.component".to_owned(), planned.component.name.to_string()),
        ("dev.hephy.inputs".to_owned(), leg.input_digest.to_string()),
    ];
    let mut labels = planned.labels.clone();
    labels.extend(own.clone());
    let is_on_manifests = planned.levels.has(Level::Manifest);
    let mut annotations = if is_on_manifests { planned.annotations.clone() } else { BTreeMap::new() };
    annotations.extend(own);
    annotations.extend(base(run, planned, leg));
    Stamp { labels, annotations }
}

/// Name and digest of the image that a Dockerfile's last stage is built on, where both are known.
fn base(run: &Run, planned: &Planned, leg: &PlannedLeg) -> Vec<(String, String)> {
    if !planned.backend.is_dockerfile() {
        return vec![];
    }
    let reading = inputs::dockerfile_reading(&run.root, &planned.component, &leg.platform);
    let pinned = |name: &str| name.split_once('@').map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    let followed = |name: &String| Some((name.clone(), planned.base_images.get(name)?.digest.to_string()));
    let known = reading.base.and_then(|name| pinned(&name).or_else(|| followed(&name)));
    let annotation = |key: &str, text: String| (format!("org.opencontainers.image.base.{key}"), text);
    known.map_or(vec![], |(name, digest)| vec![annotation("name", name), annotation("digest", digest)])
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or_default()
}

/// The facts of a run; without a commit, what rules can say before git was asked.
fn facts(run: &Run, commit: Option<&Commit>) -> Facts {
    let sources = &run.ci.sources;
    // A laptop is on a branch, and in CI only the CI system knows.
    let of_git = || match (run.ci.host, commit.and_then(|commit| commit.branch.as_ref())) {
        (Host::Laptop | Host::Other, Some(branch)) => Subject::Branch(branch.clone()),
        _ => Subject::Unknown,
    };
    let subject = match &sources.subject {
        Subject::Branch(_) | Subject::Tag(_)
            if commit.is_some_and(|commit| is_another_commit(run, commit)) =>
        {
            Subject::Unknown
        }
        Subject::Unknown => of_git(),
        known => known.clone(),
    };
    let commit_time = commit.map_or(0, |commit| seconds(commit.time));
    Facts {
        subject,
        commit: sources.commit.clone().or_else(|| Some(commit?.id.clone())).unwrap_or_default(),
        short: sources.short_commit.unwrap_or(SHORT),
        default_branch: run.ci.default_branch.clone(),
        base_branch: sources.base_branch.clone(),
        event: sources.event.clone().unwrap_or_default(),
        about: sources.about.clone(),
        commit_time,
        created: commit_time,
        now: jiff::Timestamp::now().as_second(),
    }
}

/// Whether somebody checked out another commit than the one that the branch or tag was when the run started.
fn is_another_commit(run: &Run, commit: &Commit) -> bool {
    let sources = &run.ci.sources;
    let moves = matches!(sources.subject, Subject::Branch(_) | Subject::Tag(_));
    moves && sources.started_on.as_ref().is_some_and(|started| *started != commit.id)
}
