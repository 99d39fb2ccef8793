//! Blobs that are on their way: end-4 to end-6, end-11, end-13, and the cancelling of an upload.

use super::answer::{Answer, Code, Refusal, answer};
use super::blobs::created;
use super::route;
use super::server::{Call, Incoming};
use crate::image::Digest;
use crate::layout::{Arriving, LayoutError};
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use axum::response::Response;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

/// How many pieces of a body wait for the disk: with the size of a piece, it bounds the memory of an upload.
const AHEAD: usize = 4;

/// The uploads that were begun and not finished.
#[derive(Default)]
pub(super) struct Uploads {
    next: u64,
    open: BTreeMap<(String, String), Upload>,
}

/// The bytes of one upload. Whoever writes to it or ends it holds the lock; an upload that has ended is empty.
type Upload = Arc<Mutex<Option<Arriving>>>;
type Held = OwnedMutexGuard<Option<Arriving>>;

impl Uploads {
    fn begin(&mut self, name: &str, blob: Arriving) -> String {
        self.next += 1;
        let id = self.next.to_string();
        self.open.insert((name.to_owned(), id.clone()), Arc::new(Mutex::new(Some(blob))));
        id
    }

    fn find(&self, name: &str, id: &str) -> Result<Upload, Refusal> {
        self.open.get(&(name.to_owned(), id.to_owned())).cloned().ok_or_else(unknown)
    }

    /// Ends an upload: whoever looks for it later finds nothing.
    fn end(&mut self, name: &str, id: &str) -> Result<(), Refusal> {
        self.open.remove(&(name.to_owned(), id.to_owned())).map(drop).ok_or_else(unknown)
    }

    /// Waits for those who still write, and throws everything away.
    pub(super) async fn give_up(self) {
        for upload in self.open.into_values() {
            upload.lock().await.take();
        }
    }
}

/// `POST`: mounts a blob, takes a whole one, or begins an upload.
pub(super) async fn open(call: &Call<'_>, body: &mut Incoming) -> Result<Response, Refusal> {
    if let Some(Ok(digest)) = call.parameter("mount").map(route::digest)
        && call.server.catalog().mount(call.name, &digest, call.parameter("from"))
    {
        return Ok(created(call.name, &digest));
    }
    let digest = call.parameter("digest").map(route::digest).transpose()?;
    let blob = call.server.layout().receive()?;
    let id = call.server.uploads().begin(call.name, blob);
    call.server.catalog().open(call.name);
    let Some(digest) = digest else { return Ok(accepted(call, &id, StatusCode::ACCEPTED, 0).empty()) };
    let result = take_over(call, &id, &digest, body).await;
    if result.is_err() {
        // The client was never told the id; it may have ended by now.
        let _ = call.server.uploads().end(call.name, &id);
    }
    result
}

/// `GET`: how far an upload is.
pub(super) async fn status(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let held = hold(call, id).await?;
    let size = held.as_ref().ok_or_else(unknown)?.size();
    Ok(accepted(call, id, StatusCode::NO_CONTENT, size).empty())
}

/// `PATCH`: the next bytes.
pub(super) async fn go_on(call: &Call<'_>, id: &str, body: &mut Incoming) -> Result<Response, Refusal> {
    let held = add(call, id, body).await?;
    let size = held.as_ref().ok_or_else(unknown)?.size();
    Ok(accepted(call, id, StatusCode::ACCEPTED, size).empty())
}

/// `PUT`: the last bytes, if any are left, and the digest of the whole.
pub(super) async fn finish(call: &Call<'_>, id: &str, body: &mut Incoming) -> Result<Response, Refusal> {
    let missing = || Refusal::new(Code::DigestInvalid, "the address has no `digest`");
    let digest = route::digest(call.parameter("digest").ok_or_else(missing)?)?;
    take_over(call, id, &digest, body).await
}

/// `DELETE`: the client has changed its mind.
pub(super) fn cancel(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    call.server.uploads().end(call.name, id)?;
    Ok(answer(StatusCode::NO_CONTENT).empty())
}

