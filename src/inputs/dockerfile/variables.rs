//! Variables of a Dockerfile, as far as the file itself says what they are.

use crate::platform::Platform;
use std::collections::{BTreeMap, BTreeSet};

/// What the variables are at one line of a stage.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    /// `ENV`; `None` where it has a value that is not understood.
    environment: BTreeMap<String, Option<String>>,
    /// `ARG`, which `ENV` of the same name comes before.
    arguments: BTreeMap<String, Option<String>>,
    /// The stage starts from an image, whose `ENV` would come before an `ARG` of the same name.
    is_on_image: bool,
    /// An `ENV` line was not understood, so nothing is known any more.
    is_lost: bool,
}

impl Variables {
    /// The arguments that every build has without being told.
    pub(super) fn of_platform(build_args: &BTreeMap<String, String>, platform: &Platform) -> Self {
        let mut globals = Self::default();
        for (name, value) in [
            ("TARGETPLATFORM", platform.to_string()),
            ("TARGETOS", platform.os.clone()),
            ("TARGETARCH", platform.architecture.clone()),
        ] {
            globals.argue(name, Some(build_args.get(name).cloned().unwrap_or(value)));
        }
        globals
    }

    /// Those at the start of a stage.
    pub(super) fn of_stage(is_on_image: bool) -> Self {
        Self { is_on_image, ..Self::default() }
    }

    /// The variables of a stage that starts from the one with `self`: only `ENV` is handed on.
    pub(super) fn inherited(&self) -> Self {
        Self { arguments: BTreeMap::new(), ..self.clone() }
    }

    /// Sets an `ARG`.
    pub(super) fn argue(&mut self, name: &str, value: Option<String>) {
        self.arguments.insert(name.to_owned(), value);
    }

    /// The value of an `ARG`, for lines before the first `FROM`.
    pub(super) fn argument(&self, name: &str) -> Option<String> {
        self.arguments.get(name).cloned().flatten()
    }

    /// Reads the rest of an `ENV` line, `KEY=VALUE KEY=VALUE` or `KEY VALUE`.
    pub(super) fn set(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || line.contains(['"', '\'', '\\']) {
            self.is_lost = true;
            return;
        }
        let before = self.clone();
        let value = |text: &str| before.expand(text, &mut BTreeSet::new());
        if let ([name, rest @ ..], false) = (words.as_slice(), words[0].contains('=')) {
            self.environment.insert((*name).to_owned(), value(&rest.join(" ")));
            return;
        }
        for word in words {
            match word.split_once('=') {
                Some((name, text)) => drop(self.environment.insert(name.to_owned(), value(text))),
                None => self.is_lost = true,
            }
        }
    }

    /// The text with its variables replaced, `None` if it is not known what it becomes. `assumed` gets the arguments
    /// of which the value is right only if the image below has no variable of that name.
    pub(super) fn expand(&self, text: &str, assumed: &mut BTreeSet<String>) -> Option<String> {
        if text.contains(['"', '\'', '\\']) {
            return None;
        }
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (inner, rest) = match part.strip_prefix('{') {
                Some(part) => part.split_once('}')?,
                None => part.split_at(part.find(|c: char| !is_name_character(c)).unwrap_or(part.len())),
            };
            expanded.push_str(&self.value(inner, assumed)?);
            expanded.push_str(rest);
        }
        Some(expanded)
    }

    /// The value of `NAME`, `NAME:-DEFAULT` or `NAME:+VALUE`.
    fn value(&self, inner: &str, assumed: &mut BTreeSet<String>) -> Option<String> {
        let (name, rest) = inner.split_at(inner.find(':').unwrap_or(inner.len()));
        if name.is_empty() || !name.chars().all(is_name_character) || rest.contains('{') {
            return None;
        }
        let value = self.lookup(name, assumed)?;
        match (rest.get(..2), rest.get(2..)) {
            (None, _) if rest.is_empty() => Some(value),
            (Some(":-"), Some(text)) => Some(if value.is_empty() { text.to_owned() } else { value }),
            (Some(":+"), Some(text)) => Some(if value.is_empty() { String::new() } else { text.to_owned() }),
            _ => None,
        }
    }

    fn lookup(&self, name: &str, assumed: &mut BTreeSet<String>) -> Option<String> {
        if self.is_lost {
            return None;
        }
        if let Some(value) = self.environment.get(name) {
            return value.clone();
        }
        let value = self.arguments.get(name).cloned().flatten()?;
        if self.is_on_image {
            assumed.insert(name.to_owned());
        }
        Some(value)
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_where_they_are_known() {
        let mut variables = Variables::default();
        variables.argue("A", Some("one".to_owned()));
        variables.argue("EMPTY", Some(String::new()));
        variables.argue("UNKNOWN", None);
        variables.set("B=two C=$A-${B:-x}");
        variables.set("LEGACY some value");
        for (text, expected) in [
            ("plain", Some("plain")),
            ("$A/x", Some("one/x")),
            ("${A}x$B", Some("onextwo")),
            ("${EMPTY:-other}", Some("other")),
            ("${A:+other}", Some("other")),
            ("${EMPTY:+other}", Some("")),
            ("$LEGACY", Some("some value")),
            ("$C", None),
            ("$UNKNOWN", None),
            ("$NEVER", None),
            ("${NEVER:-x}", None),
            ("${A#o}", None),
            ("${A:?x}", None),
            ("${A", None),
            ("$$", None),
            ("$", None),
            ("\\$A", None),
            ("'$A'", None),
        ] {
            assert_eq!(variables.expand(text, &mut BTreeSet::new()).as_deref(), expected, "{text}");
        }
        variables.set("D=\"quoted\"");
        assert_eq!(variables.expand("$A", &mut BTreeSet::new()), None);
    }

    #[test]
    fn an_image_may_have_another_value() {
        let mut variables = Variables { is_on_image: true, ..Variables::default() };
        variables.argue("A", Some("one".to_owned()));
        variables.set("B=two");
        let mut assumed = BTreeSet::new();
        assert_eq!(variables.expand("$A$B", &mut assumed).as_deref(), Some("onetwo"));
        assert_eq!(assumed.into_iter().collect::<Vec<_>>(), ["A"]);
        assert_eq!(variables.inherited().expand("$A", &mut BTreeSet::new()), None);
    }
}
