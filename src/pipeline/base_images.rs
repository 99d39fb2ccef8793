//! Base images: what each name in a `FROM` means now, asked once for a plan.

use super::Run;
use crate::config::{BaseImages, LOCK_NAME};
use crate::failure::Failure;
use crate::image::{Digest, Image, ImageError, Repository, Tag};
use crate::plan::Planned;
use crate::registry::Registry;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A registry that says nothing for this long is one that cannot be asked.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is known of a base image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Its name has a digest, so it cannot move.
    Pinned,
    /// The image that its name means now.
    Is(Image),
    /// Nobody asked, because the user says so.
    Offline,
    /// Nothing proves that it is the image that it was.
    Unknown,
}

impl Base {
    /// What of it belongs to the input digest, beside its name.
    pub(super) fn content(&self) -> String {
        match self {
            Self::Pinned => "pinned".to_owned(),
            Self::Is(image) => image.to_string(),
            Self::Offline => "offline".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

/// Asks the registries about all names at once, a request each. That one cannot tell is a warning, never an error.
pub(super) async fn resolve(run: &Run, names: BTreeSet<String>) -> Result<BTreeMap<String, Base>, Failure> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let registry = run.registry()?;
    let one = |name: String| {
        let registry = &registry;
        async move {
            let base = match (parse(&name), run.config.base_images) {
                (Ok(Named::Pinned), _) => Ok(Base::Pinned),
                (_, BaseImages::Offline) => Ok(Base::Offline),
                (Ok(Named::Tagged(repository, tag)), BaseImages::Follow) => {
                    ask(registry, repository, &tag).await
                }
                (Ok(Named::Tagged(repository, _)), BaseImages::Pin) => pinned(run, &name, repository),
                (Err(error), BaseImages::Follow | BaseImages::Pin) => Err(error.to_string()),
            };
            let base = base.unwrap_or_else(|problem| {
                run.events.warn(format!("find out what the base image `{name}` is: {problem}"));
                Base::Unknown
            });
            (name, base)
        }
    };
    Ok(join_all(names.into_iter().map(one)).await.into_iter().collect())
}

/// What a plan knew of these names.
pub(super) fn recorded(
    run: &Run,
    names: BTreeSet<String>,
    images: &BTreeMap<String, Image>,
) -> BTreeMap<String, Base> {
    let one = |name: String| {
        let base = match (images.get(&name), parse(&name), run.config.base_images) {
            (_, Ok(Named::Pinned), _) => Base::Pinned,
            // The pins of this checkout must be those of the plan, as its files must.
            (_, Ok(Named::Tagged(repository, _)), BaseImages::Pin) => {
                pinned(run, &name, repository).unwrap_or(Base::Unknown)
            }
            (Some(image), ..) => Base::Is(image.clone()),
            (.., BaseImages::Offline) => Base::Offline,
            (.., BaseImages::Follow | BaseImages::Pin) => Base::Unknown,
        };
        (name, base)
    };
    names.into_iter().map(one).collect()
}

/// The image that the repository's pins have for a name.
fn pinned(run: &Run, name: &str, repository: Repository) -> Result<Base, String> {
    let digest = run.config.pins.get(name).ok_or_else(|| format!("it is not in `{LOCK_NAME}`"))?;
    Ok(Base::Is(Image { repository, digest: digest.clone() }))
}

/// The image that a name means now, or why its registry cannot tell.
pub(super) async fn ask(registry: &Registry, repository: Repository, tag: &Tag) -> Result<Base, String> {
    match tokio::time::timeout(PATIENCE, registry.find(&repository, tag.as_str())).await {
        Ok(Ok(Some(found))) => Ok(Base::Is(Image { repository, digest: found.digest })),
        Ok(Ok(None)) => Err("the registry does not have it".to_owned()),
        Ok(Err(error)) => Err(Failure::from(error).headline),
        Err(_) => Err(format!("its registry said nothing for {} s", PATIENCE.as_secs())),
    }
}

/// The name of an image as a Dockerfile writes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It has a digest.
    Pinned,
    Tagged(Repository, Tag),
}

/// Reads a name with Docker's defaults: the host `docker.io`, the folder `library`, the tag `latest`.
pub(super) fn parse(name: &str) -> Result<Named, ImageError> {
    if let Some((_, digest)) = name.split_once('@') {
        return digest.parse::<Digest>().map(|_| Named::Pinned);
    }
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    };
    Ok(Named::Tagged(with_defaults(repository)?, tag.parse()?))
}

fn with_defaults(repository: &str) -> Result<Repository, ImageError> {
    let mut repository: Repository = repository.parse()?;
    let host = repository.host.get_or_insert_with(|| "docker.io".to_owned());
    if host == "docker.io" && !repository.path.contains('/') {
        repository.path = format!("library/{}", repository.path);
    }
    Ok(repository)
}

/// The image that a plan means by a name, `None` where nobody asked.
pub(super) fn of_plan(planned: &Planned, name: &str) -> Option<Image> {
    planned.base_images.get(name).cloned().or_else(|| by_digest(name))
}

/// The image of a name that has a digest; what stands between the two, a tag, means nothing then.
fn by_digest(name: &str) -> Option<Image> {
    let (name, digest) = name.split_once('@')?;
    let (folder, last) = name.rsplit_once('/').map_or(("", name), |(folder, last)| (folder, last));
    let last = last.split(':').next().unwrap_or(last);
    let repository = if folder.is_empty() { last.to_owned() } else { format!("{folder}/{last}") };
    Some(Image { repository: with_defaults(&repository).ok()?, digest: digest.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_defaults_of_docker() {
        for (name, expected) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.19", "docker.io/library/alpine:3.19"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("grafana/loki:3", "docker.io/grafana/loki:3"),
            ("ghcr.io/acme/base", "ghcr.io/acme/base:latest"),
            ("127.0.0.1:5000/base", "127.0.0.1:5000/base:latest"),
            ("127.0.0.1:5000/base:1", "127.0.0.1:5000/base:1"),
        ] {
            let Ok(Named::Tagged(repository, tag)) = parse(name) else { panic!("{name}") };
            assert_eq!(format!("{repository}:{tag}"), expected);
        }
        assert_eq!(parse(&format!("alpine:3@{}", Digest::of(b""))), Ok(Named::Pinned));
        let digest = Digest::of(b"");
        for (name, expected) in [
            (format!("alpine:3@{digest}"), format!("docker.io/library/alpine@{digest}")),
            (format!("127.0.0.1:5000/base@{digest}"), format!("127.0.0.1:5000/base@{digest}")),
            (format!("127.0.0.1:5000/a/base:1@{digest}"), format!("127.0.0.1:5000/a/base@{digest}")),
        ] {
            assert_eq!(by_digest(&name).map(|image| image.to_string()), Some(expected));
        }
        for name in ["x:$TAG", "$unknown", "alpine@sha256:0", "Alpine", "a:", ""] {
            assert!(parse(name).is_err(), "{name}");
        }
    }
}
