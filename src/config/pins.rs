//! `hephy.lock`: the image that each name of a base image stands for, as somebody committed it.

use super::ConfigError;
use super::file::LockFile;
use super::source::{Source, spot};
use crate::image::Digest;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the pins are, from the repository's root.
pub(crate) const LOCK_NAME: &str = "hephy.lock";

/// What updates the file, as people type it.
pub(crate) const UPDATE_COMMAND: &str = "hephy plan --update-pins";

/// The pins of the repository at `root`, none if it has no file of them.
pub(super) fn load(root: &Path) -> Result<BTreeMap<String, Digest>, ConfigError> {
    let path = root.join(LOCK_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(ConfigError::Read { file: path, source }),
    };
    read(&Source { file: LOCK_NAME.to_owned(), text: &text, root })
}

fn read(source: &Source<'_>) -> Result<BTreeMap<String, Digest>, ConfigError> {
    let file: LockFile = source.shape()?;
    if let Some(version) = file.version.as_ref().filter(|version| version.value != 1) {
        let problem = format!("version {} is unknown", version.value);
        let hint = format!("remove the file and run `{UPDATE_COMMAND}`");
        return Err(source.fault(spot(version), problem, Some(hint)));
    }
    file.base_images.iter().map(|(name, digest)| Ok((name.clone(), source.parse(digest)?))).collect()
}

/// The file that pins these names: sorted, a line each, so that two branches that pin different images can be merged.
pub(crate) fn lock_text(pins: &BTreeMap<String, Digest>) -> String {
    let head =
        format!("# Which image each base image is. Written by `{UPDATE_COMMAND}`; commit it.\nversion: 1\n");
    if pins.is_empty() {
        return format!("{head}base-images: {{}}\n");
    }
    // Every JSON text is a YAML text.
    let line = |(name, digest): (&String, &Digest)| {
        format!("  {}: {digest}\n", serde_json::Value::from(name.as_str()))
    };
    format!("{head}base-images:\n{}", pins.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<BTreeMap<String, Digest>, String> {
        let source = Source { file: LOCK_NAME.to_owned(), text, root: Path::new("/") };
        read(&source).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let pins: BTreeMap<String, Digest> = [
            ("alpine:3", Digest::of(b"one")),
            ("127.0.0.1:5000/base:$X", Digest::of(b"two")),
            ("a \"quoted\": name\\", Digest::of(b"three")),
        ]
        .map(|(name, digest)| (name.to_owned(), digest))
        .into();
        let text = lock_text(&pins);
        assert_eq!(parsed(&text), Ok(pins));
        let names: Vec<&str> = text.lines().filter(|line| line.contains("sha256:")).collect();
        assert_eq!(names.len(), 3, "{text}");
        assert!(names.is_sorted(), "{text}");
        assert_eq!(parsed(&lock_text(&BTreeMap::new())), Ok(BTreeMap::new()));
        assert_eq!(parsed("# nothing\n"), Ok(BTreeMap::new()));
    }

    #[test]
    fn a_fault_has_its_place() {
        for (text, expected) in [
            ("version: 2\n", "`hephy.lock:1:10`: version 2 is unknown"),
            (
                "version: 1\nimages: {}\n",
                "`hephy.lock:2:1`: unknown key `images`, expected one of version, base-images",
            ),
            ("version: 1\nbase-images:\n  a: latest\n", "`hephy.lock:3:6`: read digest `latest`: expected"),
            ("version: 1\nbase-images:\n  a: x\n  a: y\n", "`hephy.lock:4:3`: `a` stands here a second time"),
        ] {
            let found = parsed(text).expect_err(text);
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
