//! What the path of a request names (distribution spec, endpoints end-1 to end-13). Everything here is foreign: what
//! leaves this file is a checked name, digest, tag, or the id of an upload, which is only ever looked up.

use super::answer::{Code, Refusal};
use crate::image::{Digest, Tag};

/// The longest name of a repository; the spec says that many clients take no more for host and name together.
const LONGEST_NAME: usize = 255;

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// end-1.
    Root,
    /// end-2, end-10.
    Blob { name: String, digest: Digest },
    /// end-4, end-11.
    Uploads { name: String },
    /// end-5, end-6, end-13.
    Upload { name: String, id: String },
    /// end-3, end-7, end-9.
    Manifest { name: String, reference: Reference },
    /// end-8.
    Tags { name: String },
    /// end-12.
    Referrers { name: String, digest: Digest },
}

/// How a manifest is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Digest(Digest),
    Tag(Tag),
}

/// The place that `path`, what follows `/v2/`, names. The name of a repository has slashes and may have any word of the
/// endpoints in it, so the path is read from its end.
pub(super) fn place(path: &str) -> Result<Place, Refusal> {
    let parts: Vec<&str> = path.split('/').collect();
    Ok(match parts.as_slice() {
        [""] => Place::Root,
        [above @ .., "blobs", "uploads", ""] | [above @ .., "blobs", "uploads"] => {
            Place::Uploads { name: name(above)? }
        }
        [above @ .., "blobs", "uploads", id] => Place::Upload { name: name(above)?, id: (*id).to_owned() },
        [above @ .., "blobs", digest] => Place::Blob { name: name(above)?, digest: self::digest(digest)? },
        [above @ .., "manifests", text] => {
            Place::Manifest { name: name(above)?, reference: reference(text)? }
        }
        [above @ .., "tags", "list"] => Place::Tags { name: name(above)? },
        [above @ .., "referrers", digest] => {
            Place::Referrers { name: name(above)?, digest: self::digest(digest)? }
        }
        _ => {
            return Err(Refusal::new(Code::Unsupported, "the distribution spec has no such path").not_found());
        }
    })
}

impl Place {
    /// The repository, if the place is in one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Root => None,
            Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Manifest { name, .. }
            | Self::Tags { name }
            | Self::Referrers { name, .. } => Some(name),
        }
    }
}

/// A digest that hephy can check; the spec lets a registry refuse other algorithms than `sha256`.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|_| Refusal::new(Code::DigestInvalid, "a digest is `sha256:` and 64 hexadecimal digits"))
}

fn reference(text: &str) -> Result<Reference, Refusal> {
    if text.contains(':') {
        return digest(text).map(Reference::Digest);
    }
    let invalid =
        |_| Refusal::new(Code::ManifestInvalid, "a tag has letters, digits, `_`, `.`, `-`, at most 128");
    text.parse().map(Reference::Tag).map_err(invalid)
}

fn name(parts: &[&str]) -> Result<String, Refusal> {
    let name = parts.join("/");
    if name.len() <= LONGEST_NAME && parts.iter().all(|part| is_part(part)) && !parts.is_empty() {
        return Ok(name);
    }
    Err(Refusal::new(
        Code::NameInvalid,
        "the parts of a name are lower-case letters and digits, joined by `.`, `_`, `__` or `-`",
    ))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, the spec's own words for one part of a name.
fn is_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |text: &str| matches!(text, "" | "." | "_" | "__") || text.chars().all(|c| c == '-');
    // What lies between the words; empty between two letters of one word.
    let mut joints = part.split(is_word);
    part.starts_with(is_word) && part.ends_with(is_word) && joints.all(is_joint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(path: &str) -> Result<Place, &'static str> {
        place(path).map_err(|refusal| refusal.code().as_str())
    }

    #[test]
    fn every_endpoint_has_its_path() {
        let digest = Digest::of(b"");
        let name = || "a/b".to_owned();
        let tag = || Reference::Tag("v1".parse().expect("a tag"));
        for (path, expected) in [
            ("", Place::Root),
            (&*format!("a/b/blobs/{digest}"), Place::Blob { name: name(), digest: digest.clone() }),
            ("a/b/blobs/uploads/", Place::Uploads { name: name() }),
            ("a/b/blobs/uploads", Place::Uploads { name: name() }),
            ("a/b/blobs/uploads/7", Place::Upload { name: name(), id: "7".to_owned() }),
            ("a/b/manifests/v1", Place::Manifest { name: name(), reference: tag() }),
            (
                &format!("a/b/manifests/{digest}"),
                Place::Manifest { name: name(), reference: Reference::Digest(digest.clone()) },
            ),
            ("a/b/tags/list", Place::Tags { name: name() }),
            (&format!("a/b/referrers/{digest}"), Place::Referrers { name: name(), digest: digest.clone() }),
            // A repository may be called like an endpoint.
            ("manifests/blobs/tags/list", Place::Tags { name: "manifests/blobs".to_owned() }),
            (
                "a/blobs/uploads/manifests/v1",
                Place::Manifest { name: "a/blobs/uploads".to_owned(), reference: tag() },
            ),
        ] {
            assert_eq!(checked(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_name_tag_or_digest_is_refused_with_the_code_of_the_spec() {
        let long = format!("{}/tags/list", "a".repeat(256));
        for (path, code) in [
            ("tags/list", "NAME_INVALID"),
            ("/tags/list", "NAME_INVALID"),
            ("../tags/list", "NAME_INVALID"),
            ("a/../../b/manifests/v1", "NAME_INVALID"),
            ("a//b/tags/list", "NAME_INVALID"),
            ("A/tags/list", "NAME_INVALID"),
            ("a..b/tags/list", "NAME_INVALID"),
            ("a___b/tags/list", "NAME_INVALID"),
            ("a-/tags/list", "NAME_INVALID"),
            (&long, "NAME_INVALID"),
            ("a/manifests/..", "MANIFEST_INVALID"),
            ("a/manifests/", "MANIFEST_INVALID"),
            ("a/manifests/sha256:..", "DIGEST_INVALID"),
            ("a/blobs/../../etc/passwd", "UNSUPPORTED"),
            ("a/blobs/sha512:00", "DIGEST_INVALID"),
            ("a/referrers/v1", "DIGEST_INVALID"),
            ("_catalog", "UNSUPPORTED"),
            ("a/b", "UNSUPPORTED"),
        ] {
            assert_eq!(checked(path), Err(code), "{path}");
        }
        for good in ["a", "a.b/c_d/e__f/g--h", "0/1"] {
            assert!(checked(&format!("{good}/tags/list")).is_ok(), "{good}");
        }
    }
}
