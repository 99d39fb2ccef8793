//! The last rung: a blob in ranges, one after the other, resumed where the registry says that it stands
//! (distribution spec, "Pushing a blob in chunks").

use super::RegistryError;
use super::retry::{self, Patience};
use super::session::Session;
use super::upload::{Hitch, Upload};
use super::wire::Answer;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use std::ops::Range;

/// GHCR takes no more at once.
const CHUNK: u64 = 4 << 20;
/// A registry that refuses so little refuses everything.
const SHORTEST: u64 = 64 << 10;
/// How often the registry may say that it stands elsewhere.
const MISUNDERSTANDINGS: u32 = 10;

/// Sends the blob in parts.
pub(super) async fn send(
    upload: &Upload<'_>,
    session: &mut Session,
    patience: &mut Patience,
) -> Result<(), Hitch> {
    let blob = upload.blob;
    let attempt = blob.begin();
    let (mut offset, mut length, mut misunderstood) = (0, CHUNK.max(session.shortest_chunk), 0);
    while offset < blob.size {
        let range = offset..offset.saturating_add(length).min(blob.size);
        let answer = upload.http.once(upload.errand, Method::PATCH, &session.place, |request, pulse| {
            let request = request.header(CONTENT_TYPE, "application/octet-stream");
            let request = request.header(CONTENT_RANGE, format!("{}-{}", range.start, range.end - 1));
            let body = blob.part(range.clone(), pulse, &attempt);
            request.header(CONTENT_LENGTH, range.end - range.start).body(body)
        });
        let next = match answer.await {
            Ok(answer) if answer.status.is_success() => {
                session.place = upload.http.place(upload.errand, &answer)?;
                stands_at(&answer, &range)
            }
            Ok(answer) if answer.status.as_u16() == 413 => {
                length = shorter(length, session.shortest_chunk).ok_or_else(|| Hitch::of(answer))?;
                offset
            }
            Ok(answer) if answer.status.as_u16() == 416 && misunderstood < MISUNDERSTANDINGS => {
                // It may be the length that it does not like, as at GHCR, or the place.
                misunderstood += 1;
                let next = ask(upload, session).await?;
                if next == offset {
                    length = shorter(length, session.shortest_chunk).ok_or_else(|| Hitch::of(answer))?;
                }
                next
            }
            Ok(answer) if retry::is_transient(answer.status) => {
                wait(patience, Hitch::of(answer)).await?;
                ask(upload, session).await?
            }
            Ok(answer) => return Err(Hitch::of(answer)),
            Err(error) => {
                wait(patience, error.into()).await?;
                ask(upload, session).await?
            }
        };
        patience.reached(next);
        offset = next;
    }
    upload.finish(session).await.inspect(|()| attempt.keep())
}

/// Waits before an upload goes on, if it is worth it.
async fn wait(patience: &mut Patience, hitch: Hitch) -> Result<(), Hitch> {
    let Hitch::Again { asked, .. } = &hitch else { return Err(hitch) };
    let Some(pause) = patience.next(*asked) else { return Err(hitch) };
    tokio::time::sleep(pause).await;
    Ok(())
}

/// How much of the blob the registry has (distribution spec, end-13).
async fn ask(upload: &Upload<'_>, session: &mut Session) -> Result<u64, Hitch> {
    let answer = upload.http.send(upload.errand, Method::GET, &session.place, |request| request).await?;
    if !answer.status.is_success() {
        return Err(start_over(answer));
    }
    if answer.header("location").is_some() {
        session.place = upload.http.place(upload.errand, &answer)?;
    }
    let stands = answer.header(RANGE.as_str()).and_then(end_of);
    Ok(stands.unwrap_or(0).min(upload.blob.size))
}

/// An upload that the registry no longer knows begins anew.
fn start_over(answer: Answer) -> Hitch {
    let is_gone = answer.status.as_u16() == 404;
    match Hitch::of(answer) {
        Hitch::End(error @ RegistryError::Refused { .. }) if is_gone => {
            Hitch::Again { asked: None, error, broke: false }
        }
        hitch => hitch,
    }
}

/// How far the registry is after it has taken `range`: it need not have taken all of it.
fn stands_at(answer: &Answer, range: &Range<u64>) -> u64 {
    match answer.header(RANGE.as_str()).and_then(end_of) {
        Some(end) if end > range.start && end <= range.end => end,
        _ => range.end,
    }
}

/// The end of `0-1023`, which is the first byte that is missing. `0-0` is what registries say of an empty upload.
fn end_of(range: &str) -> Option<u64> {
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    match last.parse().ok()? {
        0 => Some(0),
        last => Some(u64::saturating_add(last, 1)),
    }
}

/// Half as much, as long as the registry allows it.
fn shorter(length: u64, shortest: u64) -> Option<u64> {
    let half = length / 2;
    (half >= SHORTEST.max(shortest)).then_some(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue};

    #[test]
    fn the_registry_says_how_far_it_is() {
        for (range, expected) in [
            (Some("0-99"), 100),
            (Some("bytes=0-49"), 50),
            (Some("0-0"), 100),
            (Some("0-999"), 100),
            (Some("odd"), 100),
            (None, 100),
        ] {
            let value = range.map(HeaderValue::from_static);
            let headers: HeaderMap = value.into_iter().map(|value| (RANGE, value)).collect();
            let answer = Answer::bare(StatusCode::ACCEPTED, headers);
            assert_eq!(stands_at(&answer, &(10..100)), expected, "{range:?}");
        }
    }

    #[test]
    fn chunks_get_shorter_down_to_what_the_registry_takes() {
        assert_eq!(shorter(4 << 20, 0), Some(2 << 20));
        assert_eq!(shorter(4 << 20, 3 << 20), None);
        assert_eq!(shorter(100 << 10, 0), None);
    }
}
