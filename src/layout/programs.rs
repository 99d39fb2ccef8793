//! The programs in an image, one after the other, without unpacking it.

use super::{Contents, Descriptor, Layout, LayoutError};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};

const ELF: &[u8] = b"\x7fELF";
const GZIP: &[u8] = b"\x1f\x8b";

impl Layout {
    /// Shows each program (ELF) in the last layer of an image, which is the one that a builder of programs adds, with its
    /// path: in a file that is gone afterwards, because the lists in it are not in the order of its bytes.
    pub(crate) fn programs(
        &self,
        image: &Descriptor,
        mut show: impl FnMut(&str, &File),
    ) -> Result<(), LayoutError> {
        let path = self.root.join(&image.digest);
        let digest = |of: &Descriptor| {
            of.digest().map_err(|source| LayoutError::Digest { path: path.clone(), source })
        };
        let manifest = Contents::read(&self.read(&digest(image)?)?)
            .map_err(|source| LayoutError::Json { path: path.clone(), source })?;
        let Some(layer) = manifest.blobs().skip(1).last() else { return Ok(()) };
        let blob = self.blob(&digest(layer)?);
        let fault = |source| LayoutError::Read { path: blob.clone(), source };
        let file = BufReader::new(File::open(&blob).map_err(fault)?);
        let mut beside = tempfile::tempfile_in(&self.root).map_err(fault)?;
        programs(file, &mut beside, &mut show).map_err(fault)
    }
}

fn programs(mut layer: impl Read, beside: &mut File, show: &mut impl FnMut(&str, &File)) -> io::Result<()> {
    let start = beginning(&mut layer, GZIP.len())?;
    let is_gzip = start == GZIP;
    let layer = io::Cursor::new(start).chain(layer);
    let layer: Box<dyn Read + '_> =
        if is_gzip { Box::new(MultiGzDecoder::new(layer)) } else { Box::new(layer) };
    for entry in tar::Archive::new(layer).entries()? {
        let mut entry = entry?;
        let start = beginning(&mut entry, ELF.len())?;
        if !entry.header().entry_type().is_file() || start != ELF {
            continue;
        }
        let name = format!("/{}", entry.path()?.to_string_lossy().trim_start_matches(['.', '/']));
        beside.set_len(0)?;
        beside.rewind()?;
        io::copy(&mut io::Cursor::new(start).chain(entry), beside)?;
        show(&name, beside);
    }
    Ok(())
}

/// The first bytes, fewer where there are no more.
fn beginning(reader: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    reader.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::manifest::annotated;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(vec![]);
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, *bytes).expect("append");
        }
        tar.into_inner().expect("finish")
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(vec![], Compression::default());
        io::Write::write_all(&mut gzip, bytes).expect("write");
        gzip.finish().expect("finish")
    }

    #[test]
    fn the_programs_of_the_last_layer_are_shown_one_after_the_other() {
        // Given an image with a layer of a base and one of programs, packed or not,
        let base = tar(&[("bin/sh", b"\x7fELF base")]);
        let own = tar(&[
            ("./app/first", b"\x7fELF first, long"),
            ("app/run.sh", b"#!/bin/sh"),
            ("app/second", b"\x7fELF second"),
            ("app/empty", b""),
        ]);
        for own in [gzip(&own), own] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let layout = Layout::create(folder.path()).expect("create");
            let blob = |bytes: &[u8]| layout.write(bytes, "layer").expect("write");
            let layers = vec![blob(&gzip(&base)), blob(&own)];
            let manifest = annotated(blob(b"{}"), layers, Default::default()).expect("a manifest");
            let image = blob(&manifest);
            // when they are asked for, then each is there whole, and nothing of the one before it.
            let mut shown = vec![];
            let show = |name: &str, mut file: &File| {
                let mut text = String::new();
                file.rewind().expect("rewind");
                file.read_to_string(&mut text).expect("read");
                shown.push((name.to_owned(), text));
            };
            layout.programs(&image, show).expect("read");
            let shown: Vec<_> = shown.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let expected = [("/app/first", "\x7fELF first, long"), ("/app/second", "\x7fELF second")];
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn what_is_no_layer_is_a_fault_and_no_layer_has_no_programs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(folder.path()).expect("create");
        let blob = |bytes: &[u8]| layout.write(bytes, "any").expect("write");
        let image = |layers| blob(&annotated(blob(b"{}"), layers, Default::default()).expect("a manifest"));
        assert!(layout.programs(&image(vec![]), |_, _| panic!("a program")).is_ok());
        let odd = image(vec![blob(&[b'a'; 600])]);
        let error = layout.programs(&odd, |_, _| panic!("a program")).expect_err("no layer");
        assert!(matches!(error, LayoutError::Read { .. }), "{error}");
    }
}
