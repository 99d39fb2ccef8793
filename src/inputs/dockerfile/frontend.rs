//! The image that BuildKit lets read a Dockerfile (`# syntax=`), found as BuildKit does (0.33, `frontend/dockerfile/parser/directives.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The argument that comes before any line.
pub(crate) const SYNTAX: &str = "BUILDKIT_SYNTAX";
/// What a comment at the top can say to readers; the first one that says something else is a comment.
const DIRECTIVES: [&str; 3] = ["syntax", "escape", "check"];

/// Which image it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frontend {
    pub(crate) name: String,
    /// Where the name stands in the Dockerfile; nowhere if an argument has it.
    pub(crate) place: Option<Range<usize>>,
}

/// The frontend of a Dockerfile. The forms for files that are none (`// syntax=`, JSON) are left out.
pub(crate) fn frontend(text: &str, build_args: &BTreeMap<String, String>) -> Option<Frontend> {
    if let Some(told) = build_args.get(SYNTAX) {
        let name = told.trim().split(' ').next().unwrap_or_default().to_owned();
        return Some(Frontend { name, place: None });
    }
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines =
        if rest.starts_with("#!") { rest.split_once('\n').map_or("", |(_, rest)| rest) } else { rest };
    let mut at = text.len() - lines.len();
    let mut seen = BTreeSet::new();
    for line in lines.split_inclusive('\n') {
        let (key, value) = directive(line)?;
        if key == "syntax" {
            let name = value.split(' ').next().unwrap_or_default();
            at += line.len() - line.split_once('=').map_or(line, |(_, value)| value).trim_start().len();
            return Some(Frontend { name: name.to_owned(), place: Some(at..at + name.len()) });
        }
        if !seen.insert(key) {
            return None;
        }
        at += line.len();
    }
    None
}

/// `# KEY = VALUE`, with the key in lower case.
fn directive(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.strip_prefix('#')?.trim_start().split_once('=')?;
    let key = key.trim_end().to_lowercase();
    let value = value.trim();
    (DIRECTIVES.contains(&key.as_str()) && !value.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_one_that_buildkit_takes() {
        for (text, expected) in [
            ("# syntax=docker/dockerfile:1\nFROM a\n", Some("docker/dockerfile:1")),
            ("\u{feff}#!/bin/x\n#  Syntax = a:1 more words \r\n", Some("a:1")),
            ("# escape=`\n# check=error=true\n#syntax=a\n", Some("a")),
            ("# syntax=a\n# syntax=b\n", Some("a")),
            ("# escape=`\n# escape=`\n# syntax=a\n", None),
            ("# a comment\n# syntax=a\n", None),
            ("# other=1\n# syntax=a\n", None),
            ("\n# syntax=a\n", None),
            ("FROM a\n# syntax=a\n", None),
            ("# syntax=\nFROM a\n", None),
            (" # syntax=a\n", None),
            ("", None),
        ] {
            let found = frontend(text, &BTreeMap::new());
            assert_eq!(found.as_ref().map(|found| found.name.as_str()), expected, "{text:?}");
            let place = found.and_then(|found| found.place);
            assert_eq!(place.map(|place| &text[place]), expected, "{text:?}");
        }
        let told = BTreeMap::from([(SYNTAX.to_owned(), " b:2 more".to_owned())]);
        let expected = Frontend { name: "b:2".to_owned(), place: None };
        assert_eq!(frontend("# syntax=a\n", &told), Some(expected));
    }
}
