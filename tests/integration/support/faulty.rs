//! An HTTP proxy in front of a registry that does what registries do on bad days, and writes down what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
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
    /// Nothing is read or said any more.
    Stall,
    /// It is passed on after this time.
    Wait(Duration),
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
        let rule: Mutex<Rule> = Mutex::new(Box::new(rule));
        let shared = Arc::new(Shared { target: target.to_owned(), login, log, rule, uploads, newest });
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

    /// Whether it sends bytes of a blob.
    fn is_upload(&self) -> bool {
        self.path.contains("/blobs/uploads/") && self.length() > 0
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

impl Shared {
    fn log(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.log.lock().expect("no test panics while it logs")
    }

    fn serve(&self, client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::with_capacity(64 * 1024, client.try_clone()?);
        while let Some((mut asked, head)) = read_head(&mut reader)? {
            if asked.method == "CONNECT" {
                self.log().push(asked);
                return tunnel(&self.target, client);
            }
            if asked.header("content-type") == Some("application/x-www-form-urlencoded") {
                (&mut reader).take(asked.length()).read_to_string(&mut asked.form)?;
            }
            let fault = match self.login {
                Some(login) if asked.header("authorization") != Some(login) => {
                    answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", "")
                }
                _ => self.decide(&mut asked),
            };
            let is_upload = asked.is_upload() && !matches!(fault, Some(Fault::Answer(..)));
            self.count(is_upload, true);
            let mut body = Cursor::new(asked.form.clone()).chain(&mut reader);
            let goes_on = self.follow(&asked, head, fault, &mut body, &client);
            self.count(is_upload, false);
            if !goes_on? {
                return Ok(());
            }
        }
        client.shutdown(Shutdown::Both)
    }

    /// What the rule says about a request, which is written down.
    fn decide(&self, asked: &mut Asked) -> Option<Fault> {
        let mut log = self.log();
        asked.time = 1 + log.iter().filter(|before| before.kind() == asked.kind()).count();
        let fault = self.rule.lock().expect("rules do not panic")(asked);
        asked.is_hit = fault.is_some();
        log.push(asked.clone());
        fault
    }

    fn count(&self, is_upload: bool, is_start: bool) {
        let mut uploads = self.uploads.lock().expect("no test panics while it counts");
        match (is_upload, is_start) {
            (true, true) => uploads.now += 1,
            (true, false) => uploads.now -= 1,
            (false, _) => {}
        }
        uploads.most = uploads.most.max(uploads.now);
    }

    /// Does to a request what `fault` says. Returns whether the connection goes on.
    fn follow(
        &self,
        asked: &Asked,
        head: String,
        fault: Option<Fault>,
        reader: &mut impl Read,
        mut client: &TcpStream,
    ) -> std::io::Result<bool> {
        let length = asked.length();
        let mut skip = |bytes: u64| std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).map(drop);
        match fault {
            Some(Fault::Answer(status, headers, body)) => {
                skip(length)?;
                let length = body.len();
                let body = if asked.method == "HEAD" { "" } else { &body };
                let answer =
                    format!("HTTP/1.1 {status} No\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
                client.write_all(answer.as_bytes())?;
                Ok(true)
            }
            Some(Fault::ResetAtOnce) => reset(client),
            Some(Fault::ResetAtFirstByte) => skip(length.min(1)).and_then(|()| reset(client)),
            Some(Fault::ResetInBody) => skip(length / 2).and_then(|()| reset(client)),
            Some(Fault::HalfArrives) => {
                let half = Asked { headers: vec![length_of(length / 2)], ..asked.clone() };
                let answer = forward(&self.target, &half, &halved(&head, length), reader)?;
                self.note_place(&answer);
                reset(client)
            }
            Some(Fault::Stall) => {
                std::thread::sleep(Duration::from_secs(600));
                Ok(false)
            }
            other => {
                let head = match (&other, asked.path.split_once('?')) {
                    (Some(Fault::Plain), Some((_, query))) => head.replacen(&format!("?{query}"), "", 1),
                    (Some(Fault::Newest), Some((path, _))) => {
                        head.replacen(&asked.path, &self.newest(path), 1)
                    }
                    _ => head,
                };
                if let Some(Fault::Wait(time)) = other {
                    std::thread::sleep(time);
                }
                let answer = match other {
                    Some(Fault::Drip(time)) => {
                        forward(&self.target, asked, &head, &mut Dripping::over(reader, length, time))?
                    }
                    _ => forward(&self.target, asked, &head, reader)?,
                };
                self.note_place(&answer);
                match other {
                    Some(Fault::LoseAnswer) => return reset(client),
                    Some(Fault::ResetInAnswer) => {
                        client.write_all(&answer[..answer.len().min(30)])?;
                        // It must be out before the reset, which throws away what is not.
                        std::thread::sleep(Duration::from_millis(20));
                        return reset(client);
                    }
                    _ => client.write_all(&changed(answer, other.as_ref()))?,
                }
                Ok(true)
            }
        }
    }
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.newest.lock().expect("no test panics while it notes")
    }

    fn note_place(&self, answer: &[u8]) {
        let head = String::from_utf8_lossy(&answer[..answer.len().min(4096)]).into_owned();
        let place =
            head.lines().find_map(|line| line.split_once("/v2/").filter(|_| line.contains("Location:")));
        if let Some((_, place)) = place
            && let Some((path, _)) = place.split_once('?')
        {
            self.places().insert(format!("/v2/{path}"), format!("/v2/{place}"));
        }
    }

    fn newest(&self, path: &str) -> String {
        self.places().get(path).cloned().unwrap_or_else(|| path.to_owned())
    }
}

