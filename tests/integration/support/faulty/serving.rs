//! What the proxy does to a connection.

use super::wire::{Chunked, Dripping, changed, forward, halved, length_of, read_head, reset, tunnel};
use super::{Asked, Fault, Shared, answer};
use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::MutexGuard;
use std::time::Duration;

/// A request whose head was read: what it asks, its body, and where the answer goes.
struct Arrived<'a, R> {
    asked: &'a Asked,
    head: String,
    reader: &'a mut R,
    client: &'a TcpStream,
}

impl Shared {
    pub(super) fn log(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.log.lock().expect("no test panics while it logs")
    }

    pub(super) fn serve(&self, client: TcpStream) -> std::io::Result<()> {
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
            let mut body: Box<dyn Read> = match asked.is_chunked() {
                true => Box::new(Chunked::new(&mut reader, &self.streamed)),
                false => Box::new(Cursor::new(asked.form.clone()).chain(&mut reader)),
            };
            let arrived = Arrived { asked: &asked, head, reader: &mut body, client: &client };
            let goes_on = self.follow(arrived, fault);
            drop(body);
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
    fn follow<R: Read>(&self, arrived: Arrived<'_, R>, fault: Option<Fault>) -> std::io::Result<bool> {
        let Arrived { asked, head, reader, mut client } = arrived;
        let mut skip = |bytes: u64| std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).map(drop);
        match fault {
            Some(Fault::Answer(status, headers, body)) => {
                skip(asked.most())?;
                let length = body.len();
                let body = if asked.method == "HEAD" { "" } else { &body };
                let answer =
                    format!("HTTP/1.1 {status} No\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
                client.write_all(answer.as_bytes())?;
                Ok(true)
            }
            Some(Fault::Together(count, then)) => {
                self.gather(count);
                self.follow(Arrived { asked, head, reader, client }, *then)
            }
            Some(Fault::ResetAtOnce) => reset(client),
            Some(Fault::ResetAtFirstByte) => skip(asked.most().min(1)).and_then(|()| reset(client)),
            Some(Fault::ResetInBody) => skip(asked.half()).and_then(|()| reset(client)),
            Some(Fault::HalfArrives) => {
                let half = Asked { headers: vec![length_of(asked.half())], ..asked.clone() };
                let answer = forward(&self.target, &half, &halved(&head, asked.length()), reader)?;
                self.note_place(&answer);
                reset(client)
            }
            Some(Fault::Stall) => {
                std::thread::sleep(Duration::from_secs(600));
                Ok(false)
            }
            other => self.pass_on(Arrived { asked, head, reader, client }, other),
        }
    }

    /// Passes a request on, and its answer back, with what `fault` changes on the way.
    fn pass_on<R: Read>(&self, arrived: Arrived<'_, R>, fault: Option<Fault>) -> std::io::Result<bool> {
        let Arrived { asked, head, reader, mut client } = arrived;
        let head = match (&fault, asked.path.split_once('?')) {
            (Some(Fault::Plain), Some((_, query))) => head.replacen(&format!("?{query}"), "", 1),
            (Some(Fault::Newest), Some((path, _))) => head.replacen(&asked.path, &self.newest(path), 1),
            (Some(Fault::NoRange), _) => head.replace("range:", "x-range:"),
            _ => head,
        };
        if let Some(Fault::Wait(time)) = fault {
            std::thread::sleep(time);
        }
        let answer = match fault {
            Some(Fault::Drip(time)) => {
                forward(&self.target, asked, &head, &mut Dripping::over(reader, asked.length(), time))?
            }
            _ => forward(&self.target, asked, &head, reader)?,
        };
        self.note_place(&answer);
        match fault {
            Some(Fault::LoseAnswer) => return reset(client),
            Some(Fault::ResetInAnswer) => {
                client.write_all(&answer[..answer.len().min(30)])?;
                // It must be out before the reset, which throws away what is not.
                std::thread::sleep(Duration::from_millis(20));
                return reset(client);
            }
            Some(Fault::HalfAnswer | Fault::StallInAnswer) => {
                let answer = changed(answer, None);
                client.write_all(&answer[..answer.len() / 2])?;
                if matches!(fault, Some(Fault::StallInAnswer)) {
                    std::thread::sleep(Duration::from_secs(600));
                }
                return Ok(false);
            }
            _ => client.write_all(&changed(answer, fault.as_ref()))?,
        }
        Ok(true)
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.newest.lock().expect("no test panics while it notes")
    }

    fn gather(&self, count: usize) {
        let (gathered, more) = &self.gathered;
        let mut now = gathered.lock().expect("no test panics while it waits");
        *now += 1;
        more.notify_all();
        let enough = more.wait_timeout_while(now, Duration::from_secs(20), |now| *now < count);
        drop(enough.expect("no test panics while it waits"));
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
