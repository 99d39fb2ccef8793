//! The shape of `skaffold.yaml`, as far as it is read. In what an artifact is made of, no key is passed over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) api_version: Option<Spanned<String>>,
    pub(super) requires: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    pub(super) build: BuildFile,
    #[serde(default)]
    pub(super) manifests: ManifestsFile,
    #[serde(default)]
    pub(super) deploy: DeployFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildFile {
    #[serde(default)]
    pub(super) artifacts: Vec<Spanned<ArtifactFile>>,
    pub(super) platforms: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestsFile {
    pub(super) raw_yaml: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct DeployFile {
    pub(super) kubectl: Option<KubectlFile>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct KubectlFile {
    pub(super) manifests: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ArtifactFile {
    pub(super) image: Spanned<String>,
    pub(super) context: Option<Spanned<String>>,
    pub(super) platforms: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) requires: Vec<RequiredFile>,
    pub(super) docker: Option<Spanned<DockerFile>>,
    pub(super) ko: Option<Spanned<KoFile>>,
    pub(super) buildpacks: Option<Spanned<BuildpacksFile>>,
    pub(super) bazel: Option<Spanned<IgnoredAny>>,
    pub(super) jib: Option<Spanned<IgnoredAny>>,
    pub(super) kaniko: Option<Spanned<IgnoredAny>>,
    pub(super) custom: Option<Spanned<IgnoredAny>>,
    pub(super) hooks: Option<Spanned<IgnoredAny>>,
    /// Of the development loop only: it makes no other image.
    #[serde(rename = "sync")]
    pub(super) _sync: Option<IgnoredAny>,
    /// Which debugger fits, and nothing of the image.
    #[serde(rename = "runtimeType")]
    pub(super) _runtime_type: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequiredFile {
    pub(super) image: Spanned<String>,
    pub(super) alias: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DockerFile {
    pub(super) dockerfile: Option<Spanned<String>>,
    pub(super) target: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) build_args: BTreeMap<String, Option<Spanned<String>>>,
    pub(super) network: Option<Spanned<IgnoredAny>>,
    pub(super) add_host: Option<Spanned<IgnoredAny>>,
    pub(super) secrets: Option<Spanned<IgnoredAny>>,
    pub(super) ssh: Option<Spanned<IgnoredAny>>,
    pub(super) squash: Option<Spanned<IgnoredAny>>,
    pub(super) cli_flags: Option<Spanned<IgnoredAny>>,
    /// How fast it builds, and not what: hephy builds without a cache and asks for every base image.
    #[serde(rename = "noCache")]
    pub(super) _no_cache: Option<IgnoredAny>,
    #[serde(rename = "cacheFrom")]
    pub(super) _cache_from: Option<IgnoredAny>,
    #[serde(rename = "cacheTo")]
    pub(super) _cache_to: Option<IgnoredAny>,
    #[serde(rename = "pullParent")]
    pub(super) _pull_parent: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KoFile {
    pub(super) dependencies: Option<DependenciesFile>,
    pub(super) from_image: Option<Spanned<IgnoredAny>>,
    pub(super) dir: Option<Spanned<IgnoredAny>>,
    pub(super) main: Option<Spanned<IgnoredAny>>,
    pub(super) env: Option<Spanned<IgnoredAny>>,
    pub(super) flags: Option<Spanned<IgnoredAny>>,
    pub(super) labels: Option<Spanned<IgnoredAny>>,
    pub(super) ldflags: Option<Spanned<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct BuildpacksFile {
    pub(super) dependencies: Option<DependenciesFile>,
    pub(super) builder: Option<Spanned<IgnoredAny>>,
    pub(super) run_image: Option<Spanned<IgnoredAny>>,
    pub(super) env: Option<Spanned<IgnoredAny>>,
    pub(super) buildpacks: Option<Spanned<IgnoredAny>>,
    pub(super) project_descriptor: Option<Spanned<IgnoredAny>>,
    pub(super) volumes: Option<Spanned<IgnoredAny>>,
    /// Whom the tool trusts with a login, and how fast it is: it makes no other image.
    #[serde(rename = "trustBuilder")]
    pub(super) _trust_builder: Option<IgnoredAny>,
    #[serde(rename = "clearCache")]
    pub(super) _clear_cache: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DependenciesFile {
    #[serde(default)]
    pub(super) paths: Vec<Spanned<String>>,
    /// What it leaves out hephy counts all the same: more, never less.
    #[serde(rename = "ignore")]
    pub(super) _ignore: Option<IgnoredAny>,
}