/// Ends a connection with RST, as a firewall or a killed server does.
fn reset(client: &TcpStream) -> std::io::Result<bool> {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO))?;
    Ok(false)
}

fn length_of(bytes: u64) -> (String, String) {
    ("content-length".to_owned(), bytes.to_string())
}

/// The head of a request with half of the content.
fn halved(head: &str, length: u64) -> String {
    let half = length / 2;
    let lines = head.split("\r\n").map(|line| {
        let lower = line.to_lowercase();
        if lower.starts_with("content-length:") {
            return format!("Content-Length: {half}");
        }
        let range = lower.strip_prefix("content-range: ").and_then(|range| range.split_once('-'));
        match range.and_then(|(start, _)| start.parse::<u64>().ok()) {
            Some(start) => format!("Content-Range: {start}-{}", start + half - 1),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// A body that is read no faster than evenly over some time.
struct Dripping<'a, R> {
    body: &'a mut R,
    start: Instant,
    /// For one byte.
    pace: Duration,
    read: u32,
}

impl<'a, R> Dripping<'a, R> {
    fn over(body: &'a mut R, length: u64, time: Duration) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX).max(1);
        Self { body, start: Instant::now(), pace: time / length, read: 0 }
    }
}

impl<R: Read> Read for Dripping<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let due = self.pace * self.read;
        std::thread::sleep(due.saturating_sub(self.start.elapsed()));
        let length = self.body.read(buffer)?;
        self.read += u32::try_from(length).unwrap_or(0);
        Ok(length)
    }
}

/// Lets bytes through, as a proxy for HTTPS does.
fn tunnel(target: &str, mut client: TcpStream) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<(Asked, String)>> {
    let mut head = String::new();
    loop {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        if head.ends_with("\r\n\r\n") {
            break;
        }
    }
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let (method, path) = (method.to_owned(), path.to_owned());
    let asked =
        Asked { method, path, headers, time: 0, at: Instant::now(), is_hit: false, form: String::new() };
    Ok(Some((asked, head)))
}

/// Passes a request on over a connection of its own, and returns the whole answer.
fn forward(target: &str, asked: &Asked, head: &str, body: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(target)?;
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(head.as_bytes())?;
    std::io::copy(&mut body.take(asked.length()), &mut server)?;
    let mut answer = vec![];
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer of the registry, fit for a connection that goes on, with what the fault changes.
fn changed(answer: Vec<u8>, fault: Option<&Fault>) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let is = |line: &str, name: &str| line.to_lowercase().starts_with(&format!("{}:", name.to_lowercase()));
    let mut lines: Vec<String> =
        head.lines().filter(|line| !is(line, "connection")).map(str::to_owned).collect();
    match fault {
        Some(Fault::Without(name)) => lines.retain(|line| !is(line, name)),
        Some(Fault::With(name, value)) => {
            lines.retain(|line| !is(line, name));
            lines.push(format!("{name}: {value}"));
        }
        Some(Fault::Relative | Fault::Short) => {
            let (mark, start) =
                if matches!(fault, Some(Fault::Short)) { ("/uploads/", "") } else { ("/v2/", "/v2/") };
            let address = lines.iter_mut().find(|line| is(line, "location"));
            if let Some(line) = address
                && let Some((_, path)) = line.split_once(mark)
            {
                *line = format!("Location: {start}{path}");
            }
        }
        _ => {}
    }
    [lines.join("\r\n").as_bytes(), &answer[end..]].concat()
}
