//! Manifests into a registry: one request, tried again where that helps, and checked.

use super::http::Errand;
use super::retry::Patience;
use super::wire::Answer;
use super::{Registry, RegistryError, tag_or_digest};
use crate::image::{Digest, Repository};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};

impl Registry {
    /// Puts a manifest under `reference` (a tag or its digest).
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let action = format!("push {}", tag_or_digest(repository, reference));
        self.put(repository, reference, media_type, bytes, action).await.map(|_| ())
    }

    /// The same, with what the registry says to it. `action` is what errors say was being done.
    pub(super) async fn put(
        &self,
        repository: &Repository,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
        action: String,
    ) -> Result<Answer, RegistryError> {
        let errand = self.http.to_write(repository, action)?;
        let url = errand.target.url(&format!("manifests/{reference}"));
        let answer = self.put_at(&errand, &url, media_type, bytes).await?;
        if let Some(message) = answer.says_immutable() {
            let (action, host, tag) = (errand.action, answer.host, reference.to_owned());
            return Err(RegistryError::Immutable { action, host, tag, message });
        }
        stored(&errand, answer.successful()?, bytes)
    }

    /// Sends a manifest to `url`. The answer may be a refusal.
    pub(super) async fn put_at(
        &self,
        errand: &Errand,
        url: &Url,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Answer, RegistryError> {
        let mut patience = Patience::default();
        loop {
            let answer = self.http.send(errand, Method::PUT, url, |request| {
                request.header(CONTENT_TYPE, media_type).body(bytes.to_vec())
            });
            let answer = answer.await?;
            // The digest is right; distribution says this where it reads what another push is just writing.
            match patience.next(None).filter(|_| answer.has_code("DIGEST_INVALID")) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Ok(answer),
            }
        }
    }
}

/// The answer, unless it names another digest than that of what was sent.
pub(super) fn stored(errand: &Errand, answer: Answer, bytes: &[u8]) -> Result<Answer, RegistryError> {
    match answer.header("docker-content-digest") {
        Some(stored) if stored != Digest::of(bytes).to_string() => {
            Err(RegistryError::OtherDigest { action: errand.action.clone(), host: answer.host })
        }
        _ => Ok(answer),
    }
}
