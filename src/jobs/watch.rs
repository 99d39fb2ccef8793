//! Watches on a Job, its pod and the warnings about both, until the pod stands where it is waited for.

use super::JobError;
use super::object::Object;
use super::stand::{Known, Stand, Warning, stand};
use crate::event::{Events, Progress, Stage};
use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::Api;
use kube::runtime::watcher::Event::{Apply, Delete, InitApply};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a pod may take to run: a node may have to be started, and an image to be pulled.
const START: Duration = Duration::from_secs(300);
/// How long it may wait for the same before that is said.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the cluster may take to say why it took a pod away.
const SECOND_WORD: Duration = Duration::from_secs(2);

/// Open watches on one Job.
pub(super) struct Watch<'a> {
    object: &'a Object,
    changes: BoxStream<'static, Result<Change, watcher::Error>>,
    known: Known,
    told: String,
}

enum Change {
    Job(Box<Job>),
    Pod(Box<Pod>),
    Gone(Box<Pod>),
    Event(Box<Event>),
    /// The beginning or the end of a list, and what is gone without that being of interest.
    Nothing,
}

impl<'a> Watch<'a> {
    /// Opens the watches.
    pub(super) fn open(object: &'a Object) -> Self {
        let job = watcher::Config::default().fields(&format!("metadata.name={}", object.name));
        let pod = watcher::Config::default().labels(&format!("batch.kubernetes.io/job-name={}", object.name));
        let warnings = watcher::Config::default().fields("type=Warning");
        let changes = stream::select_all([
            follow(object, job, of_job),
            follow(object, pod, of_pod),
            follow(object, warnings, of_event),
        ]);
        Self { object, changes: changes.boxed(), known: Known::default(), told: String::new() }
    }

    /// Waits until the pod runs, or has run already, and says meanwhile what it waits for. `limit` is that of the Job.
    pub(super) async fn until_started(
        &mut self,
        events: &Events,
        limit: Duration,
    ) -> Result<Stand, JobError> {
        let limit = limit.min(START);
        let end = Instant::now() + limit;
        let mut reason = None;
        loop {
            let why = match stand(&self.known) {
                Stand::Waiting { why } => why,
                other => match (self.settled(other).await?, reason) {
                    // It was waiting all the time.
                    (Stand::TooLong, Some(why)) => return Err(self.not_started(limit, why)),
                    (settled, _) => return Ok(settled),
                },
            };
            // What passes at once is not worth a line.
            match timeout_at(end.min(Instant::now() + PATIENCE), self.changed()).await {
                Ok(changed) => changed?,
                Err(_) if Instant::now() < end => self.tell(events, &why),
                Err(_) => return Err(self.not_started(limit, why)),
            }
            reason = Some(why);
        }
    }

    fn not_started(&self, limit: Duration, why: String) -> JobError {
        JobError::NotStarted { job: self.object.name.clone(), seconds: limit.as_secs(), why }
    }

    /// The controller of a Job takes the pod away before it says that the deadline has passed.
    async fn settled(&mut self, found: Stand) -> Result<Stand, JobError> {
        if !matches!(found, Stand::Lost { .. }) {
            return Ok(found);
        }
        let end = Instant::now() + SECOND_WORD;
        while let Ok(changed) = timeout_at(end, self.changed()).await {
            changed?;
            if stand(&self.known) == Stand::TooLong {
                return Ok(Stand::TooLong);
            }
        }
        Ok(found)
    }

    /// Waits for the end of the pod, but no longer than `limit`: then it still runs.
    pub(super) async fn until_ended(&mut self, limit: Duration) -> Result<Stand, JobError> {
        let end = Instant::now() + limit;
        loop {
            let stand = stand(&self.known);
            if !matches!(stand, Stand::Waiting { .. } | Stand::Running { .. }) {
                return self.settled(stand).await;
            }
            match timeout_at(end, self.changed()).await {
                Ok(changed) => changed?,
                Err(_) => return Ok(stand),
            }
        }
    }

    fn tell(&mut self, events: &Events, why: &str) {
        if self.told != why {
            why.clone_into(&mut self.told);
            let text = format!("Job `{}`: {why}", self.object.name);
            events.step(Stage::Build, self.object.subject.as_str(), Progress::Waiting, text);
        }
    }

    /// Takes in the next change. A broken connection is opened again; what may not be watched is an error, but warnings.
    async fn changed(&mut self) -> Result<(), JobError> {
        match self.changes.next().await {
            Some(Ok(change)) => self.absorb(change),
            Some(Err(error)) => self.denied(error)?,
            None => futures::future::pending().await,
        }
        Ok(())
    }

    fn absorb(&mut self, change: Change) {
        match change {
            Change::Job(job) => self.known.job = Some(*job),
            Change::Pod(pod) => self.known.pod = Some(*pod),
            Change::Gone(pod) => {
                self.known.is_pod_gone = true;
                self.known.pod = Some(*pod);
            }
            Change::Event(event) => self.warned(*event),
            Change::Nothing => {}
        }
    }

    fn warned(&mut self, event: Event) {
        let about = event.involved_object.name.unwrap_or_default();
        let is_ours = about
            .strip_prefix(&self.object.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        if is_ours {
            let (reason, message) = (event.reason.unwrap_or_default(), event.message.unwrap_or_default());
            self.known.warn(Warning { reason, message });
        }
    }

    fn denied(&self, error: watcher::Error) -> Result<(), JobError> {
        let error = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error,
            watcher::Error::WatchError(status) => kube::Error::Api(status),
            watcher::Error::NoResourceVersion => return Ok(()),
        };
        let what = format!("watch Job `{}` and its pod", self.object.name);
        let problem = self.object.cluster.explain(&what, error);
        let is_denial = matches!(problem.status(), Some(401 | 403));
        // Without events there is still the status of the pod.
        if is_denial && !problem.to_string().contains("events is forbidden") {
            Err(problem.into())
        } else {
            Ok(())
        }
    }
}

fn of_job(event: watcher::Event<Job>) -> Change {
    match event {
        Apply(job) | InitApply(job) => Change::Job(Box::new(job)),
        _ => Change::Nothing,
    }
}

fn of_pod(event: watcher::Event<Pod>) -> Change {
    match event {
        Apply(pod) | InitApply(pod) => Change::Pod(Box::new(pod)),
        Delete(pod) => Change::Gone(Box::new(pod)),
        _ => Change::Nothing,
    }
}

fn of_event(event: watcher::Event<Event>) -> Change {
    match event {
        Apply(event) | InitApply(event) => Change::Event(Box::new(event)),
        _ => Change::Nothing,
    }
}

fn follow<K>(
    object: &Object,
    config: watcher::Config,
    wrap: fn(watcher::Event<K>) -> Change,
) -> BoxStream<'static, Result<Change, watcher::Error>>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    let api: Api<K> = Api::namespaced(object.cluster.client(), &object.namespace);
    watcher(api, config).default_backoff().map(move |event| event.map(wrap)).boxed()
}
