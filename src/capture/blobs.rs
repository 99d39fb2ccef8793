//! Blobs that are there: end-2 and end-10.

use super::answer::{Answer, Code, DIGEST, Refusal, answer};
use super::server::Call;
use crate::image::Digest;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use axum::response::Response;
use std::io::SeekFrom;
use std::ops::RangeInclusive;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// How much of a file is in memory at once.
const PIECE: usize = 1 << 16;

/// `HEAD` of a blob.
pub(super) fn look(call: &Call<'_>, digest: &Digest) -> Result<Response, Refusal> {
    let size = size(call, digest)?;
    Ok(about(StatusCode::OK, digest).header(CONTENT_LENGTH, size).empty())
}

/// `GET` of a blob, or of the part that `Range` names.
pub(super) async fn read(call: &Call<'_>, digest: &Digest) -> Result<Response, Refusal> {
    let size = size(call, digest)?;
    let (status, part) = match call.header(&RANGE).map_or(Wanted::All, |text| wanted(text, size)) {
        Wanted::All => (StatusCode::OK, 0..=size.saturating_sub(1)),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => {
            let refusal = Refusal::new(Code::SizeInvalid, "the blob has no such part");
            let refusal = refusal.status(StatusCode::RANGE_NOT_SATISFIABLE);
            return Err(refusal.header(CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let length = if size == 0 { 0 } else { part.end() - part.start() + 1 };
    let mut head = about(status, digest).header(CONTENT_LENGTH, length);
    if status == StatusCode::PARTIAL_CONTENT {
        head = head.header(CONTENT_RANGE, format!("bytes {}-{}/{size}", part.start(), part.end()));
    }
    let body = open(call, digest, *part.start(), length).await;
    Ok(head.body(body.map_err(|error| Refusal::new(Code::Unknown, format!("read {digest}: {error}")))?))
}

/// Takes a blob out of the repository, and out of the layout when no other repository has it.
pub(super) fn delete(call: &Call<'_>, digest: &Digest) -> Result<Response, Refusal> {
    let mut catalog = call.server.catalog();
    let repository = catalog.find_mut(call.name).ok_or_else(unknown)?;
    repository.blobs.remove(digest).ok_or_else(unknown)?;
    if !catalog.holds(digest) {
        call.server.layout().remove(digest)?;
    }
    Ok(answer(StatusCode::ACCEPTED).empty())
}

/// The answer to a client whose blob is here now.
pub(super) fn created(name: &str, digest: &Digest) -> Response {
    let location = format!("/v2/{name}/blobs/{digest}");
    answer(StatusCode::CREATED).header(LOCATION, location).header(DIGEST, digest).empty()
}

async fn open(call: &Call<'_>, digest: &Digest, start: u64, length: u64) -> std::io::Result<Body> {
    let mut file = File::open(call.server.layout().blob(digest)).await?;
    file.seek(SeekFrom::Start(start)).await?;
    Ok(Body::from_stream(ReaderStream::with_capacity(file.take(length), PIECE)))
}

fn size(call: &Call<'_>, digest: &Digest) -> Result<u64, Refusal> {
    let catalog = call.server.catalog();
    let size = catalog.find(call.name).and_then(|repository| repository.blobs.get(digest)).copied();
    size.ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::new(Code::BlobUnknown, "the repository has no such blob")
}

fn about(status: StatusCode, digest: &Digest) -> Answer {
    let answer = answer(status).header(CONTENT_TYPE, "application/octet-stream").header(DIGEST, digest);
    answer.header(ACCEPT_RANGES, "bytes")
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(RangeInclusive<u64>),
    Nothing,
}

/// RFC 9110, section 14: a header that is not understood, or that asks for several parts, may be ignored.
fn wanted(text: &str, size: u64) -> Wanted {
    let bounds = text.strip_prefix("bytes=").and_then(|part| part.split_once('-'));
    let Some((first, last)) = bounds else { return Wanted::All };
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..=last.min(size.saturating_sub(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..=size.saturating_sub(1),
        (Err(_), Ok(last)) if first.is_empty() => match last {
            0 => return Wanted::Nothing,
            last => size.saturating_sub(last)..=size.saturating_sub(1),
        },
        _ => return Wanted::All,
    };
    if *part.start() < size { Wanted::Part(part) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_part_of_what_is_there() {
        for (text, size, expected) in [
            ("bytes=0-3", 10, Wanted::Part(0..=3)),
            ("bytes=8-99", 10, Wanted::Part(8..=9)),
            ("bytes=8-", 10, Wanted::Part(8..=9)),
            ("bytes=-4", 10, Wanted::Part(6..=9)),
            ("bytes=-99", 10, Wanted::Part(0..=9)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=10-11", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=3-1", 10, Wanted::All),
            ("bytes=0-1,3-4", 10, Wanted::All),
            ("lines=0-1", 10, Wanted::All),
            ("bytes=", 10, Wanted::All),
        ] {
            assert_eq!(wanted(text, size), expected, "{text} of {size}");
        }
    }
}
