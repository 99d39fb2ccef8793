//! Tools that hephy drives: whether they are here, and new enough.

use super::BuildError;
use crate::exec::{self, Program};
use std::path::Path;

/// A program that a backend needs.
pub(super) struct Tool {
    pub(super) program: &'static str,
    /// What makes it say its version.
    pub(super) ask: &'static [&'static str],
    /// The oldest version that knows all that is asked of it.
    pub(super) least: &'static str,
}

/// Looks at all of them.
pub(super) async fn ensure(tools: &[Tool], directory: &Path) -> Result<(), BuildError> {
    for Tool { program, ask, least } in tools {
        let output = exec::capture(&Program::new(*program, directory).args(*ask)).await?;
        let output = String::from_utf8_lossy(&output);
        // A tool that was built from its sources may not know its version.
        let Some(found) = version(&output) else { continue };
        if numbers(found) < numbers(least) {
            return Err(BuildError::TooOld { program, found: found.to_owned(), least });
        }
    }
    Ok(())
}

/// The first word that is a version, with or without something in front of its numbers.
fn version(text: &str) -> Option<&str> {
    let words = text.split_whitespace().map(|word| word.trim_start_matches(|c: char| !c.is_ascii_digit()));
    words.into_iter().find(|word| numbers(word).len() > 1)
}

fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+', ',']).next().unwrap_or_default();
    plain.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_and_compared() {
        for (text, expected) in [
            ("v0.19.1\n", Some("0.19.1")),
            ("go version go1.26.8 linux/amd64", Some("1.26.8")),
            ("buildah version 1.28.2 (image-spec 1.0.2)", Some("1.28.2")),
            ("0.40.0+git-ab12.build-1", Some("0.40.0+git-ab12.build-1")),
            ("(devel)", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
        assert!(numbers("0.9.3") < numbers("0.19"));
        assert!(numbers("1.0.0-rc1") >= numbers("1.0.0"));
    }
}
