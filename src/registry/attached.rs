//! What is attached to an image in a registry, read from both places where it may be listed: some registries answer the
//! question for referrers without knowing any, and whoever attached something there has kept the list under a tag.

use super::http::Errand;
use super::{Registry, RegistryError};
use crate::image::{Digest, Repository};
use crate::layout::{self, Descriptor, IMAGE_INDEX, IMAGE_MANIFEST, Referrer};
use futures::future::try_join_all;
use reqwest::header::{ACCEPT, LINK};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A list of more pages is a circle.
const MOST_PAGES: usize = 100;

impl Registry {
    /// The artifacts about `subject` that the registry lists and has. Those that are themselves indexes are left out.
    pub(super) async fn attached(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Referrer>, RegistryError> {
        let action = format!("look for what is attached to {repository}@{subject}");
        let errand = self.http.to_read(repository, action)?;
        let mut entries = self.known_referrers(&errand, subject).await?;
        entries.extend(self.listed_under_tag(&errand, subject).await?);
        let mut artifacts: Vec<Descriptor> = vec![];
        for entry in entries.into_iter().filter_map(|entry| serde_json::from_value::<Descriptor>(entry).ok())
        {
            if !artifacts.iter().any(|known| known.digest == entry.digest) {
                artifacts.push(entry);
            }
        }
        let read = artifacts.into_iter().map(|artifact| self.artifact(repository, artifact));
        Ok(try_join_all(read).await?.into_iter().flatten().collect())
    }

    /// What the registry itself knows; nothing if it does not know what is asked.
    async fn known_referrers(&self, errand: &Errand, subject: &Digest) -> Result<Vec<Value>, RegistryError> {
        let mut next = Some(errand.target.url(&format!("referrers/{subject}")));
        let mut entries = vec![];
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let kind = |request: reqwest::RequestBuilder| request.header(ACCEPT, IMAGE_INDEX);
            let answer = self.http.send(errand, Method::GET, &url, kind).await?;
            // A login that is really refused is refused for the other list too.
            if answer.status.is_client_error() || answer.status == StatusCode::NOT_IMPLEMENTED {
                break;
            }
            let answer = answer.successful()?;
            let mut page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if let Some(page) = page["manifests"].as_array_mut() {
                entries.append(page);
            }
            let link = answer.header(LINK.as_str()).and_then(next_page);
            next = link.map(|link| self.http.onward(errand, &url, link)).transpose()?;
        }
        Ok(entries)
    }

    /// An artifact whole; `None` if it is gone although it is listed.
    async fn artifact(
        &self,
        repository: &Repository,
        descriptor: Descriptor,
    ) -> Result<Option<Referrer>, RegistryError> {
        let Some(digest) = descriptor.digest().ok().filter(|_| descriptor.media_type == IMAGE_MANIFEST)
        else {
            return Ok(None);
        };
        let manifest = match self.manifest(repository, &digest).await {
            Err(RegistryError::Refused { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
            manifest => manifest?,
        };
        let blobs = layout::children(&manifest).unwrap_or_default();
        Ok(Some(Referrer { descriptor, manifest, blobs }))
    }
}

/// The address of the next page (RFC 8288).
fn next_page(link: &str) -> Option<&str> {
    let is_next = |link: &&str| link.contains("rel=\"next\"") || link.contains("rel=next");
    let link = link.split(", ").find(is_next)?;
    link.trim_start().strip_prefix('<')?.split_once('>').map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (link, expected) in [
            (r#"</v2/a/referrers/sha256:0?n=2>; rel="next""#, Some("/v2/a/referrers/sha256:0?n=2")),
            ("<https://a/b,c>; rel=first, <https://a/d>; rel=next", Some("https://a/d")),
            (r#"</v2>; rel="prev""#, None),
            ("/v2; rel=next", None),
            ("<; rel=next", None),
        ] {
            assert_eq!(next_page(link), expected, "{link}");
        }
    }
}
