//! Rules become tags: the first that gives one gives the version and decides about `latest`.

use super::rules::{Flavor, Kind, Rule};
use super::versions::{self, Version};
use super::{Facts, Metadata, RuleError, javascript, repair, template};
use crate::ci::Subject;
use crate::image::Tag;

/// What a rule gives before prefix and suffix, and whether it makes `latest` move if nobody says.
struct Found {
    text: String,
    latest: bool,
}

/// The tags of all rules, each once, `latest` last.
pub(super) fn tags(facts: &Facts, rules: &[Rule], flavor: &Flavor) -> Result<Metadata, RuleError> {
    let mut metadata = Metadata::default();
    let mut latest = None;
    for rule in rules {
        if !is_enabled(facts, &rule.line, &rule.enable)? {
            continue;
        }
        let Some(found) = found(facts, rule, &mut metadata.warnings)? else { continue };
        let text = affixed(facts, rule, flavor, &found.text)?;
        if text.is_empty() {
            continue;
        }
        let text = match &rule.kind {
            Kind::Branch | Kind::Tag if is_of_commit(&text) => {
                metadata.warnings.push(format!("`{text}` is the tag of a commit, so `_` stands before it"));
                format!("_{text}")
            }
            _ => text,
        };
        if let Some(tag) = repaired(&text, &mut metadata.warnings) {
            latest.get_or_insert(found.latest);
            add(&mut metadata.tags, tag);
        }
    }
    metadata.version = metadata.tags.first().cloned();
    // Without a version there is nothing that `latest` could mean.
    if metadata.version.is_some() && flavor.latest.or(latest).unwrap_or(false) {
        let affix = |affix: &super::rules::Affix| match affix.on_latest {
            true => template::render(&affix.text, facts, None),
            false => Ok(String::new()),
        };
        let text = format!("{}latest{}", affix(&flavor.prefix)?, affix(&flavor.suffix)?);
        if let Some(tag) = repaired(&text, &mut metadata.warnings) {
            add(&mut metadata.tags, tag);
        }
    }
    Ok(metadata)
}

