//! What `cargo auditable` writes into the programs that it builds: their packages, as JSON in zlib.

use super::Unreadable;
use crate::inputs::{Inventory, Origin, Package};
use auditable_serde::{DependencyKind, Source, VersionInfo};
use flate2::read::ZlibDecoder;
use std::io::Read as _;

/// Where it is in an ELF file.
pub(super) const SECTION: &str = ".dep-v0";
/// What a section may become; a thousand packages are 100 KiB.
const LARGEST: u64 = 16 << 20;
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The packages of the program.
pub(super) fn inventory(section: &[u8]) -> Result<Inventory, Unreadable> {
    let mut text = String::new();
    let read = ZlibDecoder::new(section).take(LARGEST).read_to_string(&mut text);
    read.map_err(|_| Unreadable::Auditable)?;
    let info: VersionInfo = text.parse().map_err(|_| Unreadable::Auditable)?;
    let root = info.packages.iter().position(|package| package.root).ok_or(Unreadable::Auditable)?;
    Ok(Inventory { roots: vec![root], packages: info.packages.into_iter().map(package).collect() })
}

fn package(package: auditable_serde::Package) -> Package {
    Package {
        name: package.name,
        version: package.version.to_string(),
        origin: match package.source {
            Source::CratesIo => Origin::Cargo(CRATES_IO.to_owned()),
            Source::Local => Origin::Folder,
            other => Origin::Somewhere(other.into()),
        },
        checksum: None,
        licence: None,
        is_build_only: package.kind == DependencyKind::Build,
        dependencies: Some(package.dependencies),
    }
}

#[cfg(test)]
mod tests;
