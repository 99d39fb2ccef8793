//! Joining: the images of a component's platforms become one index, the same one for as long as they are the same.

use super::{Published, Store, StoreError};
use crate::image::{Digest, Image, Repository};
use crate::layout::{self, Descriptor};
use crate::plan::Found;
use crate::platform::Platform;
use futures::future::try_join_all;
use std::collections::BTreeMap;

/// What the index of several images says about itself.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Nothing,
    /// What all its images say, and these annotations.
    WhatAllSay(BTreeMap<String, String>),
}

impl Store {
    /// Joins the images of a component's platforms and puts the result into the store by its digest. One platform
    /// needs no index. `seen` is what tags of the component point at; where nothing changed, it is this very index.
    pub(crate) async fn join(
        &self,
        repository: &Repository,
        legs: &[(Platform, Found)],
        seen: &[Found],
        says: &Says,
    ) -> Result<Published, StoreError> {
        if let [(_, only)] = legs {
            let image = Image { repository: repository.clone(), digest: only.digest.clone() };
            let (accepted, media_type) = (vec![only.digest.clone()], only.media_type.clone());
            return Ok(Published { image, accepted, media_type, bytes: None, size: only.size });
        }
        let entry = |found: &Found| Descriptor::new(&found.media_type, &found.digest, found.size);
        let entries: Vec<_> = legs.iter().map(|(platform, found)| (platform.clone(), entry(found))).collect();
        let bytes = match self.joined_before(repository, &entries, seen, says).await {
            Some(bytes) => bytes,
            None => self.join_anew(repository, legs, &entries, says).await?,
        };
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        let accepted = legs.iter().map(|(_, found)| &found.digest).chain([&digest]).cloned().collect();
        let image = Image { repository: repository.clone(), digest };
        let media_type = layout::IMAGE_INDEX.to_owned();
        Ok(Published { image, accepted, media_type, bytes: Some(bytes), size })
    }

    /// The index of these images, if it is among what was seen. One request instead of one for each image.
    async fn joined_before(
        &self,
        repository: &Repository,
        entries: &[(Platform, Descriptor)],
        seen: &[Found],
        says: &Says,
    ) -> Option<Vec<u8>> {
        // Most tags of a component point at one and the same image; a second one is not looked at.
        let index = seen.iter().find(|found| found.media_type == layout::IMAGE_INDEX)?;
        // What cannot be read is made anew, or fails then.
        let bytes = self.manifest(repository, &index.digest).await.ok()?;
        let said = layout::said_by_index_of(entries, &bytes)?;
        (said.is_empty() == matches!(says, Says::Nothing)).then_some(bytes)
    }

    async fn join_anew(
        &self,
        repository: &Repository,
        legs: &[(Platform, Found)],
        entries: &[(Platform, Descriptor)],
        says: &Says,
    ) -> Result<Vec<u8>, StoreError> {
        let annotations = match says {
            Says::Nothing => BTreeMap::new(),
            Says::WhatAllSay(more) => {
                // One after another would wait for each answer; a component has few platforms.
                let manifests = legs.iter().map(|(_, found)| self.manifest(repository, &found.digest));
                let mut common = layout::common_annotations(&try_join_all(manifests).await?);
                common.extend(more.clone());
                common
            }
        };
        let fault = |source| StoreError::Index { repository: repository.clone(), source };
        let bytes = layout::index(entries, annotations).map_err(fault)?;
        let digest = Digest::of(&bytes);
        match self {
            Self::Layout(layout) => {
                layout.write(&bytes, layout::IMAGE_INDEX)?;
            }
            Self::Registry(registry) => {
                if registry.find(repository, &digest.to_string()).await?.is_none() {
                    registry
                        .put_manifest(repository, &digest.to_string(), layout::IMAGE_INDEX, &bytes)
                        .await?;
                    registry.ensure_readable(repository, &digest).await?;
                }
            }
        }
        Ok(bytes)
    }
}
