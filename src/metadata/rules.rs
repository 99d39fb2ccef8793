//! The lines of rules: comma-separated `key=value`, quoted where a value has a comma.

use super::RuleError;
use std::collections::BTreeMap;

/// A rule for tags, checked. What is absent has its default.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The line, for messages.
    pub(super) line: String,
    pub(super) kind: Kind,
    pub(super) enable: String,
    pub(super) prefix: Option<String>,
    pub(super) suffix: Option<String>,
    priority: f64,
}

/// The types of rules.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Schedule { pattern: String },
    Semver { pattern: String, value: Option<String>, pick: Option<String> },
    Pep440 { pattern: String, value: Option<String>, pick: Option<String> },
    Match { pattern: String, group: usize, value: Option<String> },
    Edge { branch: Option<String> },
    Branch,
    Tag,
    PullRequest,
    Raw { value: String },
    Sha { long: bool },
}

/// What holds for all tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Flavor {
    /// `None` leaves it to the rule that gives the version.
    pub(super) latest: Option<bool>,
    pub(super) prefix: Affix,
    pub(super) suffix: Affix,
}

/// A text before or after a tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Affix {
    pub(super) text: String,
    /// `latest` gets it too.
    pub(super) on_latest: bool,
}

/// A name of `images`.
#[derive(Clone, Debug)]
pub(super) struct ImageName {
    pub(super) name: String,
    pub(super) enable: String,
}

/// The action's own list for those who give none.
const DEFAULT: [&str; 4] =
    ["type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"];
const TYPES: &str = "schedule, semver, pep440, match, edge, ref, raw, sha";

/// The rules for tags, the highest priority first; equal ones keep their order.
pub(super) fn tags(lines: &[String]) -> Result<Vec<Rule>, RuleError> {
    let lines = without_comments(lines);
    let mut rules = match lines.as_slice() {
        [] => DEFAULT.iter().map(|line| rule(line)).collect::<Result<Vec<_>, _>>()?,
        lines => lines.iter().map(|line| rule(line)).collect::<Result<Vec<_>, _>>()?,
    };
    rules.sort_by(|left, right| right.priority.total_cmp(&left.priority));
    Ok(rules)
}

fn rule(line: &str) -> Result<Rule, RuleError> {
    let fault = |problem: String| RuleError::Rule { rule: line.to_owned(), problem };
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for field in fields(line) {
        let (key, value) = match field.split_once('=').filter(|(key, _)| !key.is_empty()) {
            Some((key, value)) => (key.trim().to_lowercase(), value.trim()),
            None => ("value".to_owned(), field.trim()),
        };
        keys.insert(key, value.to_owned());
    }
    let mut take = |key: &str| keys.remove(key);
    let given = take("type");
    let (kind, priority) = kind(given.as_deref().unwrap_or("raw"), &mut take).map_err(fault)?;
    let prefix = take("prefix").or_else(|| kind.prefix().map(str::to_owned));
    let (suffix, enable) = (take("suffix"), take("enable").unwrap_or_else(|| "true".to_owned()));
    let priority = match take("priority") {
        None => priority,
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => return Err(fault(format!("its priority `{text}` is not a number"))),
        },
    };
    Ok(Rule { line: line.to_owned(), kind, enable, prefix, suffix, priority })
}

/// The type of a rule with its own keys, and its priority if it names none.
fn kind(name: &str, take: &mut impl FnMut(&str) -> Option<String>) -> Result<(Kind, f64), String> {
    let mut filled = |key: &str| take(key).filter(|text| !text.is_empty());
    let missing = |key: &str| format!("`type={name}` needs `{key}=`");
    Ok(match name {
        "schedule" => (Kind::Schedule { pattern: filled("pattern").unwrap_or("nightly".to_owned()) }, 1000.0),
        "semver" | "pep440" => {
            let pattern = filled("pattern").ok_or_else(|| missing("pattern"))?;
            let (value, pick) = (filled("value"), filled("match"));
            let semver = name == "semver";
            let kind = if semver {
                Kind::Semver { pattern, value, pick }
            } else {
                Kind::Pep440 { pattern, value, pick }
            };
            (kind, 900.0)
        }
        "match" => {
            let group = filled("group").unwrap_or("0".to_owned());
            let group = group.parse().map_err(|_| format!("its group `{group}` is not a number"))?;
            let pattern = filled("pattern").ok_or_else(|| missing("pattern"))?;
            (Kind::Match { pattern, group, value: filled("value") }, 800.0)
        }
        "edge" => (Kind::Edge { branch: filled("branch") }, 700.0),
        "ref" => {
            let kind = match filled("event").as_deref() {
                Some("branch") => Kind::Branch,
                Some("tag") => Kind::Tag,
                Some("pr") => Kind::PullRequest,
                Some(other) => {
                    return Err(format!("its event `{other}` is unknown, expected one of branch, tag, pr"));
                }
                None => return Err(missing("event")),
            };
            (kind, 600.0)
        }
        "raw" => (Kind::Raw { value: take("value").ok_or_else(|| missing("value"))? }, 200.0),
        "sha" => {
            let long = match filled("format").as_deref() {
                None | Some("short") => false,
                Some("long") => true,
                Some(other) => {
                    return Err(format!("its format `{other}` is unknown, expected one of short, long"));
                }
            };
            (Kind::Sha { long }, 100.0)
        }
        other => return Err(format!("its type `{other}` is unknown, expected one of {TYPES}")),
    })
}

