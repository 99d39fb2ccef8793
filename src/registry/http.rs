//! One request to a registry: to the right address, with the right login, tried again where that can help.

use super::address::Target;
use super::auth::{Auth, without_query};
use super::challenge::Scopes;
use super::governor::Governor;
use super::pulse::Pulse;
use super::retry::{self, Patience};
use super::wire::{Answer, Question, Wire};
use super::{RegistryError, Settings};
use crate::event::Events;
use crate::image::Repository;
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION, WARNING, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// More redirects are a circle.
const MOST_HOPS: usize = 5;

#[derive(Clone, Debug)]
pub(super) struct Http {
    events: Events,
    wire: Wire,
    auth: Auth,
    pub(super) governor: Governor,
    /// Hosts on this machine that turned out to have TLS.
    with_tls: Arc<Mutex<BTreeSet<String>>>,
    /// What registries warned of; each thing is said once.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) target: Target,
    /// What errors say was being done.
    pub(super) action: String,
    /// What the token must allow.
    pub(super) scopes: Scopes,
}

impl Errand {
    /// The same, with a token that can read the repository `path` too.
    pub(super) fn reading(&self, path: &str) -> Self {
        let scopes = self.scopes.clone().and(&Scopes::of(path, &["pull"]));
        Self { scopes, ..self.clone() }
    }
}

impl Http {
    pub(super) fn new(events: Events, settings: Settings) -> Result<Self, RegistryError> {
        Ok(Self {
            wire: Wire::new(&settings)?,
            auth: Auth::new(events.clone(), settings.login, settings.login_files),
            events,
            governor: Governor::default(),
            with_tls: Arc::default(),
            warned: Arc::default(),
        })
    }

    /// An errand in `repository` that reads it.
    pub(super) fn to_read(&self, repository: &Repository, action: String) -> Result<Errand, RegistryError> {
        self.errand(repository, action, &["pull"])
    }

    /// An errand in `repository` that writes to it.
    pub(super) fn to_write(&self, repository: &Repository, action: String) -> Result<Errand, RegistryError> {
        self.errand(repository, action, &["pull", "push"])
    }

    /// An errand in `repository` that takes something away.
    pub(super) fn to_delete(&self, repository: &Repository, action: String) -> Result<Errand, RegistryError> {
        self.errand(repository, action, &["pull", "push", "delete"])
    }

    /// Where a repository is.
    pub(super) fn target(&self, repository: &Repository) -> Result<Target, RegistryError> {
        Target::new(repository, &self.wire.plain)
            .ok_or_else(|| RegistryError::NoHost { repository: repository.to_string() })
    }

    fn errand(
        &self,
        repository: &Repository,
        action: String,
        actions: &[&str],
    ) -> Result<Errand, RegistryError> {
        let target = self.target(repository)?;
        let scopes = Scopes::of(&target.path, actions);
        Ok(Errand { target, action, scopes })
    }

