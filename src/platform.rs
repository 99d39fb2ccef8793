//! Platforms: `linux/amd64` and its many spellings.

use std::fmt;
use std::str::FromStr;

/// An operating system, an architecture and, where the architecture alone does not decide, a variant
/// (OCI image index, `platform` of a descriptor).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) variant: Option<String>,
}

/// Why a text is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read platform `{text}`")]
pub(crate) struct PlatformError {
    pub(crate) text: String,
}

impl Platform {
    /// A platform without a variant.
    pub(crate) fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// The platform of what is made once for all of them, such as a chart.
    pub(crate) fn any() -> Self {
        Self::new("any", "any")
    }

    /// Whether it is [`Self::any`].
    pub(crate) fn is_any(&self) -> bool {
        self.os == "any"
    }

    /// Whether `prefix` (see [`prefix`]) names this platform or a family that it belongs to: `linux/arm` is no prefix of
    /// `linux/arm64`.
    pub(crate) fn is_in(&self, prefix: &str) -> bool {
        let text = self.to_string();
        text.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The platform as a part of a tag or of a file name: `linux-amd64`, `linux-arm-v7`.
    pub(crate) fn dashed(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

/// Reads the front part of platforms: `linux`, `linux/arm`, `arm64`.
pub(crate) fn prefix(text: &str) -> Result<String, PlatformError> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.as_str() {
        "linux" | "windows" | "darwin" | "freebsd" | "wasi" => return Ok(lower),
        "macos" => return Ok("darwin".to_owned()),
        _ => {}
    }
    let platform: Platform = text.parse()?;
    // The family of all variants, not the one that an image without a variant is.
    let variant = if lower.ends_with("arm") { None } else { platform.variant };
    Ok(Platform { variant, ..platform }.to_string())
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `linux/amd64`, `amd64`, `x86_64`, `linux-arm64`, `arm64/v8`, `linux/arm/v7`, `wasi/wasm`, ...
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let fault = || PlatformError { text: text.to_owned() };
        if text.trim().eq_ignore_ascii_case("any") {
            return Ok(Self::any());
        }
        let lower = text.trim().to_ascii_lowercase().replace("x86-64", "x86_64").replace('-', "/");
        let mut parts: Vec<&str> = lower.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(fault());
        }
        let os = match parts[0] {
            "linux" | "windows" | "darwin" | "freebsd" | "wasi" | "wasip1" => parts.remove(0).to_owned(),
            "macos" => {
                parts.remove(0);
                "darwin".to_owned()
            }
            "wasm" | "wasm32" => "wasi".to_owned(),
            _ => "linux".to_owned(),
        };
        let (architecture, default_variant) = match *parts.first().ok_or_else(fault)? {
            "amd64" | "x86_64" | "x64" => ("amd64", None),
            "arm64" | "aarch64" => ("arm64", None),
            "arm" | "armhf" | "armv7" | "armv7l" => ("arm", Some("v7")),
            "armv6" | "armel" => ("arm", Some("v6")),
            "386" | "i386" | "i686" | "x86" => ("386", None),
            "wasm" | "wasm32" => ("wasm", None),
            other @ ("ppc64le" | "s390x" | "riscv64" | "loong64" | "mips64le") => (other, None),
            _ => return Err(fault()),
        };
        let variant = match parts.as_slice() {
            [_] => default_variant,
            [_, "v8"] if architecture == "arm64" => None,
            [_, variant] if variant.starts_with('v') => Some(*variant),
            _ => return Err(fault()),
        };
        Ok(Self { os, architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return formatter.write_str("any");
        }
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(formatter, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_spellings_in_one_out() {
        for (spelling, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("Linux-X86-64", "linux/amd64"),
            ("linux-arm64", "linux/arm64"),
            ("arm64/v8", "linux/arm64"),
            ("aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("macos/arm64", "darwin/arm64"),
            ("wasi/wasm", "wasi/wasm"),
            ("wasm32", "wasi/wasm"),
            ("any", "any"),
        ] {
            let platform: Platform = spelling.parse().expect(spelling);
            assert_eq!(platform.to_string(), expected, "{spelling}");
            assert_eq!(platform.to_string().parse::<Platform>().expect(expected), platform);
        }
    }

    #[test]
    fn a_prefix_is_made_of_whole_parts() {
        let arm: Platform = "linux/arm/v7".parse().expect("a platform");
        let arm64 = Platform::new("linux", "arm64");
        for (text, expected, has_arm, has_arm64) in [
            ("linux", "linux", true, true),
            ("linux/arm", "linux/arm", true, false),
            ("arm64", "linux/arm64", false, true),
            ("linux/arm/v7", "linux/arm/v7", true, false),
            ("macOS", "darwin", false, false),
        ] {
            let prefix = prefix(text).expect(text);
            assert_eq!((prefix.as_str(), arm.is_in(&prefix)), (expected, has_arm));
            assert_eq!(arm64.is_in(&prefix), has_arm64, "{text}");
        }
        assert!(prefix("linux/z80").is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for spelling in
            ["", "any/any", "linux", "linux/", "/amd64", "linux/z80", "amd64/x/y", "linux/amd64/8"]
        {
            assert!(spelling.parse::<Platform>().is_err(), "{spelling}");
        }
    }
}