impl Kind {
    fn prefix(&self) -> Option<&'static str> {
        match self {
            Self::PullRequest => Some("pr-"),
            Self::Sha { .. } => Some("sha-"),
            _ => None,
        }
    }
}

/// What the lines of `flavor` say together; a later one wins.
pub(super) fn flavor(lines: &[String]) -> Result<Flavor, RuleError> {
    let mut flavor = Flavor::default();
    for line in without_comments(lines) {
        let fault = |problem: String| RuleError::Rule { rule: line.clone(), problem };
        let is_true = |key: &str, text: &str| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(fault(format!("`{key}={other}` is neither true nor false"))),
        };
        let mut before_onlatest = None;
        for field in fields(&line) {
            let (key, value) = field.split_once('=').unwrap_or((&field, ""));
            let value = value.trim();
            match (key.trim().to_lowercase().as_str(), before_onlatest) {
                ("latest", _) if value == "auto" => flavor.latest = None,
                ("latest", _) => flavor.latest = Some(is_true("latest", value)?),
                ("prefix", _) => {
                    flavor.prefix.text = value.to_owned();
                    before_onlatest = Some(false);
                }
                ("suffix", _) => {
                    flavor.suffix.text = value.to_owned();
                    before_onlatest = Some(true);
                }
                ("onlatest", Some(false)) => flavor.prefix.on_latest = is_true("onlatest", value)?,
                ("onlatest", Some(true)) => flavor.suffix.on_latest = is_true("onlatest", value)?,
                (other, _) => {
                    return Err(fault(format!("`{other}` is unknown, expected latest, prefix or suffix")));
                }
            }
        }
    }
    Ok(flavor)
}

/// The names of `images` with the lines that they stand in. Names are lower-cased, as registries want them.
pub(super) fn images(lines: &[String]) -> Result<Vec<(String, ImageName)>, RuleError> {
    let mut images = vec![];
    for line in without_comments(lines) {
        let (mut names, mut enable) = (vec![], "true".to_owned());
        for field in fields(&line) {
            match field.split_once('=').map(|(key, value)| (key.trim().to_lowercase(), value.trim())) {
                None => names.push(field.trim().to_lowercase()),
                Some((key, value)) if key == "name" => names.push(value.to_lowercase()),
                Some((key, value)) if key == "enable" => value.clone_into(&mut enable),
                Some((key, _)) => {
                    let problem = format!("`{key}` is unknown, expected name or enable");
                    return Err(RuleError::Rule { rule: line, problem });
                }
            }
        }
        let named = names.into_iter().filter(|name| !name.is_empty());
        images.extend(named.map(|name| (line.clone(), ImageName { name, enable: enable.clone() })));
    }
    Ok(images)
}

/// The lines that say something, for inputs in which `#` may stand inside a value.
pub(crate) fn static_lines(lines: &[String]) -> impl Iterator<Item = &str> {
    let lines = lines.iter().flat_map(|text| text.lines()).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The same without what follows ` #` outside quotes.
fn without_comments(lines: &[String]) -> Vec<String> {
    let without = |line: &str| {
        let (mut quoted, mut before) = (false, ' ');
        for (at, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '#' if !quoted && before.is_whitespace() => return line[..at].trim().to_owned(),
                _ => {}
            }
            before = c;
        }
        line.to_owned()
    };
    static_lines(lines).map(without).collect()
}

/// The fields of a line, as a reader of CSV sees them.
fn fields(line: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().filter(|field| !field.trim().is_empty()).map(str::to_owned).collect()
}
