//! When to try again: which answers pass, how long to wait, and when to believe that it will not get better.

use reqwest::StatusCode;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// How often a request is sent before an infrastructure fault is believed.
const TRIES: u32 = 6;
/// The pause before the second try; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// All pauses of one request together. A registry that asks for more is not well.
pub(super) const LONGEST: Duration = Duration::from_secs(180);

/// What is left of the will to try again.
#[derive(Debug, Default)]
pub(super) struct Patience {
    tries: u32,
    paused: Duration,
    furthest: u64,
}

impl Patience {
    /// How long to wait before the next try, `None` if it is time to give up. `asked` is what the registry asks for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        // Clients that failed together should not come back together.
        let spread = RandomState::new().build_hasher().finish() % 1000;
        let pause = pause(self.tries, self.paused, asked.unwrap_or_default(), spread as u32)?;
        self.tries += 1;
        self.paused += pause;
        Some(pause)
    }

    /// Forgets the failures before a success: an upload in parts may be long, and each part counts anew.
    pub(super) fn restore(&mut self) {
        self.tries = 0;
    }

    /// The same when an upload stands at `offset`, if it was never that far: one that begins anew each time gets nowhere.
    pub(super) fn reached(&mut self, offset: u64) {
        if offset > self.furthest {
            self.furthest = offset;
            self.restore();
        }
    }
}

/// The pause after `tries` pauses that took `paused` in all; `spread` is 0 to 999.
fn pause(tries: u32, paused: Duration, asked: Duration, spread: u32) -> Option<Duration> {
    if tries + 1 >= TRIES {
        return None;
    }
    let own = FIRST_PAUSE * 2u32.pow(tries) * (750 + spread / 2) / 1000;
    let pause = own.max(asked);
    // What a registry asks for can be any number.
    paused.checked_add(pause).filter(|all| *all <= LONGEST).map(|_| pause)
}

/// Whether the same request may get another answer later.
pub(super) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// How long the registry asks to wait: `Retry-After` in seconds or as a date, else what GHCR writes into the error
/// (`retry-after: 10.3ms`). `now` is the registry's own time if it says one.
pub(super) fn asked(header: Option<&str>, body: &[u8], now: jiff::Timestamp) -> Option<Duration> {
    let seconds = |text: &str| text.trim().parse().ok().map(Duration::from_secs);
    let until = |text: &str| Duration::try_from(date(text)?.duration_since(now)).ok();
    header.and_then(|text| seconds(text).or_else(|| until(text))).or_else(|| in_words(body))
}

/// A date of HTTP (`Sat, 21 Nov 2026 13:20:01 GMT`).
pub(super) fn date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

fn in_words(body: &[u8]) -> Option<Duration> {
    let body = String::from_utf8_lossy(&body[..body.len().min(4096)]).to_lowercase();
    let (_, rest) = body.split_once("retry-after:")?;
    let rest = rest.trim_start();
    let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = rest[..unit].parse().ok()?;
    let unit: String = rest[unit..].chars().take_while(|c| c.is_alphabetic()).collect();
    let factor = match unit.as_str() {
        "ms" => 0.001,
        "µs" | "us" => 0.000_001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * factor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = std::iter::from_fn(|| patience.next(None)).collect();
        assert_eq!(pauses.len(), 5);
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(8), "{pauses:?}");
    }

    #[test]
    fn getting_on_counts_and_beginning_anew_does_not() {
        let mut patience = Patience::default();
        let left = |patience: &Patience| TRIES - 1 - patience.tries;
        patience.next(None);
        assert_eq!(left(&patience), 4);
        patience.reached(10);
        assert_eq!(left(&patience), 5);
        patience.next(None);
        patience.reached(10);
        patience.reached(5);
        assert_eq!(left(&patience), 4);
        patience.reached(11);
        assert_eq!(left(&patience), 5);
    }

    #[test]
    fn the_registry_is_waited_for_as_long_as_it_asks_but_not_for_ever() {
        let seconds = Duration::from_secs;
        for (tries, paused, asked, expected) in [
            (0, 0, 0, Some(Duration::from_millis(150))),
            (0, 0, 7, Some(seconds(7))),
            (0, 0, 180, Some(seconds(180))),
            (0, 0, 181, None),
            (1, 100, 90, None),
            (1, 100, u64::MAX, None),
            (5, 0, 0, None),
        ] {
            assert_eq!(
                pause(tries, seconds(paused), seconds(asked), 0),
                expected,
                "{tries} {paused} {asked}"
            );
        }
    }

    #[test]
    fn what_the_registry_asks_for_is_read() {
        let now = date("Sat, 21 Nov 2026 13:20:01 GMT").expect("a date");
        let seconds = |count| Some(Duration::from_secs(count));
        for (header, body, expected) in [
            (Some("3"), "", seconds(3)),
            (Some("Sat, 21 Nov 2026 13:20:11 GMT"), "", seconds(10)),
            (Some("Sat, 21 Nov 2026 13:20:00 GMT"), "", None),
            (Some("soon"), "", None),
            (
                None,
                "TOOMANYREQUESTS: retry-after: 10.3ms, allowed: 2000/minute",
                Some(Duration::from_micros(10_300)),
            ),
            (None, "Retry-After: 2s", seconds(2)),
            (None, "retry-after: 2 weeks", None),
            (None, "", None),
        ] {
            assert_eq!(asked(header, body.as_bytes(), now), expected, "{header:?} {body}");
        }
    }

    #[test]
    fn some_answers_pass() {
        for (status, expected) in
            [(408, true), (429, true), (500, true), (503, true), (501, false), (404, false)]
        {
            assert_eq!(is_transient(StatusCode::from_u16(status).expect("valid")), expected, "{status}");
        }
    }
}
