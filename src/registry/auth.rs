//! Logging in: what a registry asked for once is sent with every later request, and fetched anew when it ends.

use super::RegistryError;
use super::address::Target;
use super::challenge::{Challenge, Scopes};
use super::credentials::{self, Credential};
use super::token;
use super::wire::Wire;
use crate::ci::RegistryLogin;
use crate::event::Events;
use crate::secret::Secret;
use reqwest::header::HeaderValue;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A token is not used in its last seconds: the request takes time too.
const MARGIN: Duration = Duration::from_secs(5);

/// The logins of a run.
#[derive(Clone, Debug)]
pub(super) struct Auth {
    events: Events,
    from_ci: Option<RegistryLogin>,
    files: Vec<PathBuf>,
    hosts: Arc<std::sync::Mutex<BTreeMap<String, Arc<Mutex<Host>>>>>,
}

/// What is known of one host. Whoever fetches a token holds the lock, so sixteen uploads fetch one.
#[derive(Debug, Default)]
struct Host {
    challenge: Option<Challenge>,
    /// Looked up at the first challenge; the inner `None` means that there is none.
    credential: Option<Option<Credential>>,
    /// One for each repository: a scope that is refused must not spoil the others.
    tokens: BTreeMap<String, Ticket>,
}

#[derive(Clone, Debug)]
struct Ticket {
    header: HeaderValue,
    scopes: Scopes,
    until: Instant,
}

impl Auth {
    pub(super) fn new(events: Events, from_ci: Option<RegistryLogin>, files: Vec<PathBuf>) -> Self {
        Self { events, from_ci, files, hosts: Arc::default() }
    }

    /// The header for a request that needs `scopes`. `None` if the host has never asked for a login.
    pub(super) async fn header(
        &self,
        wire: &Wire,
        target: &Target,
        scopes: &Scopes,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let host = self.host(target);
        let mut host = host.lock().await;
        match host.challenge.clone() {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(basic(&self.credential(wire, &mut host, target).await)),
            Some(challenge) => {
                let known = host.tokens.get(&target.path);
                let is_good = |ticket: &&Ticket| ticket.scopes.cover(scopes) && Instant::now() < ticket.until;
                if let Some(ticket) = known.filter(is_good) {
                    return Ok(Some(ticket.header.clone()));
                }
                self.fetch(wire, &mut host, target, &challenge, scopes).await.map(Some)
            }
        }
    }

    /// Answers a challenge to a request that was sent with `used`. Returns the header for another try, if it is worth one.
    pub(super) async fn renew(
        &self,
        wire: &Wire,
        target: &Target,
        scopes: &Scopes,
        used: Option<&HeaderValue>,
        challenges: &[&str],
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let Some(challenge) = Challenge::best(challenges.iter().copied()) else { return Ok(None) };
        let host = self.host(target);
        let mut host = host.lock().await;
        host.challenge = Some(challenge.clone());
        let Challenge::Bearer { scopes: asked, .. } = &challenge else {
            let header = basic(&self.credential(wire, &mut host, target).await);
            return Ok(header.filter(|header| Some(header) != used));
        };
        // Somebody else may have fetched a new one meanwhile.
        let wanted = scopes.clone().and(asked);
        let newer = |ticket: &&Ticket| Some(&ticket.header) != used && ticket.scopes.cover(&wanted);
        if let Some(ticket) = host.tokens.get(&target.path).filter(newer) {
            return Ok(Some(ticket.header.clone()));
        }
        self.fetch(wire, &mut host, target, &challenge, &wanted).await.map(Some)
    }

    /// Fetches a token for `scopes` and for what the one before allowed: the scopes of a repository add up.
    async fn fetch(
        &self,
        wire: &Wire,
        host: &mut Host,
        target: &Target,
        challenge: &Challenge,
        scopes: &Scopes,
    ) -> Result<HeaderValue, RegistryError> {
        let Challenge::Bearer { realm, service, .. } = challenge else { return Err(self.no_login(target)) };
        let problem = |problem| RegistryError::UnsafeLogin {
            host: target.host.clone(),
            realm: without_query(realm),
            problem,
        };
        let realm = target.realm(realm, &wire.plain).map_err(problem)?;
        let credential = self.credential(wire, host, target).await;
        let before = host.tokens.remove(&target.path).map(|ticket| ticket.scopes).unwrap_or_default();
        let all = before.and(scopes);
        let ask = |scopes: Scopes| {
            let (realm, credential, service) = (&realm, credential.as_ref(), service.as_deref());
            async move { token::fetch(wire, realm, service, &scopes, credential).await }
        };
        let mut answer = ask(all.clone()).await?;
        let mut granted = all.clone();
        if answer.is_err() && all != *scopes {
            granted = scopes.clone();
            answer = ask(scopes.clone()).await?;
        }
        let refused = |status| RegistryError::Login {
            host: target.host.clone(),
            server: realm.host_str().unwrap_or_default().to_owned(),
            status,
        };
        let token = answer.map_err(refused)?;
        wire.hide(&token.secret);
        let header =
            header(&format!("Bearer {}", token.secret.reveal())).ok_or_else(|| self.no_login(target))?;
        let life = token.life.saturating_sub(MARGIN.min(token.life / 4));
        let ticket = Ticket { header: header.clone(), scopes: granted, until: Instant::now() + life };
        host.tokens.insert(target.path.clone(), ticket);
        Ok(header)
    }

    fn no_login(&self, target: &Target) -> RegistryError {
        RegistryError::Incomplete {
            action: format!("log in to `{}`", target.host),
            host: target.host.clone(),
            what: "a token that fits into a header",
        }
    }

    async fn credential(&self, wire: &Wire, host: &mut Host, target: &Target) -> Option<Credential> {
        if host.credential.is_none() {
            let (found, problems) = credentials::find(&target.host, &self.files, self.from_ci.as_ref()).await;
            problems.into_iter().for_each(|problem| self.events.warn(problem));
            if let Some(found) = &found {
                wire.hide(found.secret());
                encoded(found).iter().for_each(|secret| wire.hide(secret));
            }
            host.credential = Some(found);
        }
        host.credential.clone().flatten()
    }

    fn host(&self, target: &Target) -> Arc<Mutex<Host>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(target.host.clone()).or_default())
    }
}

fn basic(credential: &Option<Credential>) -> Option<HeaderValue> {
    header(&format!("Basic {}", encoded(credential.as_ref()?)?.reveal()))
}

/// A login as Basic authentication writes it; an identity token has no such form.
fn encoded(credential: &Credential) -> Option<Secret> {
    use base64::Engine as _;
    let Credential::Password { user, password } = credential else { return None };
    Secret::new(base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.reveal())))
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// An address as it may be shown: what follows `?` may be secret.
pub(super) fn without_query(address: &str) -> String {
    address.split(['?', '#']).next().unwrap_or_default().to_owned()
}
