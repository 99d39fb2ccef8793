//! What a run has learnt: how each registry wants to be given blobs, and which blobs it has.

use super::address::Target;
use super::along::Along;
use crate::image::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// The ways to send a blob, the best one first. A registry that refuses one is given the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    /// One PUT with everything.
    #[default]
    Whole,
    /// One PATCH with everything, then an empty PUT: what Docker does, and all that old Artifactory knows.
    Patch,
    /// Ranges, one after the other: what limits the size of a request needs.
    Chunks,
}

/// A host that refused to mount from so many repositories is not asked again.
const REFUSALS: usize = 2;

/// Whether a registry answers 201 to a mount from the repository itself, if it has the blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SelfMount {
    #[default]
    Unproven,
    Works,
    Useless,
}

/// How a host behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    pub(super) rung: Rung,
    pub(super) self_mount: SelfMount,
    /// How many tags of a manifest it takes in one request, as far as that is known.
    pub(super) tags_at_once: Option<usize>,
}

impl Habits {
    /// It takes so many tags in one request, or fewer.
    pub(super) fn takes_tags(&mut self, most: usize) {
        self.tags_at_once = Some(self.tags_at_once.map_or(most, |known| known.min(most)));
    }
}

/// By host and digest, the paths of the repositories that have a blob, and whether the registry has said so in this run.
type Blobs = BTreeMap<(String, Digest), BTreeMap<String, bool>>;

/// By host and digest, who may bring a blob.
type Turns = BTreeMap<(String, Digest), Arc<tokio::sync::Mutex<()>>>;

/// Shared by all uploads of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Learnt {
    hosts: Arc<Mutex<BTreeMap<String, Habits>>>,
    blobs: Arc<Mutex<Blobs>>,
    /// By host, the repositories from which it refused to mount: a base image may be readable and not mountable.
    unmountable: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
    /// Of several images with the same blob, the others wait for the first.
    turns: Arc<Mutex<Turns>>,
    /// Blobs that are sent while they are written.
    along: Arc<Mutex<Vec<Along>>>,
    /// Names of manifests that were not there when somebody asked, by host and path of the repository.
    absent: Arc<Mutex<BTreeSet<(String, String, String)>>>,
    /// Manifests that were pushed, for their tags.
    manifests: Arc<Mutex<BTreeMap<Digest, Vec<u8>>>>,
}

impl Learnt {
    /// How a host behaves, as far as is known.
    pub(super) fn habits(&self, host: &str) -> Habits {
        lock(&self.hosts).get(host).copied().unwrap_or_default()
    }

    /// Remembers something about a host.
    pub(super) fn note(&self, host: &str, change: impl FnOnce(&mut Habits)) {
        change(lock(&self.hosts).entry(host.to_owned()).or_default());
    }

    /// Keeps a manifest, which some tag will need.
    pub(super) fn keep(&self, digest: &Digest, bytes: &[u8]) {
        lock(&self.manifests).entry(digest.clone()).or_insert_with(|| bytes.to_vec());
    }

    /// A manifest that was kept.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<Vec<u8>> {
        lock(&self.manifests).get(digest).cloned()
    }

    /// A name was not there. Somebody else may use it meanwhile, so this only saves questions.
    pub(super) fn lacks(&self, target: &Target, name: &str) {
        lock(&self.absent).insert((target.host.clone(), target.path.clone(), name.to_owned()));
    }

    /// Whether the name was not there when this run asked.
    pub(super) fn has_lacked(&self, target: &Target, name: &str) -> bool {
        lock(&self.absent).contains(&(target.host.clone(), target.path.clone(), name.to_owned()))
    }

    /// The registry has this blob in this repository: it has just said so.
    pub(super) fn has(&self, target: &Target, digest: &Digest) {
        let key = (target.host.clone(), digest.clone());
        lock(&self.blobs).entry(key).or_default().insert(target.path.clone(), true);
    }

    /// A manifest says that this blob is in this repository, so it is worth a try to mount it from there. That proves
    /// nothing: blobs are deleted, too.
    pub(super) fn may_have(&self, target: &Target, digest: &Digest) {
        let key = (target.host.clone(), digest.clone());
        lock(&self.blobs).entry(key).or_default().entry(target.path.clone()).or_default();
    }

    /// What was believed of this repository's blobs is wrong.
    pub(super) fn forget(&self, target: &Target) {
        for ((_, _), paths) in lock(&self.blobs).iter_mut().filter(|((host, _), _)| *host == target.host) {
            paths.remove(&target.path);
        }
    }

    /// Whether the registry is known to have this blob in this repository.
    pub(super) fn is_known(&self, target: &Target, digest: &Digest) -> bool {
        let key = (target.host.clone(), digest.clone());
        lock(&self.blobs).get(&key).and_then(|paths| paths.get(&target.path)) == Some(&true)
    }

    /// Waits until nobody else brings this blob to the host. Until the guard is dropped, others wait.
    pub(super) async fn turn(&self, host: &str, digest: &Digest) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(lock(&self.turns).entry((host.to_owned(), digest.clone())).or_default());
        turn.lock_owned().await
    }

    /// A blob is sent while it is written.
    pub(super) fn goes_along(&self, along: Along) {
        lock(&self.along).push(along);
    }

    /// Whether the same blob is sent so to the same host, and was begun before.
    pub(super) fn goes_along_before(&self, along: &Along, digest: &Digest) -> bool {
        let all = lock(&self.along);
        all.iter().take_while(|other| !other.is_same(along)).any(|other| other.is(along.host(), digest))
    }

    /// The blob, if it is sent so to the host. Whoever asks is the only one: others wait for their turn.
    pub(super) fn along(&self, host: &str, digest: &Digest) -> Option<Along> {
        let mut all = lock(&self.along);
        let position = all.iter().position(|along| along.is(host, digest))?;
        Some(all.remove(position))
    }

    /// Another repository of the same host that has the blob and from which it may be mounted.
    pub(super) fn elsewhere(&self, target: &Target, digest: &Digest) -> Option<String> {
        let key = (target.host.clone(), digest.clone());
        let unmountable = lock(&self.unmountable).get(&target.host).cloned().unwrap_or_default();
        if unmountable.len() >= REFUSALS {
            return None;
        }
        let is_other = |path: &&String| **path != target.path && !unmountable.contains(*path);
        lock(&self.blobs).get(&key)?.keys().find(is_other).cloned()
    }

    /// The host refused to mount from the repository `path`.
    pub(super) fn cannot_mount(&self, host: &str, path: String) {
        lock(&self.unmountable).entry(host.to_owned()).or_default().insert(path);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
