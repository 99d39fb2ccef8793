//! The flags of the verbs that deploy and wait: where to, and how long.

use super::duration;
use crate::pipeline::Settings;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Deploy")]
pub(super) struct Deploying {
    /// Deploy to this environment of hephy.yaml
    #[arg(long, env = "HEPHY_ENVIRONMENT", value_name = "NAME")]
    environment: Option<String>,
    /// The namespace of objects that name none
    #[arg(long, env = "HEPHY_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// Create the namespace if it does not exist
    #[arg(long, env = "HEPHY_CREATE_NAMESPACE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    create_namespace: bool,
    /// Use this kubeconfig; KUBECONFIG and ~/.kube/config come after it
    #[arg(long, env = "HEPHY_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig
    #[arg(long, env = "HEPHY_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// Take fields over that another field manager owns
    #[arg(long, env = "HEPHY_TAKE_OWNERSHIP", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    take_ownership: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Deploy")]
pub(super) struct Rendering {
    /// Write the pinned manifests to .hephy/release and deploy nothing
    #[arg(long, env = "HEPHY_NO_DEPLOY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_deploy: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Wait")]
pub(super) struct Waiting {
    /// Apply and do not look whether the release becomes healthy
    #[arg(long, env = "HEPHY_NO_WAIT", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_wait: bool,
    /// How long to wait, for example 10m
    #[arg(long, env = "HEPHY_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// How long a workload without a readiness probe must look ready, for example 5s
    #[arg(long, env = "HEPHY_SETTLE", value_name = "DURATION", value_parser = duration)]
    settle: Option<Duration>,
}

impl Deploying {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings {
            environment: self.environment,
            namespace: self.namespace,
            create_namespace: self.create_namespace,
            kubeconfig: self.kubeconfig,
            context: self.context,
            take_ownership: self.take_ownership,
            ..settings
        }
    }
}

impl Rendering {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { no_deploy: self.no_deploy, ..settings }
    }
}

impl Waiting {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { no_wait: self.no_wait, timeout: self.timeout, settle: self.settle, ..settings }
    }
}
