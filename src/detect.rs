//! Detection: which files belong to a leg, what identifies them together, and which change explains a rebuild.

pub(crate) mod base;
mod explain;

pub(crate) use explain::{Explanation, Reader, explain, ignore_globs, inputs};

use crate::component::{Backend, Component};
use crate::config::LOCK_NAME;
use crate::git::{File, SUBMODULE};
use crate::image::Digest;
use crate::inputs::{Pattern, Reads, Rule, is_at_or_below};
use crate::platform::Platform;
use bstr::{BStr, BString, ByteSlice as _};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::{Digest as _, Sha256};

/// Part of every input digest: a change of what is hashed, or how, must not find images of the old way.
const ALGORITHM: &str = "hephy-inputs-4";

/// How many bytes are collected before they are hashed.
const HASHED_AT_ONCE: usize = 16 * 1024;

/// The rules of one component, ready to be asked.
pub(crate) struct Matcher<'a> {
    rules: Vec<(&'a Rule, GlobSet)>,
    ignore: GlobSet,
    /// The file of pins is read by nobody.
    pins_apart: bool,
}

impl<'a> Matcher<'a> {
    /// `ignore` are globs of files that the user says never matter.
    pub(crate) fn new(reads: &'a Reads, ignore: &[String]) -> Result<Self, globset::Error> {
        let glob_of = |rule: &'a Rule| match &rule.pattern {
            Pattern::Glob(glob) => globs(std::slice::from_ref(glob)),
            Pattern::Path(_) => Ok(GlobSet::empty()),
        };
        let rules = reads
            .rules
            .iter()
            .map(|rule| Ok((rule, glob_of(rule)?)))
            .collect::<Result<_, globset::Error>>()?;
        Ok(Self { rules, ignore: globs(ignore)?, pins_apart: reads.pins_apart })
    }

    /// Whether `file` is read for `platform`. A submodule is one entry in the tree, so a rule that leads into it reads it.
    pub(crate) fn reads(&self, file: &File, platform: &Platform) -> bool {
        let concerns = |rule: &Rule| rule.platform.as_ref().is_none_or(|of_rule| of_rule == platform);
        let leads_into = |rule: &Rule| {
            let folder = rule.pattern.folder().as_bytes();
            is_at_or_below(folder, &file.path) || is_at_or_below(&file.path, folder)
        };
        self.rule(file.path.as_bstr(), Some(platform)).is_some()
            || file.mode == SUBMODULE && self.rules.iter().any(|(rule, _)| concerns(rule) && leads_into(rule))
    }

    /// Whether the user knows that a build may read `path`: a rule says so, or it is ignored on purpose.
    pub(crate) fn covers(&self, path: &BStr, platform: &Platform) -> bool {
        self.ignore.is_match(path.to_path_lossy()) || self.rule(path, Some(platform)).is_some()
    }

    /// The files that are read for `platform`, in their order; `files` must be sorted.
    pub(crate) fn files<'f>(&self, files: &'f [File], platform: &Platform) -> Vec<&'f File> {
        let near = near(self, files, |file| file.path.as_bstr());
        near.into_iter().filter(|file| self.reads(file, platform)).collect()
    }

    /// The first rule through which `path` is read for `platform`; for any platform if that is `None`.
    pub(crate) fn rule(&self, path: &BStr, platform: Option<&Platform>) -> Option<&'a Rule> {
        let as_path = path.to_path_lossy();
        if self.ignore.is_match(&as_path) {
            return None;
        }
        let concerns = |rule: &Rule| match (&rule.platform, platform) {
            (Some(of_rule), Some(asked)) => of_rule == asked,
            _ => true,
        };
        let matches = |(rule, glob): &(&Rule, GlobSet)| match &rule.pattern {
            Pattern::Path(folder) => is_at_or_below(path, folder.as_bytes()),
            Pattern::Glob(_) => glob.is_match(&as_path),
        };
        let asked = self.rules.iter().filter(|(rule, _)| concerns(rule));
        let is_apart = path == LOCK_NAME && self.pins_apart;
        let counts = |rule: &&Rule| !rule.hides(path) && (!is_apart || names_pins(rule));
        asked.filter(|rule| matches(rule)).map(|(rule, _)| *rule).find(counts)
    }
}

/// Whether the rule is about the file of pins and not about a folder that it is in. The pins that a component uses are
/// among its inputs one by one.
fn names_pins(rule: &Rule) -> bool {
    matches!(&rule.pattern, Pattern::Path(name) | Pattern::Glob(name) if name == LOCK_NAME)
}

