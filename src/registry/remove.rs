//! Tags that were only needed for a while.

use super::{Registry, RegistryError};
use crate::image::{Repository, Tag};
use reqwest::{Method, StatusCode};

impl Registry {
    /// Takes a tag away and leaves its image (distribution spec, end-9). Many registries do not allow it.
    pub(crate) async fn remove_tag(&self, repository: &Repository, tag: &Tag) -> Result<(), RegistryError> {
        let errand = self.http.to_delete(repository, format!("delete {repository}:{tag}"))?;
        let url = errand.target.url(&format!("manifests/{tag}"));
        let answer = self.http.send(&errand, Method::DELETE, &url, |request| request).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.successful().map(drop) }
    }
}
