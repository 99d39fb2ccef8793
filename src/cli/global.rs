//! The flags of every verb: where hephy works, and how it speaks.

use crate::ci::Ci;
use crate::commands::{self, Context};
use clap::{Args, ValueEnum};
use std::io::IsTerminal as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Work in the repository that this folder is in
    #[arg(
        short = 'C',
        long,
        global = true,
        env = "HEPHY_DIRECTORY",
        value_name = "DIR",
        default_value = "."
    )]
    directory: PathBuf,
    /// Read this file instead of hephy.yaml
    #[arg(long, global = true, env = "HEPHY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to use colour; NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, global = true, env = "HEPHY_COLOR", value_enum, default_value = "auto")]
    color: Color,
    /// Write the run as JSON to this file
    #[arg(long, global = true, env = "HEPHY_REPORT", value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Global {
    pub(super) fn context(self) -> Context {
        let ci = Ci::from_environment();
        let is_set =
            |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let colour = match self.color {
            Color::Always => Some(true),
            Color::Never => Some(false),
            Color::Auto if is_set("NO_COLOR") => Some(false),
            Color::Auto if is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE") => Some(true),
            Color::Auto => None,
        };
        let style = commands::style(colour, std::io::stderr().is_terminal(), &ci);
        let github_output = output_file();
        Context {
            directory: self.directory,
            config: self.config,
            style,
            ci,
            report: self.report,
            github_output,
        }
    }
}

/// The file that takes the outputs of a GitHub step.
pub(super) fn output_file() -> Option<PathBuf> {
    std::env::var_os("GITHUB_OUTPUT").filter(|value| !value.is_empty()).map(PathBuf::from)
}
