//! Credentials: where a login for a registry comes from. hephy stores none.

use crate::ci::RegistryLogin;
use crate::secret::Secret;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use std::io;
use std::path::{Path, PathBuf};

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

/// What is known for `host`, in this order: the files of Docker and Podman and the helpers that they name, then the CI
/// system's own token. What cannot be read is a warning: without it the request may be refused for a reason that nobody
/// sees.
pub(super) async fn find(
    host: &str,
    files: &[PathBuf],
    from_ci: Option<&RegistryLogin>,
) -> (Option<Credential>, Vec<String>) {
    let mut problems = vec![];
    for file in files {
        let (host, path) = (host.to_owned(), file.clone());
        // A credential helper is a program, so the look-up may block.
        match tokio::task::spawn_blocking(move || look_up(&host, &path)).await {
            Ok(Ok(None)) | Err(_) => {}
            Ok(Ok(found)) => return (found, problems),
            Ok(Err(problem)) => problems.push(problem),
        }
    }
    let ci = from_ci.filter(|login| login.host == host);
    let password = |login: &RegistryLogin| Credential::Password {
        user: login.user.clone(),
        password: login.token.clone(),
    };
    (ci.map(password), problems)
}

/// What one file knows of `host`. A file that is not there knows nothing, as does an empty one.
fn look_up(host: &str, file: &Path) -> Result<Option<Credential>, String> {
    let key = match host {
        "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        host => host,
    };
    let problem = |text: &str| format!("find the login for `{host}` in `{}`: {text}", file.display());
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(problem(&error.to_string())),
    };
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    // What is wrong with the JSON is told by its place: the text around it may be a password.
    serde_json::from_slice::<serde::de::IgnoredAny>(&text)
        .map_err(|error| problem(&format!("no JSON (line {}, column {})", error.line(), error.column())))?;
    match docker_credential::get_credential_from_reader(text.as_slice(), key) {
        Ok(found) => Ok(usable(found)),
        Err(error) => explain(&error).map_or(Ok(None), |text| Err(problem(&text))),
    }
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
fn explain(problem: &CredentialRetrievalError) -> Option<String> {
    let text = match problem {
        CredentialRetrievalError::HelperFailure { stdout, .. }
            if stdout.contains("credentials not found") =>
        {
            return None;
        }
        CredentialRetrievalError::HelperFailure { helper, .. } => format!("`{helper}` failed"),
        CredentialRetrievalError::HelperCommunicationError => {
            "the credential helper that it names cannot be run".to_owned()
        }
        CredentialRetrievalError::MalformedHelperResponse => {
            "the answer of the credential helper that it names cannot be read".to_owned()
        }
        CredentialRetrievalError::CredentialDecodingError
        | CredentialRetrievalError::CredentialMismatchError => "the login cannot be read".to_owned(),
        CredentialRetrievalError::ConfigReadError | CredentialRetrievalError::ConfigNotFound => {
            "it is not what Docker writes".to_owned()
        }
        CredentialRetrievalError::NoCredentialConfigured => return None,
    };
    Some(text)
}
