//! Images: digests, repositories, tags, and the reference that joins them.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// A content digest, `sha256:` and 64 hexadecimal digits (OCI image spec, descriptor digests).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::digest(bytes).as_slice())
    }

    /// The digest of what was fed to `hasher`.
    pub(crate) fn of_hasher(hasher: Sha256) -> Self {
        Self::from_hash(hasher.finalize().as_slice())
    }

    /// The hexadecimal digits without the algorithm.
    pub(crate) fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The first twelve digits: enough for a person.
    pub(crate) fn short(&self) -> &str {
        &self.hex()[..12]
    }

    fn from_hash(hash: &[u8]) -> Self {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a text is not a digest, a repository or a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("read digest `{text}`: expected `sha256:` and 64 hexadecimal digits")]
    Digest { text: String },
    #[error("read image repository `{text}`: {problem}")]
    Repository { text: String, problem: &'static str },
    #[error("read tag `{text}`: expected letters, digits, `_`, `.`, `-`, at most 128")]
    Tag { text: String },
}

impl FromStr for Digest {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let is_hex = |hex: &str| {
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        match text.strip_prefix("sha256:") {
            Some(hex) if is_hex(hex) => Ok(Self(text.to_owned())),
            _ => Err(ImageError::Digest { text: text.to_owned() }),
        }
    }
}

/// A place for images: an optional registry host and a path. Without a host it names a place in a layout folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Repository {
    pub(crate) host: Option<String>,
    pub(crate) path: String,
}

impl Repository {
    /// The repository below this one, for one component of several.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { host: self.host.clone(), path: format!("{}/{name}", self.path) }
    }
}

impl FromStr for Repository {
    type Err = ImageError;

    /// Reads `ghcr.io/acme/shop`, `127.0.0.1:5000/shop`, `shop`. As in Docker, the first part is a host when it
    /// has a dot or a colon or is `localhost`.
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let fault = |problem| ImageError::Repository { text: text.to_owned(), problem };
        if let Some((before, after)) = text.split_once('@') {
            if before.contains('/') || after.starts_with("sha256:") {
                return Err(fault("a repository has no digest"));
            }
            // As in a URL, what stands there is a password, and errors are for everybody to read.
            let (text, problem) = (format!("***@{after}"), "a login does not belong in a name");
            return Err(ImageError::Repository { text, problem });
        }
        let (host, path) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
            _ => (None, text),
        };
        if path.contains(':') {
            return Err(fault("a repository has no tag"));
        }
        if !path.split('/').all(is_path_part) {
            return Err(fault("its parts are lower-case letters and digits, joined by `.`, `_` or `-`"));
        }
        if host.is_some_and(|host| !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b)))
        {
            return Err(fault("its host is not a host name"));
        }
        Ok(Self { host: host.map(str::to_owned), path: path.to_owned() })
    }
}

fn is_path_part(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    !part.is_empty()
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
        && bytes.iter().all(|b| alphanumeric(*b) || b"._-".contains(b))
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(formatter, "{host}/{}", self.path),
            None => formatter.write_str(&self.path),
        }
    }
}

/// A movable name in a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tag(String);

impl Tag {
    /// The tag as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = text.len() <= 128
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        fits.then(|| Self(text.to_owned())).ok_or_else(|| ImageError::Tag { text: text.to_owned() })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A pushed manifest or index, known by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) repository: Repository,
    pub(crate) digest: Digest,
}

impl fmt::Display for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_read_and_print() {
        for (text, host, path) in [
            ("ghcr.io/acme/shop", Some("ghcr.io"), "acme/shop"),
            ("127.0.0.1:5000/shop/api", Some("127.0.0.1:5000"), "shop/api"),
            ("localhost/shop", Some("localhost"), "shop"),
            ("acme/shop", None, "acme/shop"),
            ("shop", None, "shop"),
        ] {
            let repository: Repository = text.parse().expect(text);
            assert_eq!((repository.host.as_deref(), repository.path.as_str()), (host, path));
            assert_eq!(repository.to_string(), text);
        }
    }

    #[test]
    fn wrong_repositories_say_what_is_wrong() {
        for (text, problem) in [
            ("", "its parts are"),
            ("ghcr.io/Acme/shop", "its parts are"),
            ("ghcr.io/acme/shop:v1", "no tag"),
            ("ghcr.io/acme@sha256:00", "no digest"),
            ("shop@sha256:00", "no digest"),
            ("user:secret@ghcr.io/acme", "`***@ghcr.io/acme`: a login does not belong"),
            ("ghcr.io//shop", "its parts are"),
            ("-ghcr.io$(id)/shop", "its host"),
        ] {
            let error = text.parse::<Repository>().expect_err(text).to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn digests_are_checked() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest.to_string().parse::<Digest>().expect("own output"), digest);
        assert!("sha256:E3B0".parse::<Digest>().is_err());
        assert!("md5:00".parse::<Digest>().is_err());
    }

    #[test]
    fn tags_are_checked() {
        assert!("sha-0123.x_y".parse::<Tag>().is_ok());
        for text in ["", "-a", ".a", "a b", "a/b", &"a".repeat(129)] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }
}
