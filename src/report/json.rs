//! `--report FILE`: the run as JSON, for machines.

use super::Summary;
use crate::exit::ExitCode;
use crate::plan::{Plan, Planned};
use serde::Serialize;

/// The version of the format.
const SCHEMA: &str = "hephy.report/1";

#[derive(Serialize)]
struct ReportFile {
    schema: &'static str,
    /// How the run ended, in words.
    outcome: String,
    exit_code: u8,
    seconds: f64,
    commit: Option<String>,
    dirty: Option<bool>,
    components: Vec<ComponentFile>,
    objects: Vec<ObjectFile>,
}

#[derive(Serialize)]
struct ComponentFile {
    name: String,
    image: String,
    /// The other repositories that have the same image and tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further_images: Vec<String>,
    digest: Option<String>,
    tags: Vec<String>,
    backend: String,
    reason: String,
    legs: Vec<LegFile>,
}

#[derive(Serialize)]
struct LegFile {
    platform: String,
    input_digest: String,
    what: Option<&'static str>,
    digest: Option<String>,
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct ObjectFile {
    object: String,
    change: String,
}

/// The run as JSON with a final line end. `outcome` is the sentence that people get.
pub(crate) fn to_json(summary: &Summary, code: ExitCode, outcome: &str) -> String {
    let plan = summary.plan.as_ref();
    let file = ReportFile {
        schema: SCHEMA,
        outcome: outcome.to_owned(),
        exit_code: code.number(),
        seconds: summary.duration.as_secs_f64(),
        commit: plan.map(|plan| plan.commit.id.clone()),
        dirty: plan.map(|plan| plan.commit.dirty),
        components: plan.map(|plan| components(plan, summary)).unwrap_or_default(),
        objects: summary
            .objects
            .iter()
            .map(|object| ObjectFile { object: object.object.clone(), change: object.change.clone() })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&file).expect("strings, numbers and lists always serialise");
    text.push('\n');
    text
}

fn components(plan: &Plan, summary: &Summary) -> Vec<ComponentFile> {
    plan.components.iter().map(|planned| component(planned, summary)).collect()
}

fn component(planned: &Planned, summary: &Summary) -> ComponentFile {
    let pushed = summary.images.iter().find(|image| image.component == planned.component.name);
    let legs = planned.legs.iter().map(|leg| {
        let done = summary.legs.get(&planned.leg(leg));
        LegFile {
            platform: leg.platform.to_string(),
            input_digest: leg.input_digest.to_string(),
            what: done.map(|done| done.what.as_str()),
            digest: done.and_then(|done| done.digest.as_ref()).map(ToString::to_string),
            seconds: done.map(|done| done.duration.as_secs_f64()),
        }
    });
    ComponentFile {
        name: planned.component.name.to_string(),
        image: planned.image.to_string(),
        further_images: planned.further.iter().map(ToString::to_string).collect(),
        digest: pushed.map(|pushed| pushed.image.digest.to_string()),
        tags: planned.tags.iter().map(ToString::to_string).collect(),
        backend: planned.backend.to_string(),
        reason: planned.reason.to_string(),
        legs: legs.collect(),
    }
}
