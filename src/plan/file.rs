//! The shape of `plan.json`: every key of it, nothing of what it means (`docs/plan.schema.json`).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    pub(super) schema: String,
    pub(super) commit: CommitFile,
    pub(super) base: BaseFile,
    pub(super) target: TargetFile,
    pub(super) components: Vec<PlannedFile>,
    pub(super) manifests: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitFile {
    pub(super) id: String,
    pub(super) time: u64,
    pub(super) branch: Option<String>,
    pub(super) dirty: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaseFile {
    pub(super) reference: Option<String>,
    #[serde(default)]
    pub(super) commit: Option<String>,
    pub(super) kind: String,
    pub(super) confidence: String,
    pub(super) reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum TargetFile {
    Layout(PathBuf),
    Registry,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlannedFile {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) origin: String,
    pub(super) backend: String,
    pub(super) backend_reason: String,
    pub(super) image: String,
    #[serde(default)]
    pub(super) further_images: Vec<String>,
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotation_levels: Option<Vec<String>>,
    pub(super) reason: ReasonFile,
    pub(super) needs: Vec<String>,
    pub(super) fail_fast: bool,
    pub(super) recipe: RecipeFile,
    pub(super) legs: Vec<LegFile>,
    /// `repository@digest` by the name that the definition has for it.
    #[serde(default)]
    pub(super) base_images: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonFile {
    pub(super) code: String,
    /// The sentence for people; not read back.
    #[serde(default)]
    pub(super) text: String,
    pub(super) path: Option<String>,
    pub(super) why: Option<String>,
    pub(super) others: Option<usize>,
    pub(super) base: Option<String>,
    #[serde(default)]
    pub(super) images: Vec<String>,
    #[serde(default)]
    pub(super) causes: Vec<CauseFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CauseFile {
    pub(super) code: String,
    pub(super) names: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipeFile {
    pub(super) dockerfile: Option<String>,
    pub(super) context: Option<String>,
    pub(super) target: Option<String>,
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) bin: Option<String>,
    #[serde(default)]
    pub(super) bins: Vec<String>,
    #[serde(default)]
    pub(super) features: Vec<String>,
    #[serde(default)]
    pub(super) profile: Option<String>,
    pub(super) prebuilt: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) assets: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) base: Option<String>,
    #[serde(default)]
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) sbom: Option<SbomFile>,
}

/// `required`, the path of a document, or a path for each platform.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum SbomFile {
    Text(String),
    ByPlatform(BTreeMap<String, String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LegFile {
    /// The name of its job; not read back.
    #[serde(default)]
    pub(super) name: String,
    pub(super) platform: String,
    pub(super) input_digest: String,
    pub(super) key: String,
    pub(super) runners: Vec<String>,
    /// `build`, `reuse` or `skip`.
    pub(super) action: String,
    pub(super) found: Option<FoundFile>,
    /// Why it is left out.
    pub(super) skipped: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundFile {
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) media_type: String,
}