/// The items that the matcher's rules may concern: each rule looks only at its own part of what is sorted by path. With
/// hundreds of components, asking every rule about every file would take longer than everything else together.
fn near<'i, T>(matcher: &Matcher<'_>, items: &'i [T], path: impl Fn(&T) -> &BStr) -> Vec<&'i T> {
    let position = |bound: &[u8]| items.partition_point(|item| path(item).as_bytes() < bound);
    let mut ranges = vec![];
    for (rule, _) in &matcher.rules {
        let folder = rule.pattern.folder();
        if folder.is_empty() {
            return items.iter().collect();
        }
        // A submodule is one entry, and a rule may lead into it.
        for (end, _) in folder.match_indices('/') {
            let above = position(&folder.as_bytes()[..end]);
            ranges.push(above..items.len().min(above + 1));
        }
        // Names such as `api-old` and `api.md` stand between `api` and what lies below it.
        let alone = position(folder.as_bytes());
        let below = position(format!("{folder}/").as_bytes());
        ranges.push(alone..items.len().min(alone + 1));
        ranges.push(below..position(format!("{folder}0").as_bytes()));
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let (mut seen, mut found) = (0, vec![]);
    for range in ranges {
        found.extend(&items[range.start.max(seen).min(range.end)..range.end]);
        seen = seen.max(range.end);
    }
    found
}

/// `*` stays within a folder and `**` crosses folders, as in `.gitignore`.
fn globs(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
    }
    set.build()
}

/// The input digest of a leg: equal digests mean that the backend would read the same bytes in the same way.
/// `files` must be sorted. Nothing that comes from the commit itself (its id, its date) is part of it.
pub(crate) fn input_digest<'f>(
    component: &Component,
    backend: Backend,
    platform: &Platform,
    files: impl IntoIterator<Item = &'f File>,
) -> Digest {
    let mut hasher = Sha256::new();
    // Hashing many small pieces costs more than copying them together first.
    let mut pending = Vec::with_capacity(HASHED_AT_ONCE * 2);
    let mut field = |bytes: &[u8]| {
        // The length goes first, so that no two lists of fields run together into the same bytes.
        pending.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        pending.extend_from_slice(bytes);
        if pending.len() >= HASHED_AT_ONCE {
            hasher.update(&pending);
            pending.clear();
        }
    };
    field(ALGORITHM.as_bytes());
    field(backend.as_str().as_bytes());
    field(platform.to_string().as_bytes());
    field(component.path.as_bytes());
    recipe(component, platform, &mut field);
    for file in files {
        field(&file.path);
        field(file.mode.as_bytes());
        field(file.content.as_bytes());
    }
    hasher.update(&pending);
    Digest::of_hasher(hasher)
}

fn recipe(component: &Component, platform: &Platform, field: &mut impl FnMut(&[u8])) {
    let recipe = &component.recipe;
    let prebuilt = recipe.prebuilt.get(platform).map(String::as_str);
    for (key, value) in [
        ("dockerfile", recipe.dockerfile.as_deref()),
        ("context", Some(component.context())),
        ("target", recipe.target.as_deref()),
        ("bin", recipe.bin.as_deref()),
        ("prebuilt", prebuilt),
        ("profile", recipe.profile.as_deref()),
        ("base", recipe.base.text()),
        ("user", recipe.user.as_deref()),
    ] {
        field(key.as_bytes());
        field(value.unwrap_or_default().as_bytes());
    }
    for texts in [&recipe.build_args, &recipe.assets] {
        field(&(texts.len() as u64).to_le_bytes());
        for (key, value) in texts {
            field(key.as_bytes());
            field(value.as_bytes());
        }
    }
    for names in [&recipe.bins, &recipe.features] {
        field(&(names.len() as u64).to_le_bytes());
        names.iter().for_each(|name| field(name.as_bytes()));
    }
    if let Some(sbom) = &recipe.sbom {
        field(b"sbom");
        field(sbom.file(platform).unwrap_or("required").as_bytes());
    }
    // As they are written: what their expressions mean comes from the commit, which never counts.
    for lines in [&component.rules.labels, &component.rules.annotations] {
        field(&(lines.len() as u64).to_le_bytes());
        lines.iter().for_each(|line| field(line.as_bytes()));
    }
}

/// A change that a component reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) path: BString,
    pub(crate) why: String,
}

/// The changes that a component reads, in the order given, which must be that of their paths. They explain a rebuild; they never decide one.
pub(crate) fn touched(matcher: &Matcher<'_>, changes: &[BString]) -> Vec<Touched> {
    let touch = |path: &BString| {
        matcher.rule(path.as_bstr(), None).map(|rule| Touched { path: path.clone(), why: rule.why.clone() })
    };
    near(matcher, changes, |path| path.as_bstr()).into_iter().filter_map(touch).collect()
}

#[cfg(test)]
mod tests;
