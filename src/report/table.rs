//! The table at the end of a run.

use super::{LegSummary, Style, Summary, seconds};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Attribute, Cell, Table};

/// One row for each leg: component, platform, what happened, digest, time. Empty if nothing was planned.
pub(crate) fn table(summary: &Summary, style: Style) -> Option<String> {
    if summary.legs.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    let header = ["component", "platform", "what happened", "digest", "time"];
    table.set_header(header.map(|title| match style.colour {
        true => Cell::new(title).add_attribute(Attribute::Bold),
        false => Cell::new(title),
    }));
    for (leg, LegSummary { what, digest, duration }) in &summary.legs {
        let digest = digest.as_ref().map_or_else(|| "-".to_owned(), |digest| format!("sha256:{}", digest.short()));
        let (component, platform) = (leg.component.to_string(), leg.platform.to_string());
        table.add_row([component, platform, what.as_str().to_owned(), digest, seconds(*duration)]);
    }
    Some(table.to_string())
}
