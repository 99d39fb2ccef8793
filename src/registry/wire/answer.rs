//! What an answer says: whether it is a good one, and if not, in which words.

use super::{Answer, Rest};
use crate::registry::{RegistryError, retry};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use std::time::Duration;

impl Answer {
    /// This answer, if it is a good one; otherwise what is wrong.
    pub(crate) fn successful(self) -> Result<Self, RegistryError> {
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
    pub(crate) fn into_rest(mut self) -> Result<Rest, RegistryError> {
        self.rest.take().ok_or_else(|| self.incomplete("content"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn incomplete(&self, what: &'static str) -> RegistryError {
        RegistryError::Incomplete { action: self.action.clone(), host: self.host.clone(), what }
    }

    /// Whether the registry's first error has this code (distribution spec, error codes).
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.error().is_some_and(|(known, _)| known == code)
    }

    /// The registry's own words, if they say that a tag may not be changed. Each has words of its own for it, and not all
    /// write them where the spec has them: ECR (`the repository is immutable`), Artifact Registry (`has enabled tag
    /// immutability`), Harbor (`configured as immutable`), GitLab (`protected tag`).
    pub(crate) fn says_immutable(&self) -> Option<String> {
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
    pub(crate) fn retry_after(&self) -> Option<Duration> {
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
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

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
