//! `plan.json`: the plan as a file, versioned and in a stable order.

use super::file::{
    BaseFile, CommitFile, FoundFile, LegFile, PlanFile, PlannedFile, RecipeFile, SbomFile, TargetFile,
};
use super::reason::{reason, reason_file};
use super::sbom::{sbom, sbom_file};
use super::{Action, Base, Found, Plan, Planned, PlannedLeg, Target};
use crate::component::{Backend, Component, ProgramBase, Recipe, Rules};
use crate::detect::base::{Confidence, Kind};
use crate::git::Commit;
use crate::image::Image;
use crate::metadata::Levels;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The version of the format. A reader refuses any other.
const SCHEMA: &str = "hephy.plan/1";

/// Why a text is not a plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("it is not the JSON of a plan")]
    Json(#[source] serde_json::Error),
    #[error("its schema is `{found}`, this version reads `{SCHEMA}`")]
    Schema { found: String },
    #[error("`{text}` is not a valid {what}")]
    Value { what: &'static str, text: String },
    /// A plan may come from another job, and what it names is read, built and deployed.
    #[error("`{path}` leads out of the repository")]
    Outside { path: String },
}

/// The plan as JSON with a final line end.
pub(crate) fn to_json(plan: &Plan) -> String {
    let file = PlanFile {
        schema: SCHEMA.to_owned(),
        commit: CommitFile {
            id: plan.commit.id.clone(),
            time: plan.commit.time,
            branch: plan.commit.branch.clone(),
            dirty: plan.commit.dirty,
        },
        base: BaseFile {
            reference: plan.base.reference.clone(),
            commit: plan.base.commit.clone(),
            kind: plan.base.kind.as_str().to_owned(),
            confidence: plan.base.confidence.as_str().to_owned(),
            reason: plan.base.reason.clone(),
        },
        target: match &plan.target {
            Target::Layout(path) => TargetFile::Layout(path.clone()),
            Target::Registry => TargetFile::Registry,
        },
        components: plan.components.iter().map(planned_file).collect(),
        manifests: plan.manifests.clone(),
    };
    let mut text = serde_json::to_string_pretty(&file).expect("strings, numbers and lists always serialise");
    text.push('\n');
    text
}

/// Reads a plan back.
pub(crate) fn from_json(text: &str) -> Result<Plan, PlanError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: String,
    }
    let Versioned { schema } = serde_json::from_str(text).map_err(PlanError::Json)?;
    if schema != SCHEMA {
        return Err(PlanError::Schema { found: schema });
    }
    let file: PlanFile = serde_json::from_str(text).map_err(PlanError::Json)?;
    file.paths().try_for_each(ensure_inside)?;
    let commit = file.commit;
    Ok(Plan {
        commit: Commit { id: commit.id, time: commit.time, branch: commit.branch, dirty: commit.dirty },
        base: base(file.base)?,
        target: match file.target {
            TargetFile::Layout(path) => Target::Layout(path),
            TargetFile::Registry => Target::Registry,
        },
        components: file.components.into_iter().map(planned).collect::<Result<_, _>>()?,
        manifests: file.manifests,
    })
}

impl PlanFile {
    /// Every path from the repository's root. The layout is not one: `--layout` may name any folder.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let manifests = self.manifests.iter().map(String::as_str);
        self.components.iter().flat_map(PlannedFile::paths).chain(manifests)
    }
}

impl PlannedFile {
    fn paths(&self) -> impl Iterator<Item = &str> {
        let recipe = &self.recipe;
        let recipe = recipe.dockerfile.iter().chain(&recipe.context).chain(recipe.prebuilt.values());
        let recipe = recipe.chain(self.recipe.assets.keys());
        let recipe = recipe.chain(self.recipe.sbom.iter().flat_map(SbomFile::texts));
        [&self.path].into_iter().chain(recipe).map(String::as_str)
    }
}

impl SbomFile {
    fn texts(&self) -> Vec<&String> {
        match self {
            Self::Text(text) => vec![text],
            Self::ByPlatform(paths) => paths.values().collect(),
        }
    }
}

fn ensure_inside(path: &str) -> Result<(), PlanError> {
    let leaves = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if leaves { Err(PlanError::Outside { path: path.to_owned() }) } else { Ok(()) }
}

fn base(file: BaseFile) -> Result<Base, PlanError> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == file.kind);
    let confidence = Confidence::ALL.into_iter().find(|known| known.as_str() == file.confidence);
    let fault = |what, text: &str| PlanError::Value { what, text: text.to_owned() };
    Ok(Base {
        reference: file.reference,
        commit: file.commit,
        kind: kind.ok_or_else(|| fault("kind of base", &file.kind))?,
        confidence: confidence.ok_or_else(|| fault("confidence", &file.confidence))?,
        reason: file.reason,
    })
}

