//! Package URLs: the names by which scanners know packages (package-url specification, types `cargo`, `golang` and `oci`).

use crate::image::Image;
use crate::inputs::{Origin, Package};
use crate::platform::Platform;
use std::fmt::Write as _;

/// The registries that `pkg:cargo/` means without saying so.
const CRATES_IO: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

/// The name of a package; `None` where it is not known where it comes from, and for one that lies in a folder: its name
/// might be that of a stranger in a registry.
pub(super) fn of(package: &Package) -> Option<String> {
    let Package { name, version, .. } = package;
    match &package.origin {
        Origin::Cargo(source) => Some(of_crate(name, version, source)),
        // The specification wants lower case, whatever the path of the module has.
        Origin::Go => Some(format!("pkg:golang/{}@{}", encoded(&name.to_lowercase()), encoded(version))),
        Origin::Folder | Origin::Somewhere(_) => None,
    }
}

/// `source` is what `Cargo.lock` says.
fn of_crate(name: &str, version: &str, source: &str) -> String {
    let purl = format!("pkg:cargo/{}@{}", encoded(name), encoded(version));
    if CRATES_IO.contains(&source) {
        return purl;
    }
    let source = without_login(source);
    match source.strip_prefix("git+") {
        Some(rest) => {
            let (place, commit) = rest.split_once('#').unwrap_or((rest, ""));
            let place = place.split('?').next().unwrap_or(place);
            let at = if commit.is_empty() { String::new() } else { format!("@{commit}") };
            format!("{purl}?vcs_url={}", encoded(&format!("git+{place}{at}")))
        }
        None => {
            let place = source.split_once('+').map_or(source.as_str(), |(_, place)| place);
            format!("{purl}?repository_url={}", encoded(place))
        }
    }
}

/// The name of an image, of one platform if that is said.
pub(super) fn of_image(image: &Image, platform: Option<&Platform>) -> String {
    let path = &image.repository.path;
    let name = path.rsplit('/').next().unwrap_or(path);
    let digest = encoded(&image.digest.to_string());
    let place = encoded(&image.repository.to_string());
    let architecture = platform.map(|platform| format!("arch={}&", encoded(&platform.architecture)));
    format!("pkg:oci/{}@{digest}?{}repository_url={place}", encoded(name), architecture.unwrap_or_default())
}

/// An address without the name and password that may stand before its host.
pub(super) fn without_login(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}{path}")
}

/// Percent-encodes all but what the specification leaves as it is in names, versions and qualifiers.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    #[test]
    fn crates_have_names_that_scanners_know() {
        for (source, expected) in [
            ("registry+https://github.com/rust-lang/crates.io-index", "pkg:cargo/a@1.0.0%2Bb"),
            ("sparse+https://index.crates.io/", "pkg:cargo/a@1.0.0%2Bb"),
            (
                "sparse+https://crates.example/index/",
                "pkg:cargo/a@1.0.0%2Bb?repository_url=https%3A//crates.example/index/",
            ),
            (
                "git+https://me:secret@git.example/a?branch=main#1234",
                "pkg:cargo/a@1.0.0%2Bb?vcs_url=git%2Bhttps%3A//git.example/a%401234",
            ),
        ] {
            assert_eq!(of_crate("a", "1.0.0+b", source), expected, "{source}");
        }
    }

    #[test]
    fn images_are_named_by_digest_place_and_architecture() {
        let image =
            Image { repository: "ghcr.io/acme/shop".parse().expect("valid"), digest: Digest::of(b"") };
        let digest = image.digest.hex().to_owned();
        let amd64 = Platform::new("linux", "amd64");
        assert_eq!(
            of_image(&image, Some(&amd64)),
            format!("pkg:oci/shop@sha256%3A{digest}?arch=amd64&repository_url=ghcr.io/acme/shop")
        );
        assert_eq!(
            of_image(&image, None),
            format!("pkg:oci/shop@sha256%3A{digest}?repository_url=ghcr.io/acme/shop")
        );
    }
}
