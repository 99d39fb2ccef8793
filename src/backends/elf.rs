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
    pub(super) machine: Machine,
    /// The path of the loader without which the kernel does not start it (`PT_INTERP`).
    pub(super) loader: Option<String>,
}

/// A kind of processor: `e_machine`, and in which order it has the bytes of a number (`EI_DATA`). ppc64 and ppc64le are one
/// machine in two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine(u16, Endianness);

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
    Ok(Elf { machine: Machine(header.e_machine(endian), endian), loader })
}

/// The machines by the names that platforms have for them.
const MACHINES: [(&str, Machine); 9] = [
    ("386", Machine(elf::EM_386, Endianness::Little)),
    ("amd64", Machine(elf::EM_X86_64, Endianness::Little)),
    ("arm", Machine(elf::EM_ARM, Endianness::Little)),
    ("arm64", Machine(elf::EM_AARCH64, Endianness::Little)),
    ("loong64", Machine(elf::EM_LOONGARCH, Endianness::Little)),
    ("ppc64", Machine(elf::EM_PPC64, Endianness::Big)),
    ("ppc64le", Machine(elf::EM_PPC64, Endianness::Little)),
    ("riscv64", Machine(elf::EM_RISCV, Endianness::Little)),
    ("s390x", Machine(elf::EM_S390, Endianness::Big)),
];

/// The machine of an architecture, `None` for one that is not known here.
pub(super) fn machine(architecture: &str) -> Option<Machine> {
    MACHINES.iter().find(|(name, _)| *name == architecture).map(|(_, machine)| *machine)
}

/// The name of a machine; its number if it has none here.
pub(super) fn name(machine: Machine) -> String {
    let known = MACHINES.iter().find(|(_, known)| *known == machine);
    let number = || match machine {
        Machine(number, Endianness::Little) => format!("machine {number}"),
        Machine(number, Endianness::Big) => format!("machine {number} (big-endian)"),
    };
    known.map_or_else(number, |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of 64 bits with one segment, `PT_INTERP`, if it has a loader.
    fn program(Machine(machine, endian): Machine, loader: Option<&str>) -> Vec<u8> {
        let text = loader.map(|loader| format!("{loader}\0")).unwrap_or_default();
        let is_big = endian == Endianness::Big;
        let data = if is_big { 2 } else { 1 };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // `length` bytes of the number, in the order of the machine.
        let put = |bytes: &mut Vec<u8>, length: usize, value: u64| match is_big {
            true => bytes.extend(&value.to_be_bytes()[8 - length..]),
            false => bytes.extend(&value.to_le_bytes()[..length]),
        };
        let half = |bytes: &mut Vec<u8>, value: u16| put(bytes, 2, value.into());
        let word = |bytes: &mut Vec<u8>, value: u32| put(bytes, 4, value.into());
        let long = |bytes: &mut Vec<u8>, value: u64| put(bytes, 8, value);
        half(&mut bytes, 2);
        half(&mut bytes, machine);
        word(&mut bytes, 1);
        [0, 64, 0].into_iter().for_each(|value| long(&mut bytes, value));
        word(&mut bytes, 0);
        [64, 56, u16::from(loader.is_some()), 64, 0, 0].into_iter().for_each(|value| half(&mut bytes, value));
        [3, 4].into_iter().for_each(|value| word(&mut bytes, value));
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
        let [big, little] = ["ppc64", "ppc64le"].map(|name| machine(name).expect("known"));
        assert_ne!(big, little);
        for (bytes, expected) in [
            (program(amd, None), elf(amd, None)),
            (program(arm, Some("/lib/ld.so")), elf(arm, Some("/lib/ld.so"))),
            (program(big, Some("/lib/ld.so")), elf(big, Some("/lib/ld.so"))),
            (program(little, None), elf(little, None)),
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
        for (number, endian, expected) in [
            (62, Endianness::Little, "amd64"),
            (183, Endianness::Little, "arm64"),
            (21, Endianness::Big, "ppc64"),
            (21, Endianness::Little, "ppc64le"),
            (40, Endianness::Big, "machine 40 (big-endian)"),
            (9999, Endianness::Little, "machine 9999"),
        ] {
            assert_eq!(name(Machine(number, endian)), expected);
        }
        assert_eq!(machine("wasm"), None);
    }
}
