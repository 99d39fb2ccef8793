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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::registry::Registry;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    /// A registry that answers a question for a tag, and its deletion, with these; and the methods that it was asked.
    fn registry(look: &'static str, delete: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let asked = Arc::new(Mutex::new(vec![]));
        let noted = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let lines = BufReader::new(stream.try_clone().expect("the same")).lines();
                let lines: Vec<String> =
                    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let Some(method) = lines.first().and_then(|line| line.split(' ').next()) else { continue };
                noted.lock().expect("not poisoned").push(method.to_owned());
                let answer = if method == "DELETE" { delete } else { look };
                let text = format!(
                    "HTTP/1.1 {answer}\r\nDocker-Content-Digest: {}\r\n\
                     Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n",
                    Digest::of(b"x")
                );
                stream.write_all(text.as_bytes()).expect("answered");
            }
        });
        (address, asked)
    }

    #[tokio::test]
    async fn a_tag_that_was_pushed_goes_away_or_is_told() {
        let (stays, may_stay) = ("hephy-tmp-1` stays, and nothing", "hephy-tmp-1` may stay, and nothing");
        for (look, delete, is_deleted, warning) in [
            ("404 Not Found", "400 Bad Request", false, None),
            ("200 OK", "202 Accepted", true, None),
            ("200 OK", "400 Bad Request", true, Some(stays)),
            ("400 Bad Request", "202 Accepted", false, Some(may_stay)),
        ] {
            let (address, asked) = registry(look, delete);
            let (events, told) = Events::channel();
            let registry = Registry::untold(events.clone());
            let repository = format!("{address}/made/web").parse().expect("a repository");
            let handover = Handover { registry: &registry, repository: &repository, insecure: &[] };
            forget(&events, &handover, &"hephy-tmp-1".parse().expect("a tag")).await;
            drop((events, registry));
            let warnings: Vec<String> = told
                .into_iter()
                .filter_map(|event| if let Event::Warning { text } = event { Some(text) } else { None })
                .collect();
            let asked = asked.lock().expect("not poisoned").clone();
            let found = asked.iter().any(|method| method == "DELETE");
            assert_eq!(found, is_deleted, "{look}, {delete}: {asked:?} {warnings:?}");
            assert_eq!(warnings.len(), usize::from(warning.is_some()), "{warnings:?}");
            assert!(warning.is_none_or(|words| warnings[0].contains(words)), "{warnings:?}");
        }
    }
}
