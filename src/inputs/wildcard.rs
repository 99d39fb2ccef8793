//! Wildcards as Docker reads them, as globs. Where the two differ, there is no glob, and the caller takes more.

use globset::{GlobBuilder, GlobMatcher};

/// The glob that matches what `pattern` of a `.dockerignore` matches: `**` is any number of folders.
pub(super) fn glob(pattern: &str) -> Option<GlobMatcher> {
    let mut parts = vec![];
    for part in pattern.split('/') {
        match part.strip_prefix("**") {
            Some("") => parts.push("**".to_owned()),
            // `**name` matches `name` in any folder, and not `my-name`.
            Some(rest) => parts.extend(["**".to_owned(), translated(rest)?]),
            None => parts.push(translated(part)?),
        }
    }
    GlobBuilder::new(&parts.join("/")).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

/// One part of a path. Braces are only braces to Docker; in a class, `!` and `]` mean other things than in a glob.
pub(super) fn translated(part: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = part.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' if text.ends_with('*') => return None,
            '{' | '}' => text.extend(['[', c, ']']),
            '\\' => text.extend(['\\', characters.next()?]),
            '[' => {
                let class: String = characters.by_ref().take_while(|c| *c != ']').collect();
                let is_plain = !class.is_empty()
                    && !class.starts_with('-')
                    && class.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
                text.push_str(&is_plain.then(|| format!("[{class}]"))?);
            }
            c => text.push(c),
        }
    }
    Some(text)
}
