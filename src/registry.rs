//! OCI registries: the requests of the distribution spec that hephy needs, with its own idea of what to send when.

mod auth;
mod http;

pub(crate) use auth::is_loopback;

use crate::ci::RegistryLogin;
use crate::image::{Digest, Repository};
use crate::layout::{Descriptor, Layout};
use crate::plan::Found;
use http::Answer;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};
use std::path::PathBuf;
use tokio_util::io::ReaderStream;

/// Every kind of manifest; a registry answers 404 for a kind that is not listed.
const MANIFEST_KINDS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// A client for all registries of a run: one connection pool, one set of tokens.
#[derive(Clone)]
pub(crate) struct Registry {
    http: http::Http,
}

/// Why a registry did not do what it was asked. A text from the registry is foreign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("prepare HTTPS")]
    Client(#[source] reqwest::Error),
    #[error("use `{repository}`: it names no registry host")]
    NoHost { repository: String },
    #[error("reach the registry `{host}`")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("{action}: the registry `{host}` wants a login that it accepts ({status})")]
    Unauthorised { action: String, host: String, status: StatusCode },
    #[error("{action}: the registry `{host}` answered {status}{}", message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused { action: String, host: String, status: StatusCode, message: Option<String> },
    #[error("{action}: the registry `{host}` is not well ({status})")]
    Unwell { action: String, host: String, status: StatusCode },
    #[error("{action}: the registry `{host}` answered without {what}")]
    Incomplete { action: String, host: String, what: &'static str },
    #[error("{action}: the registry `{host}` stored other content")]
    OtherDigest { action: String, host: String },
    #[error("read `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
}

impl Registry {
    /// `login` is what the CI system gives for its own registry; everything else comes from Docker's configuration.
    /// Hosts in `insecure` are spoken to without TLS, as loopback addresses always are.
    pub(crate) fn new(login: Option<RegistryLogin>, insecure: Vec<String>) -> Result<Self, RegistryError> {
        Ok(Self { http: http::Http::new(login, insecure)? })
    }

    /// The manifest that goes by `reference` (a tag or a digest), `None` if there is none.
    pub(crate) async fn find(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<Found>, RegistryError> {
        let action = format!("look for {repository}:{reference}");
        let url = self.http.url(repository, &format!("manifests/{reference}"))?;
        let answer = self
            .http
            .send(repository, &action, Method::HEAD, &url, |request| request.header(ACCEPT, MANIFEST_KINDS))
            .await?;
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

    /// The bytes of the manifest `digest`.
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        let action = format!("fetch {repository}@{digest}");
        let url = self.http.url(repository, &format!("manifests/{digest}"))?;
        let answer = self
            .http
            .send(repository, &action, Method::GET, &url, |request| request.header(ACCEPT, MANIFEST_KINDS))
            .await?;
        let answer = answer.successful()?;
        if Digest::of(&answer.body) == *digest {
            Ok(answer.body)
        } else {
            Err(RegistryError::OtherDigest { action, host: answer.host })
        }
    }

    /// Puts a manifest under `reference` (a tag or its digest).
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let action = format!("push {repository}:{reference}");
        let url = self.http.url(repository, &format!("manifests/{reference}"))?;
        let answer = self.http.send(repository, &action, Method::PUT, &url, |request| {
            request.header(CONTENT_TYPE, media_type).body(bytes.to_vec())
        });
        let answer = answer.await?.successful()?;
        match answer.header("docker-content-digest") {
            Some(stored) if stored != Digest::of(bytes).to_string() => {
                Err(RegistryError::OtherDigest { action, host: answer.host })
            }
            _ => Ok(()),
        }
    }

    /// Uploads a blob from `layout` unless the registry has it. Returns whether it was sent.
    pub(crate) async fn push_blob(
        &self,
        repository: &Repository,
        layout: &Layout,
        blob: &Descriptor,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let action = format!("push blob {} to {repository}", digest.short());
        let url = self.http.url(repository, &format!("blobs/{digest}"))?;
        let answer = self.http.send(repository, &action, Method::HEAD, &url, |request| request).await?;
        if answer.status.is_success() {
            return Ok(false);
        }
        if answer.status != StatusCode::NOT_FOUND {
            answer.successful()?;
        }
        let start = self.http.url(repository, "blobs/uploads/")?;
        let answer = self
            .http
            .send(repository, &action, Method::POST, &start, |request| request.header(CONTENT_LENGTH, 0))
            .await?;
        let answer = answer.successful()?;
        let place = upload_place(&answer, digest)?;
        self.upload(repository, &action, &place, layout, blob, digest).await?;
        Ok(true)
    }

    async fn upload(
        &self,
        repository: &Repository,
        action: &str,
        place: &Url,
        layout: &Layout,
        blob: &Descriptor,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let path = layout.blob(digest);
        let fault = |source| RegistryError::Read { path: path.clone(), source };
        let file = std::fs::File::open(&path).map_err(fault)?;
        let answer = self.http.send(repository, action, Method::PUT, place, |request| {
            // Each try reads the file anew; a body that was half sent cannot be used again.
            let body = file.try_clone().and_then(|mut file| {
                std::io::Seek::rewind(&mut file)?;
                Ok(reqwest::Body::wrap_stream(ReaderStream::with_capacity(
                    tokio::fs::File::from_std(file),
                    1 << 16,
                )))
            });
            let request =
                request.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, blob.size);
            request.body(body.unwrap_or_default())
        });
        answer.await?.successful().map(|_| ())
    }
}

/// Where the upload goes on: `Location` may be relative and may have a query of its own (distribution spec, end-4a).
fn upload_place(answer: &Answer, digest: &Digest) -> Result<Url, RegistryError> {
    let location =
        answer.header(LOCATION.as_str()).ok_or_else(|| answer.incomplete("a place for the upload"))?;
    let mut place =
        answer.url.join(location).map_err(|_| answer.incomplete("a valid place for the upload"))?;
    place.query_pairs_mut().append_pair("digest", &digest.to_string());
    Ok(place)
}

/// The header `name` as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
