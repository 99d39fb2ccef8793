//! Explanations: through which rule each component reads a file, or why none does.

use super::Matcher;
use crate::component::Name;
use crate::git::File;
use bstr::{BStr, ByteSlice as _};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeMap;

/// A component with its rules, and the components that are part of it.
pub(crate) struct Reader<'a> {
    pub(crate) name: Name,
    pub(crate) matcher: Matcher<'a>,
    pub(crate) needs: Vec<Name>,
}

/// Who reads the files at or below a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// How many files there are; none of a path that does not exist is explained as if it did.
    pub(crate) files: usize,
    /// How many files each component reads through each rule.
    pub(crate) reads: BTreeMap<(Name, String), usize>,
    /// How many files each glob ignores.
    pub(crate) ignored: BTreeMap<String, usize>,
    pub(crate) unread: usize,
    /// What a component is built from and with that is no file, as sentences.
    pub(crate) beside: Vec<String>,
    /// What is decided about a component, and why.
    pub(crate) decision: Option<String>,
}

/// Explains every file among `files`, or `path` itself where there are none. `ignore` are the globs of files that the
/// user says never matter.
pub(crate) fn explain(
    readers: &[Reader<'_>],
    ignore: &[(String, GlobMatcher)],
    path: &BStr,
    files: &[&File],
) -> Explanation {
    let mut explanation = Explanation { files: files.len(), ..Explanation::default() };
    let paths: Vec<&BStr> = match files {
        [] => vec![path],
        files => files.iter().map(|file| file.path.as_bstr()).collect(),
    };
    for path in paths {
        let reasons = reasons(readers, path);
        let glob = ignore.iter().find(|(_, glob)| glob.is_match(path.to_path_lossy()));
        match glob {
            Some((glob, _)) => *explanation.ignored.entry(glob.clone()).or_default() += 1,
            None if reasons.is_empty() => explanation.unread += 1,
            None => {}
        }
        for reason in reasons {
            *explanation.reads.entry(reason).or_default() += 1;
        }
    }
    explanation
}

/// The components that read `path`, those included that need one of them. The readers come after those they need.
fn reasons(readers: &[Reader<'_>], path: &BStr) -> Vec<(Name, String)> {
    let mut reasons: Vec<(Name, String)> = vec![];
    for reader in readers {
        let own = reader.matcher.rule(path, None).map(|rule| rule.why.clone());
        let is_read = |need: &&Name| reasons.iter().any(|(name, _)| name == *need);
        let through =
            || reader.needs.iter().find(is_read).map(|need| format!("`{need}`, which it needs, reads it"));
        if let Some(why) = own.or_else(through) {
            reasons.push((reader.name.clone(), why));
        }
    }
    reasons
}

/// What the component itself reads, by rule.
pub(crate) fn inputs(reader: &Reader<'_>, files: &[&File]) -> Explanation {
    let mut explanation = Explanation { files: files.len(), ..Explanation::default() };
    let rules = files.iter().filter_map(|file| reader.matcher.rule(file.path.as_bstr(), None));
    for rule in rules {
        *explanation.reads.entry((reader.name.clone(), rule.why.clone())).or_default() += 1;
    }
    for need in &reader.needs {
        explanation
            .reads
            .insert((reader.name.clone(), format!("everything that `{need}`, which it needs, reads")), 0);
    }
    explanation
}

/// The globs with their texts, to name the one that ignores a file.
pub(crate) fn ignore_globs(globs: &[String]) -> Result<Vec<(String, GlobMatcher)>, globset::Error> {
    let glob = |text: &String| {
        Ok((text.clone(), GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher()))
    };
    globs.iter().map(glob).collect()
}
