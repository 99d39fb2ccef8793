//! One exchange with a registry or a login server: a request and its answer, or why there is none.

mod answer;

use super::address::{Plain, is_loopback};
use super::pulse::Pulse;
use super::{RegistryError, Settings};
use crate::secret::Secret;
use reqwest::header::HeaderMap;
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

/// What is asked, and of whom.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    /// What errors call the other side.
    pub(super) host: &'a str,
    /// What errors say was being done.
    pub(super) action: &'a str,
    pub(super) method: Method,
    pub(super) url: &'a Url,
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
    /// when it moves.
    pub(super) async fn exchange(
        &self,
        question: Question<'_>,
        complete: impl FnOnce(RequestBuilder, &Pulse) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let mut answer = self.begin(question, complete).await?;
        self.read(&mut answer).await?;
        Ok(answer)
    }

    /// The same, but the body of the answer still has to be read.
    pub(super) async fn begin(
        &self,
        question: Question<'_>,
        complete: impl FnOnce(RequestBuilder, &Pulse) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let Question { host, action, method, url } = question;
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

#[cfg(test)]
impl Answer {
    /// An answer without content.
    pub(super) fn bare(status: StatusCode, headers: HeaderMap) -> Self {
        let url = Url::parse("http://127.0.0.1/").expect("valid");
        let (action, host) = ("ask".to_owned(), "127.0.0.1".to_owned());
        Self { action, host, url, status, headers, body: vec![], rest: None }
    }
}
