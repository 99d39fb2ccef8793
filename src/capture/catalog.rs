//! What was pushed so far: for each repository its blobs, manifests and tags. It knows of no files and no requests.

use crate::image::{Digest, Tag};
use crate::layout::Descriptor;
use std::collections::BTreeMap;

/// The repositories by their names.
#[derive(Default)]
pub(super) struct Catalog {
    repositories: BTreeMap<String, Repository>,
}

/// What a repository holds.
#[derive(Default)]
pub(super) struct Repository {
    /// Sizes by digest.
    pub(super) blobs: BTreeMap<Digest, u64>,
    pub(super) manifests: BTreeMap<Digest, Manifest>,
    pub(super) tags: BTreeMap<Tag, Digest>,
}

/// What has to be known of a manifest besides its bytes.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) size: u64,
    pub(super) subject: Option<Digest>,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// How an index refers to it.
    pub(super) fn descriptor(&self, digest: &Digest) -> Descriptor {
        Descriptor::new(&self.media_type, digest, self.size)
    }
}

impl Catalog {
    /// The repository `name`, if anything was begun there.
    pub(super) fn find(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// The same, to be changed.
    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Repository> {
        self.repositories.get_mut(name)
    }

    /// The repository `name`, which exists from now on.
    pub(super) fn open(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    /// Lets `name` hold a blob that `from`, or if that is not said any other repository, holds. Returns whether there was
    /// one (end-11).
    pub(super) fn mount(&mut self, name: &str, digest: &Digest, from: Option<&str>) -> bool {
        let mut sources =
            self.repositories.iter().filter(|(known, _)| from.is_none_or(|from| from == *known));
        let size = sources.find_map(|(_, repository)| repository.blobs.get(digest).copied());
        size.map(|size| self.open(name).blobs.insert(digest.clone(), size));
        size.is_some()
    }

    /// Whether any repository still holds `digest`, as a blob or as a manifest.
    pub(super) fn holds(&self, digest: &Digest) -> bool {
        let mut all = self.repositories.values();
        all.any(|one| one.blobs.contains_key(digest) || one.manifests.contains_key(digest))
    }

    /// All tags with the names of their repositories.
    pub(super) fn tagged(&self) -> impl Iterator<Item = (&str, &Tag, Descriptor)> {
        self.repositories.iter().flat_map(|(name, repository)| {
            let entry = |(tag, digest)| {
                let manifest = repository.manifests.get(digest)?;
                Some((name.as_str(), tag, manifest.descriptor(digest)))
            };
            repository.tags.iter().filter_map(entry)
        })
    }
}

impl Repository {
    /// The digest that a tag points at.
    pub(super) fn tag(&self, tag: &Tag) -> Option<&Digest> {
        self.tags.get(tag)
    }

    /// Forgets a manifest and the tags that point at it (end-9). Returns whether it was there.
    pub(super) fn forget(&mut self, digest: &Digest) -> bool {
        self.tags.retain(|_, target| target != digest);
        self.manifests.remove(digest).is_some()
    }

    /// The tags after `last`, at most `limit`, in the order of their bytes; and whether a next page would have more
    /// (end-8). A page of no tags has no next one.
    pub(super) fn list(&self, last: Option<&str>, limit: Option<usize>) -> (Vec<&str>, bool) {
        let after = |tag: &&str| last.is_none_or(|last| *tag > last);
        let mut tags: Vec<&str> = self.tags.keys().map(Tag::as_str).filter(after).collect();
        let has_more = limit.is_some_and(|limit| limit > 0 && tags.len() > limit);
        tags.truncate(limit.unwrap_or(usize::MAX));
        (tags, has_more)
    }

    /// The manifests that are about `subject` (end-12).
    pub(super) fn referrers(&self, subject: &Digest) -> impl Iterator<Item = (&Digest, &Manifest)> {
        self.manifests.iter().filter(move |(_, manifest)| manifest.subject.as_ref() == Some(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_listed_in_pages() {
        let mut repository = Repository::default();
        for tag in ["b", "a", "C"] {
            repository.tags.insert(tag.parse().expect("a tag"), Digest::of(b""));
        }
        for (last, limit, expected) in [
            (None, None, (vec!["C", "a", "b"], false)),
            (None, Some(2), (vec!["C", "a"], true)),
            (Some("a"), Some(2), (vec!["b"], false)),
            (Some("aa"), None, (vec!["b"], false)),
            (Some("z"), Some(2), (vec![], false)),
            (None, Some(0), (vec![], false)),
        ] {
            assert_eq!(repository.list(last, limit), expected, "{last:?} {limit:?}");
        }
    }

    #[test]
    fn a_blob_is_mounted_from_where_it_is() {
        let (here, absent) = (Digest::of(b"1"), Digest::of(b"2"));
        for (digest, from, expected) in [
            (&here, Some("one"), true),
            (&here, None, true),
            (&here, Some("two"), false),
            (&absent, Some("one"), false),
        ] {
            let mut catalog = Catalog::default();
            catalog.open("one").blobs.insert(here.clone(), 1);
            assert_eq!(catalog.mount("new", digest, from), expected, "{from:?}");
            let mounted = catalog.find("new").is_some_and(|new| new.blobs.contains_key(digest));
            assert_eq!(mounted, expected, "{from:?}");
        }
    }
}
