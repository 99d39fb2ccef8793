//! The flags of `hephy plan` alone: what it is asked, and how it answers.

use super::global::output_file;
use crate::commands::plan::{Emit, Shape};
use crate::pipeline::Settings;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// What `hephy plan` is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
pub(super) struct Asking {
    /// The form of the plan on stdout
    #[arg(long, env = "HEPHY_EMIT", value_enum, default_value = "text")]
    emit: Emit,
    /// Write the plan to this file too, for --plan of the jobs that follow
    #[arg(long, env = "HEPHY_OUTPUT", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say which components read this path and why, or what this component reads
    #[arg(long, env = "HEPHY_EXPLAIN", value_name = "PATH|COMPONENT")]
    pub(super) explain: Option<String>,
    /// Print this saved plan again, without git and registry
    #[arg(long, env = "HEPHY_REPLAY", value_name = "FILE")]
    pub(super) replay: Option<PathBuf>,
    /// Fail unless the image of every leg of the plan has been pushed
    #[arg(long, env = "HEPHY_VERIFY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(super) verify: bool,
    /// With --verify: what GitHub says about the jobs of the workflow, toJSON(needs)
    #[arg(long, env = "HEPHY_RESULTS", value_name = "JSON")]
    results: Option<String>,
    /// With --results: jobs that this run of the workflow leaves out on purpose
    #[arg(long, env = "HEPHY_MAY_SKIP", value_name = "JOB", value_delimiter = ',')]
    may_skip: Vec<String>,
    /// Write what the names of base images mean today to hephy.lock, for `base-images: pin`
    #[arg(long, env = "HEPHY_UPDATE_PINS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(super) update_pins: bool,
}

impl Asking {
    /// What the gate is told.
    pub(super) fn add_to(&self, settings: Settings) -> Settings {
        Settings { results: self.results.clone(), may_skip: self.may_skip.clone(), ..settings }
    }

    /// How the plan is handed on; both forges say in the environment where to.
    pub(super) fn shape(&self) -> Shape {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Shape {
            emit: self.emit,
            output: self.output.clone(),
            github_output: output_file(),
            job: variable("CI_JOB_NAME").and_then(|name| name.into_string().ok()),
        }
    }
}
