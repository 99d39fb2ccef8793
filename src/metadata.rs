//! Metadata: from rules to the tags, labels and annotations of an image. The rules are written as for
//! docker/metadata-action and mean the same; `docs/tags.md` lists the differences.

mod javascript;
mod labels;
mod levels;
mod moment;
mod repair;
mod rules;
mod tags;
mod template;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use levels::{Level, Levels};

use crate::ci::{About, Subject};
use crate::component::Rules;
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
    /// When the images were made, as they say, in seconds since 1970.
    pub(crate) created: i64,
    /// The time of the run, in seconds since 1970. Only `{{date}}` shows it.
    pub(crate) now: i64,
}

/// What the commit and the working tree have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Clean,
    /// The working tree differs from the commit.
    Dirty,
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
    /// Where those go.
    pub(crate) levels: Levels,
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

/// The metadata of a component's image.
///
/// A working tree that differs from its commit moves no tag that others follow. Where nobody gave rules, CI systems get
/// the action's default list, and everybody the tag of the commit. Rules that give nothing get it too: an image without
/// any tag is one that registries throw away.
pub(crate) fn of_image(facts: &Facts, rules: &Rules, tree: Tree, is_ci: bool) -> Result<Metadata, RuleError> {
    let flavor = rules::flavor(&rules.flavor)?;
    let given = rules::tags(&rules.tags)?;
    let mut found = match tree {
        Tree::Clean if is_ci || !rules.tags.is_empty() => tags::tags(facts, &given, &flavor)?,
        _ => Metadata::default(),
    };
    if rules.tags.is_empty() || found.tags.is_empty() {
        found.tags.extend(commit_tag(&facts.commit, tree).filter(|tag| !found.tags.contains(tag)));
        found.version = found.tags.first().cloned();
    }
    let dirty = Facts { commit: format!("{}-dirty", facts.commit), ..facts.clone() };
    described(if tree == Tree::Dirty { &dirty } else { facts }, rules, found)
}

/// The moving tag that the rules give to images of a branch, by which the newest of them is found: the branch's own
/// name, else the first that is the same for another commit at another time. `facts` are those of any run.
pub(crate) fn channel(facts: &Facts, rules: &Rules, branch: &str) -> Result<Option<Tag>, RuleError> {
    let here = Facts { subject: Subject::Branch(branch.to_owned()), ..facts.clone() };
    let elsewhere =
        Facts { commit: "0".repeat(facts.commit.len()), commit_time: 0, created: 0, now: 0, ..here.clone() };
    let others = of_image(&elsewhere, rules, Tree::Clean, true)?.tags;
    let mut moving = of_image(&here, rules, Tree::Clean, true)?.tags;
    moving.retain(|tag| others.contains(tag));
    let named = repair::tag(branch).0.filter(|tag| moving.contains(tag));
    Ok(named.or(moving.into_iter().next()))
}

/// The tag of a commit. A working tree that differs from its commit must never carry the commit's own tag.
pub(crate) fn commit_tag(commit: &str, tree: Tree) -> Option<Tag> {
    let suffix = if tree == Tree::Dirty { "-dirty" } else { "" };
    format!("sha-{}{suffix}", commit.get(..12)?).parse().ok()
}

fn described(facts: &Facts, rules: &Rules, found: Metadata) -> Result<Metadata, RuleError> {
    let labels = labels::labels(facts, found.version.as_ref(), &rules.labels)?;
    let annotations = labels::labels(facts, found.version.as_ref(), &rules.annotations)?;
    Ok(Metadata { labels, annotations, ..found })
}

/// Follows the rules and rules give an equal answer.
#[cfg(test)]
fn resolve(facts: &Facts, rules: &Rules) -> Result<Metadata, RuleError> {
    let flavor = rules::flavor(&rules.flavor)?;
    described(facts, rules, tags::tags(facts, &rules::tags(&rules.tags)?, &flavor)?)
}

/// The images that the lines of `images` name and enable, in their order, each once.
pub(crate) fn images(facts: &Facts, lines: &[String]) -> Result<Vec<String>, RuleError> {
    let mut found: Vec<String> = vec![];
    for (line, image) in rules::images(lines)? {
        if tags::is_enabled(facts, &line, &image.enable)? && !found.contains(&image.name) {
            found.push(image.name);
        }
    }
    Ok(found)
}
