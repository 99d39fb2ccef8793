//! The cluster: a connection that was tried once, and errors that say who must act.

use kube::config::{KubeConfigOptions, Kubeconfig};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// Where the way to the cluster is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A kubeconfig file and one of its contexts; without them, what `kubectl` would use.
    Kubeconfig { path: Option<PathBuf>, context: Option<String> },
    /// The service account of the pod that hephy runs in.
    InCluster,
}

/// A cluster that has answered, and the namespace for objects that name none.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: kube::Client,
    namespace: String,
    server: String,
    /// It is on this machine.
    is_here: bool,
}

/// Why the cluster could not be asked, or how it refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error("read kubeconfig")]
    Kubeconfig { source: Box<kube::config::KubeconfigError> },
    #[error("read kubeconfig: there is no context `{context}`")]
    UnknownContext { context: String },
    #[error("read the service account of this pod")]
    ServiceAccount { source: Box<kube::config::InClusterError> },
    #[error("prepare the connection to `{server}`: {problem}")]
    Connection { server: String, problem: String },
    #[error("reach `{server}` to {what}: {problem}")]
    Unreachable { server: String, what: String, problem: String },
    #[error("log in to `{server}` to {what}: {problem}")]
    Unauthorised { server: String, what: String, problem: String },
    #[error("{what}: the cluster answered {status} {reason}: {message}")]
    Refused { what: String, status: u16, reason: String, message: String, causes: Vec<Cause> },
}

/// A detail of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) field: String,
}

impl ClusterError {
    /// The HTTP status of a refusal.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without anybody's help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // The API server answers 500 to a field it does not know.
            Self::Refused { message, .. } if message.contains("failed to create typed patch object") => false,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

/// Long enough for a busy API server with slow admission webhooks (their own limit is 30 s), short enough for CI.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Cluster {
    /// Reads `source` and asks the server for its version, so that a wrong address or a stale login shows here and
    /// not in the middle of a deploy.
    pub(crate) async fn connect(source: &Source, namespace: Option<&str>) -> Result<Self, ClusterError> {
        let mut config = read(source).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // A read timeout would end quiet watches; `ask` limits every other request.
        config.read_timeout = None;
        let is_here = config.cluster_url.host().is_some_and(is_loopback);
        if is_here {
            // kube takes `HTTPS_PROXY` for every server and compares `NO_PROXY` with the proxy itself.
            config.proxy_url = None;
        }
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned);
        let client = kube::Client::try_from(config).map_err(|error| ClusterError::Connection {
            server: server.clone(),
            problem: root_cause(&error),
        })?;
        let cluster = Self { client, namespace, server, is_here };
        let version = cluster.client.apiserver_version();
        cluster.ask_within(CONNECT_TIMEOUT, "ask for its version", version).await?;
        Ok(cluster)
    }

    /// The namespace for objects that name none.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it is on this machine, so that what it runs goes away with the job.
    pub(crate) fn is_here(&self) -> bool {
        self.is_here
    }

    /// The address of the API server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The connection, for `deploy`, `health` and `logs`.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Waits for the answer to a request, but not for ever. `what` completes "reach the cluster to ...".
    pub(crate) async fn ask<T>(
        &self,
        what: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        self.ask_within(REQUEST_TIMEOUT, what, request).await
    }

    async fn ask_within<T>(
        &self,
        limit: Duration,
        what: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer.map_err(|error| self.explain(what, error)),
            Err(_) => Err(ClusterError::Unreachable {
                server: self.server.clone(),
                what: what.to_owned(),
                problem: format!("no answer in {} seconds", limit.as_secs()),
            }),
        }
    }

    /// Says in our words what kube says in its.
    pub(crate) fn explain(&self, what: &str, error: kube::Error) -> ClusterError {
        let (server, what) = (self.server.clone(), what.to_owned());
        match error {
            kube::Error::Api(status) if status.code == 401 => {
                ClusterError::Unauthorised { server, what, problem: status.message }
            }
            kube::Error::Api(status) => {
                let details = status.details.into_iter().flat_map(|details| details.causes);
                let causes = details.map(|cause| Cause {
                    reason: cause.reason,
                    message: cause.message,
                    field: cause.field,
                });
                ClusterError::Refused {
                    what,
                    status: status.code,
                    reason: status.reason,
                    message: status.message,
                    causes: causes.collect(),
                }
            }
            kube::Error::Auth(error) => {
                ClusterError::Unauthorised { server, what, problem: root_cause(&error) }
            }
            error => ClusterError::Unreachable { server, what, problem: root_cause(&error) },
        }
    }
}

async fn read(source: &Source) -> Result<kube::Config, ClusterError> {
    match source {
        Source::InCluster => kube::Config::incluster()
            .map_err(|source| ClusterError::ServiceAccount { source: Box::new(source) }),
        Source::Kubeconfig { path, context } => {
            let fault = |source| ClusterError::Kubeconfig { source: Box::new(source) };
            let file = path.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(fault)?;
            if let Some(context) = context.as_ref().or(file.current_context.as_ref())
                && !file.contexts.iter().any(|named| &named.name == context)
            {
                return Err(ClusterError::UnknownContext { context: context.clone() });
            }
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            kube::Config::from_custom_kubeconfig(file, &options).await.map_err(fault)
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The innermost cause. kube and hyper repeat the inner message in every outer one.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config");
        std::fs::write(&path, text).expect("write kubeconfig");
        (folder, path)
    }

    async fn connect(path: PathBuf, context: Option<&str>) -> ClusterError {
        let source = Source::Kubeconfig { path: Some(path), context: context.map(str::to_owned) };
        Cluster::connect(&source, None).await.err().expect("nothing to connect to")
    }

    const NOBODY_HOME: &str = "
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
";

    #[tokio::test]
    async fn a_missing_file_and_a_missing_context_are_configuration() {
        let (_folder, path) = kubeconfig(NOBODY_HOME);
        let error = connect(path.with_file_name("none"), None).await;
        assert!(matches!(error, ClusterError::Kubeconfig { .. }), "{error}");
        let error = connect(path.clone(), Some("prod")).await;
        assert!(matches!(error, ClusterError::UnknownContext { .. }), "{error}");
        let (_folder, path) = kubeconfig("][");
        assert!(matches!(connect(path, None).await, ClusterError::Kubeconfig { .. }));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let (_folder, path) = kubeconfig(NOBODY_HOME);
        let error = connect(path, None).await;
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(text.starts_with("reach `http://127.0.0.1:1` to ask for its version: "), "{text}");
        assert!(text.contains("refused"), "{text}");
    }
}
