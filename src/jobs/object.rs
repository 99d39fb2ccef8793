//! A Job in the cluster: made, and taken away again whatever happens.

use super::spec::Work;
use super::{JobError, Site};
use crate::cluster::Cluster;
use crate::event::{Events, Progress, Stage};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, DeleteParams, PostParams};

/// A Job that hephy has made and must delete.
pub(super) struct Object {
    pub(super) cluster: Cluster,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The leg, as messages name it.
    pub(super) subject: String,
    /// Where the daemon in its pod listens.
    pub(super) address: &'static str,
}

impl Object {
    /// Makes the Job of `work`, with a name that ends with `suffix`.
    pub(super) async fn create(
        events: &Events,
        site: &Site<'_>,
        work: &Work<'_>,
        suffix: &str,
    ) -> Result<Self, JobError> {
        let cluster = site.cluster.clone();
        let namespace = cluster.namespace().to_owned();
        let subject = format!("{} ({})", work.component, work.platform);
        let object = Self { name: work.name(suffix), cluster, namespace, subject, address: work.address() };
        let job: Job = serde_json::from_value(work.job(&object.name, &object.namespace))
            .expect("the Job has the form of one: a test reads it");
        let what = format!("create Job `{}` in namespace `{}`", object.name, object.namespace);
        let (jobs, parameters) = (object.jobs(), PostParams::default());
        if let Err(error) = object.cluster.ask(&what, jobs.create(&parameters, &job)).await {
            // Who did not answer may have made it all the same.
            if error.is_transient() {
                object.delete(events).await;
            }
            return Err(error.into());
        }
        let text = format!("by {} in the cluster: Job `{}`", work.engine.as_str(), object.name);
        events.step(Stage::Build, object.subject.as_str(), Progress::Doing, text);
        Ok(object)
    }

    /// Deletes it with its pod. What cannot be deleted ends with its deadline.
    pub(super) async fn delete(&self, events: &Events) {
        let what = format!("delete Job `{}`", self.name);
        let (jobs, parameters) = (self.jobs(), DeleteParams::background());
        match self.cluster.ask(&what, jobs.delete(&self.name, &parameters)).await {
            Ok(_) => {}
            Err(error) if error.status() == Some(404) => {}
            Err(error) => events.warn(format!("{error}; it ends by itself with its deadline")),
        }
    }

    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }
}
