//! Connections that break (docs/reliability.md): every kind of request of a push, reset at every place.

use crate::support::faulty::{Asked, Fault, answer, once};
use crate::support::pushing::{ISSUED, LOGIN, Pushing, each, is_layer};

const UPLOAD: &str = "/blobs/uploads/";
const MANIFEST: &str = "/manifests/";

/// Where a connection breaks.
const PLACES: [Fault; 5] = [
    Fault::ResetAtOnce,
    Fault::ResetAtFirstByte,
    Fault::ResetInBody,
    Fault::LoseAnswer,
    Fault::ResetInAnswer,
];
/// What is being done when it breaks.
const REQUESTS: [Request; 5] =
    [Request::Begin, Request::Upload, Request::Patch, Request::Manifest, Request::Token];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Begin,
    Upload,
    Patch,
    Manifest,
    Token,
}

impl Request {
    fn is(self, asked: &Asked) -> bool {
        match self {
            Self::Begin => asked.is("POST", UPLOAD),
            Self::Upload => is_layer(asked),
            Self::Patch => asked.is("PATCH", UPLOAD) && asked.length() > 100_000,
            Self::Manifest => asked.is("PUT", MANIFEST),
            Self::Token => asked.is("GET", "/token"),
        }
    }

    /// What the registry must be like for hephy to ask this.
    fn habit(self, asked: &Asked) -> Option<Fault> {
        match self {
            Self::Patch if asked.is("PUT", UPLOAD) && asked.length() > 0 => answer(405, "", ""),
            Self::Token => with_tokens(asked),
            _ => None,
        }
    }
}

/// A registry that wants a token of its own login server, which is behind the same proxy.
fn with_tokens(asked: &Asked) -> Option<Fault> {
    let host = asked.header("host").unwrap_or_default();
    if asked.path.starts_with("/token") {
        return answer(200, "", &format!(r#"{{"token":"{ISSUED}1","expires_in":300}}"#));
    }
    let header = asked.header("authorization").unwrap_or_default();
    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\n");
    if header.strip_prefix("Bearer ").is_some_and(|token| token.starts_with(ISSUED)) {
        None
    } else {
        answer(401, &challenge, "")
    }
}

/// A push during which `fault` happens to `request`: once, or every time.
fn push(request: Request, fault: &Fault, is_once: bool) -> Pushing {
    let first = once(move |asked| request.is(asked), fault.clone());
    let fault = fault.clone();
    let rule = move |asked: &Asked| match request.is(asked) {
        true if is_once => first(asked).or_else(|| request.habit(asked)),
        true => Some(fault.clone()),
        false => request.habit(asked),
    };
    match request {
        Request::Token => Pushing::open(400_000, rule),
        _ => Pushing::of(400_000, rule),
    }
}

/// Each request with each place.
fn cases() -> impl Iterator<Item = (Request, Fault)> {
    REQUESTS.into_iter().flat_map(|request| PLACES.into_iter().map(move |place| (request, place)))
}

#[test]
fn a_connection_that_breaks_once_is_made_again() {
    each(cases(), |(request, fault)| {
        let push = push(request, &fault, true);
        let output = push.succeeds();
        let broken = push.proxy.asked().iter().filter(|asked| request.is(asked) && asked.is_hit).count();
        assert!(broken >= 1, "{request:?} {fault:?} never came: {output}");
        // The password went to the login server, and to no other place.
        let passwords =
            push.proxy.asked().into_iter().filter(|asked| asked.header("authorization") == Some(LOGIN));
        assert!(request != Request::Token || passwords.clone().all(|asked| asked.path.starts_with("/token")));
        assert!(passwords.count() > 0, "{request:?} {fault:?}");
    });
}

#[test]
fn a_connection_that_always_breaks_is_the_infrastructures_fault() {
    each(cases(), |(request, fault)| {
        let push = push(request, &fault, false);
        // The registry has got all of it, and only its answer is never heard.
        let is_stored = matches!(fault, Fault::LoseAnswer | Fault::ResetInAnswer);
        let output = match request {
            // The next try finds the blob.
            Request::Upload if is_stored => push.succeeds(),
            // The key of the leg may be there, and then it is whole; no tag is.
            Request::Manifest if is_stored => push.fails_with_key(push.hephy(), 75),
            _ => push.fails(75),
        };
        let least = if output.code == Some(0) { 1 } else { 2 };
        assert!(push.proxy.hits() >= least, "{request:?} {fault:?}: {:?}", push.proxy.asked());
    });
}
