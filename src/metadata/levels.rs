//! Where annotations go, in the words of `DOCKER_METADATA_ANNOTATIONS_LEVELS`.

use std::fmt;
use std::str::FromStr;

/// A place for annotations (BuildKit, "Annotations").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Manifest,
    Index,
    /// The entry of an image in the index.
    ManifestDescriptor,
    /// The entry of an index in a layout.
    IndexDescriptor,
}

impl Level {
    pub(crate) const ALL: [Self; 4] =
        [Self::Manifest, Self::Index, Self::ManifestDescriptor, Self::IndexDescriptor];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Index => "index",
            Self::ManifestDescriptor => "manifest-descriptor",
            Self::IndexDescriptor => "index-descriptor",
        }
    }

    /// Whether hephy itself writes annotations there. An index is made of its images and nothing else, so its entries say
    /// nothing of their own.
    pub(crate) fn is_written(self) -> bool {
        matches!(self, Self::Manifest | Self::Index)
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::as_str).join(", ");
        let level = Self::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| format!("the level `{text}` is unknown, expected some of {names}"))
    }
}

/// The levels of a run, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels(Vec<Level>);

impl Default for Levels {
    /// The action writes to manifests only, which is why package pages stay blank.
    fn default() -> Self {
        Self(vec![Level::Manifest, Level::Index])
    }
}

impl Levels {
    pub(crate) fn has(&self, level: Level) -> bool {
        self.0.contains(&level)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Level> {
        self.0.iter().copied()
    }
}

impl FromIterator<Level> for Levels {
    fn from_iter<I: IntoIterator<Item = Level>>(levels: I) -> Self {
        let mut each = vec![];
        for level in levels {
            if !each.contains(&level) {
                each.push(level);
            }
        }
        Self(each)
    }
}

impl FromStr for Levels {
    type Err = String;

    /// Reads `manifest,index`.
    fn from_str(text: &str) -> Result<Self, String> {
        let named: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        match named.is_empty() {
            true => Err("it names no level".to_owned()),
            false => named.into_iter().map(str::parse).collect(),
        }
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Level::as_str).collect();
        formatter.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_printed_as_buildkit_names_them() {
        for (text, expected) in [
            ("manifest", Ok("manifest")),
            (" index ,manifest,index", Ok("index,manifest")),
            ("manifest-descriptor,index-descriptor,", Ok("manifest-descriptor,index-descriptor")),
            (",", Err("it names no level")),
            (
                "manifest,Index",
                Err(
                    "the level `Index` is unknown, expected some of manifest, index, manifest-descriptor, index-descriptor",
                ),
            ),
        ] {
            let read = text.parse::<Levels>().map(|levels| levels.to_string());
            assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
        assert_eq!(Levels::default().to_string(), "manifest,index");
    }
}
