//! What a program says about itself: the packages that whoever built it wrote into it.

use super::{auditable, golang};
use crate::inputs::Inventory;
use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader as _};
use object::{Endianness, FileKind, ReadRef};

/// No list of packages is longer; a thousand modules of Go are 100 KiB.
const LARGEST: u64 = 8 << 20;

/// Why a program that has a list cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("its headers are damaged")]
    Headers,
    #[error("its section `{section}` is too large, {size} bytes")]
    Large { section: &'static str, size: u64 },
    #[error("its section `.dep-v0` is not what `cargo auditable` writes")]
    Auditable,
    #[error("its section `.go.buildinfo` is not what Go writes")]
    Go,
    #[error("a Go before 1.18 built it")]
    OldGo,
    #[error("Go built it without modules")]
    NoModules,
}

impl From<object::Error> for Unreadable {
    fn from(_: object::Error) -> Self {
        Self::Headers
    }
}

/// The packages of a program (ELF); `None` if it does not say. Of a large file only headers and lists are read.
pub(crate) fn carried<'data, R: ReadRef<'data>>(program: R) -> Result<Option<Inventory>, Unreadable> {
    match FileKind::parse(program) {
        Ok(FileKind::Elf64) => lists::<FileHeader64<Endianness>, _>(program),
        Ok(FileKind::Elf32) => lists::<FileHeader32<Endianness>, _>(program),
        _ => Ok(None),
    }
}

/// A program may have both lists: Go can link what Rust made.
fn lists<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    program: R,
) -> Result<Option<Inventory>, Unreadable> {
    let go = section::<H, R>(program, golang::SECTION)?.map(golang::inventory).transpose()?;
    let rust = section::<H, R>(program, auditable::SECTION)?.map(auditable::inventory).transpose()?;
    let found: Vec<Inventory> = go.into_iter().chain(rust).collect();
    Ok((!found.is_empty()).then(|| Inventory::joined(found)))
}

fn section<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    program: R,
    name: &'static str,
) -> Result<Option<&'data [u8]>, Unreadable> {
    let header = H::parse(program)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, program)?;
    let Some((_, found)) = sections.section_by_name(endian, name.as_bytes()) else { return Ok(None) };
    let size = found.sh_size(endian).into();
    if size > LARGEST {
        return Err(Unreadable::Large { section: name, size });
    }
    Ok(Some(found.data(endian, program)?))
}

#[cfg(test)]
mod tests;
