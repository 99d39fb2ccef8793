//! `attest`: what is attached to the images that a run builds.

use std::str::FromStr;

/// Which documents are attached to an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attest {
    None,
    /// The packages in it. The default: people ask for it, and it is exact where there is one.
    #[default]
    Sbom,
    /// What it was made from. Unsigned, it is worth as much as the right to push is hard to get, so it is not the default.
    Provenance,
    All,
}

/// Why a text says nothing about attaching.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read `attest: {text}`: expected `none`, `sbom`, `provenance` or `all`")]
pub(crate) struct AttestError {
    text: String,
}

impl Attest {
    /// Whether an SBOM is attached.
    pub(crate) fn has_sbom(self) -> bool {
        matches!(self, Self::Sbom | Self::All)
    }

    /// Whether provenance is attached.
    pub(crate) fn has_provenance(self) -> bool {
        matches!(self, Self::Provenance | Self::All)
    }
}

impl FromStr for Attest {
    type Err = AttestError;

    fn from_str(text: &str) -> Result<Self, AttestError> {
        match text {
            "none" => Ok(Self::None),
            "sbom" => Ok(Self::Sbom),
            "provenance" => Ok(Self::Provenance),
            "all" => Ok(Self::All),
            _ => Err(AttestError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_attached() {
        for (text, expected) in [
            ("none", Some((false, false))),
            ("sbom", Some((true, false))),
            ("provenance", Some((false, true))),
            ("all", Some((true, true))),
            ("true", None),
            ("", None),
        ] {
            let read = text.parse::<Attest>().ok();
            assert_eq!(read.map(|read| (read.has_sbom(), read.has_provenance())), expected, "{text}");
        }
    }
}