/// Takes the rest of an upload and makes it a blob. An upload whose digest is wrong has ended too: there is no way to
/// make it right.
async fn take_over(
    call: &Call<'_>,
    id: &str,
    digest: &Digest,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    let mut held = add(call, id, body).await?;
    let blob = held.take().ok_or_else(unknown)?;
    call.server.uploads().end(call.name, id)?;
    // The catalogue is held meanwhile: a blob must not be deleted between the file and its entry.
    let mut catalog = call.server.catalog();
    let size = call.server.layout().keep(blob, digest)?;
    let size = size.ok_or_else(|| Refusal::new(Code::DigestInvalid, "what was sent has another digest"))?;
    catalog.open(call.name).blobs.insert(digest.clone(), size);
    Ok(created(call.name, digest))
}

/// Adds a body to an upload, if it begins where the upload ends.
async fn add(call: &Call<'_>, id: &str, body: &mut Incoming) -> Result<Held, Refusal> {
    let held = hold(call, id).await?;
    let before = held.as_ref().ok_or_else(unknown)?.size();
    let expected = expected_length(call, id, before)?;
    let held = write(held, body).await?;
    let after = held.as_ref().ok_or_else(unknown)?.size();
    if expected.is_some_and(|expected| after - before != expected) {
        // Some bytes are there that the client did not count: this upload cannot become what it means.
        call.server.uploads().end(call.name, id)?;
        return Err(Refusal::new(Code::SizeInvalid, "the body is not as long as its `Content-Range`"));
    }
    Ok(held)
}

async fn hold(call: &Call<'_>, id: &str) -> Result<Held, Refusal> {
    let upload = call.server.uploads().find(call.name, id)?;
    Ok(upload.lock_owned().await)
}

/// Writes the body as it comes. The disk has a thread of its own; a body that breaks off leaves what has come, and the
/// client can ask how much that is.
async fn write(held: Held, body: &mut Incoming) -> Result<Held, Refusal> {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(AHEAD);
    let writing = tokio::task::spawn_blocking(move || {
        let mut held = held;
        while let Some(piece) = pieces.blocking_recv() {
            held.as_mut().map_or(Ok(()), |blob| blob.write(&piece))?;
        }
        Ok::<Held, LayoutError>(held)
    });
    let passed = pass_on(body, sender).await;
    let stopped = |_| Refusal::new(Code::Unknown, "the registry is about to end");
    let held = writing.await.map_err(stopped)??;
    passed.map(|()| held)
}

async fn pass_on(body: &mut Incoming, to: mpsc::Sender<Bytes>) -> Result<(), Refusal> {
    let broken = |error| Refusal::new(Code::BlobUploadInvalid, format!("the body broke off: {error}"));
    while let Some(piece) = body.next().await {
        // Nobody takes it where writing has failed, and that has a better reason to tell.
        if to.send(piece.map_err(broken)?).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// How long the body must be, if the client says so. A chunk that does not begin at `size` is out of order.
fn expected_length(call: &Call<'_>, id: &str, size: u64) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.header(&CONTENT_RANGE) else { return Ok(None) };
    let invalid = || Refusal::new(Code::BlobUploadInvalid, "`Content-Range` is not `START-END`");
    let (start, end) = text.split_once('-').ok_or_else(invalid)?;
    let (start, end): (u64, u64) =
        (start.parse().map_err(|_| invalid())?, end.parse().map_err(|_| invalid())?);
    if start != size {
        let refusal = Refusal::new(Code::BlobUploadInvalid, format!("the next byte is {size}"));
        let refusal = refusal.status(StatusCode::RANGE_NOT_SATISFIABLE);
        return Err(refusal.header(LOCATION, location(call, id)).header(RANGE, range(size)));
    }
    let length = end.checked_sub(start).and_then(|length| length.checked_add(1)).ok_or_else(invalid)?;
    let announced = call.header(&CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    match announced {
        Some(announced) if announced != length => {
            Err(Refusal::new(Code::SizeInvalid, "`Content-Length` and `Content-Range` differ"))
        }
        _ => Ok(Some(length)),
    }
}

fn accepted(call: &Call<'_>, id: &str, status: StatusCode, size: u64) -> Answer {
    answer(status).header(LOCATION, location(call, id)).header(RANGE, range(size))
}

fn location(call: &Call<'_>, id: &str) -> String {
    format!("/v2/{}/blobs/uploads/{id}", call.name)
}

/// The first and the last byte that are there. It cannot say "none"; other registries say `0-0` too.
fn range(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn unknown() -> Refusal {
    Refusal::new(Code::BlobUploadUnknown, "the repository has no such upload")
}
