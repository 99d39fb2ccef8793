//! Requests and answers as bytes: how they are read, passed on and changed.

use super::{Asked, Fault};
use std::io::{BufRead, Cursor, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Ends a connection with RST, as a firewall or a killed server does.
pub(super) fn reset(client: &TcpStream) -> std::io::Result<bool> {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO))?;
    Ok(false)
}

pub(super) fn length_of(bytes: u64) -> (String, String) {
    ("content-length".to_owned(), bytes.to_string())
}

/// The head of a request with half of the content.
pub(super) fn halved(head: &str, length: u64) -> String {
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
pub(super) struct Dripping<'a, R> {
    body: &'a mut R,
    start: Instant,
    /// For one byte.
    pace: Duration,
    read: u32,
}

impl<'a, R> Dripping<'a, R> {
    pub(super) fn over(body: &'a mut R, length: u64, time: Duration) -> Self {
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

/// A body in chunks, as its bytes are on the wire, up to its own end.
pub(super) struct Chunked<'a, R> {
    reader: &'a mut R,
    /// What was read already and has to be given first.
    mark: Cursor<Vec<u8>>,
    /// How much of the chunk, with the end of its line, is still to come.
    left: u64,
    is_over: bool,
    /// Counts what is content.
    content: &'a AtomicU64,
}

impl<'a, R: BufRead> Chunked<'a, R> {
    pub(super) fn new(reader: &'a mut R, content: &'a AtomicU64) -> Self {
        Self { reader, mark: Cursor::default(), left: 0, is_over: false, content }
    }

    /// Reads the line that says how long the next chunk is; nothing follows an empty one.
    fn next_mark(&mut self) -> std::io::Result<()> {
        let mut line = vec![];
        self.reader.read_until(b'\n', &mut line)?;
        let digits = String::from_utf8_lossy(&line).trim().to_owned();
        let size = u64::from_str_radix(&digits, 16).map_err(std::io::Error::other)?;
        self.content.fetch_add(size, Ordering::SeqCst);
        self.is_over = size == 0;
        match size {
            0 => drop(self.reader.read_until(b'\n', &mut line)?),
            size => self.left = size + 2,
        }
        self.mark = Cursor::new(line);
        Ok(())
    }
}

impl<R: BufRead> Read for Chunked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.is_over && self.mark.position() == self.mark.get_ref().len() as u64 {
            self.next_mark()?;
        }
        match self.mark.read(buffer)? {
            0 => {
                let length = (&mut *self.reader).take(self.left).read(buffer)?;
                self.left -= length as u64;
                Ok(length)
            }
            length => Ok(length),
        }
    }
}

/// Lets bytes through, as a proxy for HTTPS does.
pub(super) fn tunnel(target: &str, mut client: TcpStream) -> std::io::Result<()> {
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

pub(super) fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<(Asked, String)>> {
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
pub(super) fn forward(
    target: &str,
    asked: &Asked,
    head: &str,
    body: &mut impl Read,
) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(target)?;
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(head.as_bytes())?;
    std::io::copy(&mut body.take(asked.most()), &mut server)?;
    let mut answer = vec![];
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer of the registry, fit for a connection that goes on, with what the fault changes.
pub(super) fn changed(mut answer: Vec<u8>, fault: Option<&Fault>) -> Vec<u8> {
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
