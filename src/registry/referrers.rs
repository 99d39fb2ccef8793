//! Referrers: artifacts about an image. A registry that knows them says so in its answer to the PUT (`OCI-Subject`); for
//! any other the client keeps the list itself, in the index under the tag `sha256-<digits of the subject>` (distribution
//! spec, "Pushing Manifests with Subject" and "Referrers Tag Schema").

use super::http::Errand;
use super::push::Ready;
use super::retry::Patience;
use super::{MANIFEST_KINDS, Registry, RegistryError};
use crate::image::{Digest, Repository};
use crate::layout::{Descriptor, IMAGE_INDEX, Referrer};
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How many times slower than this run others may be between reading a list and writing it.
const SLOWER: u32 = 4;

/// One at a time changes the list of a subject.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<BySubject>>);

/// By repository and subject.
type BySubject = BTreeMap<(String, Digest), Arc<tokio::sync::Mutex<()>>>;

impl Turns {
    fn of(&self, repository: &Repository, subject: &Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry((repository.to_string(), subject.clone())).or_default())
    }
}

/// The list of a subject as it is now.
struct Listed {
    index: Value,
    /// What a registry that can compare wants to hear again.
    etag: Option<String>,
}

impl Registry {
    /// Pushes the artifacts about `image` and sees to it that they are found by it.
    pub(super) async fn attach(
        &self,
        repository: &Repository,
        image: &Ready<'_>,
    ) -> Result<(), RegistryError> {
        let blobs = image.referrers.iter().flat_map(|referrer| &referrer.blobs);
        let blobs = blobs.filter_map(|blob| Some((blob.digest().ok()?, blob.size))).collect::<Vec<_>>();
        self.push_blobs(repository, image, &blobs, &|_| ()).await?;
        self.refer(repository, &Digest::of(image.manifest), image.referrers).await
    }

