//! The shape of `hephy.yaml`: every key that may stand in it, nothing of what it means.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) version: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) components: BTreeMap<String, Spanned<ComponentFile>>,
    #[serde(default)]
    pub(super) ignore: Vec<Spanned<String>>,
    pub(super) registry: Option<Spanned<String>>,
    pub(super) base_images: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) environments: BTreeMap<String, EnvironmentFile>,
    #[serde(default)]
    pub(super) wait: WaitFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ComponentFile {
    pub(super) path: Option<Spanned<String>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) platforms: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) watch: Vec<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) needs: Vec<Spanned<String>>,
    pub(super) dockerfile: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) bin: Option<String>,
    #[serde(default)]
    pub(super) prebuilt: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EnvironmentFile {
    pub(super) context: Option<String>,
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) deploy: DeployFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DeployFile {
    pub(super) via: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WaitFile {
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) settle: Option<Spanned<String>>,
}
