//! Foreign text: what a build tool, a pod or a registry wrote is made harmless before anybody sees it.

use crate::secret::Secret;

/// Takes the place of a secret.
const STARS: &str = "***";

/// Cleans foreign text. It knows the secrets of the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    secrets: Vec<Secret>,
}

impl Mask {
    /// A mask for these secrets, longest first, so that a secret inside another leaves nothing behind.
    pub(crate) fn new(mut secrets: Vec<Secret>) -> Self {
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        Self { secrets }
    }

    /// One line of foreign text without control sequences, commands for a CI system, and secrets.
    pub(crate) fn line(&self, text: &str) -> String {
        let plain = anstream::adapter::strip_str(text).to_string();
        let visible: String = plain.chars().filter(|c| !is_hidden(*c)).collect();
        let hidden = self.secrets.iter().fold(visible, |text, secret| text.replace(secret.reveal(), STARS));
        disarm(&hidden)
    }

    /// Foreign text of several lines.
    pub(crate) fn lines(&self, text: &str) -> String {
        text.split('\n').map(|line| self.line(line)).collect::<Vec<_>>().join("\n")
    }
}

/// Control characters, and the marks that make text read in another order than it is stored.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line that starts with `::` or contains `##[` is a command to GitHub's runner.
fn disarm(line: &str) -> String {
    let line = line.replace("##[", "# #[");
    match line.trim_start().strip_prefix("::") {
        Some(rest) => format!(": :{rest}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lines_are_harmless() {
        let mask = Mask::new(["hunter2", "hunter2-long"].into_iter().filter_map(Secret::new).collect());
        for (text, expected) in [
            ("plain text", "plain text"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}[0Ksection_start:1:x\r\u{1b}[0Ktitle", "section_start:1:xtitle"),
            ("a\u{8}b\u{202e}c\td", "abc\td"),
            ("  ::set-output name=x::y", ": :set-output name=x::y"),
            ("::error::no", ": :error::no"),
            ("a ##[group]b", "a # #[group]b"),
            ("std::io::Error", "std::io::Error"),
            ("the password is hunter2-long", "the password is ***"),
        ] {
            assert_eq!(mask.line(text), expected);
        }
    }

    #[test]
    fn a_secret_split_by_a_control_character_is_still_hidden() {
        let mask = Mask::new(Secret::new("hunter2").into_iter().collect());
        assert_eq!(mask.line("hun\u{0}ter2"), "***");
    }
}
