//! The image of a component into a further repository of the same store, before any tag moves there.

use super::pushing::told;
use super::{Published, Store, StoreError, count, megabytes};
use crate::component::Name;
use crate::event::{Events, Progress, Stage};
use crate::image::{Image, Repository, Tag};
use crate::plan::Found;
use crate::registry::{Copied, Looked, Pace};

impl Store {
    /// The same as [`Self::find`] in a repository that nobody may have pushed to yet: what a registry hides is not there,
    /// until it can be asked without doubt.
    pub(crate) async fn find_where_it_goes(
        &self,
        repository: &Repository,
        name: &Tag,
    ) -> Result<Option<Found>, StoreError> {
        match self {
            Self::Registry(registry) => match registry.look(repository, name.as_str()).await? {
                Looked::There(found) => Ok(Some(found)),
                Looked::Absent | Looked::Hidden => Ok(None),
            },
            Self::Layout(_) => self.find(repository, name).await,
        }
    }

    /// Brings a published image into another repository, with all that is attached to it, under its digests and no tag.
    /// Returns whether it is new there. In a layout all repositories share what is there.
    pub(crate) async fn copy(
        &self,
        events: &Events,
        component: &Name,
        published: &Published,
        to: &Repository,
    ) -> Result<bool, StoreError> {
        let Self::Registry(registry) = self else { return Ok(false) };
        let (subject, digest) = (component.to_string(), published.image.digest.short());
        events.step(Stage::Push, &*subject, Progress::Doing, format!("to `{to}`"));
        let tell = |pace: Pace| {
            let text = format!("to `{to}`: {}, {}", count(pace.done, "blob"), megabytes(pace.moved));
            events.progress(Stage::Push, &*subject, text, pace.under_way);
        };
        let Published { image, media_type, .. } = published;
        let Copied { ways, blobs, is_new } = registry.copy_image(image, media_type, to, tell).await?;
        let text = format!("to `{to}`: {}, sha256:{digest}", told(&ways, blobs));
        events.step(Stage::Push, &*subject, Progress::Done, text);
        Ok(is_new)
    }
}

impl Published {
    /// The same image in another repository.
    pub(crate) fn at(&self, repository: &Repository) -> Self {
        let image = Image { repository: repository.clone(), digest: self.image.digest.clone() };
        Self { image, ..self.clone() }
    }
}
