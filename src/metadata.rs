//! Metadata: from rules to the tags, labels and annotations of an image. The rules are written as for
//! docker/metadata-action and mean the same; `docs/tags.md` lists the differences.

mod javascript;
mod labels;
mod moment;
mod repair;
mod rules;
mod tags;
mod template;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use labels::level;
pub(crate) use rules::static_lines;

use crate::ci::{About, Subject};
use crate::image::Tag;
use std::collections::BTreeMap;

/// What rules ask about: the commit, what started the run, and the repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) subject: Subject,
    /// The full commit id; empty where there is none.
    pub(crate) commit: String,
    /// How many digits of it `{{sha}}` and `type=sha` show.
    pub(crate) short: usize,
    pub(crate) default_branch: Option<String>,
    /// The branch that a pull request is for, or that a tag was pushed with.
    pub(crate) base_branch: Option<String>,
    /// The event by the name that the CI system has for it.
    pub(crate) event: String,
    pub(crate) about: About,
    /// When the commit was made, in seconds since 1970.
    pub(crate) commit_time: i64,
    /// The time of the run, in seconds since 1970. Only `{{date}}` shows it.
    pub(crate) now: i64,
}

/// The rules, each a line of the action's inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// None means the action's default list.
    pub(crate) tags: Vec<String>,
    pub(crate) flavor: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) annotations: Vec<String>,
}

/// What the rules give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The first of the tags, unless there is none.
    pub(crate) version: Option<Tag>,
    /// In the order of the rules' priorities, each once.
    pub(crate) tags: Vec<Tag>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// What the user should know: rules that did not fit, texts that had to be repaired.
    pub(crate) warnings: Vec<String>,
}

/// Why a rule cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("read the rule `{rule}`: {problem}")]
    Rule { rule: String, problem: String },
    #[error("replace the expressions in `{text}`: {problem}")]
    Template { text: String, problem: String },
    #[error("try the pattern `{pattern}`: {problem}")]
    Pattern { pattern: String, problem: String },
}

/// Follows the rules. Equal facts and rules give an equal answer.
pub(crate) fn resolve(facts: &Facts, rules: &Rules) -> Result<Metadata, RuleError> {
    let flavor = rules::flavor(&rules.flavor)?;
    let found = tags::tags(facts, &rules::tags(&rules.tags)?, &flavor)?;
    let labels = labels::labels(facts, found.version.as_ref(), &rules.labels)?;
    let annotations = labels::labels(facts, found.version.as_ref(), &rules.annotations)?;
    Ok(Metadata { labels, annotations, ..found })
}

/// The one image that the lines of `images` name and enable, if they name any.
pub(crate) fn image(facts: &Facts, lines: &[String]) -> Result<Option<String>, RuleError> {
    let mut found: Option<String> = None;
    for (line, image) in rules::images(lines)? {
        if !tags::is_enabled(facts, &line, &image.enable)? || found.as_ref() == Some(&image.name) {
            continue;
        }
        if found.is_some() {
            let problem = "a component has one image, and this is a second".to_owned();
            return Err(RuleError::Rule { rule: line, problem });
        }
        found = Some(image.name);
    }
    Ok(found)
}
