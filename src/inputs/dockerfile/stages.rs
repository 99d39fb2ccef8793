//! The stages of a Dockerfile: those that the image is made of are read, and the others are not even built.

use super::Reading;
use super::variables::Variables;
use std::collections::BTreeSet;

/// One stage, with what its own lines read.
pub(super) struct Stage {
    /// In lower case; its number where it has no name.
    pub(super) name: String,
    pub(super) variables: Variables,
    /// The image at the bottom of it, `None` if there is nothing.
    pub(super) base: Option<String>,
    /// It may be for another platform than the image.
    pub(super) is_elsewhere: bool,
    /// What it starts from and copies from: stages, by name or number, and images.
    pub(super) needs: BTreeSet<String>,
    pub(super) found: Reading,
}

/// Adds to `found` what is read for the stage `target`, the last one if that is `None`. A target that is not there
/// leaves nothing out; the build will fail on it.
pub(super) fn read_for(target: Option<&str>, stages: Vec<Stage>, mut found: Reading) -> Reading {
    found.stages = stages.iter().map(|stage| stage.name.clone()).collect();
    let last = stages.len().saturating_sub(1).to_string();
    let target = target.map_or(last, str::to_lowercase);
    let wanted = reached(&stages, &target);
    let is_target = |(number, stage): &(usize, &Stage)| stage.name == target || target.parse() == Ok(*number);
    found.base = stages.iter().enumerate().find(is_target).and_then(|(_, stage)| stage.base.clone());
    for (number, stage) in stages.into_iter().enumerate() {
        if wanted.is_empty() || wanted.contains(&number) {
            found.sources.extend(stage.found.sources);
            found.assumed.extend(stage.found.assumed);
            found.runs |= stage.found.runs;
            for (name, spellings) in stage.found.images {
                found.images.entry(name).or_default().extend(spellings);
            }
        }
    }
    found
}

/// The stage `name` and all that it needs, by number. A number may be the name of another stage, and then both count.
fn reached(stages: &[Stage], name: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![name];
    while let Some(name) = waiting.pop() {
        for (number, stage) in stages.iter().enumerate() {
            let is_meant = stage.name == name || name.parse() == Ok(number);
            if is_meant && found.insert(number) {
                waiting.extend(stage.needs.iter().map(String::as_str));
            }
        }
    }
    found
}
