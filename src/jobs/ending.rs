//! How builds in a pod end: what the cluster says of its pod, and what the connection to it says, as one answer.

use super::object::Object;
use super::spec::CONTAINER;
use super::stand::Stand;
use super::{JobError, Site};
use crate::backends::BuildError;
use crate::exec::ExecError;
use crate::logs;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::timeout;

/// How long what a pod has said before its end may be on the way.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// What `work` with `pod` comes to. Connections can die without a word, so it is given up soon after `end`, which ends
/// with the pod, or when that ought to have ended.
pub(super) async fn unless_ended<T>(
    pod: &str,
    work: impl Future<Output = Result<T, JobError>>,
    end: impl Future<Output = Result<Stand, JobError>>,
) -> Result<T, JobError> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return done,
        stand = end => stand?,
    };
    let silent = || JobError::Connection {
        pod: pod.to_owned(),
        problem: "its time is over, and the connection does not say so".to_owned(),
    };
    timeout(ON_THE_WAY, work).await.unwrap_or_else(|_| Err(silent()))
}

/// A program that ended with `code`.
pub(super) fn failed(program: &str, code: i32, last_lines: Vec<String>) -> JobError {
    let status = ExitStatus::from_raw(code << 8);
    BuildError::Exec(ExecError::Failed { program: program.to_owned(), status, last_lines }).into()
}

/// What is wrong where the container has not ended by itself.
pub(super) fn trouble(object: &Object, site: &Site<'_>, stand: Stand) -> JobError {
    let job = object.name.clone();
    match stand {
        Stand::Refused { why } => JobError::Refused { job, why },
        Stand::Lost { why } | Stand::Waiting { why } => JobError::Lost { job, why },
        Stand::TooLong => JobError::TooLong { job, seconds: site.builder.timeout.as_secs() },
        Stand::OutOfMemory { why } => JobError::OutOfMemory { job, why },
        Stand::Running { pod } | Stand::Ended { pod, .. } => {
            JobError::Lost { job, why: format!("nobody knows what pod `{pod}` does") }
        }
    }
}

/// What its container said last; nothing where nobody can tell.
pub(super) async fn last_lines(object: &Object, pod: &str) -> Vec<String> {
    let container = logs::Container {
        namespace: object.namespace.clone(),
        pod: pod.to_owned(),
        container: CONTAINER.to_owned(),
    };
    let read = logs::tail(&object.cluster, &container, logs::Run::Current, logs::LINES).await;
    read.ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    async fn told(
        work: impl Future<Output = Result<u8, JobError>>,
        end: impl Future<Output = Result<Stand, JobError>>,
    ) -> String {
        match unless_ended("p", work, end).await {
            Ok(number) => number.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_connection_that_died_without_a_word_ends_with_the_pod() {
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(7)
        };
        let no_digest = || JobError::NoDigest { said: "x".to_owned() };
        // What is done is done, and what has ended may have its last word on the way.
        assert_eq!(told(ready(Ok(7)), pending()).await, "7");
        assert_eq!(told(late, ready(Ok(Stand::TooLong))).await, "7");
        // An error of either is an error,
        assert_eq!(told(ready(Err(no_digest())), pending()).await, no_digest().to_string());
        assert_eq!(told(pending(), ready(Err(no_digest()))).await, no_digest().to_string());
        // and silence is one too.
        let silent = told(pending(), ready(Ok(Stand::TooLong))).await;
        assert!(silent.contains("pod `p`") && silent.contains("the connection does not say so"), "{silent}");
    }
}
