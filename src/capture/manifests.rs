//! Manifests, tags and referrers: end-3, end-7, end-8, end-9 and end-12.

use super::answer::{Answer, Code, DIGEST, Refusal, answer};
use super::catalog::{Manifest, Repository};
use super::route::Reference;
use super::server::{Call, Incoming};
use crate::image::{Digest, Tag};
use crate::layout::{Contents, Descriptor, IMAGE_INDEX};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LINK, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::{Value, json};

/// The longest manifest, the least that the spec asks for and the most that other registries take.
const LONGEST: usize = 4 * 1024 * 1024;
/// Says that a manifest is now listed as one about its subject.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that was set together with the manifest.
const TAG: HeaderName = HeaderName::from_static("oci-tag");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET` and `HEAD` of a manifest.
pub(super) fn read(call: &Call<'_>, reference: &Reference, is_head: bool) -> Result<Response, Refusal> {
    let catalog = call.server.catalog();
    let repository = catalog.find(call.name).ok_or_else(unknown)?;
    let digest = resolve(repository, reference)?;
    let manifest = repository.manifests.get(digest).ok_or_else(unknown)?;
    let answer = answer(StatusCode::OK)
        .header(CONTENT_TYPE, &manifest.media_type)
        .header(CONTENT_LENGTH, manifest.size)
        .header(DIGEST, digest);
    Ok(if is_head { answer.empty() } else { answer.body(call.server.layout().read(digest)?) })
}

/// `PUT` of a manifest under a tag, or under its digest and the tags of the address.
pub(super) async fn put(
    call: &Call<'_>,
    reference: &Reference,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    let bytes = receive(body).await?;
    let digest = Digest::of(&bytes);
    let tags = match reference {
        Reference::Digest(expected) if *expected != digest => {
            return Err(Refusal::new(Code::DigestInvalid, "what was sent has another digest"));
        }
        Reference::Digest(_) => call.parameters("tag").map(tag).collect::<Result<Vec<_>, _>>()?,
        Reference::Tag(tag) => vec![tag.clone()],
    };
    let contents = Contents::read(&bytes)
        .map_err(|error| Refusal::new(Code::ManifestInvalid, format!("this is no manifest: {error}")))?;
    let media_type = media_type(call, &contents)?;
    // The catalogue is held meanwhile: a part must not be deleted between the look and the entry.
    let mut catalog = call.server.catalog();
    let repository = catalog.open(call.name);
    ensure_parts(repository, &contents)?;
    let manifest = describe(contents, media_type, bytes.len())?;
    call.server.layout().write(&bytes, &manifest.media_type)?;
    let answer = stored(call, &digest, &manifest, matches!(reference, Reference::Digest(_)), &tags);
    repository.manifests.insert(digest.clone(), manifest);
    repository.tags.extend(tags.into_iter().map(|tag| (tag, digest.clone())));
    Ok(answer.empty())
}

/// `DELETE` of a tag, or of a manifest with all its tags.
pub(super) fn delete(call: &Call<'_>, reference: &Reference) -> Result<Response, Refusal> {
    let mut catalog = call.server.catalog();
    let repository = catalog.find_mut(call.name).ok_or_else(unknown)?;
    let was_there = match reference {
        Reference::Tag(tag) => repository.tags.remove(tag).is_some(),
        Reference::Digest(digest) => repository.forget(digest),
    };
    if !was_there {
        return Err(unknown());
    }
    if let Reference::Digest(digest) = reference
        && !catalog.holds(digest)
    {
        call.server.layout().remove(digest)?;
    }
    Ok(answer(StatusCode::ACCEPTED).empty())
}

/// The list of tags, whole or in pages.
pub(super) fn tags(call: &Call<'_>) -> Result<Response, Refusal> {
    let catalog = call.server.catalog();
    let nowhere = || Refusal::new(Code::NameUnknown, "nothing was pushed to this repository");
    let repository = catalog.find(call.name).ok_or_else(nowhere)?;
    let limit = call.parameter("n").map(str::parse).transpose();
    let limit = limit.map_err(|_| {
        Refusal::new(Code::Unsupported, "`n` is not a number").status(StatusCode::BAD_REQUEST)
    })?;
    let (tags, has_more) = repository.list(call.parameter("last"), limit);
    let mut answer = answer(StatusCode::OK).header(CONTENT_TYPE, "application/json");
    if let (true, Some(limit), Some(last)) = (has_more, limit, tags.last()) {
        let next = format!("</v2/{}/tags/list?n={limit}&last={last}>; rel=\"next\"", call.name);
        answer = answer.header(LINK, next);
    }
    Ok(answer.body(json!({"name": call.name, "tags": tags}).to_string()))
}

/// The manifests about `subject`, as an index. The spec wants an answer even where nothing was ever pushed.
pub(super) fn referrers(call: &Call<'_>, subject: &Digest) -> Result<Response, Refusal> {
    let catalog = call.server.catalog();
    let wanted = call.parameter("artifactType");
    let is_wanted = |manifest: &Manifest| wanted.is_none() || manifest.artifact_type.as_deref() == wanted;
    let found = catalog.find(call.name).into_iter().flat_map(|repository| repository.referrers(subject));
    let entries: Vec<Value> = found
        .filter(|(_, manifest)| is_wanted(manifest))
        .map(|(digest, manifest)| entry(digest, manifest))
        .collect();
    let mut answer = answer(StatusCode::OK).header(CONTENT_TYPE, IMAGE_INDEX);
    if wanted.is_some() {
        answer = answer.header(FILTERS, "artifactType");
    }
    let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries});
    Ok(answer.body(index.to_string()))
}

fn entry(digest: &Digest, manifest: &Manifest) -> Value {
    let mut entry = json!({
        "mediaType": manifest.media_type,
        "digest": digest.to_string(),
        "size": manifest.size,
    });
    if let Some(artifact_type) = &manifest.artifact_type {
        entry["artifactType"] = json!(artifact_type);
    }
    if !manifest.annotations.is_empty() {
        entry["annotations"] = json!(manifest.annotations);
    }
    entry
}

async fn receive(body: &mut Incoming) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![];
    while let Some(piece) = body.next().await {
        let piece = piece
            .map_err(|error| Refusal::new(Code::ManifestInvalid, format!("the body broke off: {error}")))?;
        if bytes.len() + piece.len() > LONGEST {
            let refusal = Refusal::new(Code::ManifestInvalid, "a manifest has at most 4 MiB");
            return Err(refusal.status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// What the client calls it, which must be what it calls itself.
fn media_type(call: &Call<'_>, contents: &Contents) -> Result<String, Refusal> {
    let invalid = |message| Err(Refusal::new(Code::ManifestInvalid, message));
    if contents.schema_version != 2 || contents.is_ambiguous() {
        return invalid("a manifest has the schema version 2, and is an image or an index");
    }
    let header = call.header(&CONTENT_TYPE).and_then(|text| text.split(';').next()).map(str::trim);
    match (header, contents.media_type.as_deref()) {
        (Some(header), Some(own)) if header != own => invalid("`Content-Type` and `mediaType` differ"),
        (Some(found), _) | (None, Some(found)) => Ok(found.to_owned()),
        (None, None) => invalid("there is neither a `Content-Type` nor a `mediaType`"),
    }
}

/// A layout with holes is of no use, so the parts of a manifest come before it. The subject may come later, or never.
fn ensure_parts(repository: &Repository, contents: &Contents) -> Result<(), Refusal> {
    let size_of = |part: &Descriptor| {
        let digest = part.digest().ok()?;
        let manifest = repository.manifests.get(&digest).map(|manifest| manifest.size);
        manifest.or(repository.blobs.get(&digest).copied())
    };
    for part in contents.blobs().chain(contents.manifests()) {
        let digest = &part.digest;
        match size_of(part) {
            Some(size) if size == part.size => {}
            Some(size) => {
                let message = format!("{digest} has {size} bytes, and the manifest says {}", part.size);
                return Err(Refusal::new(Code::ManifestInvalid, message));
            }
            None => {
                let message = format!("the repository does not have {digest}");
                return Err(Refusal::new(Code::ManifestBlobUnknown, message));
            }
        }
    }
    Ok(())
}

fn describe(contents: Contents, media_type: String, size: usize) -> Result<Manifest, Refusal> {
    let subject = contents.subject.as_ref().map(Descriptor::digest).transpose();
    let subject = subject.map_err(|error| Refusal::new(Code::ManifestInvalid, error.to_string()))?;
    Ok(Manifest {
        media_type,
        size: size as u64,
        subject,
        artifact_type: contents.artifact_type().map(str::to_owned),
        annotations: contents.into_annotations(),
    })
}

fn stored(call: &Call<'_>, digest: &Digest, manifest: &Manifest, is_by_digest: bool, tags: &[Tag]) -> Answer {
    let location = format!("/v2/{}/manifests/{digest}", call.name);
    let mut answer = answer(StatusCode::CREATED).header(LOCATION, location).header(DIGEST, digest);
    if let Some(subject) = &manifest.subject {
        answer = answer.header(SUBJECT, subject);
    }
    if is_by_digest {
        answer = tags.iter().fold(answer, |answer, tag| answer.header(TAG, tag));
    }
    answer
}

fn resolve<'a>(repository: &'a Repository, reference: &'a Reference) -> Result<&'a Digest, Refusal> {
    match reference {
        Reference::Digest(digest) => Ok(digest),
        Reference::Tag(tag) => repository.tag(tag).ok_or_else(unknown),
    }
}

fn tag(text: &str) -> Result<Tag, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::ManifestInvalid, "`tag` is not a tag"))
}

fn unknown() -> Refusal {
    Refusal::new(Code::ManifestUnknown, "the repository has no such manifest")
}
