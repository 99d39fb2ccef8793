//! The flag of the verbs that can say what they would do.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

#[derive(Debug, Args)]
pub(super) struct Previewing {
    /// Print what would happen and touch nothing
    #[arg(long, help_heading = "Options", env = "HEPHY_DRY_RUN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(super) dry_run: bool,
}
