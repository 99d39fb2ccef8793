//! One exchange with a registry or a login server: a request and its answer, or why there is none.

use super::address::{Plain, is_loopback};
use super::pulse::Pulse;
use super::{RegistryError, Settings, retry};
use crate::secret::Secret;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// No manifest, token or error is longer.
const LONGEST_ANSWER: usize = 16 << 20;
/// A shorter password is in too many words to be taken out of them.
const SHORTEST_SECRET: usize = 4;

/// The connections of a run, and the secrets that went over them.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    remote: Client,
    /// Traffic to this machine never goes through a proxy.
    local: Client,
    pub(super) plain: Plain,
    silence: Duration,
    secrets: Arc<Mutex<Vec<Secret>>>,
}

/// An answer. Its body is there when it was read.
#[derive(Debug)]
pub(super) struct Answer {
    action: String,
    pub(super) host: String,
    /// Where the request went in the end.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The body that was not read yet.
    rest: Option<Rest>,
}

/// A body on its way.
#[derive(Debug)]
pub(super) struct Rest {
    response: Response,
    host: String,
    pulse: Pulse,
}

impl Wire {
    pub(super) fn new(settings: &Settings) -> Result<Self, RegistryError> {
        let certificates = match &settings.certificates {
            Some(path) => read_certificates(path)?,
            None => vec![],
        };
        let client = |builder: ClientBuilder| {
            builder
                .user_agent(concat!("hephy/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10))
                .tls_certs_merge(certificates.clone())
                // A library that follows a redirect by itself may turn an upload into a download (see `http`).
                .redirect(reqwest::redirect::Policy::none())
                // Uploads side by side need a connection each: registries open HTTP/2's window to 1 MiB for all of them.
                .http1_only()
                .build()
                .map_err(RegistryError::Client)
        };
        Ok(Self {
            remote: client(Client::builder())?,
            local: client(Client::builder().no_proxy())?,
            plain: Plain { insecure: settings.insecure.clone() },
            silence: settings.silence,
            secrets: Arc::default(),
        })
    }

    /// Keeps `secret` out of every answer: a server may repeat what it was sent.
    pub(super) fn hide(&self, secret: &Secret) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.reveal().len() >= SHORTEST_SECRET && !secrets.contains(secret) {
            secrets.push(secret.clone());
        }
    }

    /// `text` without the secrets of this run.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "***"))
    }

    /// Sends a request and reads the answer, whatever it says. `complete` adds headers and body; a body tells the pulse
    /// when it moves. `host` is what errors call the other side.
    pub(super) async fn exchange(
        &self,
        host: &str,
        action: &str,
        method: Method,
        url: &Url,
        complete: impl FnOnce(RequestBuilder, &Pulse) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let mut answer = self.begin(host, action, method, url, complete).await?;
        self.read(&mut answer).await?;
        Ok(answer)
    }

    /// The same, but the body of the answer still has to be read.
    pub(super) async fn begin(
        &self,
        host: &str,
        action: &str,
        method: Method,
        url: &Url,
        complete: impl FnOnce(RequestBuilder, &Pulse) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let is_local = url.host_str().is_some_and(is_loopback);
        let client = if is_local { &self.local } else { &self.remote };
        let pulse = Pulse::new(self.silence);
        let request = complete(client.request(method, url.clone()), &pulse);
        let response = watched(&pulse, host, request.send()).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let (action, host) = (action.to_owned(), host.to_owned());
        let rest = Some(Rest { response, host: host.clone(), pulse });
        Ok(Answer { action, host, url: url.clone(), status, headers, body: vec![], rest })
    }

    /// Reads the body of an answer.
    pub(super) async fn read(&self, answer: &mut Answer) -> Result<(), RegistryError> {
        let Some(mut rest) = answer.rest.take() else { return Ok(()) };
        let mut body = vec![];
        while let Some(piece) = rest.next().await? {
            if body.len() + piece.len() > LONGEST_ANSWER {
                break;
            }
            body.extend(piece);
        }
        if !answer.status.is_success() {
            body = self.without_secrets(&String::from_utf8_lossy(&body)).into_bytes();
        }
        answer.body = body;
        Ok(())
    }
}

impl Rest {
    /// The next bytes, `None` after the last ones.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, RegistryError> {
        // Only the time counts in which somebody waits for them.
        self.pulse.beat();
        let piece = watched(&self.pulse, &self.host, self.response.chunk()).await?;
        Ok(piece.map(Vec::from))
    }
}

