//! An HTTP proxy in front of a registry that does what registries do on bad days, and writes down what it was asked.

mod serving;
mod wire;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    /// The headers, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The number of this request among those that its rule is about, from 1.
    pub(crate) time: usize,
    /// When its head was there.
    pub(crate) at: Instant,
    /// Whether the rule had something to say.
    pub(crate) is_hit: bool,
    /// The form that was sent, if it is one.
    pub(crate) form: String,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is answered here: status, headers and body.
    Answer(u16, String, String),
    /// The connection is reset when the head is there, before anything of the body is read.
    ResetAtOnce,
    /// It is reset after the first byte of the body.
    ResetAtFirstByte,
    /// It is reset in the middle of the body. The registry gets nothing.
    ResetInBody,
    /// The registry gets half of the body, as a request of its own that ends well; then the connection is reset.
    HalfArrives,
    /// The registry gets all of it, and the connection is reset before its answer.
    LoseAnswer,
    /// It is reset in the middle of the answer's head.
    ResetInAnswer,
    /// Half of the answer gets through, then the connection ends.
    HalfAnswer,
    /// The last byte of the answer is another one.
    OtherByte,
    /// Nothing is read or said any more.
    Stall,
    /// Half of the answer gets through, then nothing more.
    StallInAnswer,
    /// The registry does not see that only a part is wanted.
    NoRange,
    /// It is passed on after this time.
    Wait(Duration),
    /// Nothing happens before so many such requests have come (or 20 seconds are over); then this does.
    Together(usize, Box<Option<Self>>),
    /// Its body is read evenly over this time, then it is passed on.
    Drip(Duration),
    /// The registry gets it without its query: a mount becomes a plain upload.
    Plain,
    /// The registry gets it with the query that it gave last for this path: distribution puts how far an upload is into
    /// its address, so that whoever lost an answer cannot ask. Others keep the address.
    Newest,
    /// The registry's answer has an address without its host.
    Relative,
    /// The registry's answer has an address that is only what follows the last `/` of the request's.
    Short,
    /// A header of the registry's answer is removed.
    Without(&'static str),
    /// A header of the registry's answer has another value.
    With(&'static str, String),
}

/// A rule decides about a request; the first that has something to say wins.
type Rule = Box<dyn Fn(&Asked) -> Option<Fault> + Send>;

/// The proxy. It ends with the test process.
pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    /// The `Authorization` without which nothing is passed on, or even counted.
    login: Option<&'static str>,
    log: Mutex<Vec<Asked>>,
    rule: Mutex<Rule>,
    uploads: Mutex<Uploads>,
    /// How many bytes came in bodies whose length nobody knew before.
    streamed: AtomicU64,
    /// How many requests have come that wait for others.
    gathered: (Mutex<usize>, Condvar),
    /// The last address that the registry gave for each path.
    newest: Mutex<BTreeMap<String, String>>,
}

/// How many requests with the bytes of blobs are under way.
#[derive(Default)]
struct Uploads {
    now: usize,
    most: usize,
}

impl Faulty {
    /// A proxy in front of the registry at `target`; `rule` sees every request.
    pub(crate) fn start(target: &str, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        Self::behind(target, None, rule)
    }

    /// The same for those who log in with `login`; others are asked to, and `rule` never sees them.
    pub(crate) fn guarded(
        target: &str,
        login: &'static str,
        rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static,
    ) -> Self {
        Self::behind(target, Some(login), rule)
    }

    fn behind(
        target: &str,
        login: Option<&'static str>,
        rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (log, uploads, newest) = (Mutex::default(), Mutex::default(), Mutex::default());
        let streamed = AtomicU64::new(0);
        let gathered = (Mutex::default(), Condvar::new());
        let rule: Mutex<Rule> = Mutex::new(Box::new(rule));
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            login,
            log,
            rule,
            uploads,
            streamed,
            gathered,
            newest,
        });
        let known = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&known);
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Self { address, shared }
    }

    /// The name of an image here.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.log().clone()
    }

    /// How many requests have this method and this in their path.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.is(method, part)).count()
    }

    /// How many bytes came in bodies whose length nobody knew before.
    pub(crate) fn streamed(&self) -> u64 {
        self.shared.streamed.load(Ordering::SeqCst)
    }

    /// How many requests the rule was about.
    pub(crate) fn hits(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_hit).count()
    }

    /// How many uploads were under way to the registry at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.uploads.lock().expect("no test panics while it counts").most
    }
}

impl Asked {
    /// Whether it has this method and this in its path.
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The bytes that follow.
    pub(crate) fn length(&self) -> u64 {
        self.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Whether the end of the body is in the body itself (RFC 9112, chunked).
    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }

    /// How many bytes may follow.
    pub(crate) fn most(&self) -> u64 {
        if self.is_chunked() { u64::MAX } else { self.length() }
    }

    /// How many bytes are in the middle.
    fn half(&self) -> u64 {
        if self.is_chunked() { 2 << 20 } else { self.length() / 2 }
    }

    /// Whether it sends bytes of a blob.
    fn is_upload(&self) -> bool {
        self.path.contains("/blobs/uploads/") && self.most() > 0
    }

    /// Requests are counted by what they do: of a path without its digests and identifiers.
    fn kind(&self) -> (String, String) {
        let path = self.path.split('?').next().unwrap_or_default();
        let kind = ["/blobs/uploads/", "/blobs/", "/manifests/"].into_iter().find(|kind| path.contains(kind));
        (self.method.clone(), kind.unwrap_or(path).to_owned())
    }
}

/// An answer of the proxy's own.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Option<Fault> {
    Some(Fault::Answer(status, headers.to_owned(), body.to_owned()))
}

/// A rule for the first request that `is_meant`, and no other.
pub(crate) fn once(
    is_meant: impl Fn(&Asked) -> bool + Send + 'static,
    fault: Fault,
) -> impl Fn(&Asked) -> Option<Fault> + Send + 'static {
    let left = Mutex::new(Some(fault));
    move |asked| is_meant(asked).then(|| left.lock().expect("rules do not panic").take()).flatten()
}
