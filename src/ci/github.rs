//! GitHub Actions, and Forgejo and Gitea, which speak the same variables and payloads.

use super::builder::of_github;
use super::trigger::{PullRequest, Push, Source, Trigger, commit};
use super::{About, Ci, Host, Lookup, RegistryLogin, Sources, Subject};
use crate::secret::Secret;
use serde::Deserialize;

/// The few fields of a webhook payload that matter here. All are optional: servers differ, and a payload that lacks
/// one must not cost the others.
#[derive(Debug, Default, Deserialize)]
struct Payload {
    before: Option<String>,
    forced: Option<bool>,
    /// The branch that a tag was pushed with, as a full ref.
    base_ref: Option<String>,
    pull_request: Option<PullRequestPayload>,
    merge_group: Option<MergeGroup>,
    workflow_run: Option<WorkflowRun>,
    repository: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
struct PullRequestPayload {
    number: Option<u64>,
    base: Option<Side>,
    head: Option<Side>,
}

#[derive(Debug, Default, Deserialize)]
struct Side {
    sha: Option<String>,
    #[serde(rename = "ref")]
    branch: Option<String>,
    /// Gone with a fork that was deleted.
    repo: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
struct MergeGroup {
    base_sha: Option<String>,
    base_ref: Option<String>,
}

/// The run that a run of `workflow_run` follows.
#[derive(Debug, Default, Deserialize)]
struct WorkflowRun {
    event: Option<String>,
    head_sha: Option<String>,
    head_repository: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
struct Repository {
    id: Option<u64>,
    default_branch: Option<String>,
    name: Option<String>,
    description: Option<String>,
    html_url: Option<String>,
    license: Option<License>,
}

#[derive(Debug, Default, Deserialize)]
struct License {
    spdx_id: Option<String>,
}

/// Reads the variables; `event` is the text of the event file.
pub(super) fn read(lookup: Lookup<'_>, event: Option<&str>, blank: Ci) -> Ci {
    let (payload, warnings) = match event.map(serde_json::from_str::<Payload>) {
        None => (Payload::default(), vec![]),
        Some(Ok(payload)) => (payload, vec![]),
        Some(Err(error)) => (
            Payload::default(),
            vec![format!("the event file of this run is not what the CI system documents: {error}")],
        ),
    };
    let repository = lookup("GITHUB_REPOSITORY").map(|name| name.to_lowercase());
    // Gitea sets its own name, and so does Forgejo since it is not Gitea any more.
    let is_forgejo = ["FORGEJO_ACTIONS", "GITEA_ACTIONS"].iter().any(|name| lookup(name).is_some());
    let (host, registry_host) = match is_forgejo {
        true => (Host::Forgejo, lookup("GITHUB_SERVER_URL").and_then(|url| host_of(&url))),
        false => (Host::GitHub, Some("ghcr.io".to_owned())),
    };
    let token = lookup("GITHUB_TOKEN").and_then(Secret::new);
    let user = lookup("GITHUB_ACTOR").unwrap_or_else(|| "x-access-token".to_owned());
    Ci {
        host,
        trigger: trigger(lookup, &payload),
        sources: sources(lookup, &payload, blank.sources.clone()),
        builder: of_github(lookup),
        default_branch: payload.repository.and_then(|repository| repository.default_branch),
        reference: lookup("GITHUB_HEAD_REF").or_else(|| lookup("GITHUB_REF_NAME")),
        registry: registry_host.clone().zip(repository).map(|(host, name)| format!("{host}/{name}")),
        registry_login: registry_host.zip(token).map(|(host, token)| RegistryLogin { host, user, token }),
        warnings: [blank.warnings.clone(), warnings].concat(),
        ..blank
    }
}

fn sources(lookup: Lookup<'_>, payload: &Payload, blank: Sources) -> Sources {
    let event = lookup("GITHUB_EVENT_NAME");
    let request = payload.pull_request.as_ref();
    let base = request.and_then(|request| request.base.as_ref()?.branch.clone());
    let head = request.and_then(|request| request.head.as_ref()?.sha.as_deref());
    let subject = lookup("GITHUB_REF").map(|name| Subject::of_ref(&name)).unwrap_or_default();
    let is_request = matches!(trigger(lookup, payload), Trigger::PullRequest(_));
    let subject = match (subject, request.and_then(|request| request.number)) {
        // It runs on the target branch, whose tags a pull request must not move.
        (Subject::Branch(_), Some(number)) if is_request => Subject::PullRequest(number.to_string()),
        (Subject::Branch(_), None) if is_request => Subject::Unknown,
        (subject, _) => subject,
    };
    let pushed_with =
        payload.base_ref.as_deref().map(|name| name.trim_start_matches("refs/heads/").to_owned());
    let names_head = lookup("DOCKER_METADATA_PR_HEAD_SHA").as_deref() == Some("true");
    Sources {
        subject,
        about: about(lookup, payload.repository.as_ref()),
        base_branch: base.or_else(|| lookup("GITHUB_BASE_REF")).or(pushed_with),
        event,
        commit: head.filter(|_| names_head).and_then(commit),
        started_on: lookup("GITHUB_SHA").as_deref().and_then(commit),
        ..blank
    }
}

/// What the payload says about the repository; some events have none, and then the variables know its name and page.
fn about(lookup: Lookup<'_>, repository: Option<&Repository>) -> About {
    let full_name = lookup("GITHUB_REPOSITORY");
    let name = full_name.as_deref().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
    let url =
        lookup("GITHUB_SERVER_URL").zip(full_name.clone()).map(|(server, name)| format!("{server}/{name}"));
    About {
        title: repository.and_then(|repository| repository.name.clone()).or(name),
        description: repository.and_then(|repository| repository.description.clone()),
        url: repository.and_then(|repository| repository.html_url.clone()).or(url),
        licence: repository.and_then(|repository| repository.license.as_ref()?.spdx_id.clone()),
    }
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    rest.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
}

fn trigger(lookup: Lookup<'_>, payload: &Payload) -> Trigger {
    let is_tag = lookup("GITHUB_REF_TYPE").as_deref() == Some("tag")
        || lookup("GITHUB_REF").is_some_and(|name| name.starts_with("refs/tags/"));
    let named = lookup("GITHUB_EVENT_NAME");
    match named.as_deref() {
        Some("release") => Trigger::Release,
        Some("push") if is_tag => Trigger::Tag,
        Some("push") => Trigger::Push(Push {
            before: payload.before.as_deref().and_then(commit),
            forced: payload.forced.unwrap_or(false),
        }),
        Some("merge_group") => merge_queue(payload),
        Some("schedule") => Trigger::Schedule,
        Some(name) if name.starts_with("pull_request") => {
            Trigger::PullRequest(pull_request(lookup, name, payload))
        }
        Some("workflow_run") => following(lookup, payload),
        // `create`, `delete`, `deployment`, `issue_comment` and many more.
        Some(_) => Trigger::Manual,
        None if lookup("GITHUB_BASE_REF").is_some() => {
            Trigger::PullRequest(pull_request(lookup, "pull_request", payload))
        }
        None => Trigger::Unknown,
    }
}

fn merge_queue(payload: &Payload) -> Trigger {
    let group = payload.merge_group.as_ref();
    let target = group.and_then(|group| group.base_ref.as_deref());
    Trigger::MergeQueue {
        base: group.and_then(|group| group.base_sha.as_deref()).and_then(commit),
        target: target.map(|name| name.trim_start_matches("refs/heads/").to_owned()),
    }
}

/// A run that follows a pull request's has rights which that did not have; with the head checked out, it is the usual
/// way to hand them to a fork.
fn following(lookup: Lookup<'_>, payload: &Payload) -> Trigger {
    let run = payload.workflow_run.as_ref();
    let event = run.and_then(|run| run.event.as_deref()).unwrap_or_default();
    let Some(run) = run.filter(|_| event.starts_with("pull_request")) else { return Trigger::Manual };
    Trigger::PullRequest(PullRequest {
        head: run.head_sha.as_deref().and_then(commit),
        target_tip: lookup("GITHUB_SHA").as_deref().and_then(commit),
        source: source(payload, run.head_repository.as_ref()),
        ..PullRequest::default()
    })
}

fn pull_request(lookup: Lookup<'_>, event: &str, payload: &Payload) -> PullRequest {
    let request = payload.pull_request.as_ref();
    let side = |side: Option<&Side>| side.and_then(|side| side.sha.as_deref()).and_then(commit);
    let head = request.and_then(|request| request.head.as_ref());
    let base = request.and_then(|request| request.base.as_ref());
    let started_on = lookup("GITHUB_SHA").as_deref().and_then(commit);
    // `pull_request_target` and its kind run on the target branch, with its rights and secrets.
    let (merge, target_tip) = match event {
        "pull_request" => (started_on.filter(|commit| Some(commit) != side(head).as_ref()), None),
        _ => (None, started_on),
    };
    PullRequest {
        merge,
        head: side(head),
        fork_point: None,
        target_commit: side(base),
        target_tip,
        target: lookup("GITHUB_BASE_REF"),
        source: head.map_or(Source::Unknown, |head| source(payload, head.repo.as_ref())),
    }
}

fn source(payload: &Payload, of_head: Option<&Repository>) -> Source {
    let own = payload.repository.as_ref().and_then(|repository| repository.id);
    match (own, of_head) {
        (Some(own), Some(repository)) if repository.id == Some(own) => Source::Own,
        // A fork that is gone was a fork.
        (Some(_), _) => Source::Fork,
        (None, _) => Source::Unknown,
    }
}

#[cfg(test)]
mod tests;
