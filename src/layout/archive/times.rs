//! Times in the tar of a layer: none is younger than the commit, and all else stays as it is, byte for byte.

use std::io::{self, Read, Write};
use tar::{Archive, EntryType};

/// A tar is made of blocks of so many bytes.
const BLOCK: u64 = 512;
/// No extended header is longer; it is read into memory.
const LONGEST_HEADER: u64 = 1 << 20;
/// Extended headers whose values come before those in the header proper.
const DECIDING: [&str; 2] = ["mtime", "size"];

/// Whether [`limit`] understands the tar: the times and sizes are where they usually are.
pub(super) fn are_plain(tar: impl Read) -> io::Result<bool> {
    let mut archive = Archive::new(tar);
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let is_plain = match entry.header().entry_type() {
            EntryType::GNUSparse | EntryType::XGlobalHeader => false,
            EntryType::XHeader => entry.size() <= LONGEST_HEADER && is_plain_header(&mut entry)?,
            _ => true,
        };
        if !is_plain {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_plain_header(header: &mut impl Read) -> io::Result<bool> {
    let mut records = vec![];
    header.read_to_end(&mut records)?;
    let is_deciding = |record: tar::PaxExtension<'_>| record.key().is_ok_and(|key| DECIDING.contains(&key));
    Ok(!tar::PaxExtensions::new(&records).any(|record| record.is_ok_and(is_deciding)))
}

/// Copies the tar with no time after `epoch`, in seconds since 1970.
pub(super) fn limit(tar: impl Read, out: &mut impl Write, epoch: u64) -> io::Result<()> {
    let mut archive = Archive::new(tar);
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let mut header = entry.header().clone();
        // What was made in the second of the commit is written alike: each writer of tars has its own way with numbers.
        if header.mtime().is_ok_and(|time| time >= epoch) {
            header.set_mtime(epoch);
            header.set_cksum();
        }
        out.write_all(header.as_bytes())?;
        let size = io::copy(&mut entry, out)?;
        io::copy(&mut io::repeat(0).take(size.next_multiple_of(BLOCK) - size), out)?;
    }
    io::copy(&mut io::repeat(0).take(2 * BLOCK), out).map(drop)
}
