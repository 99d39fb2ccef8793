//! Jobs: builds that a cluster does. A Job of one pod for each leg; the files go there and the image comes back through
//! the API server, and nothing of it stays.

mod buildkit;
mod ending;
mod kaniko;
mod object;
mod remote;
mod spec;
mod stand;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use spec::{Engine, Work, yaml};

use crate::backends::{self, Apart, BuildError, Built, Order};
use crate::cluster::{Cluster, ClusterError};
use crate::config::Builder;
use crate::event::Events;
use crate::exec::ExecError;
use crate::image::{Repository, Tag};
use crate::registry::{DownloadError, Registry, RegistryError};
use object::Object;
use tokio_util::sync::CancellationToken;

/// Where a cluster builds, and how.
pub(crate) struct Site<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) builder: &'a Builder,
    /// The run of the CI system that these Jobs belong to, as a label may hold it.
    pub(crate) run: &'a str,
}

/// Where kaniko pushes the image, because it can hand it over in no other way.
pub(crate) struct Handover<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) repository: &'a Repository,
    /// Hosts that are spoken to without TLS.
    pub(crate) insecure: &'a [String],
}

/// Why a cluster did not build a leg.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error("name the Job")]
    Name { source: getrandom::Error },
    #[error("start the pod of Job `{job}`: {why}")]
    Refused { job: String, why: String },
    #[error("start the pod of Job `{job}`: it did not run after {seconds} s: {why}")]
    NotStarted { job: String, seconds: u64, why: String },
    #[error("run the pod of Job `{job}`: {why}")]
    Lost { job: String, why: String },
    #[error("run the pod of Job `{job}`: it was not done after {seconds} s")]
    TooLong { job: String, seconds: u64 },
    #[error("run the pod of Job `{job}`: {why}")]
    OutOfMemory { job: String, why: String },
    #[error("start BuildKit in the pod of Job `{job}`: it ended with code {code}")]
    NoDaemon { job: String, code: i32, last_lines: Vec<String> },
    #[error("start `{program}` in pod `{pod}`: {problem}")]
    NoProgram { program: String, pod: String, problem: String },
    #[error("send the files to the pod `{pod}`, or receive the image: {problem}")]
    Connection { pod: String, problem: String },
    #[error("take the image of kaniko: it did not say a digest, but `{said}`")]
    NoDigest { said: String },
    #[error("take the image of kaniko: `{repository}` does not have {digest}, which it says that it pushed")]
    NotPushed { repository: Repository, digest: String },
    #[error("write what the pod sends")]
    Write { source: std::io::Error },
}

/// Builds `order` with `engine` in the cluster, into the layout at `order.out`. Whatever happens, the Job goes away,
/// and so does the tag that kaniko pushes.
pub(crate) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    site: &Site<'_>,
    engine: Engine,
    order: &Order<'_>,
    handover: Option<&Handover<'_>>,
) -> Result<Built, JobError> {
    let apart = Apart::stage(order)?;
    let suffix = suffix()?;
    let tag = temporary(&suffix);
    let destination = handover.map(|handover| (handover, &tag));
    let work = work(site.builder, site.run, engine, order, destination);
    let object = Object::create(events, site, &work, &suffix).await?;
    let building = async {
        match (engine, destination) {
            (Engine::Kaniko, Some((handover, _))) => {
                kaniko::build(events, site, &object, &apart, handover).await
            }
            _ => buildkit::build(events, site, &object, &apart).await,
        }
    };
    let result = cancel.run_until_cancelled(building).await;
    object.delete(events).await;
    if let (Engine::Kaniko, Some((handover, tag))) = (engine, destination) {
        kaniko::forget(events, handover, tag).await;
    }
    let manifest = result.unwrap_or_else(|| Err(cancelled()))?;
    Ok(Built { manifest, reads: vec![] })
}

/// What the Job of `order` would be made of; only the end of its names is not known yet.
pub(crate) fn foreseen<'a>(
    builder: &'a Builder,
    run: &'a str,
    engine: Engine,
    order: &Order<'a>,
    handover: &Handover<'_>,
) -> Work<'a> {
    work(builder, run, engine, order, Some((handover, &temporary(spec::FORESEEN))))
}

fn work<'a>(
    builder: &'a Builder,
    run: &'a str,
    engine: Engine,
    order: &Order<'a>,
    destination: Option<(&Handover<'_>, &Tag)>,
) -> Work<'a> {
    let arguments = match (engine, destination) {
        (Engine::Kaniko, Some((handover, tag))) => {
            [backends::kaniko_arguments(order), kaniko::push_arguments(handover, tag)].concat()
        }
        _ => vec![],
    };
    Work {
        builder,
        engine,
        component: &order.component.name,
        platform: order.platform,
        key: order.key,
        run,
        arguments,
    }
}

/// The tag under which kaniko pushes what nobody else shall find.
fn temporary(suffix: &str) -> Tag {
    format!("hephy-tmp-{suffix}").parse().expect("letters, digits and dashes are a tag")
}

/// Ten digits that no other Job has.
fn suffix() -> Result<String, JobError> {
    let mut bytes = [0; 5];
    getrandom::fill(&mut bytes).map_err(|source| JobError::Name { source })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn cancelled() -> JobError {
    BuildError::Exec(ExecError::Cancelled { program: "the build in the cluster".to_owned() }).into()
}
