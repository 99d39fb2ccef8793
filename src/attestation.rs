//! What hephy says about an image beside the image: which packages are in it (SBOM), and what it was made from
//! (provenance). Pure: equal facts make equal bytes, so that a rebuild attaches nothing new.

mod auditable;
mod golang;
mod program;
mod provenance;
mod purl;
mod sbom;
mod supplied;

pub(crate) use program::{Unreadable, carried};
pub(crate) use provenance::{Facts, statement};
pub(crate) use sbom::{Contained, cyclonedx};
pub(crate) use supplied::supplied;

use crate::component::Backend;
use crate::platform::Platform;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The media type of an SBOM as CycloneDX JSON.
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// The media type of a statement that nobody has signed.
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The annotation by which readers find a kind of statement without fetching it.
pub(crate) const PREDICATE: &str = "in-toto.io/predicate-type";

/// A document that is attached to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// The media type of the document, and the kind of the artifact that it becomes.
    pub(crate) artifact_type: &'static str,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) bytes: Vec<u8>,
}

/// Why an image has no SBOM, although it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SbomError {
    #[error("read the SBOM `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("read the SBOM `{path}`: it is no JSON")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("read the SBOM `{path}`: it is neither CycloneDX nor SPDX")]
    Unknown { path: PathBuf },
    #[error("find an SBOM for {platform}: `sbom` does not name one")]
    NoPlatform { platform: Platform },
    #[error("list what is in the image: nobody says it of what `{backend}` builds")]
    NoList { backend: Backend },
    #[error("list what is in the image: its programs do not say what they are made of")]
    Silent,
}

/// An SBOM as it is attached.
pub(crate) fn listed(bytes: Vec<u8>) -> Attachment {
    Attachment { artifact_type: CYCLONEDX, annotations: BTreeMap::new(), bytes }
}

/// A statement as it is attached. This is where a signature will go around it.
pub(crate) fn sealed(statement: Vec<u8>) -> Attachment {
    let annotations = BTreeMap::from([(PREDICATE.to_owned(), provenance::PREDICATE_TYPE.to_owned())]);
    Attachment { artifact_type: IN_TOTO, annotations, bytes: statement }
}
