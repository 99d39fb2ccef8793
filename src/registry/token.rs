//! One request to a login server, and what its answer means (distribution spec, token and OAuth2 authentication).

use super::RegistryError;
use super::challenge::Scopes;
use super::credentials::Credential;
use super::retry::{self, Patience};
use super::wire::{Answer, Question, Wire};
use crate::secret::Secret;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode, Url};
use std::time::Duration;

/// How long a token lives whose answer does not say so (the spec's default).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// No token is believed to live longer.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A token and how long it can be used from now on.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) life: Duration,
}

/// Asks the login server at `realm` for a token. `None` if it refuses these scopes.
pub(super) async fn fetch(
    wire: &Wire,
    realm: &Url,
    service: Option<&str>,
    scopes: &Scopes,
    credential: Option<&Credential>,
) -> Result<Result<Token, StatusCode>, RegistryError> {
    let server = realm.host_str().unwrap_or_default();
    let action = format!("log in at `{server}`");
    let mut patience = Patience::default();
    loop {
        let answer = ask(wire, realm, service, scopes, credential, &action).await;
        let asked = match &answer {
            Ok(answer) if !retry::is_transient(answer.status) => None,
            Ok(answer) => Some(answer.retry_after()),
            Err(error) if error.is_worth_another_try() => Some(None),
            Err(_) => None,
        };
        if let Some(pause) = asked.and_then(|asked| patience.next(asked)) {
            tokio::time::sleep(pause).await;
            continue;
        }
        let answer = answer?;
        return match answer.status {
            status if status.is_success() => {
                read(&answer).map(Ok).ok_or_else(|| answer.incomplete("a token"))
            }
            status if status.is_client_error() && !retry::is_transient(status) => Ok(Err(status)),
            _ => answer.successful().and_then(|answer| Err(answer.incomplete("a token"))),
        };
    }
}

async fn ask(
    wire: &Wire,
    realm: &Url,
    service: Option<&str>,
    scopes: &Scopes,
    credential: Option<&Credential>,
    action: &str,
) -> Result<Answer, RegistryError> {
    let host = realm.host_str().unwrap_or_default();
    let service = service.map(|service| ("service", service.to_owned()));
    match credential {
        Some(Credential::Identity(token)) => {
            let form = [
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", "hephy".to_owned()),
                ("refresh_token", token.reveal().to_owned()),
                ("scope", scopes.to_string()),
            ];
            // A form is written like a query.
            let mut body = realm.clone();
            body.query_pairs_mut().clear().extend_pairs(form.into_iter().chain(service));
            let body = body.query().unwrap_or_default().to_owned();
            let kind = "application/x-www-form-urlencoded";
            let question = Question { host, action, method: Method::POST, url: realm };
            wire.exchange(question, |request, _| request.header(CONTENT_TYPE, kind).body(body)).await
        }
        _ => {
            let query: Vec<_> =
                service.into_iter().chain(scopes.texts().map(|scope| ("scope", scope))).collect();
            let question = Question { host, action, method: Method::GET, url: realm };
            wire.exchange(question, |request, _| {
                let request = request.query(&query);
                match credential {
                    Some(Credential::Password { user, password }) => {
                        request.basic_auth(user, Some(password.reveal()))
                    }
                    _ => request,
                }
            })
            .await
        }
    }
}

/// The token of an answer. Its age is taken from the server's own clock, so that a wrong clock here does no harm.
fn read(answer: &Answer) -> Option<Token> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let text = |name: &str| body.get(name).and_then(|text| text.as_str()).filter(|text| !text.is_empty());
    let secret = Secret::new(text("token").or_else(|| text("access_token"))?)?;
    let life = body.get("expires_in").and_then(serde_json::Value::as_u64);
    let life = life.map_or(DEFAULT_LIFE, Duration::from_secs).min(LONGEST_LIFE);
    let issued = text("issued_at").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let now = answer.header("date").and_then(retry::date);
    let age = issued.zip(now).and_then(|(issued, now)| Duration::try_from(now.duration_since(issued)).ok());
    Some(Token { secret, life: life.saturating_sub(age.unwrap_or_default()) })
}
