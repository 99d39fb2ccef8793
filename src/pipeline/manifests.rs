//! The manifests of the release: those that the configuration names, else those in the usual folders.

use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::File;
use bstr::ByteSlice as _;
use globset::GlobBuilder;
use std::borrow::Cow;

/// Folders in which manifests are looked for, first come first served.
const MANIFEST_FOLDERS: [&str; 3] = ["k8s", "deploy", "manifests"];

/// The manifests among `files`, as paths from the root.
pub(super) fn find(config: &Config, files: &[File]) -> Result<Vec<String>, Failure> {
    let paths: Vec<Cow<'_, str>> = files.iter().map(|file| file.path.to_str_lossy()).collect();
    let found = match &config.manifests {
        Some(patterns) => named(patterns, &paths)?,
        None => in_folders(&paths)?,
    };
    match found.iter().find(|path| path.contains(char::REPLACEMENT_CHARACTER)) {
        None => Ok(found),
        Some(file) => Err(fault(format!("the name of `{file}` is not UTF-8")).hint("rename it")),
    }
}

fn fault(problem: String) -> Failure {
    Failure::new(ExitCode::Usage, format!("read manifests: {problem}"))
}

/// What each of the patterns matches, in their order. One that matches nothing is a fault: less would be deployed than
/// somebody thinks.
fn named(patterns: &[String], paths: &[Cow<'_, str>]) -> Result<Vec<String>, Failure> {
    let mut found: Vec<String> = vec![];
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| fault(error.to_string()))?.compile_matcher();
        let mut matching =
            paths.iter().filter(|path| ***path == **pattern || glob.is_match(&***path)).peekable();
        if matching.peek().is_none() {
            return Err(fault(format!("no file is named by `{pattern}`")).hint("correct it in skaffold.yaml"));
        }
        for path in matching {
            if !found.iter().any(|known| *known == **path) {
                found.push(path.to_string());
            }
        }
    }
    if let Some(file) = found.iter().find(|path| is_kustomization(path)) {
        return Err(unrendered(file));
    }
    Ok(found)
}

/// The YAML files directly in the first folder that has any.
fn in_folders(paths: &[Cow<'_, str>]) -> Result<Vec<String>, Failure> {
    for folder in MANIFEST_FOLDERS {
        let inside = |path: &&Cow<'_, str>| {
            let rest = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|name| !name.contains('/'))
        };
        if let Some(file) = paths.iter().filter(inside).find(|path| is_kustomization(path)) {
            return Err(unrendered(file));
        }
        let found = paths.iter().filter(inside).filter(|path| is_yaml(path));
        let found: Vec<String> = found.map(ToString::to_string).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![])
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn is_kustomization(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

fn unrendered(file: &str) -> Failure {
    fault(format!("`{file}` needs kustomize, which this version does not drive"))
        .hint("render it into plain manifests first, and keep them in another folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(patterns: Option<&[&str]>, paths: &[&str]) -> Result<Vec<String>, String> {
        let file = |path: &&str| File { path: (*path).into(), mode: "100644", content: String::new() };
        let files: Vec<File> = paths.iter().map(file).collect();
        let manifests = patterns.map(|patterns| patterns.iter().map(|&pattern| pattern.to_owned()).collect());
        find(&Config { manifests, ..Config::default() }, &files).map_err(|failure| failure.headline)
    }

    #[test]
    fn the_first_folder_with_yaml_has_them() {
        let found = find_in(None, &["deploy/a.yaml", "k8s/README", "k8s/deep/x.yaml", "manifests/b.yml"]);
        assert_eq!(found, Ok(vec!["deploy/a.yaml".to_owned()]));
        assert_eq!(find_in(None, &["a.yaml"]), Ok(vec![]));
        let error = find_in(None, &["k8s/kustomization.yaml", "k8s/a.yaml"]);
        assert_eq!(
            error.expect_err("kustomize"),
            "read manifests: `k8s/kustomization.yaml` needs kustomize, which this version does not drive"
        );
    }

    #[test]
    fn what_is_named_comes_in_its_order_and_once() {
        let paths = ["app/[1].yaml", "app/a.yaml", "app/deep/b.yaml", "k8s/c.yaml"];
        let found = find_in(Some(&["app/deep/*.yaml", "app/**/*.yaml"]), &paths);
        assert_eq!(found.expect("valid"), ["app/deep/b.yaml", "app/[1].yaml", "app/a.yaml"]);
        assert_eq!(find_in(Some(&["app/[1].yaml"]), &paths).expect("valid"), ["app/[1].yaml"]);
        let error = find_in(Some(&["app/*.yaml", "none/*.yaml"]), &paths).expect_err("nothing");
        assert_eq!(error, "read manifests: no file is named by `none/*.yaml`");
    }
}
