//! Logging in to a registry: Docker's credentials, Basic and Bearer challenges (distribution spec, token auth).

use super::RegistryError;
use crate::ci::RegistryLogin;
use crate::image::Repository;
use crate::secret::Secret;
use docker_credential::DockerCredential;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, Url};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The logins of a run. What was learnt from one challenge is sent with every later request of its kind.
#[derive(Clone)]
pub(super) struct Login {
    client: Client,
    from_ci: Option<RegistryLogin>,
    known: Arc<Mutex<BTreeMap<String, HeaderValue>>>,
}

/// What `WWW-Authenticate` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
    Unknown,
}

impl Login {
    pub(super) fn new(client: Client, from_ci: Option<RegistryLogin>) -> Self {
        Self { client, from_ci, known: Arc::default() }
    }

    /// The header for a request, if a challenge has been answered before.
    pub(super) fn header(&self, repository: &Repository, method: &Method) -> Option<HeaderValue> {
        self.known.lock().ok()?.get(&kind(repository, method)).cloned()
    }

    /// Answers a challenge. Returns whether the request is worth another try.
    pub(super) async fn renew(
        &self,
        repository: &Repository,
        method: &Method,
        challenge: &str,
    ) -> Result<bool, RegistryError> {
        let credential = self.credential(repository.host.as_deref().unwrap_or_default()).await;
        let header = match read_challenge(challenge) {
            Challenge::Basic => credential.map(|(user, secret)| basic(&user, &secret)),
            Challenge::Bearer { realm, service, scope } => {
                let scope = scope.unwrap_or_else(|| default_scope(repository, method));
                self.token(repository, &realm, service.as_deref(), &scope, credential).await?
            }
            Challenge::Unknown => None,
        };
        let Some(mut header) = header else { return Ok(false) };
        header.set_sensitive(true);
        if let Ok(mut known) = self.known.lock() {
            known.insert(kind(repository, method), header);
        }
        Ok(true)
    }

    async fn token(
        &self,
        repository: &Repository,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        credential: Option<(String, Secret)>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let host = repository.host.clone().unwrap_or_default();
        let Ok(realm) = Url::parse(realm) else { return Ok(None) };
        // The realm is the registry's word. A login must not travel in the clear because of it.
        let credential =
            credential.filter(|_| realm.scheme() == "https" || realm.host_str().is_some_and(is_loopback));
        let mut request = self.client.get(realm).query(&[("scope", scope)]);
        if let Some(service) = service {
            request = request.query(&[("service", service)]);
        }
        if let Some((user, secret)) = credential {
            request = request.basic_auth(user, Some(secret.reveal()));
        }
        let fault = |source: reqwest::Error| RegistryError::Unreachable {
            host: host.clone(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(fault)?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let body: serde_json::Value = response.json().await.map_err(fault)?;
        let token = body.get("token").or_else(|| body.get("access_token")).and_then(|token| token.as_str());
        Ok(token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()))
    }

    /// What Docker's configuration holds for `host`, else what the CI system gave for this very host.
    async fn credential(&self, host: &str) -> Option<(String, Secret)> {
        let key = if host == "docker.io" { "https://index.docker.io/v1/" } else { host }.to_owned();
        // A credential helper is a program, so the look-up may block.
        let found = tokio::task::spawn_blocking(move || docker_credential::get_credential(&key)).await;
        if let Ok(Ok(DockerCredential::UsernamePassword(user, password))) = found {
            return Secret::new(password).map(|password| (user, password));
        }
        let login = self.from_ci.as_ref().filter(|login| login.host == host)?;
        Some((login.user.clone(), login.token.clone()))
    }
}

/// A token for reading is not one for writing, and a token for one repository is not one for another.
fn kind(repository: &Repository, method: &Method) -> String {
    format!("{repository} {}", actions(method))
}

fn actions(method: &Method) -> &'static str {
    if matches!(*method, Method::GET | Method::HEAD) { "pull" } else { "pull,push" }
}

fn default_scope(repository: &Repository, method: &Method) -> String {
    format!("repository:{}:{}", repository.path, actions(method))
}

fn basic(user: &str, secret: &Secret) -> HeaderValue {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", secret.reveal()));
    HeaderValue::from_str(&format!("Basic {encoded}")).expect("base64 is a valid header")
}

/// Whether traffic to `host` stays on this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_challenge(text: &str) -> Challenge {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Challenge::Basic;
    }
    let mut parameters = parameters(rest);
    match parameters.remove("realm") {
        Some(realm) if scheme.eq_ignore_ascii_case("bearer") => Challenge::Bearer {
            realm,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        },
        _ => Challenge::Unknown,
    }
}

/// `key="value"` pairs; a value may contain commas (`scope="repository:a:pull,push"`).
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(key.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned());
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        for (text, expected) in [
            ("Basic realm=\"x\"", Challenge::Basic),
            ("basic", Challenge::Basic),
            (
                "Bearer realm=\"https://auth.example/token\",service=\"r\",scope=\"repository:a/b:pull,push\"",
                bearer(Some("r"), Some("repository:a/b:pull,push")),
            ),
            ("bearer realm=https://auth.example/token, service=r", bearer(Some("r"), None)),
            ("Bearer service=\"r\"", Challenge::Unknown),
            ("", Challenge::Unknown),
            ("Negotiate", Challenge::Unknown),
        ] {
            assert_eq!(read_challenge(text), expected, "{text}");
        }
    }

    #[test]
    fn only_loopback_is_spoken_to_without_tls() {
        for (host, expected) in [
            ("127.0.0.1:5000", true),
            ("localhost:5000", true),
            ("[::1]:5000", true),
            ("ghcr.io", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
