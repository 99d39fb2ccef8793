//! OCI registries: the requests of the distribution spec that hephy needs, with its own idea of what to send when.

mod address;
mod along;
mod attached;
mod auth;
mod body;
mod challenge;
mod chunks;
mod copy;
mod credentials;
mod download;
mod governor;
mod http;
mod image_copy;
mod learnt;
mod manifests;
mod pace;
mod pulse;
mod push;
mod referrers;
mod retry;
mod session;
mod tags;
mod token;
mod upload;
mod wire;

pub(crate) use address::is_loopback;
pub(crate) use download::DownloadError;
pub(crate) use image_copy::Copied;
pub(crate) use pace::Pace;
pub(crate) use push::{Looked, Ready};
pub(crate) use tags::Tagged;
pub(crate) use upload::Way;

use crate::ci::RegistryLogin;
use crate::event::Events;
use crate::image::{Digest, Repository, Tag};
use crate::plan::Found;
use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Every kind of manifest; a registry answers 404 for a kind that is not listed.
const MANIFEST_KINDS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// A client for all registries of a run: one set of connections, of logins, and of what was learnt. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    http: http::Http,
    learnt: learnt::Learnt,
    turns: referrers::Turns,
    /// Held by the one who finds out whether a registry takes several tags at once.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// What the user and the environment say about registries.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What the CI system gives for its own registry; everything else comes from the files.
    pub(crate) login: Option<RegistryLogin>,
    /// Docker's and Podman's configuration, the first one first.
    pub(crate) login_files: Vec<PathBuf>,
    /// Hosts that are spoken to without TLS, as loopback addresses are.
    pub(crate) insecure: Vec<String>,
    /// A file of certificates (PEM) that are trusted beside the system's.
    pub(crate) certificates: Option<PathBuf>,
    /// How long a registry may say nothing.
    pub(crate) silence: Duration,
}

