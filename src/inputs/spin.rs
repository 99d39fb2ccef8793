//! What a Spin application reads: its folder, and what `spin.toml` names elsewhere. How its components are compiled is
//! up to their commands, so no file of the folder can be left out.

mod manifest;

use super::{Dockerignore, Hidden, Ignore, InputsError, Pattern, Reads, Rule, below, normal};
use crate::component::Component;
use std::path::Path;
use std::sync::Arc;

pub(super) fn reads(root: &Path, component: &Component) -> Result<Reads, InputsError> {
    let path = root.join(&component.path).join("spin.toml");
    let text = std::fs::read_to_string(&path).map_err(|source| InputsError::Disk { path, source })?;
    let named = manifest::read(&text).map_err(|problem| InputsError::Definition {
        component: component.name.to_string(),
        problem: format!("read `spin.toml`: {problem}"),
    })?;
    // A program that the last build left behind is made anew.
    let made = named.made.iter().filter(|path| !path.split('/').any(|part| part == ".."));
    let made: Vec<String> = made.map(|path| format!("/{}", literal(&normal(path)))).collect();
    let by = Ignore::Docker(Dockerignore::read(&made.join("\n")));
    let hidden = Some(Arc::new(Hidden { folder: component.path.clone(), by }));
    let why = format!("it is in the folder of `{}`", component.name);
    let mut rules = vec![Rule { hidden, ..Rule::path(&component.path, why) }];
    let outside =
        |path: &String| InputsError::Outside { component: component.name.to_string(), path: path.into() };
    for path in &named.read {
        rules.push(rule(component, path).ok_or_else(|| outside(path))?);
    }
    // What it is relative to depends on the version of spin; more is never wrong.
    for paths in &named.watched {
        let inside: Vec<Rule> = paths.iter().filter_map(|path| rule(component, path)).collect();
        if inside.is_empty() {
            return Err(outside(&paths[0]));
        }
        rules.extend(inside);
    }
    Ok(Reads { rules, ..Reads::default() })
}

/// The rule for what the manifest calls `path`; `None` if that is not in the repository.
fn rule(component: &Component, path: &str) -> Option<Rule> {
    let from_root = inside(&component.path, path)?;
    let why = format!("`spin.toml` of `{}` names `{path}`", component.name);
    let pattern = if from_root.contains(['*', '?', '[', '{']) { Pattern::Glob } else { Pattern::Path };
    Some(Rule::new(pattern(from_root), why))
}

/// `path`, which is relative to `folder`, from the repository's root; `None` if it leads out of that.
fn inside(folder: &str, path: &str) -> Option<String> {
    let mut depth = 0_usize;
    for part in below(folder, path).split('/').filter(|part| !part.is_empty()) {
        depth = if part == ".." { depth.checked_sub(1)? } else { depth + 1 };
    }
    Some(normal(&format!("{folder}/{path}"))).filter(|_| !path.starts_with('/'))
}

/// A path whose special characters mean themselves in an ignore file.
fn literal(path: &str) -> String {
    path.chars().flat_map(|c| Some('\\').filter(|_| "*?[]\\".contains(c)).into_iter().chain([c])).collect()
}
