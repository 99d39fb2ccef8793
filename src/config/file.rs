//! The shape of `hephy.yaml`: every key that may stand in it, nothing of what it means.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

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
    pub(super) attest: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) runners: BTreeMap<String, Spanned<Labels>>,
    #[serde(default)]
    pub(super) builder: BuilderFile,
    #[serde(default)]
    pub(super) environments: BTreeMap<String, EnvironmentFile>,
    #[serde(default)]
    pub(super) wait: WaitFile,
    #[serde(default)]
    pub(super) tags: Lines,
    #[serde(default)]
    pub(super) flavor: Lines,
    #[serde(default)]
    pub(super) labels: Lines,
    #[serde(default)]
    pub(super) annotations: Lines,
}

/// The shape of `hephy.lock`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LockFile {
    pub(super) version: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) base_images: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ComponentFile {
    pub(super) path: Option<Spanned<String>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) platforms: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) watch: Vec<Spanned<String>>,
    pub(super) inputs: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) needs: Vec<Spanned<String>>,
    pub(super) fail_fast: Option<bool>,
    pub(super) dockerfile: Option<Spanned<String>>,
    pub(super) context: Option<Spanned<String>>,
    pub(super) target: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) build_args: BTreeMap<String, Spanned<String>>,
    pub(super) bin: Option<String>,
    #[serde(default)]
    pub(super) bins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) features: Vec<Spanned<String>>,
    pub(super) profile: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) assets: BTreeMap<String, Spanned<String>>,
    pub(super) base: Option<Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) prebuilt: BTreeMap<String, Spanned<String>>,
    pub(super) sbom: Option<Spanned<SbomFile>>,
    #[serde(default)]
    pub(super) tags: Lines,
    #[serde(default)]
    pub(super) flavor: Lines,
    #[serde(default)]
    pub(super) labels: Lines,
    #[serde(default)]
    pub(super) annotations: Lines,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BuilderFile {
    #[serde(rename = "in")]
    pub(super) place: Option<Spanned<String>>,
    pub(super) context: Option<String>,
    pub(super) namespace: Option<Spanned<String>>,
    pub(super) buildkit: Option<Spanned<String>>,
    pub(super) kaniko: Option<Spanned<String>>,
    pub(super) secret: Option<Spanned<String>>,
    pub(super) config_map: Option<Spanned<String>>,
    pub(super) service_account: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) node_selector: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) privileged: bool,
    pub(super) memory: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
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

/// The texts of a list.
fn texts<'de, A: SeqAccess<'de>>(list: A) -> Result<Vec<String>, A::Error> {
    Vec::deserialize(SeqAccessDeserializer::new(list))
}

/// One label, or a list of which a machine must have all.
#[derive(Debug)]
pub(super) struct Labels(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a label, or a list of labels")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Labels, E> {
        Ok(Labels(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Labels, A::Error> {
        texts(list).map(Labels)
    }
}

/// A word or a path, or a path for each platform.
#[derive(Debug)]
pub(super) enum SbomFile {
    Text(String),
    ByPlatform(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for SbomFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SbomVisitor)
    }
}

struct SbomVisitor;

impl<'de> Visitor<'de> for SbomVisitor {
    type Value = SbomFile;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`required`, a path, or platforms with paths")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SbomFile, E> {
        Ok(SbomFile::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SbomFile, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(SbomFile::ByPlatform)
    }
}

/// Lines of rules: a text, a list, or keys with values.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinesVisitor)
    }
}

struct LinesVisitor;

impl<'de> Visitor<'de> for LinesVisitor {
    type Value = Lines;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text of lines, a list of them, or keys with values")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lines, E> {
        Ok(Lines(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Lines, A::Error> {
        texts(list).map(Lines)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lines, A::Error> {
        let mut lines = vec![];
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            lines.push(format!("{key}={value}"));
        }
        Ok(Lines(lines))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WaitFile {
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) settle: Option<Spanned<String>>,
}
