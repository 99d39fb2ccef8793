//! Credentials: where a login for a registry comes from. hephy stores none.

use crate::ci::RegistryLogin;
use crate::secret::Secret;
use docker_credential::{CredentialRetrievalError, DockerCredential};

/// A login for one host.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    Password {
        user: String,
        password: Secret,
    },
    /// What `docker login` got from an identity provider; it is exchanged for tokens and is no password.
    Identity(Secret),
}

impl Credential {
    /// The part that nobody may see.
    pub(super) fn secret(&self) -> &Secret {
        match self {
            Self::Password { password, .. } => password,
            Self::Identity(token) => token,
        }
    }
}

/// What is known for `host`, in this order: Docker's configuration and its helpers, Podman's, the CI system's own token.
/// A helper that fails is a warning: without it the request may be refused for a reason that nobody sees.
pub(super) async fn find(
    host: &str,
    from_ci: Option<&RegistryLogin>,
) -> (Option<Credential>, Option<String>) {
    let key = match host {
        "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        host => host,
    };
    let key = key.to_owned();
    // A credential helper is a program, so the look-up may block.
    let found = tokio::task::spawn_blocking(move || {
        let docker = docker_credential::get_credential(&key);
        if docker.is_ok() {
            (docker, None)
        } else {
            (docker_credential::get_podman_credential(&key), docker.err())
        }
    });
    let (credential, problem) = match found.await {
        Ok((found, problem)) => {
            (found.ok().and_then(usable), problem.and_then(|problem| warning(host, &problem)))
        }
        Err(_) => (None, None),
    };
    let ci = || {
        let login = from_ci.filter(|login| login.host == host)?;
        Some(Credential::Password { user: login.user.clone(), password: login.token.clone() })
    };
    (credential.or_else(ci), problem)
}

/// Docker marks an identity token that a helper holds by the user `<token>`.
fn usable(credential: DockerCredential) -> Option<Credential> {
    match credential {
        DockerCredential::IdentityToken(token) => Secret::new(token).map(Credential::Identity),
        DockerCredential::UsernamePassword(user, token) if user == "<token>" => {
            Secret::new(token).map(Credential::Identity)
        }
        DockerCredential::UsernamePassword(user, password) => {
            Secret::new(password).map(|password| Credential::Password { user, password })
        }
    }
}

/// What a failed look-up means to the user; having no login is no problem. A helper's own words may hold a secret.
fn warning(host: &str, problem: &CredentialRetrievalError) -> Option<String> {
    let text = match problem {
        CredentialRetrievalError::HelperFailure { stdout, .. }
            if stdout.contains("credentials not found") =>
        {
            return None;
        }
        CredentialRetrievalError::HelperFailure { helper, .. } => format!("`{helper}` failed"),
        CredentialRetrievalError::HelperCommunicationError => {
            "the credential helper cannot be run".to_owned()
        }
        CredentialRetrievalError::MalformedHelperResponse => {
            "the credential helper's answer cannot be read".to_owned()
        }
        CredentialRetrievalError::CredentialDecodingError
        | CredentialRetrievalError::CredentialMismatchError => {
            "Docker's configuration has a login that cannot be read".to_owned()
        }
        CredentialRetrievalError::NoCredentialConfigured
        | CredentialRetrievalError::ConfigNotFound
        | CredentialRetrievalError::ConfigReadError => return None,
    };
    Some(format!("find the login for `{host}`: {text}"))
}
