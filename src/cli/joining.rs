//! The flag of the verbs that push: what an image may lose when its platforms are joined.

use crate::pipeline::Settings;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

#[derive(Debug, Args)]
#[command(next_help_heading = "Push")]
pub(super) struct Joining {
    /// Let an image lose platforms that the one before it had
    #[arg(long, env = "HEPHY_DROP_PLATFORMS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    drop_platforms: bool,
}

impl Joining {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { drop_platforms: self.drop_platforms, ..settings }
    }
}
