//! The flags of a plan, which every verb makes or reads: why, what and where to.

use super::duration;
use crate::component::Rules;
use crate::pipeline::Settings;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
pub(super) struct Planning {
    /// Explain decisions by what changed since this commit or ref
    #[arg(long, env = "HEPHY_BASE", value_name = "REF")]
    base: Option<String>,
    /// The same for the last commit in common with this ref
    #[arg(long, env = "HEPHY_SINCE", value_name = "REF", conflicts_with = "base")]
    since: Option<String>,
    /// Build every leg, also those whose image exists
    #[arg(long, env = "HEPHY_ALL", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    all: bool,
    /// Plan these components and no others
    #[arg(long, env = "HEPHY_ONLY", value_name = "COMPONENT", value_delimiter = ',')]
    only: Vec<String>,
    /// Use this plan instead of making one
    #[arg(long, env = "HEPHY_PLAN", value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Push images below this repository, for example ghcr.io/acme/shop
    #[arg(long, env = "HEPHY_REGISTRY", value_name = "REPOSITORY")]
    registry: Option<String>,
    /// Put images into this OCI layout folder instead of a registry
    #[arg(long, env = "HEPHY_LAYOUT", value_name = "DIR", conflicts_with = "registry")]
    layout: Option<PathBuf>,
    /// Speak plain HTTP to this registry; loopback needs no permission
    #[arg(long, env = "HEPHY_INSECURE_REGISTRY", value_name = "HOST", value_delimiter = ',')]
    insecure_registry: Vec<String>,
    /// Trust the certificates in this file (PEM) when speaking to a registry, beside the system's
    #[arg(long, env = "HEPHY_REGISTRY_CA", value_name = "FILE")]
    registry_ca: Option<PathBuf>,
    /// How long a registry may say nothing, for example 60s
    #[arg(long, env = "HEPHY_REGISTRY_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    registry_timeout: Option<Duration>,
    #[command(flatten)]
    describing: Describing,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Tags, labels, annotations")]
struct Describing {
    /// Rules for tags, a line each, as for docker/metadata-action
    #[arg(long, env = "HEPHY_TAGS", value_name = "RULES")]
    tags: Vec<String>,
    /// What holds for all tags: latest, prefix, suffix
    #[arg(long, env = "HEPHY_FLAVOR", value_name = "RULES")]
    flavor: Vec<String>,
    /// Labels beside the standard ones, KEY=VALUE in each line
    #[arg(long, env = "HEPHY_LABELS", value_name = "LINES")]
    labels: Vec<String>,
    /// Annotations beside the standard ones, KEY=VALUE in each line
    #[arg(long, env = "HEPHY_ANNOTATIONS", value_name = "LINES")]
    annotations: Vec<String>,
    /// The images, as for docker/metadata-action: all get the same; of several components, what their images are below
    #[arg(long, env = "HEPHY_IMAGES", value_name = "LINES", conflicts_with = "registry")]
    images: Vec<String>,
}

impl Planning {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings {
            base: self.base,
            since: self.since,
            all: self.all,
            only: self.only.iter().map(|name| name.trim().to_owned()).collect(),
            plan: self.plan,
            registry: self.registry,
            layout: self.layout,
            insecure_registries: self.insecure_registry,
            registry_ca: self.registry_ca,
            registry_timeout: self.registry_timeout,
            rules: Rules {
                tags: self.describing.tags,
                flavor: self.describing.flavor,
                labels: self.describing.labels,
                annotations: self.describing.annotations,
            },
            images: self.describing.images,
            ..settings
        }
    }
}
