//! From any text to a tag that every registry takes (OCI distribution spec: `[\w][\w.-]{0,127}`).

use crate::image::{Digest, Tag};

const LONGEST: usize = 128;
/// How many digits of its hash a tag gets that had to be cut, so that two long names do not become one.
const HASH: usize = 8;

/// The tag that is nearest to `text`, and what had to be done to it beyond what the action does as well.
pub(super) fn tag(text: &str) -> (Option<Tag>, Option<&'static str>) {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || "._-".contains(c) => plain.push(c),
            // A run of other characters is one dash; a dash of the text itself is no part of the run.
            _ => plain.push('\0'),
        }
    }
    let mut plain: String = squeeze(&plain);
    let mut repair = None;
    if plain.starts_with(['.', '-']) {
        plain.insert(0, '_');
        repair = Some("a tag cannot start with `.` or `-`, so `_` stands before it");
    }
    if plain.len() > LONGEST {
        let hash = Digest::of(text.as_bytes());
        plain = format!("{}-{}", &plain[..LONGEST - HASH - 1], &hash.hex()[..HASH]);
        repair = Some("a tag has at most 128 characters, so its end is a hash");
    }
    (plain.parse().ok(), repair)
}

/// Every run of zeros as one dash.
fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        if c != '\0' {
            squeezed.push(c);
        } else if before != '\0' {
            squeezed.push('-');
        }
        before = c;
    }
    squeezed
}
