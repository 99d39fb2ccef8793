//! An HTTP proxy in front of a registry that does what registries do on bad days, and writes down what it was asked.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is answered here: status, headers and body.
    Answer(u16, String, String),
    /// The connection is reset before anything is read.
    ResetAtOnce,
    /// It is reset in the middle of the body.
    ResetInBody,
    /// The registry gets all of it, and its answer gets lost.
    LoseAnswer,
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
    /// The registry gets it without its query: a mount becomes a plain upload.
    Plain,
    /// The registry's answer has an address without its host.
    Relative,
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
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Faulty {
    /// A proxy in front of the registry at `target`; `rule` sees every request.
    pub(crate) fn start(target: &str, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(vec![]));
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let (target, known) = (target.to_owned(), Arc::clone(&log));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, log, rule) = (target.clone(), Arc::clone(&known), Arc::clone(&rule));
                std::thread::spawn(move || drop(serve(client, &target, &log, &rule)));
            }
        });
        Self { address, log }
    }

    /// The name of an image here.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().expect("no test panics while it logs").clone()
    }

    /// How many requests have this method and this in their path.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.is(method, part)).count()
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
}

/// An answer of the proxy's own.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Option<Fault> {
    Some(Fault::Answer(status, headers.to_owned(), body.to_owned()))
}

fn serve(
    client: TcpStream,
    target: &str,
    log: &Mutex<Vec<Asked>>,
    rule: &Mutex<Rule>,
) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, client.try_clone()?);
    while let Some((mut asked, head)) = read_head(&mut reader)? {
        let fault = {
            let mut log = log.lock().expect("no test panics while it logs");
            asked.time = 1 + log.iter().filter(|before| before.kind() == asked.kind()).count();
            log.push(asked.clone());
            rule.lock().expect("rules do not panic")(&asked)
        };
        match fault {
            Some(Fault::Answer(status, headers, body)) => {
                std::io::copy(&mut (&mut reader).take(asked.length()), &mut std::io::sink())?;
                let length = body.len();
                let body = if asked.method == "HEAD" { "" } else { &body };
                let answer =
                    format!("HTTP/1.1 {status} No\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
                (&client).write_all(answer.as_bytes())?;
            }
            // What lies unread in the socket turns its end into a reset.
            Some(Fault::ResetAtOnce) => return Ok(()),
            Some(Fault::ResetInBody) => {
                std::io::copy(&mut (&mut reader).take(asked.length() / 2), &mut std::io::sink())?;
                return Ok(());
            }
            Some(Fault::Stall) => {
                std::thread::sleep(Duration::from_secs(600));
                return Ok(());
            }
            other => {
                let lost = matches!(other, Some(Fault::LoseAnswer));
                let query = asked.path.split_once('?').map(|(_, query)| format!("?{query}"));
                let head = match (&other, query) {
                    (Some(Fault::Plain), Some(query)) => head.replacen(&query, "", 1),
                    _ => head,
                };
                let head = match &other {
                    Some(Fault::NoRange) => head.replace("range:", "x-range:"),
                    _ => head,
                };
                let answer = forward(target, &asked, &head, &mut reader)?;
                if lost {
                    return Ok(());
                }
                let answer = changed(answer, other.as_ref());
                match other {
                    Some(Fault::HalfAnswer) => return (&client).write_all(&answer[..answer.len() / 2]),
                    Some(Fault::StallInAnswer) => {
                        (&client).write_all(&answer[..answer.len() / 2])?;
                        std::thread::sleep(Duration::from_secs(600));
                    }
                    _ => (&client).write_all(&answer)?,
                }
            }
        }
    }
    client.shutdown(Shutdown::Both)
}

impl Asked {
    /// Requests are counted by what they do: of a path without its digests and identifiers.
    fn kind(&self) -> (String, String) {
        let path = self.path.split('?').next().unwrap_or_default();
        let kind = ["/blobs/uploads/", "/blobs/", "/manifests/"].into_iter().find(|kind| path.contains(kind));
        (self.method.clone(), kind.unwrap_or(path).to_owned())
    }
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
    let asked = Asked { method: method.to_owned(), path: path.to_owned(), headers, time: 0 };
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
fn changed(mut answer: Vec<u8>, fault: Option<&Fault>) -> Vec<u8> {
    if let (Some(Fault::OtherByte), Some(last)) = (fault, answer.last_mut()) {
        *last ^= 1;
    }
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
        Some(Fault::Relative) => {
            let address = lines.iter_mut().find(|line| is(line, "location"));
            if let Some(line) = address
                && let Some((_, path)) = line.split_once("/v2/")
            {
                *line = format!("Location: /v2/{path}");
            }
        }
        _ => {}
    }
    [lines.join("\r\n").as_bytes(), &answer[end..]].concat()
}
