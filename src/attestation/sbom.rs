//! The SBOM of an image as CycloneDX 1.5 JSON (ECMA-424 is 1.6, which older scanners refuse).

use super::purl;
use crate::image::Image;
use crate::inputs::{Inventory, Origin, Package};
use crate::platform::Platform;
use serde_json::{Value, json};

/// An image and what is in it.
pub(crate) struct Contained<'a> {
    pub(crate) image: &'a Image,
    pub(crate) platform: &'a Platform,
    /// Seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub(crate) created: u64,
    pub(crate) inventory: &'a Inventory,
}

/// The document. It has no serial number: that would be another one for the same content.
pub(crate) fn cyclonedx(contained: &Contained<'_>) -> Vec<u8> {
    let Contained { image, platform, inventory, .. } = contained;
    let reference = purl::of_image(image, Some(platform));
    let packages = &inventory.packages;
    let components: Vec<Value> = packages
        .iter()
        .enumerate()
        .map(|(at, package)| component(package, inventory.roots.contains(&at)))
        .collect();
    let names = |places: &[usize]| -> Vec<String> { places.iter().map(|at| name(&packages[*at])).collect() };
    // A package that is not among the dependencies is one of which they are not known.
    let depends = |package: &Package| {
        let needs = names(package.dependencies.as_deref()?);
        Some(json!({"ref": name(package), "dependsOn": needs}))
    };
    let root = json!({"ref": reference, "dependsOn": names(&inventory.roots)});
    let dependencies: Vec<Value> = std::iter::once(root).chain(packages.iter().filter_map(depends)).collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": super::provenance::moment(contained.created),
            "tools": {"components": [
                {"type": "application", "name": "hephy", "version": env!("CARGO_PKG_VERSION")},
            ]},
            "component": {
                "bom-ref": reference,
                "type": "container",
                "name": image.repository.to_string(),
                "version": image.digest.to_string(),
                "purl": reference,
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    document.to_string().into_bytes()
}

/// What the document calls a package: no two have one name.
fn name(package: &Package) -> String {
    let Package { name, version, .. } = package;
    let place = if let Origin::Somewhere(kind) = &package.origin { kind } else { "path" };
    purl::of(package).unwrap_or_else(|| format!("{place}:{name}@{version}"))
}

fn component(package: &Package, is_root: bool) -> Value {
    let mut component = json!({
        "bom-ref": name(package),
        "type": if is_root { "application" } else { "library" },
        "name": package.name,
        "version": package.version,
        // `excluded` is what helped to build it and is not in it.
        "scope": if package.is_build_only { "excluded" } else { "required" },
    });
    if let Some(purl) = purl::of(package) {
        component["purl"] = purl.into();
    }
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(licence) = &package.licence {
        // Cargo's old form of "or" is no SPDX expression.
        let expression = licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    fn package(name: &str, source: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            origin: source.map_or(Origin::Folder, |source| Origin::Cargo(source.to_owned())),
            checksum: None,
            licence: None,
            is_build_only: false,
            dependencies: Some(vec![]),
        }
    }

    fn document() -> Vec<u8> {
        let crates = Some("registry+https://github.com/rust-lang/crates.io-index");
        let api = Package { dependencies: Some(vec![1, 2]), ..package("api", None) };
        let checksum = Some("00ff".to_owned());
        let serde =
            Package { checksum, licence: Some("MIT/Apache-2.0".to_owned()), ..package("serde", crates) };
        let cc = Package { is_build_only: true, ..package("cc", crates) };
        let image = Image { repository: "ghcr.io/acme/api".parse().expect("valid"), digest: Digest::of(b"") };
        let platform = Platform::new("linux", "arm64");
        let inventory = Inventory { roots: vec![0], packages: vec![api, cc, serde] };
        cyclonedx(&Contained { image: &image, platform: &platform, created: 17, inventory: &inventory })
    }

    /// A line for each part.
    fn shown(document: &Value) -> String {
        let list = |key: &str| document[key].as_array().cloned().unwrap_or_default();
        let (components, dependencies) = (list("components"), list("dependencies"));
        let parts = [&document["bomFormat"], &document["specVersion"], &document["metadata"]];
        let all = parts.into_iter().chain(&components).chain(&dependencies);
        all.map(|part| format!("{part}\n")).collect()
    }

    #[test]
    fn an_image_its_program_and_its_packages_are_told_apart() {
        let text = String::from_utf8(document()).expect("UTF-8");
        let text =
            text.replace(&format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION")), "\"version\":\"0\"");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        insta::assert_snapshot!(shown(&value), @r#"
        "CycloneDX"
        "1.5"
        {"component":{"bom-ref":"pkg:oci/api@sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855?arch=arm64&repository_url=ghcr.io/acme/api","name":"ghcr.io/acme/api","purl":"pkg:oci/api@sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855?arch=arm64&repository_url=ghcr.io/acme/api","type":"container","version":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"timestamp":"1970-01-01T00:00:17Z","tools":{"components":[{"name":"hephy","type":"application","version":"0"}]}}
        {"bom-ref":"path:api@1.0.0","name":"api","scope":"required","type":"application","version":"1.0.0"}
        {"bom-ref":"pkg:cargo/cc@1.0.0","name":"cc","purl":"pkg:cargo/cc@1.0.0","scope":"excluded","type":"library","version":"1.0.0"}
        {"bom-ref":"pkg:cargo/serde@1.0.0","hashes":[{"alg":"SHA-256","content":"00ff"}],"licenses":[{"expression":"MIT OR Apache-2.0"}],"name":"serde","purl":"pkg:cargo/serde@1.0.0","scope":"required","type":"library","version":"1.0.0"}
        {"dependsOn":["path:api@1.0.0"],"ref":"pkg:oci/api@sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855?arch=arm64&repository_url=ghcr.io/acme/api"}
        {"dependsOn":["pkg:cargo/cc@1.0.0","pkg:cargo/serde@1.0.0"],"ref":"path:api@1.0.0"}
        {"dependsOn":[],"ref":"pkg:cargo/cc@1.0.0"}
        {"dependsOn":[],"ref":"pkg:cargo/serde@1.0.0"}
        "#);
    }

    #[test]
    fn equal_packages_make_equal_bytes() {
        assert_eq!(document(), document());
    }
}
