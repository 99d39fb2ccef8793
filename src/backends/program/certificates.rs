//! Whether a program looks for certificates of authorities that its image does not have.

use super::Ground;
use bstr::ByteSlice as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The file that Go (`crypto/x509`, `root_linux.go`) and Rust (`openssl-probe` 0.2, which `rustls-native-certs` asks) look for
/// first on Linux, and mostly a program has it only if it has that code. Version 0.1 puts the path together and is not noticed.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Below these folders is everything else that they look at.
const FOLDERS: [&str; 2] = ["/etc/ssl", "/etc/pki"];
/// How much of a program is in memory at a time.
const PIECE: u64 = 1 << 20;

/// A warning about the program at `path`, if it looks for certificates where its image has none.
pub(super) fn warning(path: &Path, ground: &Ground<'_>) -> io::Result<Option<String>> {
    let is_beside = |place: &&str| FOLDERS.iter().any(|folder| Path::new(place).starts_with(folder));
    let may_have_some = ground.may_have(BUNDLE) || ground.places.iter().any(is_beside);
    if ground.platform.os != "linux" || may_have_some || !has(File::open(path)?, BUNDLE.as_bytes())? {
        return Ok(None);
    }
    let problem = format!(
        "can look for CA certificates, and its image has none, so as a client it trusts no TLS server; \
         `base: static` has those of Mozilla, `base` can also name an image that has some, and `assets` puts a file at `{BUNDLE}`"
    );
    Ok(Some(format!("`{}` {problem}", path.display())))
}

/// Whether `text` is in the file.
fn has(file: File, text: &[u8]) -> io::Result<bool> {
    let mut window = vec![];
    loop {
        // The end of a piece may be the beginning of the text.
        window.drain(..window.len().saturating_sub(text.len() - 1));
        if (&file).take(PIECE).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if window.contains_str(text) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::ProgramBase;
    use crate::platform::Platform;

    #[test]
    fn only_a_program_that_looks_for_them_on_an_image_without_them_is_a_warning() {
        let piece = usize::try_from(PIECE).expect("it fits");
        // The text begins in the first piece of the file and ends in the second.
        let looking = [vec![b'.'; piece - 10], BUNDLE.as_bytes().to_vec(), vec![b'.'; piece]].concat();
        let other = [vec![b'.'; piece - 10], b"/etc/ssl/certs".to_vec(), vec![b'.'; piece]].concat();
        for (program, platform, base, places, expected) in [
            (&looking, "linux/amd64", "scratch", vec![], true),
            (&looking, "linux/amd64", "scratch", vec!["/etc", "/srv"], false),
            (&looking, "linux/amd64", "scratch", vec!["/srv", "/etc/sslfoo"], true),
            (&looking, "linux/amd64", "scratch", vec!["/etc/ssl/certs/own.pem"], false),
            (&looking, "linux/amd64", "debian:12", vec![], false),
            (&looking, "linux/amd64", "static", vec![], false),
            (&looking, "freebsd/amd64", "scratch", vec![], false),
            (&other, "linux/amd64", "scratch", vec![], false),
        ] {
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), program).expect("write");
            let platform: Platform = platform.parse().expect("a platform");
            let base = ProgramBase::new(base.to_owned());
            let ground = Ground { platform: &platform, base: &base, places };
            let warning = warning(file.path(), &ground).expect("read");
            assert_eq!(warning.is_some(), expected, "{:?} on {platform}", ground.places);
        }
    }
}
