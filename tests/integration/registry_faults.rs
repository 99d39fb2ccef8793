//! Registries on bad days (docs/reliability.md): a push arrives, or ends with the right code and without a tag.

use crate::support::faulty::{Asked, Fault, answer, once};
use crate::support::pushing::{Pushing, each, is_layer};
use std::time::Duration;

const UPLOAD: &str = "/blobs/uploads/";
const MANIFEST: &str = "/manifests/";

/// The time between a request that was told to come later and the next one of the same kind and content.
fn pauses(push: &Pushing) -> Vec<Duration> {
    let asked = push.proxy.asked();
    // An upload begins at a new place each time; what is the same is the digest.
    let same = |asked: &Asked| {
        let digest = asked.path.rsplit("sha256").next().map(str::to_owned);
        (asked.method.clone(), digest)
    };
    let again = |(number, refused): (usize, &Asked)| {
        let next = asked[number + 1..].iter().find(|next| same(next) == same(refused));
        next.map(|next| next.at - refused.at)
    };
    asked.iter().enumerate().filter(|(_, asked)| asked.is_hit).filter_map(again).collect()
}

#[test]
fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    each([("Retry-After: 1\r\n", 1000), ("", 150)], |(header, least)| {
        let kinds: [fn(&Asked) -> bool; 4] = [
            is_layer,
            |asked| asked.is("POST", UPLOAD),
            |asked| asked.is("PUT", MANIFEST),
            |asked| asked.is("HEAD", MANIFEST),
        ];
        each(kinds, |is_meant| {
            let busy = Fault::Answer(429, header.to_owned(), String::new());
            let push = Pushing::of(400_000, once(is_meant, busy));
            push.succeeds();
            let pauses = pauses(&push);
            assert_eq!(pauses.len(), 1, "{:?}", push.proxy.asked());
            assert!(pauses[0] >= Duration::from_millis(least), "{header} {pauses:?}");
        });
    });
}

#[test]
fn a_busy_registry_may_say_in_its_own_words_when() {
    let words =
        r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"retry-after: 10.3ms, allowed: 2000/minute"}]}"#;
    let push = Pushing::through(|asked| {
        if asked.is("PUT", UPLOAD) && asked.time <= 2 { answer(429, "", words) } else { None }
    });
    push.succeeds();
}

#[test]
fn a_registry_that_asks_to_wait_for_an_hour_is_not_waited_for() {
    let push = Pushing::through(|asked| {
        if asked.is("POST", UPLOAD) { answer(429, "Retry-After: 3600\r\n", "") } else { None }
    });
    push.fails(75).says("asks to wait 3600 s");
}

#[test]
fn a_storm_of_server_errors_passes() {
    each([500, 502, 503, 504], |status| {
        let push = Pushing::through(move |asked| if asked.time <= 2 { answer(status, "", "") } else { None });
        push.succeeds();
    });
}

#[test]
fn a_storm_that_does_not_pass_is_the_infrastructures_fault() {
    each([("PUT", UPLOAD), ("PUT", MANIFEST)], |(method, part)| {
        let push = Pushing::through(move |asked| {
            if asked.is(method, part) { answer(503, "", "<html>upstream</html>") } else { None }
        });
        push.fails(75).says("is not well (503 Service Unavailable)");
    });
}

#[test]
fn an_upload_whose_answer_was_lost_is_not_sent_again() {
    let push = Pushing::of(400_000, once(is_layer, Fault::LoseAnswer));
    push.succeeds();
    // Config and layer were sent once each.
    assert_eq!((push.proxy.hits(), push.proxy.count("PUT", UPLOAD)), (1, 2));
}

#[test]
fn a_stalled_upload_is_noticed() {
    let push = Pushing::of(400_000, once(is_layer, Fault::Stall));
    push.succeeds_with(push.hephy().args(["--registry-timeout", "1s"]));
    assert_eq!(push.proxy.hits(), 1);
}

#[test]
fn a_registry_that_always_stalls_is_the_infrastructures_fault() {
    let push = Pushing::through(|asked| asked.is("POST", UPLOAD).then_some(Fault::Stall));
    push.fails_with(push.hephy().args(["--registry-timeout", "1s"]), 75).says("it said nothing for 1 s");
}

#[test]
fn a_registry_that_stored_another_blob_is_not_believed() {
    let push = Pushing::through(|asked| asked.is("PUT", UPLOAD).then(other_content));
    push.fails(4).says("stored other content");
}

#[test]
fn a_registry_that_stored_another_manifest_is_not_believed() {
    let push = Pushing::through(|asked| asked.is("PUT", MANIFEST).then(other_content));
    // hephy cannot take the key back: registries need not delete tags, and distribution 2.8 does not.
    push.fails_with_key(push.hephy(), 4).says("stored other content");
    assert_eq!(push.proxy.count("PUT", MANIFEST), 1);
}

fn other_content() -> Fault {
    Fault::With("Docker-Content-Digest", format!("sha256:{}", "0".repeat(64)))
}

#[test]
fn a_session_without_a_place_is_an_error() {
    let push = Pushing::through(|asked| asked.is("POST", UPLOAD).then_some(Fault::Without("Location")));
    push.fails(4).says("answered without a place for the upload");
}

#[test]
fn a_relative_place_is_understood() {
    // The registry gives absolute addresses; these are relative forms of the same ones: with a path, and without any.
    each([Fault::Relative, Fault::Short], |form| {
        let push = Pushing::through(move |asked| asked.is("POST", UPLOAD).then(|| form.clone()));
        push.succeeds();
        assert_eq!(push.proxy.hits(), 2);
    });
}

#[test]
fn a_manifest_that_is_not_there_at_once_is_waited_for() {
    let push = Pushing::through(|asked| {
        // The first two questions are whether it has to be pushed, the next ones whether it can be read.
        let is_early = asked.is("HEAD", "/manifests/sha256:") && asked.time <= 5;
        if is_early { answer(404, "", "") } else { None }
    });
    push.succeeds();
}

#[test]
fn a_manifest_that_never_appears_is_the_infrastructures_fault() {
    let push = Pushing::through(|asked| if asked.is("HEAD", MANIFEST) { answer(404, "", "") } else { None });
    // The key of the leg came first, and what it names is all there.
    push.fails_with_key(push.hephy(), 75).says("took it and does not have it");
}

#[test]
fn a_failed_upload_is_cancelled() {
    let push = Pushing::through(|asked| if asked.is("PUT", UPLOAD) { answer(400, "", "{}") } else { None });
    push.fails(4).says("answered 400 Bad Request");
    assert!(push.proxy.count("DELETE", UPLOAD) >= 1);
}

#[test]
fn a_registry_that_refuses_is_asked_once() {
    let words = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"create it first \u001b[31m"}]}"#;
    let push =
        Pushing::through(move |asked| if asked.is("POST", UPLOAD) { answer(404, "", words) } else { None });
    let output = push.fails(4).says("NAME_UNKNOWN: create it first");
    assert!(!output.stderr.contains('\u{1b}'), "{output}");
    // Two blobs, each with and without a mount.
    assert!(push.proxy.count("POST", UPLOAD) <= 4, "{:?}", push.proxy.asked());
}

#[test]
fn what_a_registry_warns_of_is_said_once() {
    let push = Pushing::through(|asked| {
        asked.is("PUT", "/").then(|| Fault::With("Warning", "299 - \"this tag will be gone by June\"".into()))
    });
    let output = push.succeeds();
    assert_eq!(output.stderr.matches("says: this tag will be gone by June").count(), 1, "{output}");
}
