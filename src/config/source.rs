//! A configuration file as text: reads its shape, checks its values, and says where in it a fault is.

use super::{ConfigError, Spot};
use crate::component::Backend;
use serde::de::DeserializeOwned;
use serde_saphyr::{Location, Spanned};
use std::path::Path;
use std::str::FromStr;

/// A configuration file with its text, which errors quote.
pub(super) struct Source<'a> {
    pub(super) file: String,
    pub(super) text: &'a str,
    pub(super) root: &'a Path,
}

impl Source<'_> {
    /// The shape of the whole file. An empty file is a valid one: every key is optional.
    pub(super) fn shape<T: Default + DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let is_empty = self.text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'));
        if is_empty {
            return Ok(T::default());
        }
        serde_saphyr::from_str(self.text).map_err(|error| self.syntax(error.without_snippet()))
    }

    /// Where something stands: `hephy.yaml:4`.
    pub(super) fn place(&self, spot: Spot) -> String {
        format!("{}:{}", self.file, spot.line)
    }

    /// A folder that exists inside the repository, as a path from its root; the root is the empty path.
    pub(super) fn folder(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        self.inside(text)?;
        self.folder_from("", text)
    }

    /// The same where the text starts from the folder `from` and may lead up, but not out of the repository.
    pub(super) fn folder_from(&self, from: &str, text: &Spanned<String>) -> Result<String, ConfigError> {
        let Some(path) = led_from(from, &text.value) else { return Err(self.outside(text)) };
        let folder = self.root.join(&path);
        if !folder.is_dir() {
            return Err(self.fault(spot(text), format!("the folder `{}` does not exist", text.value), None));
        }
        // Git knows the link and not what lies behind it, so a change there would go unnoticed.
        let real = self.root.canonicalize().and_then(|root| Ok(folder.canonicalize()? == root.join(&path)));
        match real {
            Ok(true) => Ok(path),
            _ => {
                let problem = format!("the folder `{}` is behind a symbolic link", text.value);
                Err(self.fault(spot(text), problem, hint("write the path that the link leads to")))
            }
        }
    }

    pub(super) fn inside(&self, text: &Spanned<String>) -> Result<(), ConfigError> {
        let leaves = text.value.starts_with('/') || text.value.split('/').any(|part| part == "..");
        if leaves { Err(self.outside(text)) } else { Ok(()) }
    }

    fn outside(&self, text: &Spanned<String>) -> ConfigError {
        let problem = format!("`{}` leads out of the repository", text.value);
        self.fault(spot(text), problem, hint("write a path below it"))
    }

    pub(super) fn globs(&self, globs: &[Spanned<String>]) -> Result<(), ConfigError> {
        globs.iter().try_for_each(|glob| match globset::Glob::new(&glob.value) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(self.fault(spot(glob), format!("read glob `{}`: {}", glob.value, error.kind()), None))
            }
        })
    }

    pub(super) fn backend(&self, text: &Spanned<String>) -> Result<Backend, ConfigError> {
        let known = Backend::ALL.map(Backend::as_str);
        let found = Backend::ALL.into_iter().find(|backend| backend.as_str() == text.value);
        let problem = || format!("backend `{}` is unknown, expected one of {}", text.value, known.join(", "));
        found.ok_or_else(|| self.fault(spot(text), problem(), nearest(&text.value, known)))
    }

    pub(super) fn parse<T: FromStr<Err: std::fmt::Display>>(
        &self,
        text: &Spanned<String>,
    ) -> Result<T, ConfigError> {
        text.value.parse().map_err(|error: T::Err| self.fault(spot(text), plain(&error), None))
    }

    pub(super) fn syntax(&self, error: &serde_saphyr::Error) -> ConfigError {
        let place = error.location().map_or(Spot { line: 1, column: 1 }, |location| spot_of(&location));
        match error {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let known = format!("unknown key `{field}`, expected one of {}", expected.join(", "));
                self.fault(place, known, nearest(field, expected))
            }
            serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
                let problem = format!("`{}` stands here a second time", key.as_deref().unwrap_or("a key"));
                self.fault(place, problem, hint("remove or rename one of them"))
            }
            other => {
                let text = other.to_string();
                self.fault(place, in_words(text.split(" at line ").next().unwrap_or(&text)), None)
            }
        }
    }

    pub(super) fn fault(&self, spot: Spot, problem: impl Into<String>, hint: Option<String>) -> ConfigError {
        let line =
            usize::try_from(spot.line).ok().and_then(|line| self.text.lines().nth(line.saturating_sub(1)));
        let caret = " ".repeat(usize::try_from(spot.column.saturating_sub(1)).unwrap_or(0));
        let number = spot.line.to_string();
        let margin = " ".repeat(number.len());
        ConfigError::At {
            file: self.file.clone(),
            spot,
            problem: problem.into(),
            excerpt: format!("{number} | {}\n{margin} | {caret}^", line.unwrap_or_default()),
            hint,
        }
    }
}

/// Where `path` leads from the folder `from`, as a path from the root; `None` if it leads out of the repository.
pub(super) fn led_from(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = vec![];
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What to do about a fault.
pub(super) fn hint(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// "did you mean", if anything known is near enough.
pub(super) fn nearest<T: AsRef<str>>(text: &str, known: impl IntoIterator<Item = T>) -> Option<String> {
    let scored = known.into_iter().map(|word| (strsim::jaro_winkler(text, word.as_ref()), word));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0)).filter(|(score, _)| *score > 0.7);
    best.map(|(_, word)| format!("did you mean `{}`?", word.as_ref()))
}

/// The reader speaks of its own events; people write lists and texts.
fn in_words(problem: &str) -> &str {
    match problem {
        "expected sequence start" => "expected a list, for example `[a, b]`",
        "expected mapping start" => "expected keys with values, for example `key: value`",
        "expected string scalar" => "expected a text",
        other if other.starts_with("multiple YAML documents") => {
            "expected one YAML document, and here a second one starts"
        }
        other => other,
    }
}

pub(super) fn plain(error: &impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn spot<T>(value: &Spanned<T>) -> Spot {
    spot_of(&value.referenced)
}

fn spot_of(location: &Location) -> Spot {
    Spot { line: location.line(), column: location.column() }
}
