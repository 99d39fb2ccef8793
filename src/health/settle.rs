//! Settles: judges at every change and at every deadline, tells what changed, and ends with an outcome.

use super::confirm::{Contradiction, contradiction};
use super::seen::Seen;
use super::verdict::{Judgement, Suspect, SuspectState, Verdict, judge};
use super::{Expected, HealthError, LogTail, Outcome, Report, Watches, evidence};
use crate::cluster::Cluster;
use crate::event::{Events, Progress, Stage};
use crate::logs::{self, Container, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How patient the wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    /// How long a Deployment without a readiness probe must have looked ready.
    pub(crate) settle: Duration,
}

/// When to look again after the cluster contradicted the watch.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// Waits until everything in `expected` is healthy at the same time, one of it has failed, or time is up.
pub(crate) async fn settle(
    events: &Events,
    mut watches: Watches,
    expected: &[Expected],
    settings: Settings,
) -> Result<Outcome, HealthError> {
    let start = Instant::now();
    let mut workloads: Vec<Workload<'_>> = expected.iter().map(Workload::new).collect();
    let mut logs = Logs::new(watches.cluster.clone());
    loop {
        let now = start.elapsed();
        for workload in &mut workloads {
            workload.judge(&watches, settings.settle, now);
            workload.tell(events);
            logs.fetch_crashes(workload.expected, &workload.judgement);
        }
        if end(&workloads, false) == Some(End::Healthy) {
            for workload in &mut workloads {
                workload.confirm(&watches, now).await;
            }
        }
        if let Some(end) = end(&workloads, now >= settings.timeout) {
            return Ok(end.outcome(&workloads, &watches, &mut logs).await);
        }
        let deadlines = workloads.iter().filter_map(|workload| workload.judgement.deadline);
        let next = deadlines.chain([settings.timeout]).min().unwrap_or(settings.timeout);
        tokio::select! {
            changed = watches.changed(events) => changed?,
            () = logs.finish_one(), if !logs.running.is_empty() => {}
            () = tokio::time::sleep_until(start + next) => {}
        }
    }
}

/// A Deployment to wait for and what is thought of it at the moment.
struct Workload<'a> {
    expected: &'a Expected,
    judgement: Judgement,
    told: Option<(Progress, String)>,
}

impl<'a> Workload<'a> {
    fn new(expected: &'a Expected) -> Self {
        let judgement = Judgement {
            verdict: Verdict::Waiting { why: String::new() },
            seen: Seen::default(),
            deadline: None,
            suspects: Vec::new(),
            members: BTreeSet::new(),
        };
        Self { expected, judgement, told: None }
    }

    fn judge(&mut self, watches: &Watches, settle: Duration, now: Duration) {
        if let Some(snapshot) = watches.snapshot(&self.expected.namespace) {
            self.judgement = judge(self.expected, snapshot, &self.judgement.seen, settle, now);
        }
        let is_ready = matches!(self.judgement.verdict, Verdict::Ready { .. } | Verdict::Idle);
        if is_ready && !watches.is_current(&self.expected.namespace) {
            let why = "it looked ready when the connection to the cluster broke".to_owned();
            self.judgement.verdict = Verdict::Waiting { why };
        }
    }

    /// Takes "ready" back if the cluster itself says something else, and looks again soon.
    async fn confirm(&mut self, watches: &Watches, now: Duration) {
        let snapshot = watches.snapshot(&self.expected.namespace);
        match contradiction(&watches.cluster, self.expected, snapshot).await {
            None => {}
            Some(Contradiction::Unclear(why)) => {
                self.judgement.verdict = Verdict::Waiting { why };
                self.judgement.deadline = Some(now + SECOND_LOOK);
            }
            Some(Contradiction::Superseded(by)) => self.judgement.verdict = Verdict::Superseded { by },
        }
    }

    /// Says how it stands, if that is news.
    fn tell(&mut self, events: &Events) {
        let news = (progress(&self.judgement.verdict), sentence(&self.judgement.verdict));
        if self.told.as_ref() != Some(&news) {
            events.step(Stage::Wait, &self.expected.object, news.0, &news.1);
            self.told = Some(news);
        }
    }
}

fn progress(verdict: &Verdict) -> Progress {
    match verdict {
        Verdict::Ready { .. } | Verdict::Idle => Progress::Done,
        Verdict::Waiting { .. } | Verdict::Paused => Progress::Waiting,
        Verdict::Failed { .. } | Verdict::Superseded { .. } => Progress::Failed,
    }
}

fn sentence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ready { text } => text.clone(),
        Verdict::Idle => "scaled to 0, so nothing runs".to_owned(),
        Verdict::Waiting { why } => why.clone(),
        Verdict::Failed { cause } => cause.clone(),
        Verdict::Paused => "it is paused and waits for a person".to_owned(),
        Verdict::Superseded { by } => format!("something else took its place: {by}"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Healthy,
    Failed,
    Superseded,
    AwaitingPromotion,
    TimedOut,
}