    /// Sends a request and tries again on faults of the infrastructure. `complete` adds headers and body; it is called
    /// once for every try.
    pub(super) async fn send(
        &self,
        errand: &Errand,
        method: Method,
        url: &Url,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let mut patience = Patience::default();
        loop {
            let answer = self.once(errand, method.clone(), url, |request, _| complete(request)).await;
            let asked = match &answer {
                Ok(answer) if retry::is_transient(answer.status) => answer.retry_after(),
                Err(error) if error.is_worth_another_try() => None,
                Ok(_) | Err(_) => return answer,
            };
            match patience.next(asked) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return answer,
            }
        }
    }

    /// Sends a request, logs in when asked to, and follows where the registry leads.
    pub(super) async fn once(
        &self,
        errand: &Errand,
        method: Method,
        url: &Url,
        complete: impl Fn(RequestBuilder, &Pulse) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let mut answer = self.begin(errand, method, url, complete).await?;
        self.wire.read(&mut answer).await?;
        Ok(answer)
    }

    /// The same, but the body of a good answer still has to be read.
    pub(super) async fn begin(
        &self,
        errand: &Errand,
        method: Method,
        url: &Url,
        complete: impl Fn(RequestBuilder, &Pulse) -> RequestBuilder,
    ) -> Result<Answer, RegistryError> {
        let Errand { target, action, scopes } = errand;
        let mut url = url.clone();
        let (mut may_log_in, mut fresh, mut hops) = (true, None, 0);
        loop {
            self.governor.rest(&target.host).await;
            let is_own = target.owns(&url);
            if is_own && self.with_tls().contains(&target.host) {
                let _ = url.set_scheme("https");
            }
            let login = match fresh.take() {
                Some(fresh) => Some(fresh),
                None if is_own => self.auth.header(&self.wire, target, scopes).await?,
                None => None,
            };
            let question = Question { host: &target.host, action, method: method.clone(), url: &url };
            let answer = self.wire.begin(question, |request, pulse| {
                let request = complete(request, pulse);
                match &login {
                    Some(login) => request.header(AUTHORIZATION, login),
                    None => request,
                }
            });
            let mut answer = answer.await?;
            if !answer.status.is_success() {
                self.wire.read(&mut answer).await?;
            }
            if is_own && self.wants_tls(target, &answer).await? {
                self.with_tls().insert(target.host.clone());
                continue;
            }
            if answer.status == StatusCode::UNAUTHORIZED && is_own && may_log_in {
                may_log_in = false;
                fresh = self.log_in(errand, login.as_ref(), &answer).await?;
                if fresh.is_some() {
                    continue;
                }
            }
            if let Some(location) = redirect(&method, &answer)
                && hops < MOST_HOPS
            {
                hops += 1;
                url = self.onward(errand, &url, location)?;
                continue;
            }
            self.take_note(target, &answer);
            return Ok(answer);
        }
    }

    /// Where `location` leads, if it may lead there.
    pub(super) fn onward(&self, errand: &Errand, from: &Url, location: &str) -> Result<Url, RegistryError> {
        errand.target.onward(from, location).map_err(|problem| RegistryError::Astray {
            action: errand.action.clone(),
            host: errand.target.host.clone(),
            location: self.wire.without_secrets(&without_query(location)),
            problem,
        })
    }

    async fn log_in(
        &self,
        errand: &Errand,
        used: Option<&HeaderValue>,
        answer: &Answer,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let challenges = answer.headers.get_all(WWW_AUTHENTICATE);
        let challenges: Vec<&str> = challenges.iter().filter_map(|text| text.to_str().ok()).collect();
        self.auth.renew(&self.wire, &errand.target, &errand.scopes, used, &challenges).await
    }

    /// Says something that the user should know although the run goes on.
    pub(super) fn warn(&self, text: String) {
        self.events.warn(text);
    }

    /// What an answer says beside its content: that there is too much to do, and warnings for people.
    fn take_note(&self, target: &Target, answer: &Answer) {
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                self.governor.slow_down(&target.host, answer.retry_after());
            }
            status if status.is_success() => self.governor.went_well(&target.host),
            _ => {}
        }
        for warning in answer.headers.get_all(WARNING).iter().filter_map(|text| text.to_str().ok()) {
            // `299 - "text"`: the registry's word for people (distribution spec, warnings).
            let Some(text) = warning.strip_prefix("299 ").and_then(|rest| rest.split('"').nth(1)) else {
                continue;
            };
            let text = format!("the registry `{}` says: {}", target.host, self.wire.without_secrets(text));
            if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
                self.events.warn(text);
            }
        }
    }

    /// Go's servers say so in the body when they are spoken to without TLS; only loopback is tried that way unasked. The
    /// answer to a HEAD has no body, so the question is repeated.
    async fn wants_tls(&self, target: &Target, answer: &Answer) -> Result<bool, RegistryError> {
        let url = &answer.url;
        let is_plain = url.scheme() == "http" && url.host_str().is_some_and(super::is_loopback);
        if !is_plain || answer.status != StatusCode::BAD_REQUEST {
            return Ok(false);
        }
        let says_so = |answer: &Answer| String::from_utf8_lossy(&answer.body).contains("to an HTTPS server");
        if says_so(answer) {
            return Ok(true);
        }
        let action = "find out whether it has TLS";
        let question = Question { host: &target.host, action, method: Method::GET, url };
        let again = self.wire.exchange(question, |request, _| request).await?;
        Ok(says_so(&again))
    }

    fn with_tls(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.with_tls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an answer sends the request. What writes is only sent on where the method stays (RFC 9110, 307 and 308).
fn redirect<'a>(method: &Method, answer: &'a Answer) -> Option<&'a str> {
    let is_reading = matches!(*method, Method::GET | Method::HEAD);
    let is_followed = match answer.status.as_u16() {
        307 | 308 => true,
        301..=303 => is_reading,
        _ => false,
    };
    answer.header(LOCATION.as_str()).filter(|_| is_followed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

    #[test]
    fn an_upload_is_sent_on_only_as_an_upload() {
        let location: HeaderMap = [(LOCATION, HeaderValue::from_static("/there"))].into_iter().collect();
        for (method, status, expected) in [
            (Method::GET, 302, Some("/there")),
            (Method::HEAD, 301, Some("/there")),
            (Method::GET, 307, Some("/there")),
            (Method::PUT, 307, Some("/there")),
            (Method::PUT, 308, Some("/there")),
            (Method::PUT, 301, None),
            (Method::POST, 302, None),
            (Method::PATCH, 303, None),
            (Method::POST, 202, None),
        ] {
            let status = StatusCode::from_u16(status).expect("valid");
            let answer = Answer::bare(status, location.clone());
            assert_eq!(redirect(&method, &answer), expected, "{method} {status}");
        }
    }
}
