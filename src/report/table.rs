//! Tables: the one at the end of a run, and how all of them look.

use super::{LegSummary, Summary, seconds};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;

/// One row for each leg: component, platform, what happened, digest, time. `None` if nothing was planned.
pub(crate) fn table(summary: &Summary) -> Option<String> {
    if summary.legs.is_empty() {
        return None;
    }
    let mut table = bordered(["component", "platform", "what happened", "digest", "time"]);
    for (leg, LegSummary { what, digest, duration }) in &summary.legs {
        let digest =
            digest.as_ref().map_or_else(|| "-".to_owned(), |digest| format!("sha256:{}", digest.short()));
        let (component, platform) = (leg.component.to_string(), leg.platform.to_string());
        table.add_row([component, platform, what.as_str().to_owned(), digest, seconds(*duration)]);
    }
    Some(table.to_string())
}

/// An empty table with a header.
pub(super) fn bordered(header: [&str; 5]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}
