//! Large uploads (docs/reliability.md): in parts where the line is bad, on from where they broke, however slow, in little
//! memory.

use crate::support::faulty::{Asked, Fault, answer, once};
use crate::support::pushing::{Pushing, each};
use std::time::Duration;

const UPLOAD: &str = "/blobs/uploads/";
const PART: u64 = 4 << 20;

/// The parts that were sent, as the ranges that their requests say: first byte and the one after the last.
fn parts(push: &Pushing) -> Vec<(u64, u64, bool)> {
    let range = |asked: &Asked| {
        let (first, last) = asked.header("content-range")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse::<u64>().ok()? + 1, asked.is_hit))
    };
    let asked = push.proxy.asked();
    asked.iter().filter(|asked| asked.method == "PATCH").map(|asked| range(asked).expect("a range")).collect()
}

/// Whether it sends a large blob as a whole.
fn is_whole(asked: &Asked) -> bool {
    asked.is("PUT", UPLOAD) && asked.length() > PART
}

#[test]
fn a_large_blob_on_a_bad_line_goes_on_where_it_broke() {
    // Given a line that loses every large upload, and half of every second part,
    let push = Pushing::of(14_000_000, |asked| match asked.method.as_str() {
        "PUT" if is_whole(asked) => Some(Fault::ResetInBody),
        "PATCH" if asked.time % 2 == 0 => Some(Fault::HalfArrives),
        "GET" if asked.path.contains(UPLOAD) => Some(Fault::Newest),
        _ => None,
    });
    // when ten megabytes are pushed, then it is tried as a whole twice, and then sent in parts;
    push.succeeds_with(push.built());
    assert_eq!(push.proxy.asked().iter().filter(|asked| is_whole(asked)).count(), 2);
    let parts = parts(&push);
    // each part starts where the registry says that it stands: after the part before, or after the half of it.
    let mut stands = 0;
    for (first, end, is_hit) in &parts {
        assert_eq!(*first, stands, "{parts:?}");
        stands = if *is_hit { first + (end - first) / 2 } else { *end };
    }
    assert!(parts.iter().filter(|(.., is_hit)| *is_hit).count() >= 1, "{parts:?}");
    // The registry was asked for it once for each part that broke.
    assert_eq!(push.proxy.count("GET", UPLOAD), parts.iter().filter(|(.., is_hit)| *is_hit).count());
}

#[test]
fn a_part_that_the_registry_does_not_expect_is_not_the_end() {
    // Given a registry that takes parts only, and says 416 to the second one and where it stands,
    let says = "Range: 0-4194303\r\n".to_owned();
    let second =
        once(|asked| asked.method == "PATCH" && asked.time == 2, Fault::Answer(416, says, String::new()));
    let push = Pushing::of(14_000_000, move |asked| match is_whole(asked) {
        true => answer(413, "", ""),
        false => second(asked),
    });
    // when a blob is pushed, then hephy asks where it stands and goes on there, with a shorter part.
    push.succeeds_with(push.built());
    assert_eq!(push.proxy.count("GET", UPLOAD), 1);
    let parts = parts(&push);
    assert_eq!(&parts[..3], [(0, PART, false), (PART, 2 * PART, true), (PART, PART + PART / 2, false)]);
    assert!(parts[2..].windows(2).all(|pair| pair[0].1 == pair[1].0), "{parts:?}");
}

#[test]
fn a_part_whose_answer_was_lost_is_not_sent_again() {
    each([true, false], |keeps_address| {
        // Given a registry that takes parts only, and a line that loses the answer to the second one,
        let push = Pushing::of(14_000_000, move |asked| match asked.method.as_str() {
            "PUT" if is_whole(asked) => answer(413, "", ""),
            "PATCH" if asked.time == 2 => Some(Fault::LoseAnswer),
            "GET" if keeps_address && asked.path.contains(UPLOAD) => Some(Fault::Newest),
            _ => None,
        });
        push.succeeds_with(push.built());
        let parts = parts(&push);
        assert!(parts[1].2 && push.proxy.count("GET", UPLOAD) == 1, "{parts:?}");
        match keeps_address {
            // then no byte is sent twice;
            true => assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0), "{parts:?}"),
            // but distribution does not know the upload any more by its old address, so it begins anew.
            false => assert_eq!(parts.iter().filter(|(first, ..)| *first == 0).count(), 2, "{parts:?}"),
        }
    });
}

#[test]
fn an_upload_that_never_gets_further_ends() {
    // Given a line that always breaks after the first part, and a registry that forgets the upload,
    let push = Pushing::of(14_000_000, |asked| match asked.method.as_str() {
        "PUT" if is_whole(asked) => answer(413, "", ""),
        "PATCH" if !asked.header("content-range").unwrap_or_default().starts_with("0-") => {
            Some(Fault::ResetInBody)
        }
        "GET" if asked.path.contains(UPLOAD) => answer(404, "", ""),
        _ => None,
    });
    // when a blob is pushed, then the first part, which always arrives, does not count as getting on.
    push.fails_with(push.built(), 4).says("answered 404 Not Found");
    let begun = parts(&push).iter().filter(|(first, ..)| *first == 0).count();
    assert!((2..=6).contains(&begun), "{begun}");
}

#[test]
fn a_slow_upload_is_not_silent() {
    // Given a registry that takes three times as long to read a layer, or a part of it, as it may be silent,
    let time = Duration::from_secs(3);
    let is_large = |asked: &Asked| asked.path.contains(UPLOAD) && asked.length() > 100_000;
    let push = Pushing::of(20_000_000, move |asked| is_large(asked).then_some(Fault::Drip(time)));
    // when it is pushed, then it arrives: however often it is tried, it never takes less.
    push.succeeds_with(push.built().args(["--registry-timeout", "1s"]));
    let asked = push.proxy.asked();
    let start = asked.iter().position(is_large).expect("it was sent");
    let next = asked[start..].iter().find(|asked| asked.is("PUT", "/manifests/")).expect("the manifest");
    assert!(next.at - asked[start].at >= time);
}
