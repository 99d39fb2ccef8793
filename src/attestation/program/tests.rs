use super::*;
use object::ReadCache;
use std::io::Cursor;

/// A program of 64 bits with a section of this name and content.
fn program(name: &str, content: &[u8]) -> Vec<u8> {
    let names = format!("\0.shstrtab\0{name}\0");
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (content_at, names_at) = (64, 64 + content.len());
    let headers_at = names_at + names.len();
    bytes.extend([2u16, 62].map(u16::to_le_bytes).concat());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0, 0, headers_at as u64].map(u64::to_le_bytes).concat());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64u16, 0, 0, 64, 3, 1].map(u16::to_le_bytes).concat());
    bytes.extend(content);
    bytes.extend(names.bytes());
    let section = |name: u32, kind: u32, at: usize, size: usize| {
        let head = [name, kind].map(u32::to_le_bytes).concat();
        let middle = [0, 0, at as u64, size as u64].map(u64::to_le_bytes).concat();
        [head, middle, vec![0; 8], [1u64, 0].map(u64::to_le_bytes).concat()].concat()
    };
    bytes.extend(section(0, 0, 0, 0));
    bytes.extend(section(1, 3, names_at, names.len()));
    bytes.extend(section(11, 1, content_at, content.len()));
    bytes
}

fn carries(bytes: &[u8]) -> Result<Option<Inventory>, Unreadable> {
    carried(&ReadCache::new(Cursor::new(bytes)))
}

#[test]
fn a_program_without_a_list_and_what_is_no_program_say_nothing() {
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &program(".text", b"code")] {
        assert_eq!(carries(bytes), Ok(None), "{bytes:?}");
    }
}

#[test]
fn a_list_that_cannot_be_read_is_named() {
    assert_eq!(carries(&program(".go.buildinfo", b"")), Err(Unreadable::Go));
    assert_eq!(carries(&program(".dep-v0", b"code")), Err(Unreadable::Auditable));
    let large = program(".dep-v0", &vec![0; (8 << 20) + 1]);
    assert_eq!(carries(&large), Err(Unreadable::Large { section: ".dep-v0", size: (8 << 20) + 1 }));
    let whole = program(".dep-v0", b"code");
    assert_eq!(carries(&whole[..whole.len() - 100]), Err(Unreadable::Headers));
}

/// This test is itself a program that has no list.
#[test]
fn a_real_program_is_read_through_its_file() {
    let file = std::fs::File::open("/proc/self/exe").expect("open");
    assert_eq!(carried(&ReadCache::new(file)), Ok(None));
}

#[test]
fn fuzz_sections_of_programs() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = carries(bytes);
        let mut damaged = program(".go.buildinfo", bytes);
        for (at, byte) in bytes.iter().enumerate() {
            let length = damaged.len();
            damaged[(usize::from(*byte) * 31 + at) % length] ^= byte;
        }
        let _ = carries(&damaged);
    });
}
