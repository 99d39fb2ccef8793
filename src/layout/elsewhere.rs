//! Images whose layout lacks some of their blobs, those of the base. The entry in `index.json` says which repository has
//! them, so that whoever pushes later finds them, and no digest depends on it.

use super::Descriptor;
use crate::image::{ImageError, Repository};

/// The annotation of the entry.
const BLOBS_FROM: &str = "dev.hephy.blobs-from";

impl Descriptor {
    /// The same manifest, of which `repository` has the blobs that the layout lacks.
    pub(super) fn with_blobs_from(mut self, repository: &Repository) -> Self {
        self.annotations.insert(BLOBS_FROM.to_owned(), repository.to_string());
        self
    }

    /// The repository that has the blobs which the layout lacks, `None` if it should lack none.
    pub(crate) fn blobs_from(&self) -> Result<Option<Repository>, ImageError> {
        self.annotations.get(BLOBS_FROM).map(|name| name.parse()).transpose()
    }

    /// The same manifest in a layout that has all its blobs.
    pub(crate) fn with_all_blobs(mut self) -> Self {
        self.annotations.remove(BLOBS_FROM);
        self
    }
}
