//! Where the software bill of materials of a component comes from, in the words of `plan.json`.

use super::file::SbomFile;
use super::json::{PlanError, value};
use crate::component::Sbom;

/// The word for [`Sbom::Required`], which no path can be: those end with `.json`.
const REQUIRED: &str = "required";

pub(super) fn sbom_file(sbom: &Sbom) -> SbomFile {
    match sbom {
        Sbom::Required => SbomFile::Text(REQUIRED.to_owned()),
        Sbom::File(path) => SbomFile::Text(path.clone()),
        Sbom::Files(paths) => SbomFile::ByPlatform(
            paths.iter().map(|(platform, path)| (platform.to_string(), path.clone())).collect(),
        ),
    }
}

pub(super) fn sbom(file: SbomFile) -> Result<Sbom, PlanError> {
    Ok(match file {
        SbomFile::Text(word) if word == REQUIRED => Sbom::Required,
        SbomFile::Text(path) => Sbom::File(path),
        SbomFile::ByPlatform(paths) => {
            let paths = paths.into_iter().map(|(platform, path)| Ok((value("platform", &platform)?, path)));
            Sbom::Files(paths.collect::<Result<_, PlanError>>()?)
        }
    })
}
