//! Logs: the last lines of a container, bounded in number and size.

use crate::cluster::{Cluster, ClusterError};
use futures::io::{AsyncRead, AsyncReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};

/// The container to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Container {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
}

/// Which run of the container to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Run {
    Current,
    /// The run before the last restart.
    Previous,
}

/// How many lines tell a crash.
pub(crate) const LINES: usize = 20;
/// A container may write lines without end: no more than this is read, and no more of one line is kept.
const READ_LIMIT: u64 = 1024 * 1024;
const LINE_LIMIT: usize = 2000;

/// The last `lines` lines of a container, or `None` when the cluster no longer has them. The lines are foreign text.
pub(crate) async fn tail(
    cluster: &Cluster,
    container: &Container,
    run: Run,
    lines: usize,
) -> Result<Option<Vec<String>>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &container.namespace);
    let parameters = LogParams {
        container: Some(container.container.clone()),
        previous: run == Run::Previous,
        tail_lines: i64::try_from(lines).ok(),
        ..LogParams::default()
    };
    let what = format!("read the logs of pod `{}`", container.pod);
    let request = async {
        let stream = pods.log_stream(&container.pod, &parameters).await?;
        read_bounded(stream).await.map_err(kube::Error::ReadEvents)
    };
    match cluster.ask(&what, request).await {
        Ok(bytes) => Ok(last_lines(&bytes, lines)),
        // 400: no such run, or a container that has not started. 404: the pod is gone.
        Err(error) if matches!(error.status(), Some(400 | 404)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn read_bounded(stream: impl AsyncRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::pin::pin!(stream.take(READ_LIMIT)).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// The kubelet answers 200 with its own complaint in the body when the container is already removed: that is no line
/// of the container.
fn last_lines(bytes: &[u8], lines: usize) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with("unable to retrieve container logs for ") {
        return None;
    }
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    Some(last.iter().map(|line| shorten(line)).collect())
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(LINE_LIMIT) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}...", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        assert_eq!(last_lines(b"one\ntwo\nthree\n", 2), Some(vec!["two".to_owned(), "three".to_owned()]));
        assert_eq!(last_lines(b"", 2), Some(vec![]));
        assert_eq!(last_lines(b"caf\xc3\xa9 \xff", 2), Some(vec!["café \u{fffd}".to_owned()]));
    }

    #[test]
    fn the_kubelets_complaint_is_no_log() {
        assert_eq!(last_lines(b"unable to retrieve container logs for containerd://0123", 20), None);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = "é".repeat(LINE_LIMIT + 1);
        let cut = last_lines(line.as_bytes(), 1).expect("a line");
        assert_eq!(cut[0].chars().count(), LINE_LIMIT + 3);
    }
}
