//! One request to a registry: to the right address, with the right login, tried again where that can help.

use super::auth::{Login, is_loopback};
use super::{RegistryError, text};
use crate::ci::RegistryLogin;
use crate::image::Repository;
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use std::time::Duration;

/// How often a request is sent before an infrastructure fault is believed.
const TRIES: u32 = 4;
/// The pause before the second try; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// No pause is longer, whatever `Retry-After` says.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Silence for this long ends a try; a slow upload is not silent.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    login: Login,
    insecure: Vec<String>,
}

/// A complete answer.
pub(super) struct Answer {
    action: String,
    pub(super) host: String,
    pub(super) url: Url,
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Http {
    pub(super) fn new(login: Option<RegistryLogin>, insecure: Vec<String>) -> Result<Self, RegistryError> {
        let client = Client::builder()
            .user_agent(concat!("hephy/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(SILENCE)
            .build()
            .map_err(RegistryError::Client)?;
        Ok(Self { login: Login::new(client.clone(), login), client, insecure })
    }

    /// The address of `rest` below the repository.
    pub(super) fn url(&self, repository: &Repository, rest: &str) -> Result<Url, RegistryError> {
        let no_host = || RegistryError::NoHost { repository: repository.to_string() };
        let host = repository.host.as_deref().ok_or_else(no_host)?;
        let scheme = if is_loopback(host) || self.insecure.iter().any(|known| known == host) {
            "http"
        } else {
            "https"
        };
        // Docker Hub's images live on another host than the one in their names, and single names in `library/`.
        let (host, path) = match host {
            "docker.io" | "index.docker.io" if !repository.path.contains('/') => {
                ("registry-1.docker.io", format!("library/{}", repository.path))
            }
            "docker.io" | "index.docker.io" => ("registry-1.docker.io", repository.path.clone()),
            host => (host, repository.path.clone()),
        };
        Url::parse(&format!("{scheme}://{host}/v2/{path}/{rest}")).map_err(|_| no_host())
    }

    /// Sends a request, logs in when asked to, and tries again on faults of the infrastructure. `complete` adds
    /// headers and body; it is called once for every try.
    pub(super) async fn send(
        &self,
        repository: &Repository,
        action: &str,
        method: Method,
        url: &Url,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let host = repository.host.clone().unwrap_or_default();
        let mut pause = FIRST_PAUSE;
        let mut may_log_in = true;
        let mut tries = 1;
        loop {
            let request = complete(self.client.request(method.clone(), url.clone()));
            let request = match self.login.header(repository, &method).filter(|_| self.is_own(&host, url)) {
                Some(header) => request.header(AUTHORIZATION, header),
                None => request,
            };
            let answer = receive(request, action, &host, url).await;
            match &answer {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED && may_log_in => {
                    may_log_in = false;
                    let challenge = text(&answer.headers, WWW_AUTHENTICATE.as_str()).unwrap_or_default();
                    if self.login.renew(repository, &method, challenge).await? {
                        continue;
                    }
                }
                Ok(answer) if is_transient(answer.status) => {
                    pause = pause.max(answer.retry_after()).min(LONGEST_PAUSE);
                }
                Err(_) => {}
                Ok(_) => return answer,
            }
            if tries == TRIES || matches!(&answer, Ok(answer) if !is_transient(answer.status)) {
                return answer;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            tries += 1;
        }
    }

    /// A login goes only to the host that it is for; an upload may be sent elsewhere by `Location`.
    fn is_own(&self, host: &str, url: &Url) -> bool {
        let own = Repository { host: Some(host.to_owned()), path: "x".to_owned() };
        self.url(&own, "").is_ok_and(|own| own.origin() == url.origin())
    }
}

async fn receive(
    request: RequestBuilder,
    action: &str,
    host: &str,
    url: &Url,
) -> Result<Answer, RegistryError> {
    let fault = |source: reqwest::Error| RegistryError::Unreachable {
        host: host.to_owned(),
        source: source.without_url(),
    };
    let response = request.send().await.map_err(fault)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(fault)?.to_vec();
    Ok(Answer { action: action.to_owned(), host: host.to_owned(), url: url.clone(), status, headers, body })
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
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
            _ if is_transient(status) => Err(RegistryError::Unwell { action, host, status }),
            _ => Err(RegistryError::Refused { action, host, status, message: self.message() }),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    pub(super) fn incomplete(&self, what: &'static str) -> RegistryError {
        RegistryError::Incomplete { action: self.action.clone(), host: self.host.clone(), what }
    }

    /// The registry's own words (distribution spec, error codes).
    fn message(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let error = body.get("errors")?.get(0)?;
        let (code, message) =
            (error.get("code")?.as_str()?, error.get("message").and_then(|text| text.as_str()));
        Some(message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}")))
    }

    fn retry_after(&self) -> Duration {
        let seconds = text(&self.headers, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        seconds.map_or(Duration::ZERO, Duration::from_secs)
    }
}
