//! Tags: several in one request where a registry says that it took them, and a request for each elsewhere.

use super::manifests::stored;
use super::{Registry, RegistryError, tag_or_digest};
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
        let host = self.http.target(image.repository)?.host;
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
        let host = self.http.target(image.repository)?.host;
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
            let known = match self.put_with(image, &some).await? {
                Took::These(taken) => {
                    alone.extend(
                        some.into_iter().filter(|tag| !taken.iter().any(|taken| taken == tag.as_str())),
                    );
                    most
                }
                Took::TooMany => {
                    let fewer = some.len() / 2;
                    left = [some, left].concat();
                    fewer
                }
                Took::None => {
                    alone.extend(some);
                    1
                }
            };
            self.learnt.note(&host, |habits| habits.takes_tags(known));
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
            // Whatever it has against them, be it a fault of its own, it says it better of each tag alone.
            status if !status.is_success() => return Ok(Took::None),
            _ => {}
        }
        let answer = stored(&errand, answer, image.bytes)?;
        let taken = answer.headers.get_all(TAKEN).iter().filter_map(|tag| tag.to_str().ok());
        let taken: Vec<String> = taken.map(|tag| tag.trim().to_owned()).collect();
        Ok(if taken.is_empty() { Took::None } else { Took::These(taken) })
    }

    /// Takes a tag away and leaves its image (distribution spec, end-9). Many registries do not allow it, and some delete
    /// what the tag points at.
    pub(crate) async fn remove_tag(&self, repository: &Repository, tag: &Tag) -> Result<(), RegistryError> {
        let name = tag_or_digest(repository, tag.as_str());
        let errand = self.http.to_delete(repository, format!("delete {name}"))?;
        let url = errand.target.url(&format!("manifests/{tag}"));
        let answer = self.http.send(&errand, Method::DELETE, &url, |request| request).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.successful().map(drop) }
    }

    /// Takes a tag away again. If its manifest went with it, that is put there once more.
    pub(crate) async fn untag(&self, image: &Tagged<'_>, tag: &Tag) -> Result<(), RegistryError> {
        self.remove_tag(image.repository, tag).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Capture, CaptureError};
    use crate::event::Events;
    use crate::layout::{Descriptor, IMAGE_MANIFEST, Layout};
    use crate::registry::Ready;
    use serde_json::json;

    /// An image that is nothing but a config.
    fn image(layout: &Layout, config: &str) -> (Vec<u8>, Descriptor) {
        let config =
            layout.write(config.as_bytes(), "application/vnd.oci.image.config.v1+json").expect("write");
        let manifest =
            json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config, "layers": []});
        (manifest.to_string().into_bytes(), config)
    }

    #[tokio::test]
    async fn a_registry_that_takes_several_tags_gets_them_in_one_request() {
        // Given the registry that hephy opens itself, which takes them, with two images in it,
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [ours, theirs] =
            ["ours", "theirs"].map(|name| Layout::create(&folder.path().join(name)).expect("create"));
        let capture = Capture::open(theirs).await.expect("a registry");
        let registry = Registry::untold(Events::channel().0);
        let tags: Vec<Tag> = (0..60).map(|number| format!("v{number}").parse().expect("a tag")).collect();
        let repositories = ["one", "two"].map(|name| capture.repository(name));
        let work = async {
            for repository in &repositories {
                let (manifest, config) = image(&ours, &repository.path);
                let blobs = vec![(config.digest().expect("valid"), config.size)];
                let (layout, media_type) = (&ours, IMAGE_MANIFEST);
                let ready =
                    Ready { layout, media_type, manifest: &manifest, blobs, referrers: &[], elsewhere: None };
                registry.push(repository, "key", &ready, |_| ()).await.expect("it is pushed");
                // when they get many tags,
                let tagged = Tagged { repository, media_type: IMAGE_MANIFEST, bytes: &manifest };
                let (some, stop) = (tags.iter().collect::<Vec<_>>(), CancellationToken::new());
                registry.tag(&tagged, &some, &stop).await.expect("they are set");
                registry.untag(&tagged, &tags[7]).await.expect("it is deleted");
            }
            Ok::<_, CaptureError>(())
        };
        let ((), captured) = capture.during(work).await.expect("everything is whole");
        // then each points at its own, but for one that was deleted, and the client knows how.
        assert_eq!(captured.len(), 2 * (1 + 60 - 1));
        for (name, repository) in ["one", "two"].iter().zip(&repositories) {
            let digest = Digest::of(&image(&ours, &repository.path).0).to_string();
            let mut own = captured.iter().filter(|captured| captured.name == *name);
            assert!(own.all(|captured| captured.manifest.digest == digest), "{captured:?}");
        }
        let host = repositories[0].host.as_deref().expect("a host");
        assert_eq!(registry.learnt.habits(host).tags_at_once, Some(MOST));
    }
}
