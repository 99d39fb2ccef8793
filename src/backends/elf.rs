//! What the header of a program says: for which processor it is, and which loader it needs (ELF, "ELF header" and
//! "Program header").

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader as _};
use object::{Endianness, FileKind, ReadRef};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

/// What a file is, as far as that decides where it can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Elf(Elf),
    /// It begins with `#!`, so another program runs it.
    Script,
    /// Anything else, a damaged program too.
    Other,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elf {
    /// `e_machine`.
    pub(super) machine: u16,
    /// The path of the loader without which the kernel does not start it (`PT_INTERP`).
    pub(super) loader: Option<String>,
}

/// Reads the header of the file at `path`.
pub(super) fn read(path: &Path) -> io::Result<Kind> {
    let mut file = File::open(path)?;
    let mut start = vec![];
    (&mut file).take(2).read_to_end(&mut start)?;
    if start == b"#!" {
        return Ok(Kind::Script);
    }
    file.rewind()?;
    let cache = ReadCache::new(file);
    let elf = match FileKind::parse(&cache) {
        Ok(FileKind::Elf64) => header::<FileHeader64<Endianness>, _>(&cache),
        Ok(FileKind::Elf32) => header::<FileHeader32<Endianness>, _>(&cache),
        _ => return Ok(Kind::Other),
    };
    Ok(elf.map_or(Kind::Other, Kind::Elf))
}

fn header<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> object::Result<Elf> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let mut loader = None;
    for segment in header.program_headers(endian, data)? {
        let path = segment.interpreter(endian, data)?;
        loader = loader.or(path.map(|path| String::from_utf8_lossy(path).into_owned()));
    }
    Ok(Elf { machine: header.e_machine(endian), loader })
}

/// The machines by the names that platforms have for them.
const MACHINES: [(&str, u16); 9] = [
    ("386", elf::EM_386),
    ("amd64", elf::EM_X86_64),
    ("arm", elf::EM_ARM),
    ("arm64", elf::EM_AARCH64),
    ("loong64", elf::EM_LOONGARCH),
    ("ppc64", elf::EM_PPC64),
    ("ppc64le", elf::EM_PPC64),
    ("riscv64", elf::EM_RISCV),
    ("s390x", elf::EM_S390),
];

/// The machine of an architecture, `None` for one that is not known here.
pub(super) fn machine(architecture: &str) -> Option<u16> {
    MACHINES.iter().find(|(name, _)| *name == architecture).map(|(_, machine)| *machine)
}

/// The name of a machine; its number if it has none here.
pub(super) fn name(machine: u16) -> String {
    let known = MACHINES.iter().find(|(_, known)| *known == machine);
    known.map_or_else(|| format!("machine {machine}"), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of 64 bits with one segment, `PT_INTERP`, if it has a loader.
    fn program(machine: u16, loader: Option<&str>) -> Vec<u8> {
        let text = loader.map(|loader| format!("{loader}\0")).unwrap_or_default();
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let half = |bytes: &mut Vec<u8>, value: u16| bytes.extend(value.to_le_bytes());
        let long = |bytes: &mut Vec<u8>, value: u64| bytes.extend(value.to_le_bytes());
        half(&mut bytes, 2);
        half(&mut bytes, machine);
        bytes.extend(1u32.to_le_bytes());
        [0, 64, 0].into_iter().for_each(|value| long(&mut bytes, value));
        bytes.extend(0u32.to_le_bytes());
        [64, 56, u16::from(loader.is_some()), 64, 0, 0].into_iter().for_each(|value| half(&mut bytes, value));
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(4u32.to_le_bytes());
        let length = text.len() as u64;
        [120, 0, 0, length, length, 1].into_iter().for_each(|value| long(&mut bytes, value));
        bytes.extend(text.bytes());
        bytes
    }

    fn kind(bytes: &[u8]) -> Kind {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), bytes).expect("write");
        read(file.path()).expect("read")
    }

    #[test]
    fn a_header_says_for_what_a_program_is() {
        let elf =
            |machine, loader: Option<&str>| Kind::Elf(Elf { machine, loader: loader.map(str::to_owned) });
        let amd = machine("amd64").expect("known");
        let arm = machine("arm64").expect("known");
        for (bytes, expected) in [
            (program(amd, None), elf(amd, None)),
            (program(arm, Some("/lib/ld.so")), elf(arm, Some("/lib/ld.so"))),
            (program(amd, None)[..40].to_vec(), Kind::Other),
            (b"#!/bin/sh\n".to_vec(), Kind::Script),
            (b"for amd64".to_vec(), Kind::Other),
            (vec![], Kind::Other),
        ] {
            assert_eq!(kind(&bytes), expected);
        }
    }

    #[test]
    fn machines_have_the_names_of_platforms() {
        assert_eq!(
            (name(62), name(183), name(9999)),
            ("amd64".into(), "arm64".into(), "machine 9999".into())
        );
        assert_eq!(machine("wasm"), None);
    }
}