    /// Pushes artifacts about `subject`, whose blobs are there, and sees to it that they are found by it.
    pub(super) async fn refer(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Referrer],
    ) -> Result<(), RegistryError> {
        let mut unlisted = vec![];
        for Referrer { descriptor, manifest, .. } in referrers {
            let own = Digest::of(manifest).to_string();
            let action = format!("attach a document to {repository}@{subject}");
            let answer = self.put(repository, &own, &descriptor.media_type, manifest, action).await?;
            if answer.header("oci-subject") != Some(subject.to_string().as_str()) {
                unlisted.push(descriptor);
            }
        }
        if unlisted.is_empty() { Ok(()) } else { self.list(repository, subject, &unlisted).await }
    }

    /// What the list of a subject says that is kept under a tag.
    pub(super) async fn listed_under_tag(
        &self,
        errand: &Errand,
        subject: &Digest,
    ) -> Result<Vec<Value>, RegistryError> {
        let Listed { mut index, .. } = self.listed(errand, &tag_of(subject)).await?;
        Ok(index["manifests"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Adds artifacts to the list of their subject, and looks whether they stay there: most registries do not compare,
    /// and then the last one who writes wins.
    async fn list(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifacts: &[&Descriptor],
    ) -> Result<(), RegistryError> {
        let turn = self.turns.of(repository, subject);
        let _turn = turn.lock().await;
        let tag = tag_of(subject);
        let errand =
            self.http.to_write(repository, format!("list what is attached as {repository}:{tag}"))?;
        let mut patience = Patience::default();
        loop {
            let started = Instant::now();
            let Listed { index, etag } = self.listed(&errand, &tag).await?;
            let Some(index) = with(index, artifacts) else { return Ok(()) };
            self.write_list(&errand, &tag, &index, etag).await?;
            let Errand { action, target, .. } = &errand;
            let lost = || RegistryError::Unreadable { action: action.clone(), host: target.host.clone() };
            // Whoever read the list before it was written has written by then.
            let pause = patience.next(None).ok_or_else(lost)?;
            tokio::time::sleep(pause.max(started.elapsed() * SLOWER)).await;
        }
    }

    async fn listed(&self, errand: &Errand, tag: &str) -> Result<Listed, RegistryError> {
        let url = errand.target.url(&format!("manifests/{tag}"));
        let answer = self
            .http
            .send(errand, Method::GET, &url, |request| request.header(ACCEPT, MANIFEST_KINDS))
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": []});
            return Ok(Listed { index, etag: None });
        }
        let answer = answer.successful()?;
        // A weak tag (`W/`) says that it is no proof of equal bytes.
        let etag = answer.header(ETAG.as_str()).filter(|tag| tag.starts_with('"')).map(str::to_owned);
        let index: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match index["manifests"].is_array() {
            true => Ok(Listed { index, etag }),
            // Somebody's tag of that name must not be lost.
            false => Err(answer.incomplete("an index")),
        }
    }

    /// Writes the list unless it is another one by now, as far as the registry can tell. Whether it did, one sees by
    /// reading it.
    async fn write_list(
        &self,
        errand: &Errand,
        tag: &str,
        index: &Value,
        etag: Option<String>,
    ) -> Result<(), RegistryError> {
        let url = errand.target.url(&format!("manifests/{tag}"));
        let answer = self.http.send(errand, Method::PUT, &url, |request| {
            let request = request.header(CONTENT_TYPE, IMAGE_INDEX).body(index.to_string());
            match &etag {
                Some(etag) => request.header(IF_MATCH, etag),
                None => request,
            }
        });
        match answer.await? {
            answer if answer.status == StatusCode::PRECONDITION_FAILED => Ok(()),
            // distribution says this where it reads what another push is just writing.
            answer if answer.has_code("DIGEST_INVALID") => Ok(()),
            answer => answer.successful().map(|_| ()),
        }
    }
}

/// The tag under which the list of a subject is kept.
fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The index with these artifacts too; `None` if it has them all. What others wrote stays as it is.
fn with(mut index: Value, artifacts: &[&Descriptor]) -> Option<Value> {
    let listed = index["manifests"].as_array_mut()?;
    let before = listed.len();
    for artifact in artifacts {
        if !listed.iter().any(|known| known["digest"] == artifact.digest.as_str()) {
            listed.push(serde_json::to_value(artifact).ok()?);
        }
    }
    (listed.len() > before).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Events;
    use std::time::Duration;

    #[tokio::test]
    async fn one_at_a_time_changes_the_list_of_a_subject() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let place = |name: &str| {
            let text = format!("{}/{name}", listener.local_addr().expect("an address"));
            text.parse::<Repository>().expect("a repository")
        };
        let registry = Registry::untold(Events::channel().0);
        // Given somebody who changes the list of one subject in one repository,
        let (own, busy) = (place("shop/app"), Digest::of(b"busy"));
        let turn = registry.clone().turns.of(&own, &busy);
        let turn = turn.lock().await;
        // when others want to change one, then they ask the registry, unless it is the same.
        for (repository, subject, expected) in
            [(&own, &busy, false), (&own, &Digest::of(b"other"), true), (&place("shop/other"), &busy, true)]
        {
            let patience = if expected { Duration::from_secs(20) } else { Duration::from_millis(300) };
            let is_asked = tokio::select! {
                _ = listener.accept() => true,
                _ = registry.list(repository, subject, &[]) => false,
                () = tokio::time::sleep(patience) => false,
            };
            assert_eq!(is_asked, expected, "{repository} {subject}");
        }
        drop(turn);
    }

    #[test]
    fn a_list_keeps_what_others_wrote_and_has_an_artifact_once() {
        let other = json!({"mediaType": "x", "digest": "sha256:00", "size": 1, "urls": ["u"]});
        let index = json!({"schemaVersion": 2, "manifests": [other], "annotations": {"a": "b"}});
        let own = Descriptor {
            artifact_type: Some("text/plain".to_owned()),
            annotations: [("c".to_owned(), "d".to_owned())].into(),
            ..Descriptor::new("m", &Digest::of(b""), 2)
        };
        let with_own = with(index.clone(), &[&own, &own]).expect("it was not there");
        let entry = json!({
            "mediaType": "m", "digest": own.digest, "size": 2, "artifactType": "text/plain",
            "annotations": {"c": "d"},
        });
        assert_eq!(with_own["manifests"], json!([index["manifests"][0], entry]));
        assert_eq!(with_own["annotations"], index["annotations"]);
        assert_eq!(with(with_own, &[&own]), None);
    }
}
