//! Labels and annotations: what the OCI image spec has names for (`annotations.md`), and what the user adds.

use super::rules::static_lines;
use super::{Facts, RuleError, template};
use crate::image::Tag;
use std::collections::BTreeMap;

/// The eight keys of the action, those that are known, under the user's own lines. Their time is not that of
/// the run: with that, no image could be made twice.
pub(super) fn labels(
    facts: &Facts,
    version: Option<&Tag>,
    lines: &[String],
) -> Result<BTreeMap<String, String>, RuleError> {
    let about = &facts.about;
    let created = jiff::Timestamp::from_second(facts.created).unwrap_or_default().to_string();
    let known = [
        ("created", Some(created)),
        ("description", about.description.clone()),
        ("licenses", about.licence.clone()),
        ("revision", Some(facts.commit.clone())),
        ("source", about.url.clone()),
        ("title", about.title.clone()),
        ("url", about.url.clone()),
        ("version", version.map(ToString::to_string)),
    ];
    let known =
        known.into_iter().filter_map(|(key, value)| Some((key, value.filter(|text| !text.is_empty())?)));
    let mut labels: BTreeMap<String, String> =
        known.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value)).collect();
    for line in static_lines(lines) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let key = key.trim();
        let problem = match () {
            () if key.is_empty() => "it has no key before `=`",
            () if key.contains(':') => {
                "leave out the level: `DOCKER_METADATA_ANNOTATIONS_LEVELS` says where annotations go"
            }
            () => {
                labels.insert(key.to_owned(), template::render(value, facts, None)?);
                continue;
            }
        };
        return Err(RuleError::Rule { rule: line.to_owned(), problem: problem.to_owned() });
    }
    Ok(labels)
}
