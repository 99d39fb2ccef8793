//! The rollout: the steps of a verdict that ask how far the new revision has come. Pure.

use super::doom;
use super::objects;
use super::seen::Settling;
use super::verdict::{Case, Step, Verdict, waiting};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;

impl<'a> Case<'a> {
    /// The ReplicaSet of the Deployment's present template, found as its controller finds it. The revision alone is
    /// not enough: when replicas and template change together, the controller first scales the old ReplicaSet and
    /// calls the change observed.
    pub(super) fn new_replica_set(&mut self, deployment: &Deployment) -> Option<&'a ReplicaSet> {
        let revision = objects::revision(&deployment.metadata)?;
        let is_new = |one: &&ReplicaSet| {
            objects::is_owned_by(&one.metadata, &self.expected.uid)
                && objects::revision(&one.metadata) == Some(revision)
                && objects::has_template_of(one, deployment)
        };
        let found = self.snapshot.replica_sets.as_ref()?.values().find(is_new)?;
        self.members.extend(found.metadata.uid.clone());
        Some(found)
    }

    /// Where ReplicaSets may not be seen, nobody can ask for one.
    pub(super) fn has_replica_set(&self, found: Option<&ReplicaSet>) -> Step<()> {
        match found {
            None if self.snapshot.replica_sets.is_some() => {
                Err(waiting("there is no ReplicaSet of the new revision yet"))
            }
            _ => Ok(()),
        }
    }

    /// The pods of the new revision that are to stay. Evicted and finished ones are replaced by the controller. `None`
    /// means that pods cannot be seen or not be told apart.
    pub(super) fn new_pods(&mut self, replica_set: Option<&ReplicaSet>) -> Option<Vec<&'a Pod>> {
        let pods = self.snapshot.pods.as_ref()?;
        self.snapshot.replica_sets.as_ref()?;
        let uid = replica_set.and_then(|one| one.metadata.uid.as_deref()).unwrap_or("none");
        let stays = |pod: &&Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            objects::is_owned_by(&pod.metadata, uid)
                && pod.metadata.deletion_timestamp.is_none()
                && !matches!(phase, Some("Failed" | "Succeeded"))
        };
        let found: Vec<&Pod> = pods.values().filter(stays).collect();
        self.members.extend(found.iter().filter_map(|pod| pod.metadata.uid.clone()));
        Some(found)
    }

    /// The Deployment controller has not given up.
    pub(super) fn within_deadline(&self, deployment: &Deployment, pods: Option<&[&Pod]>) -> Step<()> {
        let exceeded = objects::condition(deployment, "Progressing")
            .filter(|one| one.reason.as_deref() == Some("ProgressDeadlineExceeded"));
        let Some(condition) = exceeded else { return Ok(()) };
        let trouble = doom::trouble(pods).map(|text| format!("; {text}")).unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        Err(Verdict::Failed { cause: format!("the progress deadline is exceeded: {message}{trouble}") })
    }

    /// The counts and conditions of the status say that the rollout is complete.
    pub(super) fn rolled_out(&mut self, deployment: &Deployment, pods: Option<&[&Pod]>) -> Step<()> {
        let wanted = objects::wanted(deployment);
        let empty = DeploymentStatus::default();
        let status = deployment.status.as_ref().unwrap_or(&empty);
        let ready = status.ready_replicas.unwrap_or_default();
        let is_complete = [status.updated_replicas, status.replicas, status.available_replicas, Some(ready)]
            .iter()
            .all(|count| count.unwrap_or_default() == wanted);
        if !is_complete {
            return Err(waiting(&self.progress(wanted, status, pods)));
        }
        if objects::has_progress_deadline(deployment)
            && objects::condition(deployment, "Progressing").and_then(|one| one.reason.as_deref())
                != Some("NewReplicaSetAvailable")
        {
            return Err(waiting("the Deployment controller has not said that the rollout is complete"));
        }
        if objects::condition(deployment, "Available").is_none_or(|one| one.status != "True") {
            return Err(waiting("the Deployment is not available yet"));
        }
        Ok(())
    }

    /// How far the rollout is, and what holds it up.
    fn progress(&mut self, wanted: i32, status: &DeploymentStatus, pods: Option<&[&Pod]>) -> String {
        let updated = status.updated_replicas.unwrap_or_default();
        let old = status.replicas.unwrap_or_default() - updated;
        let Some(pods) = pods else {
            return format!("{updated} of {wanted} pods updated{}", left(old));
        };
        let ready = pods.iter().filter(|pod| objects::is_ready(pod)).count();
        let mut unready = pods.iter().filter(|pod| !objects::is_ready(pod)).copied();
        let text = format!("{ready} of {wanted} pods ready");
        match unready.next() {
            Some(pod) => format!("{text}: {}", self.why_unready(pod)),
            None => format!("{text}{}", left(old)),
        }
    }

    /// Enough pods of the new revision run the expected image. Without a view on pods the status and the digest in
    /// the template have to do; the watch has then warned.
    pub(super) fn proven(&self, deployment: &Deployment, pods: Option<&[&Pod]>) -> Step<()> {
        let Some(pods) = pods else { return Ok(()) };
        let ready: Vec<_> = pods.iter().filter(|pod| objects::is_ready(pod)).collect();
        let mut others = ready
            .iter()
            .filter_map(|pod| Some((pod, objects::other_digest(&self.expected.containers, pod)?)));
        if let Some((pod, (container, running))) = others.next() {
            let text = format!(
                "pod {} container {container} runs `{running}`, which is not ours",
                objects::name(pod)
            );
            return Err(waiting(&text));
        }
        let wanted = objects::wanted(deployment);
        if i32::try_from(ready.len()).unwrap_or(i32::MAX) < wanted {
            let text = format!("{} of {wanted} pods of the new revision are ready", ready.len());
            return Err(waiting(&text));
        }
        Ok(())
    }

    /// What only started a moment ago has stayed up, where nothing better than that is known.
    pub(super) fn settled(&mut self, deployment: &Deployment, pods: Option<&[&Pod]>) -> Step<Verdict> {
        let wanted = objects::wanted(deployment);
        if wanted == 0 {
            return Ok(Verdict::Idle);
        }
        let text = format!("{wanted} of {wanted} pods ready");
        if !objects::needs_settling(deployment, self.settle) {
            return Ok(Verdict::Ready { text });
        }
        let pods = pods.unwrap_or_default().iter().map(|pod| objects::restarts(pod)).collect();
        let since = match &self.settling_before {
            Some(before) if before.pods == pods => before.since,
            _ => self.now,
        };
        self.seen.settling = Some(Settling { pods, since });
        if self.now >= since + self.settle {
            return Ok(Verdict::Ready { text });
        }
        self.deadlines.push(since + self.settle);
        Err(waiting(&format!("{text}; there is no readiness probe, so it must stay up for a moment")))
    }
}

fn left(old: i32) -> String {
    match old {
        ..=0 => String::new(),
        1 => ", 1 old pod left".to_owned(),
        _ => format!(", {old} old pods left"),
    }
}
