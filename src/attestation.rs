//! What hephy says about an image beside the image: which packages are in it (SBOM), and what it was made from
//! (provenance). Pure: equal facts make equal bytes, so that a rebuild attaches nothing new.

mod auditable;
mod golang;
mod program;
mod provenance;
mod purl;
mod sbom;

pub(crate) use program::{Unreadable, carried};
pub(crate) use provenance::{Facts, statement};
pub(crate) use sbom::{Contained, cyclonedx};

use std::collections::BTreeMap;

/// The media type of an SBOM as CycloneDX JSON.
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// The media type of a statement that nobody has signed.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The annotation by which readers find a kind of statement without fetching it.
const PREDICATE: &str = "in-toto.io/predicate-type";

/// A document that is attached to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// The media type of the document, and the kind of the artifact that it becomes.
    pub(crate) artifact_type: &'static str,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) bytes: Vec<u8>,
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
