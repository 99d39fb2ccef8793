//! The flag of the verbs that build: what is attached to an image.

use crate::config::Attest;
use crate::pipeline::Settings;
use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Build")]
pub(super) struct Attesting {
    /// What to attach to the images that are built: none, sbom, provenance, all
    #[arg(long, env = "HEPHY_ATTEST", value_name = "WHAT")]
    attest: Option<Attest>,
}

impl Attesting {
    pub(super) fn add_to(&self, settings: Settings) -> Settings {
        Settings { attest: self.attest, ..settings }
    }
}
