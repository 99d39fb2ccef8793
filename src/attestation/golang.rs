//! What Go writes into every program that it builds: the modules in it (package `debug/buildinfo` of Go's library, which
//! is the description of the format; that of Go 1.18 and newer).

use super::Unreadable;
use crate::inputs::{Inventory, Origin, Package};

/// Where it is in an ELF file.
pub(super) const SECTION: &str = ".go.buildinfo";

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER: usize = 32;
/// The flag in the last byte before the padding that says: the texts follow here, not behind pointers.
const IS_INLINE: u8 = 2;
/// The marks around the list of modules are so long.
const MARK: usize = 16;
/// Go's word for the version of a module that was built from a folder.
const FOLDER: &str = "(devel)";

/// The modules of the program, its main module first and Go's own library second.
pub(super) fn inventory(section: &[u8]) -> Result<Inventory, Unreadable> {
    let (version, modules) = texts(section)?;
    let mut main = Package { dependencies: Some(vec![]), ..package("", FOLDER, Origin::Folder) };
    let mut needs: Vec<Package> = vec![library(&version)];
    for line in modules.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        match *columns.as_slice() {
            // The package counts only where there is no module.
            ["path", path] if main.name.is_empty() => main.name = path.to_owned(),
            ["mod", path, version, ref sum @ ..] => {
                // Only what was fetched has a sum; what lies here may have the name of somebody else's.
                let is_fetched = sum.first().is_some_and(|sum| !sum.is_empty());
                let origin = if is_fetched { Origin::Go } else { Origin::Folder };
                main = Package { dependencies: main.dependencies, ..package(path, version, origin) };
            }
            ["dep", path, version, ..] => needs.push(package(path, version, origin(version))),
            ["=>", path, version, ..] => replace(&mut needs, path, version)?,
            ["mod" | "dep" | "=>", ..] => return Err(Unreadable::Go),
            _ => {}
        }
    }
    if main.name.is_empty() {
        return Err(Unreadable::NoModules);
    }
    // Which of them needs which is not said; that the program has all of them is.
    main.dependencies = Some((1..=needs.len()).collect());
    Ok(Inventory { roots: vec![0], packages: [vec![main], needs].concat() })
}

/// The version of Go and the list of modules.
fn texts(section: &[u8]) -> Result<(String, String), Unreadable> {
    let mut starts = (0..section.len()).step_by(ALIGNMENT).map(|at| &section[at..]);
    let found = starts.find(|rest| rest.starts_with(MAGIC)).ok_or(Unreadable::Go)?;
    let (header, rest) = found.split_at_checked(HEADER).ok_or(Unreadable::Go)?;
    if header[MAGIC.len() + 1] & IS_INLINE == 0 {
        return Err(Unreadable::OldGo);
    }
    let (version, rest) = text(rest).ok_or(Unreadable::Go)?;
    let (marked, _) = text(rest).ok_or(Unreadable::Go)?;
    // Shorter than the marks and an end of line is a program without modules.
    let modules = marked.get(MARK..marked.len().saturating_sub(MARK)).unwrap_or_default();
    let modules = modules.strip_suffix(b"\n").unwrap_or_default();
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Unreadable::Go);
    Ok((utf8(version)?, utf8(modules)?))
}

/// A text behind its length, which has seven bits in each byte, the lowest first; and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length: u64 = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return bytes[at + 1..].split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

/// Go's own library, by the name that the lists of vulnerabilities have for it. `version` is `go1.26.8`, after which the
/// names of experiments may stand; of Go in the making it is another text.
fn library(version: &str) -> Package {
    let first = version.split(' ').next().unwrap_or(version);
    match first.strip_prefix("go").filter(|number| number.starts_with(|c: char| c.is_ascii_digit())) {
        Some(number) => package("stdlib", number, Origin::Go),
        None => package("stdlib", version, Origin::Somewhere("go".to_owned())),
    }
}

/// Puts another module, or a folder, into the place of the last one. A folder leaves it its name: its own is a path of the
/// machine that built.
fn replace(needs: &mut [Package], path: &str, version: &str) -> Result<(), Unreadable> {
    // The first one is Go's library.
    let last = needs.get_mut(1..).and_then(<[Package]>::last_mut).ok_or(Unreadable::Go)?;
    let name = if version == FOLDER { last.name.clone() } else { path.to_owned() };
    *last = package(&name, version, origin(version));
    Ok(())
}

fn origin(version: &str) -> Origin {
    if version == FOLDER { Origin::Folder } else { Origin::Go }
}

/// Go's sums are over the hashes of files, not over a file that somebody could fetch, so they are no checksums here.
fn package(name: &str, version: &str, origin: Origin) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        origin,
        checksum: None,
        licence: None,
        is_build_only: false,
        dependencies: None,
    }
}

#[cfg(test)]
mod tests;
