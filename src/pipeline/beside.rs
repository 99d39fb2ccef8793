//! The inputs of a leg that are no files: they stand beside the files that its build reads.

use super::base_images::Base;
use super::preparing::Known;
use crate::component::{Component, Name, ProgramBase};
use crate::git::File;
use crate::inputs::{BaseImage, Reads};
use crate::layout;
use crate::platform::Platform;

/// All of them, for the leg of `component` on `platform`.
pub(super) fn all(
    component: &Component,
    reads: &Reads,
    platform: &Platform,
    known: &Known,
) -> impl Iterator<Item = File> {
    let tools: Vec<File> = reads.tools.iter().map(|version| tool(version)).collect();
    let images = built_on(reads, platform, known);
    needed(component, platform, known).into_iter().chain(tools).chain(images).chain(own_base(component))
}

/// A tool stands beside the files that it builds from.
fn tool(version: &str) -> File {
    File { path: "tool".into(), mode: "tool", content: version.to_owned() }
}

/// The images that the build for `platform` starts from stand beside the files that it reads.
fn built_on(reads: &Reads, platform: &Platform, known: &Known) -> Vec<File> {
    let concerns = |image: &&BaseImage| image.platform.as_ref().is_none_or(|of_image| of_image == platform);
    let file = |image: &BaseImage| {
        let content = known.bases.get(&image.name).unwrap_or(&Base::Unknown).content();
        File { path: image.name.clone().into(), mode: "base", content }
    };
    reads.images.iter().filter(concerns).map(file).collect()
}

/// Another version of hephy may have other certificates in its own base.
pub(super) fn own_base(component: &Component) -> Option<File> {
    let file = || File {
        path: "static".into(),
        mode: "own-base",
        content: layout::static_base_digest().to_string(),
    };
    (component.recipe.base == ProgramBase::Static).then(file)
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
        Some(File { path: format!("needs/{need}").into(), mode: "needs", content })
    };
    component.needs.iter().filter_map(file).collect()
}
