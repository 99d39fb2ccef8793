//! Releases: the manifests that run the pushed images, read, pinned by digest, and sorted by what hephy can prove.

mod kinds;
mod pin;
mod read;
mod render;
#[cfg(test)]
mod tests;

pub(crate) use kinds::{Proof, proof};
pub(crate) use pin::{ContainerImage, Pin, container_images, pin};
pub(crate) use read::read;
pub(crate) use render::render;

use serde_json::Value;
use std::fmt;

/// The objects to apply, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Release {
    pub(crate) objects: Vec<Object>,
}

/// One object of a manifest and the place where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) file: String,
    /// The line of the document that holds the object, from one.
    pub(crate) line: u64,
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The namespace the manifest asks for. Without one, the cluster's own choice applies.
    pub(crate) namespace: Option<String>,
    pub(crate) value: Value,
}

impl Object {
    /// The API group, empty for the core group.
    pub(crate) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Where the object was written: `k8s/api.yaml:12`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.name)
    }
}

impl Release {
    /// Refuses a release of which a part could not be proven healthy: to say nothing about that part and "healthy"
    /// about the whole would be a false green.
    pub(crate) fn ensure_provable(&self) -> Result<(), ReleaseError> {
        match self.objects.iter().find(|object| proof(object) == Proof::Missing) {
            None => Ok(()),
            Some(object) => {
                Err(ReleaseError::Unprovable { object: object.to_string(), place: object.place() })
            }
        }
    }
}

/// Why manifests are not a release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error("read manifest `{file}:{line}`")]
    Syntax { file: String, line: u64, source: Box<serde_saphyr::Error> },
    #[error(
        "read manifest `{file}:{line}`: expected an object with `apiVersion`, `kind` and `metadata.name`, but {problem}"
    )]
    Shape { file: String, line: u64, problem: String },
    #[error("read manifests: `{object}` is written twice, at `{first}` and at `{second}`")]
    Twice { object: String, first: String, second: String },
    /// The hint is `write image: COMPONENT`, or set `components.COMPONENT.image`.
    #[error(
        "pin `{object}` at `{place}`: image `{found}` looks like component `{component}`, which is pushed to `{repository}`"
    )]
    Ambiguous { object: String, place: String, found: String, component: String, repository: String },
    /// The hint is `--no-wait`.
    #[error("wait for `{object}` at `{place}`: this version can prove only Deployments")]
    Unprovable { object: String, place: String },
}
