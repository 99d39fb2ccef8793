//! What buildpacks read: the folder as `project.toml` cuts it, buildpacks in the repository, and the builder. Which files
//! a buildpack opens is its own affair, so every file that it gets counts.

mod project;

pub(crate) use project::Project;

use super::{BaseImage, Hidden, Ignore, InputsError, Reads, Rule, below, normal};
use crate::component::Component;
use ::ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::path::Path;
use std::sync::Arc;

const DESCRIPTOR: &str = "project.toml";

/// What the descriptor of `component` says; a folder may be without one.
pub(crate) fn project(root: &Path, component: &Component) -> Result<Project, InputsError> {
    let path = root.join(&component.path).join(DESCRIPTOR);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Project::read(&text).map_err(|problem| InputsError::Definition {
        component: component.name.to_string(),
        problem: format!("read `{DESCRIPTOR}`: {problem}"),
    })
}

pub(super) fn reads(root: &Path, component: &Component) -> Result<Reads, InputsError> {
    let project = project(root, component)?;
    let hidden = cut(&project).map(|by| Arc::new(Hidden { folder: component.path.clone(), by }));
    let why = format!("it is in the folder of `{}`", component.name);
    let descriptor = below(&component.path, DESCRIPTOR);
    let mut rules = vec![
        Rule { hidden, ..Rule::path(&component.path, why) },
        Rule::path(descriptor, format!("it says how `{}` is built", component.name)),
    ];
    for folder in &project.folders {
        let why = format!("a buildpack of `{}` is in `{folder}`", component.name);
        rules.push(Rule::path(normal(&format!("{}/{folder}", component.path)), why));
    }
    let images = project
        .builder
        .into_iter()
        .map(|name| BaseImage { name, platform: None, is_replaceable: true })
        .collect();
    Ok(Reads { rules, images, caches: true, ..Reads::default() })
}

/// What the descriptor leaves out. Where an exception (`!`) or a pattern may be read in two ways, nothing is left out.
fn cut(project: &Project) -> Option<Ignore> {
    let (lines, is_reversed) = match (project.exclude.as_slice(), project.include.as_slice()) {
        (exclude, []) => (exclude, false),
        ([], include) => (include, true),
        _ => return None,
    };
    if lines.is_empty() || lines.iter().any(|line| line.starts_with('!')) {
        return None;
    }
    let mut builder = GitignoreBuilder::new("");
    for line in lines {
        builder.add_line(None, line).ok()?;
    }
    let patterns: Gitignore = builder.build().ok()?;
    Some(Ignore::Git { patterns, is_reversed })
}
