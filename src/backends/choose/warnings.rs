//! What a choice passes over although somebody may have meant it, in words.

use super::{Finding, Match, Rule, Strength, listed};
use crate::component::{Backend, Component};

/// What lies beside the chosen definition and is built by nobody, although it has no other use.
pub(super) fn warnings(
    component: &Component,
    rules: &[Rule],
    chosen: &Match<'_>,
    others: &[Match<'_>],
) -> Vec<String> {
    let (name, what, backend) = (&component.name, chosen.what, chosen.backend);
    let way_out = format!("`backend: {backend}` in hephy.yaml says that this is meant");
    let mut warnings: Vec<String> = vec![];
    for rule in rules {
        match &rule.finding {
            Finding::Unclear(names) => warnings.push(format!(
                "`{name}` is built from `{what}`, and nothing says which of {} it may be instead; {way_out}, `dockerfile` \
                 names another",
                listed(names)
            )),
            Finding::Unsupported(kind, file) => warnings.push(format!(
                "`{name}` is built from `{what}`, and not by {}: hephy has no backend for `{file}`; {way_out}",
                kind.as_str()
            )),
            Finding::Nothing | Finding::Match(..) => {}
        }
    }
    let unread =
        |other: &&Match<'_>| (chosen.strength, other.strength) == (Strength::Weak, Strength::Weakest);
    warnings.extend(others.iter().filter(unread).map(|Match { what: other, .. }| {
        format!(
            "`{name}` is built from `{what}`, and `{other}` is not read; {way_out}, `dockerfile: {other}` chooses the other"
        )
    }));
    // A chart is no image, so it stands for none of them.
    let lost = others.iter().filter(|_| backend == Backend::Helm);
    warnings.extend(lost.map(|other| {
        format!(
            "`{name}` is the chart of its folder, and nothing is built from `{}`: list two components in hephy.yaml, one with \
             `backend: {}`",
            other.what, other.backend
        )
    }));
    warnings
}
