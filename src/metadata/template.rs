//! Expressions: `{{branch}}`, `{{date 'YYYYMMDD' tz='Asia/Tokyo'}}`, and the parts of a version. Nothing is escaped.

use super::{Facts, RuleError, moment};
use crate::ci::Subject;

/// The parts of a version by their names.
pub(super) type Parts = [(&'static str, String)];

const NAMES: [&str; 8] =
    ["branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", "date", "commit_date"];
/// The events that always run on the default branch. The action looks for these words anywhere in the name.
const EVENTS_OF_DEFAULT_BRANCH: [&str; 4] = ["create", "discussion", "issues", "schedule"];

/// A call of a name with its arguments.
#[derive(Debug, Default)]
struct Call {
    name: String,
    arguments: Vec<String>,
    options: Vec<(String, String)>,
}

/// `text` with every expression replaced. `parts` are known in the patterns of versions only.
pub(super) fn render(text: &str, facts: &Facts, parts: Option<&Parts>) -> Result<String, RuleError> {
    let fault = |problem| RuleError::Template { text: text.to_owned(), problem };
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, expression, after)) = next(rest).map_err(fault)? {
        out.push_str(before);
        if !expression.starts_with('!') {
            let call = call(expression).map_err(fault)?;
            out.push_str(&value(&call, facts, parts.unwrap_or_default()).map_err(fault)?);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether `text` is nothing but `{{raw}}`, which keeps a pre-release as it is.
pub(super) fn is_raw(text: &str) -> bool {
    matches!(next(text), Ok(Some(("", expression, ""))) if expression.trim() == "raw")
}

/// The text before the next expression, the expression, and the rest.
fn next(text: &str) -> Result<Option<(&str, &str, &str)>, String> {
    let Some(start) = text.find("{{") else { return Ok(None) };
    // Three braces ask for no escaping, which is what two mean here already.
    let (open, close) = match &text[start..] {
        rest if rest.starts_with("{{{") => (3, "}}}"),
        rest if rest.starts_with("{{!--") => (2, "--}}"),
        _ => (2, "}}"),
    };
    let inside = &text[start + open..];
    let end = inside.find(close).ok_or_else(|| format!("`{}` is not closed", &text[start..start + open]))?;
    Ok(Some((&text[..start], inside[..end].trim(), &inside[end + close.len()..])))
}

fn call(expression: &str) -> Result<Call, String> {
    let mut words = words(expression)?.into_iter();
    let name = words.next().filter(|(option, _)| option.is_none()).map(|(_, name)| name);
    let mut call = Call { name: name.unwrap_or_default(), ..Call::default() };
    for (option, value) in words {
        match option {
            Some(option) => call.options.push((option, value)),
            None => call.arguments.push(value),
        }
    }
    Ok(call)
}

/// The words of an expression, each with the option that it is the value of: `tz='UTC'`.
fn words(expression: &str) -> Result<Vec<(Option<String>, String)>, String> {
    let mut words = vec![];
    let mut rest = expression.trim_start();
    while !rest.is_empty() {
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '\'' | '"')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let (option, quoted) = match after.strip_prefix('=') {
            Some(after) => (Some(word.to_owned()), after),
            None => (None, after),
        };
        match quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"')) {
            Some(quote) if option.is_some() || word.is_empty() => {
                let (text, after) = quoted[1..].split_once(quote).ok_or("a quote is not closed")?;
                words.push((option, text.to_owned()));
                rest = after.trim_start();
            }
            None if option.is_none() && !word.is_empty() => {
                words.push((None, word.to_owned()));
                rest = after.trim_start();
            }
            _ => return Err(format!("`{expression}` is not a name with quoted arguments")),
        }
    }
    Ok(words)
}

fn value(call: &Call, facts: &Facts, parts: &Parts) -> Result<String, String> {
    let name = call.name.trim_start_matches('&');
    if let Some((_, part)) = parts.iter().find(|(known, _)| *known == name) {
        return Ok(part.clone());
    }
    let is_default = || is_default_branch(facts);
    Ok(match (name, &facts.subject) {
        ("branch", Subject::Branch(branch)) => branch.clone(),
        ("tag", Subject::Tag(tag)) => tag.clone(),
        ("branch" | "tag", _) => String::new(),
        ("sha", _) => short(facts).to_owned(),
        ("base_ref", Subject::Tag(_) | Subject::PullRequest(_)) => {
            facts.base_branch.clone().unwrap_or_default()
        }
        ("base_ref", _) => String::new(),
        ("is_default_branch", _) => is_default().to_string(),
        ("is_not_default_branch", _) => (!is_default()).to_string(),
        ("date", _) => date(call, facts.now)?,
        ("commit_date", _) => date(call, facts.commit_time)?,
        _ => {
            let known: Vec<&str> = parts.iter().map(|(known, _)| *known).chain(NAMES).collect();
            return Err(format!("`{name}` is unknown here, expected one of {}", known.join(", ")));
        }
    })
}

/// The first digits of the commit.
pub(super) fn short(facts: &Facts) -> &str {
    facts.commit.get(..facts.short).unwrap_or(&facts.commit)
}

fn is_default_branch(facts: &Facts) -> bool {
    let is_it =
        matches!(&facts.subject, Subject::Branch(branch) if facts.default_branch.as_ref() == Some(branch));
    is_it || EVENTS_OF_DEFAULT_BRANCH.iter().any(|word| facts.event.contains(word))
}

fn date(call: &Call, seconds: i64) -> Result<String, String> {
    let format = match call.arguments.as_slice() {
        [format] => format,
        _ => return Err(format!("`{}` needs a format, for example `{} 'YYYYMMDD'`", call.name, call.name)),
    };
    let mut zone = "UTC";
    for (option, value) in &call.options {
        match option.as_str() {
            "tz" => zone = value,
            other => return Err(format!("`{other}` is unknown, expected tz")),
        }
    }
    moment::format(seconds, zone, format)
}