/// Whether the wait is over. A failure ends it at once; a pause does when nothing else is still on its way.
fn end(workloads: &[Workload<'_>], is_late: bool) -> Option<End> {
    let has = |is: fn(&Verdict) -> bool| workloads.iter().any(|workload| is(&workload.judgement.verdict));
    if has(|verdict| matches!(verdict, Verdict::Failed { .. })) {
        return Some(End::Failed);
    }
    if has(|verdict| matches!(verdict, Verdict::Superseded { .. })) {
        return Some(End::Superseded);
    }
    if has(|verdict| matches!(verdict, Verdict::Waiting { .. })) {
        return is_late.then_some(End::TimedOut);
    }
    let is_paused = has(|verdict| matches!(verdict, Verdict::Paused));
    Some(if is_paused { End::AwaitingPromotion } else { End::Healthy })
}

impl End {
    /// Collects what is known about the workloads that ended like this.
    async fn outcome(self, workloads: &[Workload<'_>], watches: &Watches, logs: &mut Logs) -> Outcome {
        let concerned: Vec<&Workload<'_>> =
            workloads.iter().filter(|workload| self.concerns(&workload.judgement.verdict)).collect();
        if self == Self::TimedOut {
            concerned.iter().for_each(|workload| logs.fetch_unready(workload.expected, &workload.judgement));
        }
        logs.finish().await;
        let report = |workload: &&Workload<'_>| {
            let snapshot = watches.snapshot(&workload.expected.namespace);
            let members = &workload.judgement.members;
            Report {
                object: workload.expected.object.clone(),
                sentence: sentence(&workload.judgement.verdict),
                evidence: snapshot.map(|snapshot| evidence::warnings(snapshot, members)).unwrap_or_default(),
                logs: logs.tails(&workload.expected.object),
            }
        };
        let reports = concerned.iter().map(report).collect();
        match self {
            Self::Healthy => Outcome::Healthy { idle: idle(workloads) },
            Self::Failed => Outcome::Failed(reports),
            Self::Superseded => Outcome::Superseded(reports),
            Self::AwaitingPromotion => Outcome::AwaitingPromotion(reports),
            Self::TimedOut => Outcome::TimedOut(reports),
        }
    }

    fn concerns(self, verdict: &Verdict) -> bool {
        match self {
            Self::Healthy => false,
            Self::Failed => matches!(verdict, Verdict::Failed { .. }),
            Self::Superseded => matches!(verdict, Verdict::Superseded { .. }),
            Self::AwaitingPromotion => matches!(verdict, Verdict::Paused),
            Self::TimedOut => matches!(verdict, Verdict::Waiting { .. }),
        }
    }
}

/// The workloads that want 0 replicas.
fn idle(workloads: &[Workload<'_>]) -> Vec<String> {
    let is_idle = |workload: &&Workload<'_>| workload.judgement.verdict == Verdict::Idle;
    workloads.iter().filter(is_idle).map(|workload| workload.expected.object.clone()).collect()
}

/// How many containers of a workload have their last lines kept: they mostly say the same.
const TAILS: usize = 3;
/// The verdict must not wait for logs for longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The logs that were fetched, and those that are on their way. A crash is read when it is seen, because the kubelet
/// removes the container soon after.
struct Logs {
    cluster: Cluster,
    running: JoinSet<(Key, Option<Vec<String>>)>,
    asked: BTreeSet<(String, Suspect)>,
    found: BTreeMap<Key, Vec<String>>,
}

/// Workload, pod, container.
type Key = (String, String, String);

impl Logs {
    fn new(cluster: Cluster) -> Self {
        Self { cluster, running: JoinSet::new(), asked: BTreeSet::new(), found: BTreeMap::new() }
    }

    fn fetch_crashes(&mut self, expected: &Expected, judgement: &Judgement) {
        let crashed = judgement.suspects.iter().filter(|suspect| suspect.state != SuspectState::Unready);
        crashed.for_each(|suspect| self.fetch(expected, suspect));
    }

    fn fetch_unready(&mut self, expected: &Expected, judgement: &Judgement) {
        judgement.suspects.iter().for_each(|suspect| self.fetch(expected, suspect));
    }

    fn fetch(&mut self, expected: &Expected, suspect: &Suspect) {
        let key: Key = (expected.object.clone(), suspect.pod.clone(), suspect.container.clone());
        let containers: BTreeSet<_> = self
            .asked
            .iter()
            .filter(|(object, _)| *object == expected.object)
            .map(|(_, asked)| (&asked.pod, &asked.container))
            .collect();
        let is_new = !containers.contains(&(&suspect.pod, &suspect.container));
        if is_new && containers.len() >= TAILS || !self.asked.insert((key.0.clone(), suspect.clone())) {
            return;
        }
        let container = Container {
            namespace: expected.namespace.clone(),
            pod: suspect.pod.clone(),
            container: suspect.container.clone(),
        };
        let (cluster, state) = (self.cluster.clone(), suspect.state);
        self.running.spawn(async move { (key, read(&cluster, &container, state).await) });
    }

    async fn finish_one(&mut self) {
        if let Some(Ok((key, Some(lines)))) = self.running.join_next().await {
            self.found.insert(key, lines);
        }
    }

    async fn finish(&mut self) {
        let all = async {
            while !self.running.is_empty() {
                self.finish_one().await;
            }
        };
        // Late logs are worth less than a verdict in time.
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }

    fn tails(&self, object: &str) -> Vec<LogTail> {
        let of_object = self.found.iter().filter(|((workload, ..), _)| workload == object);
        of_object
            .map(|((_, pod, container), lines)| LogTail {
                subject: format!("pod/{pod} container {container}"),
                lines: lines.clone(),
            })
            .collect()
    }
}

/// Reads the run that ended; should it be gone or empty, the other one. A failure to read logs is no reason to fail.
async fn read(cluster: &Cluster, container: &Container, state: SuspectState) -> Option<Vec<String>> {
    let runs = match state {
        SuspectState::Ended => [Run::Current, Run::Previous].as_slice(),
        SuspectState::BacksOff => &[Run::Previous, Run::Current],
        SuspectState::Unready => &[Run::Current],
    };
    for run in runs {
        match logs::tail(cluster, container, *run, logs::LINES).await {
            Ok(Some(lines)) if !lines.is_empty() => return Some(lines),
            _ => {}
        }
    }
    None
}
