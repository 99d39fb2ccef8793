//! `builder`: where Dockerfiles are built, and what a pod of a cluster needs to do it.

use super::ConfigError;
use super::file::BuilderFile;
use super::source::{Source, hint, nearest, spot};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::time::Duration;

/// A build that takes longer is one that hangs.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How a cluster builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Builder {
    /// BuildKit builds Dockerfiles in the cluster, not whichever engine answers here.
    pub(crate) is_in_cluster: bool,
    /// The context of the kubeconfig; the current one, or the cluster of hephy's own pod, if absent.
    pub(crate) context: Option<String>,
    /// That of the context if absent.
    pub(crate) namespace: Option<String>,
    /// The image with BuildKit; its makers' own if absent.
    pub(crate) buildkit: Option<String>,
    /// The image with kaniko. Nobody publishes one that could be a default.
    pub(crate) kaniko: Option<String>,
    /// A secret with logins for registries (`kubernetes.io/dockerconfigjson`).
    pub(crate) secret: Option<String>,
    /// A config map with a `buildkitd.toml`.
    pub(crate) config_map: Option<String>,
    pub(crate) service_account: Option<String>,
    pub(crate) node_selector: BTreeMap<String, String>,
    /// BuildKit as root with all rights, for nodes where it cannot run without.
    pub(crate) is_privileged: bool,
    /// A quantity of Kubernetes, requested and the limit.
    pub(crate) memory: Option<String>,
    /// How long a build may take, with the time that its pod waits for a node.
    pub(crate) timeout: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            is_in_cluster: false,
            context: None,
            namespace: None,
            buildkit: None,
            kaniko: None,
            secret: None,
            config_map: None,
            service_account: None,
            node_selector: BTreeMap::new(),
            is_privileged: false,
            memory: None,
            timeout: TIMEOUT,
        }
    }
}

impl Source<'_> {
    /// Checks what can be checked without the cluster.
    pub(super) fn builder(&self, file: BuilderFile) -> Result<Builder, ConfigError> {
        let is_in_cluster = match &file.place {
            None => false,
            Some(place) => self.place_of_builds(place)?,
        };
        let name = |text: Option<Spanned<String>>| text.map(|text| self.object_name(text)).transpose();
        let image = |text: Option<Spanned<String>>| text.map(|text| self.image_name(text)).transpose();
        Ok(Builder {
            is_in_cluster,
            context: file.context,
            namespace: name(file.namespace)?,
            buildkit: image(file.buildkit)?,
            kaniko: image(file.kaniko)?,
            secret: name(file.secret)?,
            config_map: name(file.config_map)?,
            service_account: name(file.service_account)?,
            node_selector: file.node_selector,
            is_privileged: file.privileged,
            memory: file.memory.map(|text| self.quantity(text)).transpose()?,
            timeout: file.timeout.as_ref().map_or(Ok(TIMEOUT), |text| self.lasting(text))?,
        })
    }

    fn place_of_builds(&self, place: &Spanned<String>) -> Result<bool, ConfigError> {
        match place.value.as_str() {
            "cluster" => Ok(true),
            "here" => Ok(false),
            other => {
                let problem = format!("`in: {other}` is unknown, expected `here` or `cluster`");
                Err(self.fault(spot(place), problem, nearest(other, ["here", "cluster"])))
            }
        }
    }

    /// The name of an object, as Kubernetes wants it (RFC 1123, with dots).
    fn object_name(&self, text: Spanned<String>) -> Result<String, ConfigError> {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = |part: &str| {
            let bytes = part.as_bytes();
            bytes.first().is_some_and(|byte| is_inner(*byte))
                && bytes.last().is_some_and(|byte| is_inner(*byte))
                && bytes.iter().all(|byte| is_inner(*byte) || *byte == b'-')
        };
        if text.value.len() <= 253 && text.value.split('.').all(fits) {
            return Ok(text.value);
        }
        let problem = format!("`{}` is no name of an object in a cluster", text.value);
        Err(self.fault(spot(&text), problem, hint("it has lower-case letters, digits, `-` and `.`")))
    }

    fn image_name(&self, text: Spanned<String>) -> Result<String, ConfigError> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if text.value.is_empty() || text.value.contains(is_odd) || text.value.contains("://") {
            let problem = format!("`{}` is no image", text.value);
            return Err(self.fault(
                spot(&text),
                problem,
                hint("write it as after `FROM`: HOST/NAME@sha256:..."),
            ));
        }
        Ok(text.value)
    }

    /// A number with one of Kubernetes' units of memory.
    fn quantity(&self, text: Spanned<String>) -> Result<String, ConfigError> {
        let digits = text.value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text.value[digits.len()..];
        let is_number = digits.parse::<f64>().is_ok_and(|number| number > 0.0)
            && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_number && ["", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"].contains(&unit) {
            return Ok(text.value);
        }
        let problem = format!("read memory `{}`", text.value);
        Err(self.fault(spot(&text), problem, hint("write it like `4Gi` or `512Mi`")))
    }

    /// Kubernetes counts deadlines in whole seconds, and none of zero.
    fn lasting(&self, text: &Spanned<String>) -> Result<Duration, ConfigError> {
        let duration = self.duration(text)?;
        if duration.as_secs() > 0 {
            return Ok(duration);
        }
        Err(self.fault(spot(text), "a build needs some time".to_owned(), hint("write it like `30m`")))
    }
}
