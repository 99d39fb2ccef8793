//! The flags that leave legs out.

use crate::pipeline::Settings;
use crate::plan::Selection;
use crate::platform::Platform;
use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct Platforms {
    /// Leave out the legs of other platforms, for example linux/arm64
    #[arg(long, env = "HEPHY_PLATFORM", value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Platform>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct Selecting {
    /// Leave out other components
    #[arg(env = "HEPHY_COMPONENT", value_delimiter = ',')]
    component: Vec<String>,
    #[command(flatten)]
    platforms: Platforms,
    /// Leave out other legs; the name of a job of the matrix, or a key
    #[arg(long, env = "HEPHY_LEG", value_name = "NAME", value_delimiter = ',')]
    leg: Vec<String>,
}

impl Platforms {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { selection: Selection { platforms: self.platform, ..settings.selection }, ..settings }
    }
}

impl Selecting {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        let settings = self.platforms.add_to(settings);
        let selection = Selection { components: self.component, legs: self.leg, ..settings.selection };
        Settings { selection, ..settings }
    }
}
