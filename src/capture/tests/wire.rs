//! A client that sends what it is told, byte by byte: other clients would correct a path or a header that is wrong.

use crate::capture::Capture;
use crate::image::Digest;
use crate::layout::{IMAGE_INDEX, IMAGE_MANIFEST};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A client of one registry. In what it sends, `{NAME}` stands for the digest of a content that it knows by that name,
/// and `{SECRET}` for the secret; what it receives is shown in the same way.
pub(super) struct Client {
    pub(super) address: String,
    pub(super) secret: String,
    known: Vec<(&'static str, String)>,
}

/// A request: method, path below `/v2/{SECRET}/`, headers, and a body, which may be the name of a known content.
pub(super) type Request<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// An answer in the form of one line: status, code of the error or headers, and the body after a bar.
pub(super) type Line = String;

impl Client {
    pub(super) fn of(capture: &Capture) -> Self {
        let repository = capture.repository("x");
        let secret = repository.path.strip_suffix("/x").expect("a secret and the name").to_owned();
        Self { address: repository.host.expect("a host"), secret, known: contents() }
    }

    /// Sends one request after the other and compares each answer with the line that belongs to it.
    pub(super) async fn talk(&self, table: &[(Request<'_>, &str)]) {
        for ((method, path, headers, body), expected) in table {
            let line = self.line((method, path, headers, body)).await;
            assert_eq!(line, *expected, "{method} {path} {headers:?}");
        }
    }

    /// Pushes the contents of these names as blobs.
    pub(super) async fn push_blobs(&self, repository: &str, names: &[&str]) {
        for name in names {
            let path = format!("{repository}/blobs/uploads/?digest={{{name}}}");
            let line = self.line(("POST", &path, &[], name)).await;
            assert!(line.starts_with("201 "), "{line}");
        }
    }

    /// Pushes the manifest that is an image, with its parts, as `repository:tag`.
    pub(super) async fn push_image(&self, repository: &str, tag: &str) {
        self.push_blobs(repository, &["CONFIG", "HELLO"]).await;
        let path = format!("{repository}/manifests/{tag}");
        let line = self.line(("PUT", &path, &[], "MANIFEST")).await;
        assert!(line.starts_with("201 "), "{line}");
    }

    pub(super) async fn line(&self, (method, path, headers, body): Request<'_>) -> Line {
        let path = self.expand(&format!("/v2/{{SECRET}}/{path}"));
        let body = self.content(body).unwrap_or(body).to_owned();
        let headers: Vec<(&str, String)> =
            headers.iter().map(|(name, value)| (*name, self.expand(value))).collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = send(&self.address, method, &path, &headers, body.as_bytes()).await;
        self.fold(&answer.expect("an answer").line())
    }

    pub(super) fn content(&self, name: &str) -> Option<&str> {
        self.known.iter().find(|(known, _)| *known == name).map(|(_, content)| content.as_str())
    }

    fn expand(&self, text: &str) -> String {
        self.words().into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(&name, &value))
    }

    fn fold(&self, text: &str) -> String {
        self.words().into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(&value, &name))
    }

    fn words(&self) -> Vec<(String, String)> {
        let digests = self
            .known
            .iter()
            .map(|(name, content)| (format!("{{{name}}}"), Digest::of(content.as_bytes()).to_string()));
        let words =
            [("{SECRET}", self.secret.as_str()), ("{image}", IMAGE_MANIFEST), ("{index}", IMAGE_INDEX)];
        digests.chain(words.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
    }
}

/// An answer as it came.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn line(&self) -> Line {
        let body = String::from_utf8_lossy(&self.body);
        let code = serde_json::from_str::<Value>(&body).ok();
        let code = code.as_ref().and_then(|body| body["errors"][0]["code"].as_str().map(str::to_owned));
        let is_said = |name: &str, value: &str| match name {
            "date" | "connection" => false,
            // An error of `HEAD` has no body that would tell its code.
            "content-length" => self.status < 400 && value != "0",
            "content-type" => self.status < 400,
            _ => true,
        };
        let headers = self.headers.iter().filter(|(name, value)| is_said(name, value));
        let mut words: Vec<String> = headers.map(|(name, value)| format!("{name}={value}")).collect();
        words.sort();
        let start = [self.status.to_string()].into_iter().chain(code.clone());
        let line = start.chain(words).collect::<Vec<_>>().join(" ");
        if code.is_some() || body.is_empty() { line } else { format!("{line} | {body}") }
    }
}

/// Sends a request on a connection of its own. `None`: the connection ended without an answer.
pub(super) async fn send(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let is_chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
    if !is_chunked {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let mut stream = TcpStream::connect(address).await.expect("the registry listens");
    let mut bytes = head.into_bytes();
    if is_chunked {
        bytes.extend(format!("{:x}\r\n", body.len()).bytes().chain(body.iter().copied()));
        bytes.extend(b"\r\n0\r\n\r\n");
    } else {
        bytes.extend(body);
    }
    // A refusal may come before everything is sent.
    let _ = stream.write_all(&bytes).await;
    let mut received = vec![];
    let _ = stream.read_to_end(&mut received).await;
    read(&received)
}

fn read(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Some(Answer { status, headers, body: received[end + 4..].to_owned() })
}

/// An image, an index with it, and two artifacts about it.
fn contents() -> Vec<(&'static str, String)> {
    let part = |kind: &str, content: &str| json!({"mediaType": kind, "digest": Digest::of(content.as_bytes()).to_string(), "size": content.len()});
    let (config, hello) = ("{}", "hello");
    let image = |more: Value| {
        let mut image = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": part("application/vnd.oci.image.config.v1+json", config),
            "layers": [part("text/plain", hello)],
        });
        more.as_object().expect("fields").iter().for_each(|(key, value)| image[key] = value.clone());
        image.to_string()
    };
    let manifest = image(json!({}));
    let subject = part(IMAGE_MANIFEST, &manifest);
    let sbom = image(json!({"subject": subject, "artifactType": "a/sbom", "annotations": {"by": "me"}}));
    let note = image(json!({"subject": subject}));
    let index = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [part(IMAGE_MANIFEST, &manifest)],
    });
    let two_things = image(json!({"manifests": []}));
    let wrong_size = manifest.replace("\"size\":5", "\"size\":6");
    vec![
        ("CONFIG", config.to_owned()),
        ("HELLO", hello.to_owned()),
        ("EMPTY", String::new()),
        ("MANIFEST", manifest),
        ("INDEX", index.to_string()),
        ("SBOM", sbom),
        ("NOTE", note),
        ("TWO", two_things),
        ("WRONG", wrong_size),
    ]
}
