//! Logins: a token is fetched once, renewed when it ends, and no password goes where it does not belong.

use crate::support::faulty::{Asked, Faulty, answer};
use crate::support::pushing::{Pushing, guarded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn one_token_is_enough_for_a_push() {
    let push = Pushing::open(40_000, guarded("shop/app", usize::MAX, r#","expires_in":300"#));
    push.succeeds();
    // The challenge says that the registry wants to know at once what will be written.
    let tokens: Vec<Asked> =
        push.proxy.asked().into_iter().filter(|asked| asked.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    // The login server gets the password, the registry the token only.
    for asked in push.proxy.asked() {
        let login = asked.header("authorization").unwrap_or_default();
        assert_eq!(login.starts_with("Basic "), asked.path.starts_with("/token"), "{asked:?}");
    }
}

#[test]
fn a_token_is_not_used_beyond_its_time() {
    // Given tokens that live for no time at all, then each request gets a new one and none is refused.
    let push = Pushing::open(40_000, guarded("shop/app", usize::MAX, r#","expires_in":0"#));
    push.succeeds();
    let asked = push.proxy.asked();
    let requests = asked.iter().filter(|asked| !asked.path.starts_with("/token")).count();
    assert_eq!(push.proxy.count("GET", "/token") + 1, requests, "{asked:?}");
}

#[test]
fn the_age_of_a_token_is_told_by_the_servers_own_clock() {
    let push = Pushing::open(
        40_000,
        guarded("shop/app", usize::MAX, r#","expires_in":300,"issued_at":"2001-01-01T00:00:00Z""#),
    );
    push.succeeds();
    // No `Date`, so nobody knows how old the token is; it is used as if it were new.
    assert_eq!(push.proxy.count("GET", "/token"), 1);
}

#[test]
fn a_login_that_is_refused_is_said() {
    let push = Pushing::open(40_000, |asked| match asked.path.starts_with("/token") {
        true => answer(401, "", ""),
        false => guarded("shop/app", 0, "")(asked),
    });
    push.fails(4).says("the login server `127.0.0.1` answered 401 Unauthorized").says("docker login");
}

#[test]
fn a_registry_that_never_accepts_is_asked_twice() {
    let push = Pushing::open(40_000, guarded("shop/app", 0, ""));
    push.fails(4).says("wants a login that it accepts (401 Unauthorized)");
    // Without a login and with one, for the plan; with it, and with a newer one, for the push.
    assert_eq!(push.proxy.count("HEAD", "/manifests/"), 4);
}

#[test]
fn a_password_is_used_where_the_registry_wants_one() {
    let push = Pushing::open(40_000, |asked| match asked.header("authorization") {
        Some(login) if login.starts_with("Basic ") => None,
        _ => answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", ""),
    });
    push.succeeds();
    assert_eq!(push.proxy.asked().iter().filter(|asked| asked.header("authorization").is_none()).count(), 1);
}

#[test]
fn a_helper_that_fails_is_a_warning_without_its_words() {
    let push = Pushing::open(40_000, |_| answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", ""));
    let logins = push.logins(r#"{"credsStore":"broken"}"#);
    let path = push.with_script("broken", "cat >/dev/null\necho helper-secret\nexit 1");
    let hephy =
        push.repository.hephy(["up", "--registry", &push.proxy.image("shop")]).env("DOCKER_CONFIG", logins);
    let output = push.fails_with(hephy.env("PATH", path), 4).says("`docker-credential-broken` failed");
    assert!(!output.stderr.contains("helper-secret"), "{output}");
}

#[test]
fn no_login_follows_an_upload_to_another_host() {
    // Given another server that takes whatever it is sent,
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let other = Faulty::start("127.0.0.1:1", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(201, "", "")
    });
    let place = format!("http://{}/store?signature=abc", other.address);
    // and a registry that sends uploads there by `Location`, or by a redirect,
    for redirect in [false, true] {
        let (place, guard) = (place.clone(), guarded("shop/app", usize::MAX, ""));
        let push = Pushing::open(40_000, move |asked| {
            let headers = format!("Location: {place}\r\n");
            match asked.method.as_str() {
                _ if guard(asked).is_some() => guard(asked),
                "POST" if !redirect => answer(202, &headers, ""),
                "PUT" if redirect && asked.path.contains("/blobs/uploads/") => answer(307, &headers, ""),
                _ => None,
            }
        });
        // when an image is pushed, then the bytes go there, without any login. The registry does not get them.
        push.fails(4).says("BLOB_UNKNOWN");
    }
    assert!(taken.load(Ordering::SeqCst) >= 4);
    for asked in other.asked() {
        assert_eq!(asked.header("authorization"), None, "{asked:?}");
        assert_eq!(asked.method, "PUT", "{asked:?}");
    }
}

#[test]
fn no_password_goes_to_a_login_server_that_is_not_safe() {
    let push = Pushing::open(40_000, |_| {
        answer(401, "WWW-Authenticate: Bearer realm=\"http://login.example/token?x=y\",service=\"s\"\r\n", "")
    });
    push.fails(4).says("names the login server `http://login.example/token`, that has no TLS");
}

#[test]
fn an_upload_is_not_turned_into_a_download() {
    let push = Pushing::open(40_000, |asked| match asked.is("PUT", "/blobs/uploads/") {
        true => answer(302, "Location: /v2/\r\n", ""),
        false => None,
    });
    push.fails(4).says("answered 302 Found");
    assert_eq!(push.proxy.count("GET", "/v2/"), 0);
}

#[test]
fn a_registry_that_repeats_the_login_is_not_repeated() {
    let push = Pushing::open(40_000, |asked| match asked.header("authorization") {
        Some(login) if asked.method == "POST" => {
            let words = format!(r#"{{"errors":[{{"code":"DENIED","message":"you sent {login}"}}]}}"#);
            answer(400, "", &words)
        }
        Some(_) => None,
        None => answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", ""),
    });
    push.fails(4).says("DENIED: you sent Basic ***");
}