fn planned_file(planned: &Planned) -> PlannedFile {
    let component = &planned.component;
    let prebuilt = component.recipe.prebuilt.iter();
    PlannedFile {
        name: component.name.to_string(),
        path: component.path.clone(),
        origin: component.origin.clone(),
        backend: planned.backend.to_string(),
        backend_reason: planned.backend_reason.clone(),
        image: planned.image.to_string(),
        further_images: planned.further.iter().map(ToString::to_string).collect(),
        tags: planned.tags.iter().map(ToString::to_string).collect(),
        labels: planned.labels.clone(),
        annotations: planned.annotations.clone(),
        annotation_levels: Some(planned.levels.iter().map(|level| level.as_str().to_owned()).collect()),
        reason: reason_file(&planned.reason),
        needs: component.needs.iter().map(ToString::to_string).collect(),
        recipe: RecipeFile {
            dockerfile: component.recipe.dockerfile.clone(),
            context: component.recipe.context.clone(),
            target: component.recipe.target.clone(),
            build_args: component.recipe.build_args.clone(),
            bin: component.recipe.bin.clone(),
            bins: component.recipe.bins.clone(),
            features: component.recipe.features.clone(),
            profile: component.recipe.profile.clone(),
            prebuilt: prebuilt.map(|(platform, path)| (platform.to_string(), path.clone())).collect(),
            assets: component.recipe.assets.clone(),
            base: component.recipe.base.text().map(str::to_owned),
            user: component.recipe.user.clone(),
            sbom: component.recipe.sbom.as_ref().map(sbom_file),
        },
        fail_fast: component.fail_fast,
        legs: planned.legs.iter().map(|leg| leg_file(planned, leg)).collect(),
        base_images: planned
            .base_images
            .iter()
            .map(|(name, image)| (name.clone(), image.to_string()))
            .collect(),
    }
}

fn leg_file(planned: &Planned, leg: &PlannedLeg) -> LegFile {
    let (action, found, skipped) = match &leg.action {
        Action::Build => ("build", None, None),
        Action::Reuse(found) => ("reuse", Some(found), None),
        Action::Skip(reason) => ("skip", None, Some(reason.clone())),
    };
    LegFile {
        name: planned.leg(leg).job(),
        platform: leg.platform.to_string(),
        input_digest: leg.input_digest.to_string(),
        key: leg.key.to_string(),
        runners: leg.runners.clone(),
        action: action.to_owned(),
        skipped,
        found: found.map(|found| FoundFile {
            digest: found.digest.to_string(),
            size: found.size,
            media_type: found.media_type.clone(),
        }),
    }
}

fn planned(file: PlannedFile) -> Result<Planned, PlanError> {
    let backend = Backend::ALL.into_iter().find(|backend| backend.as_str() == file.backend);
    let backend = backend.ok_or_else(|| PlanError::Value { what: "backend", text: file.backend.clone() })?;
    let prebuilt = file.recipe.prebuilt.into_iter();
    let prebuilt = prebuilt.map(|(platform, path)| Ok((value("platform", &platform)?, path)));
    let recipe = Recipe {
        dockerfile: file.recipe.dockerfile,
        context: file.recipe.context,
        target: file.recipe.target,
        build_args: file.recipe.build_args,
        bin: file.recipe.bin,
        bins: file.recipe.bins,
        features: file.recipe.features,
        profile: file.recipe.profile,
        prebuilt: prebuilt.collect::<Result<_, PlanError>>()?,
        assets: file.recipe.assets,
        base: file.recipe.base.map(ProgramBase::new).unwrap_or_default(),
        user: file.recipe.user,
        sbom: file.recipe.sbom.map(sbom).transpose()?,
    };
    let legs = file.legs.iter().map(leg).collect::<Result<Vec<_>, _>>()?;
    let component = Component {
        name: value("component name", &file.name)?,
        path: file.path,
        origin: file.origin,
        backend: Some(backend),
        platforms: legs.iter().map(|leg| leg.platform.clone()).collect(),
        watch: vec![],
        is_workspace_package: false,
        image: None,
        aliases: vec![],
        needs: file.needs.iter().map(|need| value("component name", need)).collect::<Result<_, _>>()?,
        fail_fast: file.fail_fast,
        recipe,
        dockerfile_variants: vec![],
        rules: Rules::default(),
    };
    Ok(Planned {
        component,
        backend,
        backend_reason: file.backend_reason,
        image: value("image repository", &file.image)?,
        further: file
            .further_images
            .iter()
            .map(|image| value("image repository", image))
            .collect::<Result<_, _>>()?,
        tags: file.tags.iter().map(|tag| value("tag", tag)).collect::<Result<_, _>>()?,
        labels: file.labels,
        annotations: file.annotations,
        levels: file.annotation_levels.map(levels).transpose()?.unwrap_or_default(),
        reason: reason(file.reason)?,
        legs,
        base_images: base_images(&file.base_images)?,
    })
}

fn levels(names: Vec<String>) -> Result<Levels, PlanError> {
    names.iter().map(|name| value("level of annotations", name)).collect()
}

fn base_images(files: &BTreeMap<String, String>) -> Result<BTreeMap<String, Image>, PlanError> {
    let image = |(name, text): (&String, &String)| {
        let (repository, digest) = text.split_once('@').unwrap_or((text, ""));
        let image =
            Image { repository: value("image repository", repository)?, digest: value("digest", digest)? };
        Ok((name.clone(), image))
    };
    files.iter().map(image).collect()
}

fn leg(file: &LegFile) -> Result<PlannedLeg, PlanError> {
    let action = match (file.action.as_str(), &file.found, &file.skipped) {
        ("build", None, None) => Action::Build,
        ("skip", None, Some(reason)) => Action::Skip(reason.clone()),
        ("reuse", Some(found), None) => Action::Reuse(Found {
            digest: value("digest", &found.digest)?,
            size: found.size,
            media_type: found.media_type.clone(),
        }),
        (other, ..) => return Err(PlanError::Value { what: "action", text: other.to_owned() }),
    };
    Ok(PlannedLeg {
        platform: value("platform", &file.platform)?,
        input_digest: value("digest", &file.input_digest)?,
        key: value("tag", &file.key)?,
        runners: file.runners.clone(),
        action,
    })
}

pub(super) fn value<T: FromStr>(what: &'static str, text: &str) -> Result<T, PlanError> {
    text.parse().map_err(|_| PlanError::Value { what, text: text.to_owned() })
}