/// Whether it is the tag of a commit: whoever may name a branch must not be able to move that of another commit.
fn is_of_commit(text: &str) -> bool {
    let (tag, _) = repair::tag(text);
    let digits = tag.as_ref().and_then(|tag| tag.as_str().strip_prefix("sha-"));
    let digits = digits.map(|rest| rest.strip_suffix("-dirty").unwrap_or(rest));
    digits.is_some_and(|digits| digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `enable` of a rule, which must be true or false once its expressions are replaced.
pub(super) fn is_enabled(facts: &Facts, line: &str, enable: &str) -> Result<bool, RuleError> {
    match template::render(enable, facts, None)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => {
            let problem = format!("`enable` is `{other}`, which is neither true nor false");
            Err(RuleError::Rule { rule: line.to_owned(), problem })
        }
    }
}

fn add(tags: &mut Vec<Tag>, tag: Tag) {
    if !tags.contains(&tag) {
        tags.push(tag);
    }
}

fn repaired(text: &str, warnings: &mut Vec<String>) -> Option<Tag> {
    let (tag, repair) = repair::tag(text);
    warnings
        .extend(repair.zip(tag.as_ref()).map(|(repair, tag)| format!("`{text}` becomes `{tag}`: {repair}")));
    tag
}

/// A rule's own prefix and suffix come before those of the flavor, also if they are empty.
fn affixed(facts: &Facts, rule: &Rule, flavor: &Flavor, text: &str) -> Result<String, RuleError> {
    let prefix = rule.prefix.as_ref().unwrap_or(&flavor.prefix.text);
    let suffix = rule.suffix.as_ref().unwrap_or(&flavor.suffix.text);
    Ok(format!("{}{text}{}", template::render(prefix, facts, None)?, template::render(suffix, facts, None)?))
}

fn found(facts: &Facts, rule: &Rule, warnings: &mut Vec<String>) -> Result<Option<Found>, RuleError> {
    let plain = |text: &str| Some(Found { text: text.to_owned(), latest: false });
    Ok(match (&rule.kind, &facts.subject) {
        (Kind::Schedule { pattern }, _) if facts.event.contains("schedule") => {
            plain(&template::render(pattern, facts, None)?)
        }
        (Kind::Semver { pattern, value, pick }, _) => {
            let Some(text) = named(facts, value.as_deref(), "-")? else { return Ok(None) };
            let is_version = |text: &str| versions::semantic(text).is_some();
            let text = versions::picked(text, pick.as_deref(), is_version, warnings)?;
            let Some(version) = versions::semantic(&text) else {
                warnings.push(format!("`{text}` is not a semantic version, so `{}` gives no tag", rule.line));
                return Ok(None);
            };
            Some(of_version(facts, pattern, &version)?)
        }
        (Kind::Pep440 { pattern, value, pick }, _) => {
            let Some(text) = named(facts, value.as_deref(), "-")? else { return Ok(None) };
            let is_version = |text: &str| versions::python(text).is_some();
            let text = versions::picked(text, pick.as_deref(), is_version, warnings)?;
            let Some(version) = versions::python(&text) else {
                warnings
                    .push(format!("`{text}` is not a version of PEP 440, so `{}` gives no tag", rule.line));
                return Ok(None);
            };
            Some(of_version(facts, pattern, &version)?)
        }
        (Kind::Match { pattern, group, value }, _) => {
            let Some(text) = named(facts, value.as_deref(), "/")? else { return Ok(None) };
            matched(pattern, *group, &text, warnings)?
        }
        (Kind::Edge { branch }, Subject::Branch(here)) => {
            let wanted = branch.as_ref().or(facts.default_branch.as_ref());
            if wanted == Some(here) { plain("edge") } else { None }
        }
        (Kind::Branch, Subject::Branch(name)) => plain(name),
        (Kind::Tag, Subject::Tag(name)) => Some(Found { text: name.clone(), latest: true }),
        (Kind::PullRequest, Subject::PullRequest(number)) => plain(number),
        (Kind::Raw { value }, _) => plain(&template::render(value, facts, None)?),
        (Kind::Sha { .. }, _) if facts.commit.is_empty() => None,
        (Kind::Sha { long: true }, _) => plain(&facts.commit),
        (Kind::Sha { long: false }, _) => plain(template::short(facts)),
        _ => None,
    })
}

/// What a version is read from: the rule's value, else the name of the git tag, with `slash` for its slashes.
fn named(facts: &Facts, value: Option<&str>, slash: &str) -> Result<Option<String>, RuleError> {
    match (value, &facts.subject) {
        (Some(value), _) => Ok(Some(template::render(value, facts, None)?)),
        (None, Subject::Tag(tag)) => Ok(Some(tag.replace('/', slash))),
        (None, _) => Ok(None),
    }
}

/// A pre-release ignores the pattern, so that `{{major}}` never moves for it; only `{{raw}}` keeps it.
fn of_version(facts: &Facts, pattern: &str, version: &Version) -> Result<Found, RuleError> {
    let pattern = if version.is_final || template::is_raw(pattern) { pattern } else { "{{version}}" };
    let text = template::render(pattern, facts, Some(&version.parts))?;
    Ok(Found { text, latest: version.is_final })
}

fn matched(
    pattern: &str,
    group: usize,
    text: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<Found>, RuleError> {
    let Some(groups) = javascript::find(pattern, text)? else {
        warnings.push(format!("`{pattern}` does not match `{text}`, so it gives no tag"));
        return Ok(None);
    };
    let Some(text) = groups.into_iter().nth(group).flatten() else {
        warnings.push(format!("`{pattern}` has no group {group} in `{text}`, so it gives no tag"));
        return Ok(None);
    };
    Ok(Some(Found { text, latest: true }))
}