/// Why a registry did not do what it was asked. A text from the registry is foreign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("prepare HTTPS")]
    Client(#[source] reqwest::Error),
    #[error("use `{path}` as certificates: it holds none in PEM form")]
    Certificates { path: PathBuf },
    #[error("use `{repository}`: it names no registry host")]
    NoHost { repository: String },
    #[error("reach the registry `{host}`")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("reach the registry `{host}`: its certificate is not trusted")]
    Untrusted { host: String, source: reqwest::Error },
    #[error("reach the registry `{host}`: it said nothing for {seconds} s")]
    Silent { host: String, seconds: u64 },
    #[error("{action}: the registry `{host}` wants a login that it accepts ({status})")]
    Unauthorised { action: String, host: String, status: StatusCode },
    #[error("log in to `{host}`: the login server `{server}` answered {status}")]
    Login { host: String, server: String, status: StatusCode },
    #[error("log in to `{host}`: it names the login server `{realm}`, {problem}")]
    UnsafeLogin { host: String, realm: String, problem: &'static str },
    #[error("{action}: the registry `{host}` sends it to `{location}`, {problem}")]
    Astray { action: String, host: String, location: String, problem: &'static str },
    #[error("{action}: the registry `{host}` answered {status}{}", message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused { action: String, host: String, status: StatusCode, message: Option<String> },
    #[error("{action}: the registry `{host}` is not well ({status}){}", wait.map(|wait| format!(" and asks to wait {} s", wait.as_secs_f64().ceil())).unwrap_or_default())]
    Unwell { action: String, host: String, status: StatusCode, wait: Option<Duration> },
    #[error("{action}: the registry `{host}` answered without {what}")]
    Incomplete { action: String, host: String, what: &'static str },
    #[error("{action}: the registry `{host}` lets nobody change this tag: {message}")]
    Immutable { action: String, host: String, tag: String, message: String },
    #[error("{action}: the registry `{host}` stored other content")]
    OtherDigest { action: String, host: String },
    #[error("{action}: the registry `{host}` sent other content")]
    OtherContent { action: String, host: String },
    #[error("{action}: the registry `{host}` took it and does not have it")]
    Unreadable { action: String, host: String },
    #[error("read `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("read `{path}`: its content has changed")]
    Damaged { path: PathBuf },
}

impl RegistryError {
    /// Whether the same request may go better a little later.
    fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Unwell { .. })
    }

    /// How long the registry asks to wait before that.
    fn wait(&self) -> Option<Duration> {
        if let Self::Unwell { wait, .. } = self { *wait } else { None }
    }
}

impl Registry {
    /// A client that says warnings of registries through `events`.
    pub(crate) fn new(events: Events, settings: Settings) -> Result<Self, RegistryError> {
        let http = http::Http::new(events, settings)?;
        let (learnt, turns) = (learnt::Learnt::default(), referrers::Turns::default());
        Ok(Self { http, learnt, turns, asking: Arc::default() })
    }

    /// For tests: a client that neither the user nor the environment told anything.
    #[cfg(test)]
    pub(crate) fn untold(events: Events) -> Self {
        // Its HTTP client wants a TLS provider, also where there is no TLS; another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (login, login_files, insecure, certificates) = (None, vec![], vec![], None);
        let silence = Duration::from_secs(60);
        Self::new(events, Settings { login, login_files, insecure, certificates, silence }).expect("a client")
    }

    /// The manifest that goes by `reference` (a tag or a digest), `None` if there is none.
    pub(crate) async fn find(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<Found>, RegistryError> {
        let action = format!("look for {}", tag_or_digest(repository, reference));
        let errand = self.http.to_read(repository, action)?;
        let found = found(self.head(&errand, reference).await?)?;
        if found.is_none() {
            self.learnt.lacks(&errand.target, reference);
        }
        Ok(found)
    }

    /// The bytes of the manifest `digest`.
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        if let Some(known) = self.learnt.manifest(digest) {
            return Ok(known);
        }
        let errand = self.http.to_read(repository, format!("fetch {repository}@{digest}"))?;
        let url = errand.target.url(&format!("manifests/{digest}"));
        let answer = self
            .http
            .send(&errand, Method::GET, &url, |request| request.header(ACCEPT, MANIFEST_KINDS))
            .await?
            .successful()?;
        let bytes = verified(errand, answer, digest)?;
        self.learnt.keep(digest, &bytes);
        Ok(bytes)
    }

    /// The bytes of the manifest that goes by `tag`, `None` if there is none.
    pub(crate) async fn manifest_of(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let errand = self.http.to_read(repository, format!("fetch {repository}:{tag}"))?;
        let url = errand.target.url(&format!("manifests/{tag}"));
        let kinds = |request: reqwest::RequestBuilder| request.header(ACCEPT, MANIFEST_KINDS);
        let answer = self.http.send(&errand, Method::GET, &url, kinds).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(answer.successful()?.body))
    }

    /// The bytes of a small blob, such as the config of an image.
    pub(crate) async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        let errand =
            self.http.to_read(repository, format!("fetch blob {} of {repository}", digest.short()))?;
        let url = errand.target.url(&format!("blobs/{digest}"));
        let answer = self.http.send(&errand, Method::GET, &url, |request| request).await?.successful()?;
        verified(errand, answer, digest)
    }

    /// Whether the registry has a blob for `repository`.
    pub(crate) async fn has_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let errand =
            self.http.to_read(repository, format!("look for blob {} of {repository}", digest.short()))?;
        let url = errand.target.url(&format!("blobs/{digest}"));
        let answer = self.http.send(&errand, Method::HEAD, &url, |request| request).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(false) } else { answer.successful().map(|_| true) }
    }

    async fn head(&self, errand: &http::Errand, reference: &str) -> Result<wire::Answer, RegistryError> {
        let url = errand.target.url(&format!("manifests/{reference}"));
        self.http.send(errand, Method::HEAD, &url, |request| request.header(ACCEPT, MANIFEST_KINDS)).await
    }
}

/// The bytes that were fetched by their digest, if they have it.
fn verified(errand: http::Errand, answer: wire::Answer, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
    if Digest::of(&answer.body) == *digest {
        Ok(answer.body)
    } else {
        Err(RegistryError::OtherContent { action: errand.action, host: answer.host })
    }
}

/// What the answer to a HEAD says about a manifest.
fn found(answer: wire::Answer) -> Result<Option<Found>, RegistryError> {
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = answer.successful()?;
    let header = |name: &'static str| answer.header(name).map(str::to_owned);
    let digest = header("docker-content-digest").and_then(|text| text.parse().ok());
    Ok(Some(Found {
        digest: digest.ok_or_else(|| answer.incomplete("a digest"))?,
        size: header("content-length")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| answer.incomplete("a length"))?,
        media_type: header("content-type").ok_or_else(|| answer.incomplete("a media type"))?,
    }))
}

/// An image as people write it.
fn tag_or_digest(repository: &Repository, reference: &str) -> String {
    let sign = if reference.contains(':') { '@' } else { ':' };
    format!("{repository}{sign}{reference}")
}
