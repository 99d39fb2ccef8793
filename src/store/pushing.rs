//! The image of a leg, from the layout its backend left into the store, with the blobs that lie elsewhere.

use super::{Store, StoreError, count, entry, found_in, megabytes};
use crate::component::Leg;
use crate::event::{Events, Progress, Stage};
use crate::image::{Digest, ImageError, Repository, Tag};
use crate::layout::{self, Descriptor, Layout, Referrer};
use crate::plan::Found;
use crate::registry::{Pace, Ready, Registry, Way};
use std::collections::BTreeMap;

/// A leg's image in the layout where it was built.
pub(crate) struct Built<'a> {
    pub(crate) leg: &'a Leg,
    pub(crate) layout: &'a Layout,
    /// Its manifest there.
    pub(crate) manifest: Descriptor,
    /// The repository that has the blobs which the layout lacks, and who can ask it.
    pub(crate) elsewhere: Option<(Registry, Repository)>,
}

/// What is brought into the store.
struct Parcel<'a> {
    built: &'a Built<'a>,
    bytes: Vec<u8>,
    blobs: Vec<(Digest, u64)>,
    referrers: Vec<Referrer>,
}

impl Store {
    /// Brings the image of a leg into the store, under its key. Returns also whether it is new there.
    pub(crate) async fn push_leg(
        &self,
        events: &Events,
        repository: &Repository,
        key: &Tag,
        built: &Built<'_>,
    ) -> Result<(Found, bool), StoreError> {
        let parcel = Parcel::of(built)?;
        let (leg, total) = (built.leg, parcel.total());
        let starting = format!("{}, {}", count(parcel.blobs.len(), "blob"), megabytes(total));
        events.step(Stage::Push, leg.to_string(), Progress::Doing, starting);
        let tell = |pace: Pace| {
            let (all, moved) = (count(parcel.blobs.len(), "blob"), megabytes(pace.moved));
            let text = format!("{} of {all}, {moved} of {}", pace.done, megabytes(total));
            events.progress(Stage::Push, leg.to_string(), text, pace.under_way);
        };
        let ways = match self {
            Self::Layout(layout) => {
                let ways = parcel.adopt_into(layout, tell).await?;
                let manifest = built.manifest.clone().with_all_blobs();
                layout.refer(&[(entry(repository, key), manifest)])?;
                ways
            }
            Self::Registry(registry) => {
                registry.push(repository, key.as_str(), &parcel.ready(), tell).await?
            }
        };
        let digest = built.manifest.digest()?;
        let (blobs, attached) = (told(&ways, parcel.blobs.len()), parcel.attached());
        let text = format!("{blobs}, sha256:{}{attached}", digest.short());
        events.step(Stage::Push, leg.to_string(), Progress::Done, text);
        Ok((found_in(&built.manifest)?, !ways.is_empty()))
    }
}

impl<'a> Parcel<'a> {
    fn of(built: &'a Built<'a>) -> Result<Self, StoreError> {
        let digest = built.manifest.digest()?;
        let bytes = built.layout.read(&digest)?;
        let parts = layout::children(&bytes)
            .map_err(|source| StoreError::Manifest { leg: built.leg.clone(), source })?;
        let blobs = parts.iter().map(|blob| Ok((blob.digest()?, blob.size)));
        let blobs = blobs.collect::<Result<_, ImageError>>()?;
        Ok(Self { built, bytes, blobs, referrers: built.layout.referrers(&digest)? })
    }

    fn total(&self) -> u64 {
        self.blobs.iter().map(|(_, size)| size).sum()
    }

    fn attached(&self) -> String {
        match self.referrers.len() {
            0 => String::new(),
            number => format!(", {} attached", count(number, "document")),
        }
    }

    fn ready(&self) -> Ready<'_> {
        Ready {
            layout: self.built.layout,
            media_type: &self.built.manifest.media_type,
            manifest: &self.bytes,
            blobs: self.blobs.clone(),
            elsewhere: self.built.elsewhere.as_ref().map(|(_, repository)| repository),
            referrers: &self.referrers,
        }
    }

    /// Takes the image over into a layout: what was built here by a link, the rest from where it is.
    async fn adopt_into(&self, layout: &Layout, tell: impl Fn(Pace)) -> Result<Vec<Way>, StoreError> {
        let Built { layout: built, manifest, elsewhere, .. } = self.built;
        let is_here = |(digest, size): &(Digest, u64)| elsewhere.is_none() || built.holds(digest, *size);
        let (here, there): (Vec<_>, Vec<_>) = self.blobs.iter().cloned().partition(is_here);
        let mut ways = match elsewhere {
            Some((registry, repository)) => registry.download(repository, &there, layout, tell).await?,
            None => vec![],
        };
        for (digest, _) in &here {
            layout.adopt(built, digest)?;
        }
        layout.adopt(built, &manifest.digest()?)?;
        for referrer in &self.referrers {
            for part in referrer.blobs.iter().chain([&referrer.descriptor]) {
                layout.adopt(built, &part.digest()?)?;
            }
            layout.list(&referrer.descriptor)?;
        }
        ways.extend(here.iter().map(|_| Way::Sent));
        Ok(ways)
    }
}

/// What came of the blobs of an image, for people.
pub(super) fn told(ways: &[Way], all: usize) -> String {
    let mut sent = 0;
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for way in ways {
        let how = match way {
            Way::Sent => {
                sent += 1;
                continue;
            }
            Way::Mounted(from) => format!("mounted from `{from}`"),
            Way::Copied(host) => format!("copied from `{host}`"),
            Way::Present => "there already".to_owned(),
        };
        *others.entry(how).or_default() += 1;
    }
    let others = others.iter().map(|(how, number)| format!(", {number} {how}")).collect::<String>();
    format!("{sent} of {} sent{others}", count(all, "blob"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_blobs_is_told() {
        let mounted = || Way::Mounted("acme/base".to_owned());
        let copied = Way::Copied("docker.io".to_owned());
        for (ways, all, expected) in [
            (vec![], 2, "0 of 2 blobs sent"),
            (vec![Way::Sent], 1, "1 of 1 blob sent"),
            (vec![Way::Sent, Way::Present, Way::Sent], 3, "2 of 3 blobs sent, 1 there already"),
            (
                vec![mounted(), Way::Sent, copied, mounted()],
                4,
                "1 of 4 blobs sent, 1 copied from `docker.io`, 2 mounted from `acme/base`",
            ),
        ] {
            assert_eq!(told(&ways, all), expected);
        }
    }
}
