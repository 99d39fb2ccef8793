//! `sbom`: whether the images of a component must have one, and documents of the user's own.

use crate::component::Sbom;
use crate::config::ConfigError;
use crate::config::file::SbomFile;
use crate::config::source::{Source, hint, plain, spot};
use crate::platform::Platform;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

impl Source<'_> {
    /// What is said about SBOMs. Whether the documents are there is seen when something is built.
    pub(super) fn sbom(&self, file: &Spanned<SbomFile>) -> Result<Sbom, ConfigError> {
        match &file.value {
            SbomFile::Text(word) if word == "required" => Ok(Sbom::Required),
            SbomFile::Text(path) => Ok(Sbom::File(self.document(file, path)?)),
            SbomFile::ByPlatform(paths) => {
                let mut documents = BTreeMap::new();
                for (text, path) in paths {
                    let platform: Platform =
                        text.parse().map_err(|error| self.fault(spot(file), plain(&error), None))?;
                    documents.insert(platform, self.document(file, path)?);
                }
                Ok(Sbom::Files(documents))
            }
        }
    }

    fn document(&self, file: &Spanned<SbomFile>, path: &str) -> Result<String, ConfigError> {
        self.inside(&Spanned::new(path.to_owned(), file.referenced, file.defined))?;
        if path.ends_with(".json") {
            return Ok(path.to_owned());
        }
        let way_out = "write `required`, or the path of a document of CycloneDX or SPDX: `app.cdx.json`";
        Err(self.fault(spot(file), format!("`sbom: {path}` is no JSON file"), hint(way_out)))
    }
}