/// Runs `work`, an exchange with `host`, and says what is wrong with it.
async fn watched<T>(
    pulse: &Pulse,
    host: &str,
    work: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, RegistryError> {
    let silent = || RegistryError::Silent { host: host.to_owned(), seconds: pulse.silence().as_secs() };
    pulse.watch(work).await.ok_or_else(silent)?.map_err(|source| {
        // Addresses of uploads can hold a signature that is as good as a password.
        let (host, source) = (host.to_owned(), reqwest::Error::without_url(source));
        match is_about_trust(&source) {
            true => RegistryError::Untrusted { host, source },
            false => RegistryError::Unreachable { host, source },
        }
    })
}

/// Whether a certificate is the reason; trying again does not help.
fn is_about_trust(error: &(dyn Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    // An I/O error hides the one that it wraps from `source`.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let wrapped = wrapped.map(|error| error as &(dyn Error + 'static));
    wrapped.or_else(|| error.source()).is_some_and(is_about_trust)
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, RegistryError> {
    let unfit = || RegistryError::Certificates { path: path.to_owned() };
    let text = std::fs::read(path).map_err(|source| RegistryError::Read { path: path.to_owned(), source })?;
    let found = Certificate::from_pem_bundle(&text).map_err(|_| unfit())?;
    if found.is_empty() { Err(unfit()) } else { Ok(found) }
}

impl Answer {
    /// This answer, if it is a good one; otherwise what is wrong.
    pub(super) fn successful(self) -> Result<Self, RegistryError> {
        let (action, host, status) = (self.action.clone(), self.host.clone(), self.status);
        match status {
            _ if status.is_success() => Ok(self),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::Unauthorised { action, host, status })
            }
            _ if retry::is_transient(status) => {
                Err(RegistryError::Unwell { action, host, status, wait: self.retry_after() })
            }
            _ => Err(RegistryError::Refused { action, host, status, message: self.message() }),
        }
    }

    /// The body, as it comes.
    pub(super) fn into_rest(mut self) -> Result<Rest, RegistryError> {
        self.rest.take().ok_or_else(|| self.incomplete("content"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn incomplete(&self, what: &'static str) -> RegistryError {
        RegistryError::Incomplete { action: self.action.clone(), host: self.host.clone(), what }
    }

    /// Whether the registry's first error has this code (distribution spec, error codes).
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.error().is_some_and(|(known, _)| known == code)
    }

    /// The registry's own words, if they say that a tag may not be changed. Each has words of its own for it, and not all
    /// write them where the spec has them: ECR (`the repository is immutable`), Artifact Registry (`has enabled tag
    /// immutability`), Harbor (`configured as immutable`), GitLab (`protected tag`).
    pub(super) fn says_immutable(&self) -> Option<String> {
        let is_refusal = self.status.is_client_error() && self.status != StatusCode::UNAUTHORIZED;
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(4096)]).into_owned();
        let lower = text.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        let is_said = lower.contains("immutab")
            || (lower.contains("protected") && words.any(|word| word == "tag" || word == "tags"));
        let in_short = || text.trim().lines().next().unwrap_or_default().chars().take(200).collect();
        (is_refusal && is_said).then(|| self.message().unwrap_or_else(in_short))
    }

    /// How long the registry asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let now = self.header("date").and_then(retry::date).unwrap_or_else(jiff::Timestamp::now);
        retry::asked(self.header(RETRY_AFTER.as_str()), &self.body, now)
    }

    /// The registry's own words.
    fn message(&self) -> Option<String> {
        let (code, message) = self.error()?;
        Some(message.map_or_else(|| code.clone(), |message| format!("{code}: {message}")))
    }

    fn error(&self) -> Option<(String, Option<String>)> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let error = body.get("errors")?.get(0)?;
        let text = |name: &str| error.get(name).and_then(|text| text.as_str()).map(str::to_owned);
        Some((text("code")?, text("message").filter(|text| !text.is_empty())))
    }
}

#[cfg(test)]
impl Answer {
    /// An answer without content.
    pub(super) fn bare(status: StatusCode, headers: HeaderMap) -> Self {
        let url = Url::parse("http://127.0.0.1/").expect("valid");
        let (action, host) = ("ask".to_owned(), "127.0.0.1".to_owned());
        Self { action, host, url, status, headers, body: vec![], rest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_of_tags_that_stay_is_understood() {
        let of_ecr = "The image tag 'v1' already exists in the 'shop' repository and cannot be overwritten because the repository is immutable.";
        let of_harbor = "Failed to process request due to 'shop/app:v1' configured as immutable.";
        for (status, code, message, expected) in [
            (400, "TAG_INVALID", of_ecr, true),
            (400, "DENIED", "The repository has enabled tag immutability", true),
            (412, "PRECONDITION", of_harbor, true),
            (403, "DENIED", "insufficient permission to push a protected tag", true),
            (403, "DENIED", "you may not push to a protected stage", false),
            (401, "UNAUTHORIZED", of_ecr, false),
            (503, "UNAVAILABLE", of_ecr, false),
            (400, "MANIFEST_INVALID", "no", false),
        ] {
            let body = serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string();
            let bare = Answer::bare(StatusCode::from_u16(status).expect("valid"), HeaderMap::new());
            let said = Answer { body: body.into_bytes(), ..bare }.says_immutable();
            assert_eq!(said, expected.then(|| format!("{code}: {message}")), "{status} {message}");
        }
        let bare = Answer::bare(StatusCode::BAD_REQUEST, HeaderMap::new());
        let plain = Answer { body: b"Tag is immutable".to_vec(), ..bare };
        assert_eq!(plain.says_immutable().as_deref(), Some("Tag is immutable"));
    }
}
