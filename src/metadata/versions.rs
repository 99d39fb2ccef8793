//! Versions: semantic ones as node's `semver` reads them, Python's of PEP 440, and their parts.

use super::template::Parts;
use super::{RuleError, javascript};
use pep440_rs::Version as PythonVersion;
use semver::Version as SemanticVersion;

/// A version that was read.
pub(super) struct Version {
    /// Its parts, by the names that patterns have for them.
    pub(super) parts: Box<Parts>,
    /// Neither a pre-release nor, for Python, a post-release: only such a version may become `latest`.
    pub(super) is_final: bool,
}

/// The longest text that node takes for a version.
const LONGEST: usize = 256;
/// The largest number that JavaScript can count to.
const LARGEST: u64 = (1 << 53) - 1;

/// A semantic version, with or without a `v`.
pub(super) fn semantic(text: &str) -> Option<Version> {
    let plain = text.trim();
    let read: SemanticVersion = plain.strip_prefix('v').unwrap_or(plain).parse().ok()?;
    if text.len() > LONGEST || [read.major, read.minor, read.patch].iter().any(|number| *number > LARGEST) {
        return None;
    }
    let without_build = SemanticVersion { build: semver::BuildMetadata::EMPTY, ..read.clone() };
    let parts = vec![
        ("raw", text.to_owned()),
        ("version", without_build.to_string()),
        ("major", read.major.to_string()),
        ("minor", read.minor.to_string()),
        ("patch", read.patch.to_string()),
        // JavaScript joins the parts of a list by commas.
        ("prerelease", read.pre.as_str().replace('.', ",")),
        ("build", read.build.as_str().replace('.', ",")),
    ];
    Some(Version { parts: parts.into_boxed_slice(), is_final: read.pre.is_empty() })
}

/// A version of PEP 440.
pub(super) fn python(text: &str) -> Option<Version> {
    if text.trim() != text {
        return None;
    }
    let read: PythonVersion = text.parse().ok()?;
    let release = |at: usize| read.release().get(at).copied().unwrap_or(0).to_string();
    let parts = vec![
        ("raw", text.to_owned()),
        ("version", read.to_string()),
        ("major", release(0)),
        ("minor", release(1)),
        ("patch", release(2)),
    ];
    let is_final = !read.any_prerelease() && !read.is_post();
    Some(Version { parts: parts.into_boxed_slice(), is_final })
}

/// The part of `text` that `match=` picks: the first group that is a version, else the whole match. What does not
/// match goes on as it is, with a warning.
pub(super) fn picked(
    text: String,
    pick: Option<&str>,
    is_version: impl Fn(&str) -> bool,
    warnings: &mut Vec<String>,
) -> Result<String, RuleError> {
    let Some(pattern) = pick else { return Ok(text) };
    let Some(groups) = javascript::find(pattern, &text)? else {
        warnings.push(format!("`{pattern}` does not match `{text}`, so all of it is taken for the version"));
        return Ok(text);
    };
    let mut found = groups.into_iter().flatten();
    let whole = found.next().unwrap_or(text);
    Ok(found.find(|group| is_version(group)).unwrap_or(whole))
}
