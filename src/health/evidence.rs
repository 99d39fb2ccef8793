//! Evidence: the warnings that the cluster has recorded about a Deployment, its ReplicaSet and its pods. Pure.

use super::snapshot::Snapshot;
use k8s_openapi::api::core::v1::Event;
use std::collections::BTreeSet;

/// More than these would hide the cause instead of showing it.
const LIMIT: usize = 8;

/// The newest warning events about `members`, which are uids, each once, the newest last.
pub(crate) fn warnings(snapshot: &Snapshot, members: &BTreeSet<String>) -> Vec<String> {
    let about_members = |event: &&Event| {
        let uid = event.involved_object.uid.as_deref();
        event.type_.as_deref() == Some("Warning") && uid.is_some_and(|uid| members.contains(uid))
    };
    let mut events: Vec<&Event> =
        snapshot.events.iter().flat_map(|events| events.values()).filter(about_members).collect();
    events.sort_by_key(|event| std::cmp::Reverse(last_seen(event)));
    let mut lines: Vec<String> = Vec::new();
    for event in events {
        let line = line(event);
        if lines.len() < LIMIT && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.reverse();
    lines
}

fn last_seen(event: &Event) -> Option<jiff::Timestamp> {
    let series =
        event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    series.max(last).max(event.event_time.as_ref().map(|time| time.0))
}

fn line(event: &Event) -> String {
    let object = &event.involved_object;
    let kind = object.kind.as_deref().unwrap_or_default();
    let name = object.name.as_deref().unwrap_or_default();
    let reason = event.reason.as_deref().unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default();
    format!("{kind}/{name} {reason}: {message}")
}
