//! Registries on bad days (docs/reliability.md): a push arrives, or ends with the right code and without a tag.

use crate::support::faulty::{Asked, Fault, answer};
use crate::support::pushing::Pushing;

const UPLOAD: &str = "/blobs/uploads/";
const MANIFEST: &str = "/manifests/";

/// The first request that sends the bytes of a blob.
fn first_upload(asked: &Asked) -> bool {
    asked.is("PUT", UPLOAD) && asked.time == 1
}

#[test]
fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    for header in ["Retry-After: 1\r\n", ""] {
        let push = Pushing::through(move |asked| match asked {
            asked if first_upload(asked) => answer(429, header, ""),
            asked if asked.is("POST", UPLOAD) && asked.time == 1 => answer(429, header, ""),
            asked if asked.is("PUT", MANIFEST) && asked.time == 1 => answer(429, header, ""),
            _ => None,
        });
        push.succeeds();
    }
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
    for status in [500, 502, 503, 504] {
        let push = Pushing::through(move |asked| if asked.time <= 2 { answer(status, "", "") } else { None });
        push.succeeds();
    }
}

#[test]
fn a_storm_that_does_not_pass_is_the_infrastructures_fault() {
    for (method, part) in [("PUT", UPLOAD), ("PUT", MANIFEST)] {
        let push = Pushing::through(move |asked| {
            if asked.is(method, part) { answer(503, "", "<html>upstream</html>") } else { None }
        });
        push.fails(75).says("is not well (503 Service Unavailable)");
    }
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    for fault in [Fault::ResetAtOnce, Fault::ResetInBody, Fault::LoseAnswer] {
        let push = Pushing::of(400_000, move |asked| first_upload(asked).then(|| fault.clone()));
        push.succeeds();
    }
}

#[test]
fn an_upload_whose_answer_was_lost_is_not_sent_again() {
    let push = Pushing::of(400_000, |asked| first_upload(asked).then_some(Fault::LoseAnswer));
    push.succeeds();
    // Config and layer were sent once each, and the manifest under two tags.
    assert_eq!(push.proxy.count("PUT", UPLOAD), 2);
}

#[test]
fn a_connection_that_always_breaks_is_the_infrastructures_fault() {
    let push = Pushing::of(400_000, |asked| asked.is("PUT", UPLOAD).then_some(Fault::ResetInBody));
    push.fails(75).says("reach the registry");
}

#[test]
fn a_large_blob_on_a_bad_line_goes_on_where_it_broke() {
    // Given a line that loses every large upload, and every second part,
    let push = Pushing::of(14_000_000, |asked| {
        let is_lost = match asked.method.as_str() {
            "PUT" => asked.length() > 5_000_000,
            "PATCH" => asked.time % 2 == 0,
            _ => false,
        };
        is_lost.then_some(Fault::ResetInBody)
    });
    // when ten megabytes are pushed, then they arrive in parts, and no part twice that arrived.
    push.succeeds();
    let parts = push.proxy.asked().into_iter().filter(|asked| asked.method == "PATCH");
    let kept: Vec<u64> = parts.filter(|part| part.time % 2 == 1).map(|part| part.length()).collect();
    assert_eq!(kept.iter().filter(|length| **length == 4 << 20).count(), 2, "{kept:?}");
    assert_eq!(kept.len(), 3, "{kept:?}");
}

#[test]
fn a_stalled_upload_is_noticed() {
    let push = Pushing::of(400_000, |asked| first_upload(asked).then_some(Fault::Stall));
    push.succeeds_with(push.hephy().args(["--registry-timeout", "1s"]));
}

#[test]
fn a_registry_that_always_stalls_is_the_infrastructures_fault() {
    let push = Pushing::through(|asked| asked.is("POST", UPLOAD).then_some(Fault::Stall));
    push.fails_with(push.hephy().args(["--registry-timeout", "1s"]), 75).says("it said nothing for 1 s");
}

#[test]
fn a_registry_that_stored_other_content_is_not_believed() {
    let other = format!("sha256:{}", "0".repeat(64));
    for part in [UPLOAD, MANIFEST] {
        let other = other.clone();
        let push = Pushing::through(move |asked| {
            asked.is("PUT", part).then(|| Fault::With("Docker-Content-Digest", other.clone()))
        });
        let output = push.hephy().run().exits(4).says("stored other content");
        let tag = format!("sha-{}", push.repository.short_id());
        assert!(!push.registry.tags("shop/app").contains(&tag), "{output}");
    }
}

#[test]
fn a_session_without_a_place_is_an_error() {
    let push = Pushing::through(|asked| asked.is("POST", UPLOAD).then_some(Fault::Without("Location")));
    push.fails(4).says("answered without a place for the upload");
}

#[test]
fn a_relative_place_is_understood() {
    // The registry gives absolute addresses; what follows the host is the relative form of the same one.
    let push = Pushing::through(|asked| {
        let is_start = asked.is("POST", UPLOAD);
        (is_start && asked.time == 1).then_some(Fault::Relative)
    });
    push.succeeds();
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
    let output = push.hephy().run().exits(75).says("took it and does not have it");
    let tag = format!("sha-{}", push.repository.short_id());
    assert!(!push.registry.tags("shop/app").contains(&tag), "{output}");
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
