//! Tags: several in one request where a registry says that it took them, and a request for each elsewhere.

use super::manifests::stored;
use super::{Registry, RegistryError, retry, tag_or_digest};
use crate::image::{Digest, Repository, Tag};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

/// The most tags of which an address is made (distribution spec, "Pushing Manifests": a registry takes ten or more, and
/// may answer 414 to more than it takes).
const MOST: usize = 50;
/// The header that names a tag which was set with a manifest. Without it the parameters were ignored.
const TAKEN: &str = "oci-tag";

/// A manifest that is in a repository and gets tags.
pub(crate) struct Tagged<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) media_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

impl Registry {
    /// Lets `tags` point at a manifest. After the first failure, which is heard through `stop`, no further request is
    /// begun; those under way come to their end, so that afterwards the registry says where each tag points.
    pub(crate) async fn tag(
        &self,
        image: &Tagged<'_>,
        tags: &[&Tag],
        stop: &CancellationToken,
    ) -> Result<(), RegistryError> {
        let left = match tags {
            [] | [_] => tags.to_vec(),
            several => self.tag_together(image, several, stop).await.inspect_err(|_| stop.cancel())?,
        };
        let each = left.into_iter().map(|tag| self.tag_alone(image, tag, stop));
        join_all(each).await.into_iter().collect()
    }

    async fn tag_alone(
        &self,
        image: &Tagged<'_>,
        tag: &Tag,
        stop: &CancellationToken,
    ) -> Result<(), RegistryError> {
        let action = format!("tag {}", tag_or_digest(image.repository, tag.as_str()));
        let host = self.http.to_write(image.repository, String::new())?.target.host;
        let _permit = self.http.governor.permit(&host, 0).await;
        if stop.is_cancelled() {
            return Ok(());
        }
        let put = self.put(image.repository, tag.as_str(), image.media_type, image.bytes, action).await;
        put.map(drop).inspect_err(|_| stop.cancel())
    }

    /// Sets as many tags as the registry takes in one request. Returns those that it did not take. One request for each
    /// host is enough to know whether it takes any.
    async fn tag_together<'a>(
        &self,
        image: &Tagged<'_>,
        tags: &[&'a Tag],
        stop: &CancellationToken,
    ) -> Result<Vec<&'a Tag>, RegistryError> {
        let host = self.http.to_write(image.repository, String::new())?.target.host;
        let _turn = match self.learnt.habits(&host).tags_at_once {
            None => Some(self.asking.lock().await),
            Some(_) => None,
        };
        let (mut left, mut alone) = (tags.to_vec(), vec![]);
        while left.len() > 1 && !stop.is_cancelled() {
            let most = self.learnt.habits(&host).tags_at_once.unwrap_or(MOST);
            if most < 2 {
                break;
            }
            let rest = left.split_off(left.len().min(most));
            let some = std::mem::replace(&mut left, rest);
            match self.put_with(image, &some).await? {
                Took::These(taken) => {
                    self.learnt.note(&host, |habits| habits.tags_at_once = Some(most));
                    let is_taken = |tag: &&&Tag| taken.iter().any(|taken| taken == tag.as_str());
                    alone.extend(some.iter().filter(|tag| !is_taken(tag)).copied());
                }
                Took::TooMany => {
                    self.learnt.note(&host, |habits| habits.tags_at_once = Some(some.len() / 2));
                    left = [some, left].concat();
                }
                Took::None => {
                    self.learnt.note(&host, |habits| habits.tags_at_once = Some(1));
                    alone.extend(some);
                }
            }
        }
        alone.extend(left);
        Ok(alone)
    }

    async fn put_with(&self, image: &Tagged<'_>, tags: &[&Tag]) -> Result<Took, RegistryError> {
        let digest = Digest::of(image.bytes);
        let named: Vec<String> = tags.iter().map(ToString::to_string).collect();
        let errand = self.http.to_write(
            image.repository,
            format!("tag {}@{digest} as {}", image.repository, named.join(", ")),
        )?;
        let mut url = errand.target.url(&format!("manifests/{digest}"));
        url.query_pairs_mut().extend_pairs(named.iter().map(|tag| ("tag", tag)));
        let _permit = self.http.governor.permit(&errand.target.host, 0).await;
        let answer = self.put_at(&errand, &url, image.media_type, image.bytes).await?;
        match answer.status {
            StatusCode::URI_TOO_LONG => return Ok(Took::TooMany),
            status if retry::is_transient(status) => return answer.successful().map(|_| Took::None),
            // Whatever it has against them, it says it better of each tag alone.
            status if !status.is_success() => return Ok(Took::None),
            _ => {}
        }
        let answer = stored(&errand, answer, image.bytes)?;
        let taken = answer.headers.get_all(TAKEN).iter().filter_map(|tag| tag.to_str().ok());
        let taken: Vec<String> = taken.map(|tag| tag.trim().to_owned()).collect();
        Ok(if taken.is_empty() { Took::None } else { Took::These(taken) })
    }

    /// Takes a tag away again; the manifest stays. Whether it does so is looked at: some registries delete what the tag
    /// points at, and then it is put there again.
    pub(crate) async fn untag(&self, image: &Tagged<'_>, tag: &Tag) -> Result<(), RegistryError> {
        let name = tag_or_digest(image.repository, tag.as_str());
        let errand = self.http.to_delete(image.repository, format!("delete {name}"))?;
        let url = errand.target.url(&format!("manifests/{tag}"));
        let answer = self.http.send(&errand, Method::DELETE, &url, |request| request).await?;
        if answer.status != StatusCode::NOT_FOUND {
            answer.successful()?;
        }
        let digest = Digest::of(image.bytes).to_string();
        if self.find(image.repository, &digest).await?.is_none() {
            self.put_manifest(image.repository, &digest, image.media_type, image.bytes).await?;
        }
        Ok(())
    }
}

/// What a registry did with the tags of one request.
enum Took {
    These(Vec<String>),
    TooMany,
    None,
}
