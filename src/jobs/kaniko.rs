//! kaniko in a pod: the files go to its stdin, and it can only push, so the image comes back from the registry.

use super::ending::{failed, last_lines, trouble, unless_ended};
use super::object::Object;
use super::remote::Remote;
use super::stand::Stand;
use super::watch::Watch;
use super::{Handover, JobError, Site};
use crate::backends::{Apart, BuildError};
use crate::event::Events;
use crate::image::{Digest, ImageError, Tag};
use crate::layout::{Contents, Descriptor, Layout};
use crate::registry::RegistryError;
use std::time::Duration;
use tokio::time::timeout;

/// How long the cluster may take to say that the deadline of the Job has passed.
const LAST_WORD: Duration = Duration::from_secs(30);
/// How long the registry may take to delete a tag.
const FORGETTING: Duration = Duration::from_secs(30);

/// What the executor is told about where the image goes (its README, "Additional Flags").
pub(super) fn push_arguments(handover: &Handover<'_>, tag: &Tag) -> Vec<String> {
    let mut arguments = vec![
        format!("--destination={}:{tag}", handover.repository),
        "--digest-file=/dev/termination-log".to_owned(),
    ];
    arguments.extend(handover.insecure.iter().map(|host| format!("--insecure-registry={host}")));
    arguments
}

/// Lets the pod of `object` build and push, and takes the image into the layout. The tag is left to [`forget`].
pub(super) async fn build(
    events: &Events,
    site: &Site<'_>,
    object: &Object,
    apart: &Apart<'_>,
    handover: &Handover<'_>,
) -> Result<Descriptor, JobError> {
    apart.pin()?;
    let digest = pushed(events, site, object, apart).await?;
    take(apart, handover, &digest).await
}

/// Deletes the tag if kaniko has pushed it, however the build ended, and warns of one that stays.
pub(super) async fn forget(events: &Events, handover: &Handover<'_>, tag: &Tag) {
    let Handover { registry, repository, .. } = handover;
    let removal = async {
        let is_there = registry.find(repository, tag.as_str()).await.map(|found| found.is_some());
        match is_there.map_err(|error| ("may stay", error.to_string()))? {
            true => registry.remove_tag(repository, tag).await.map_err(|error| ("stays", why_kept(error))),
            false => Ok(()),
        }
    };
    let removed = timeout(FORGETTING, removal).await;
    let removed = removed.unwrap_or_else(|_| Err(("may stay", "the registry does not answer".to_owned())));
    if let Err((verb, why)) = removed {
        events.warn(format!("`{repository}:{tag}` {verb}, and nothing needs it any more: {why}"));
    }
}

fn why_kept(error: RegistryError) -> String {
    match error {
        // What some say of it is about digests, and of no use.
        RegistryError::Refused { status, .. } => format!("the registry deletes no tags ({status})"),
        error => error.to_string(),
    }
}

/// The digest that kaniko says it has pushed.
async fn pushed(
    events: &Events,
    site: &Site<'_>,
    object: &Object,
    apart: &Apart<'_>,
) -> Result<Digest, JobError> {
    let mut watch = Watch::open(object);
    let pod = match watch.until_started(events, site.builder.timeout).await? {
        Stand::Running { pod } => pod,
        other => return Err(unwell(object, site, other).await),
    };
    let remote = Remote { object, pod: &pod };
    let limit = site.builder.timeout + LAST_WORD;
    let feed = remote.feed(events, apart.compressed_archive()?);
    let fed = unless_ended(&pod, feed, watch.until_ended(limit)).await;
    // Not all of the context got there.
    if let Err(error @ JobError::Build(_)) = fed {
        return Err(error);
    }
    // Without a connection it may never get what it waits for.
    let rest = if fed.is_ok() { limit } else { LAST_WORD };
    match (watch.until_ended(rest).await?, fed) {
        (Stand::Ended { code: 0, message, .. }, _) => {
            let said = message.trim();
            said.parse().map_err(|_| JobError::NoDigest { said: said.chars().take(100).collect() })
        }
        (Stand::Running { .. } | Stand::Waiting { .. }, Err(error)) => Err(error),
        (other, _) => Err(unwell(object, site, other).await),
    }
}

async fn unwell(object: &Object, site: &Site<'_>, stand: Stand) -> JobError {
    match stand {
        Stand::Ended { pod, code, .. } => failed("kaniko", code, last_lines(object, &pod).await),
        other => trouble(object, site, other),
    }
}

/// The image of that digest, read back from the registry into the layout.
async fn take(apart: &Apart<'_>, handover: &Handover<'_>, digest: &Digest) -> Result<Descriptor, JobError> {
    let Handover { registry, repository, .. } = handover;
    let not_pushed = || JobError::NotPushed { repository: (*repository).clone(), digest: digest.to_string() };
    let found = registry.find(repository, &digest.to_string()).await?.ok_or_else(not_pushed)?;
    let bytes = registry.manifest(repository, digest).await?;
    let unfit = |what: &str| JobError::Build(BuildError::Cut { what: what.to_owned() });
    let contents = Contents::read(&bytes).map_err(|_| unfit("its manifest"))?;
    let layout = Layout::create(apart.out()).map_err(BuildError::from)?;
    let blobs = contents.blobs().map(|blob| Ok((blob.digest()?, blob.size)));
    let blobs = blobs.collect::<Result<Vec<_>, ImageError>>().map_err(|_| unfit("the digest of a blob"))?;
    registry.download(repository, &blobs, &layout, |_| ()).await?;
    let manifest = layout.write(&bytes, &found.media_type).map_err(BuildError::from)?;
    Ok(apart.finish(manifest)?)
}
