//! An SBOM of the user's own: attached as it is, once it is known what it is.

use super::{Attachment, CYCLONEDX, SbomError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::path::Path;

/// The media type of an SBOM as SPDX JSON.
const SPDX: &str = "application/spdx+json";
/// What the vocabulary of SPDX 3 begins with; older ones have a version instead.
const SPDX_3: &str = "https://spdx.org/rdf/3";

/// What tells the kinds apart. That the rest is JSON is checked too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    bom_format: Option<String>,
    spec_version: Option<String>,
    spdx_version: Option<String>,
    #[serde(rename = "@context")]
    context: Option<Context>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Context {
    One(String),
    Several(Vec<String>),
    Other(IgnoredAny),
}

impl Head {
    fn kind(&self) -> Option<&'static str> {
        let is_spdx = self.spdx_version.as_ref().is_some_and(|version| version.starts_with("SPDX-"));
        let is_cyclonedx = self.bom_format.as_deref() == Some("CycloneDX") && self.spec_version.is_some();
        let vocabularies = match &self.context {
            Some(Context::One(one)) => std::slice::from_ref(one),
            Some(Context::Several(several)) => several,
            Some(Context::Other(_)) | None => &[],
        };
        match (is_cyclonedx, is_spdx || vocabularies.iter().any(|text| text.starts_with(SPDX_3))) {
            (true, false) => Some(CYCLONEDX),
            (false, true) => Some(SPDX),
            _ => None,
        }
    }
}

/// The document as it is attached. `path` is for errors.
pub(crate) fn supplied(path: &Path, bytes: Vec<u8>) -> Result<Attachment, SbomError> {
    let path = || path.to_owned();
    let head: Head =
        serde_json::from_slice(&bytes).map_err(|source| SbomError::Json { path: path(), source })?;
    let artifact_type = head.kind().ok_or_else(|| SbomError::Unknown { path: path() })?;
    Ok(Attachment { artifact_type, annotations: BTreeMap::new(), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_known_by_what_they_say_of_themselves() {
        for (text, expected) in [
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}"#, Ok(CYCLONEDX)),
            (r#"{"spdxVersion":"SPDX-2.3","packages":[]}"#, Ok(SPDX)),
            (r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}"#, Ok(SPDX)),
            (r#"{"@context":["https://a.test/","https://spdx.org/rdf/3.0.1/x"],"@graph":[]}"#, Ok(SPDX)),
            (r#"{"@context":{"a":1}}"#, Err("neither")),
            (r#"{"bomFormat":"CycloneDX"}"#, Err("neither")),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.6","spdxVersion":"SPDX-2.3"}"#, Err("neither")),
            ("{}", Err("neither")),
            ("[]", Err("no JSON")),
            (r#"{"spdxVersion":"SPDX-2.3""#, Err("no JSON")),
            (r#"{"spdxVersion":"SPDX-2.3"} {}"#, Err("no JSON")),
            ("SPDXVersion: SPDX-2.3\n", Err("no JSON")),
        ] {
            match (supplied(Path::new("a.json"), text.as_bytes().to_vec()), expected) {
                (Ok(found), Ok(kind)) => {
                    assert_eq!((found.artifact_type, found.bytes.as_slice()), (kind, text.as_bytes()));
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
