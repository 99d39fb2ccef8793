//! BuildKit in a pod: the files go there as a tar, its own client builds there, and the image comes back as a tar.

use super::ending::{failed, last_lines, trouble, unless_ended};
use super::object::Object;
use super::remote::{End, Remote};
use super::spec::PLACE;
use super::stand::Stand;
use super::watch::Watch;
use super::{JobError, Site};
use crate::backends::{Apart, BuildError};
use crate::event::Events;
use crate::exec::ExecError;
use crate::layout::Descriptor;
use std::time::Duration;

/// How long the cluster may take to say what has become of a pod whose connection broke.
const LAST_WORD: Duration = Duration::from_secs(15);
/// Enough for what the cluster has already said.
const MOMENT: Duration = Duration::from_millis(300);
/// A program that ends with more was ended by a signal.
const KILLED: i32 = 128;

/// Builds in the pod of `object` and takes the image into the layout.
pub(super) async fn build(
    events: &Events,
    site: &Site<'_>,
    object: &Object,
    apart: &Apart<'_>,
) -> Result<Descriptor, JobError> {
    let mut watch = Watch::open(object);
    let pod = match watch.until_started(events, site.builder.timeout).await? {
        Stand::Running { pod } => pod,
        other => return Err(ended_early(object, site, other).await),
    };
    let remote = Remote { object, pod: &pod };
    let limit = site.builder.timeout + LAST_WORD;
    let worked = work(events, object, &remote, apart);
    let worked = unless_ended(&pod, worked, watch.until_ended(limit)).await;
    let Err(error) = worked else { return worked };
    match watch.until_ended(doubt(&error)).await? {
        Stand::Waiting { .. } | Stand::Running { .. } => Err(error),
        other => Err(ended_early(object, site, other).await),
    }
}

/// How long the cluster is asked whether it has ended the pod, which would explain the error.
fn doubt(error: &JobError) -> Duration {
    match error {
        JobError::Connection { .. } | JobError::Cluster(_) => LAST_WORD,
        JobError::NoProgram { .. } => MOMENT,
        JobError::Build(BuildError::Exec(ExecError::Failed { status, last_lines, .. })) => {
            let is_killed = status.code().is_some_and(|code| code > KILLED);
            // What gRPC says when the daemon goes away: it may be that which was killed.
            let is_alone = last_lines.iter().any(|line| line.contains("code = Unavailable"));
            if is_killed || is_alone { LAST_WORD } else { MOMENT }
        }
        _ => Duration::ZERO,
    }
}

async fn work(
    events: &Events,
    object: &Object,
    remote: &Remote<'_>,
    apart: &Apart<'_>,
) -> Result<Descriptor, JobError> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let unpack = words(&["tar", "-x", "-f", "-", "-C", PLACE]);
    done(remote, "tar", remote.run(events, &unpack, Some(apart.archive()?), None).await?)?;
    let metadata = format!("{PLACE}/metadata.json");
    let mut command = words(&["buildctl", "--addr", object.address]);
    command.extend(apart.buildctl(PLACE, &metadata));
    let image = apart.scratch()?;
    done(remote, "buildctl", remote.run(events, &command, None, Some(&image)).await?)?;
    let said = apart.scratch()?;
    let show = words(&["cat", &metadata]);
    done(remote, "cat", remote.run(events, &show, None, Some(&said)).await?)?;
    Ok(apart.take(image, said)?)
}

/// Refuses what did not end well. A program that failed speaks for itself, as it would on this machine.
fn done(remote: &Remote<'_>, program: &str, end: End) -> Result<(), JobError> {
    let pod = remote.pod.to_owned();
    match (end.code, end.problem) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(failed(program, code, end.last_lines)),
        (None, Some(problem)) => Err(JobError::NoProgram { program: program.to_owned(), pod, problem }),
        (None, None) => {
            let problem = format!("the connection ended while `{program}` ran");
            Err(JobError::Connection { pod, problem })
        }
    }
}

/// Why a pod that ought to run does not.
async fn ended_early(object: &Object, site: &Site<'_>, stand: Stand) -> JobError {
    match stand {
        Stand::Ended { pod, code, .. } => {
            let last_lines = last_lines(object, &pod).await;
            JobError::NoDaemon { job: object.name.clone(), code, last_lines }
        }
        other => trouble(object, site, other),
    }
}
