//! The base image of a program: found for the platform of a leg, by its manifest and config. Nobody here reads its layers,
//! so they stay where they are until a push needs them.

use super::base_images::{self, Base as Meaning, Named};
use super::{Run, cancelled};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::image::{Digest, Image};
use crate::layout::{Base, Contents, Descriptor};
use crate::plan::Planned;
use crate::platform::Platform;
use crate::registry::Registry;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// The image that the program of a leg is put on, if it is one.
pub(super) async fn fetch(
    run: &Run,
    stop: &CancellationToken,
    planned: &Planned,
    platform: &Platform,
) -> Result<Option<Base>, Failure> {
    let Some(name) = planned.component.recipe.base.image() else { return Ok(None) };
    let work = fetch_named(run, planned, name, platform);
    let fetched = stop.run_until_cancelled(work).await.unwrap_or_else(|| Err(cancelled()));
    fetched.map(Some).map_err(|failure| failure.during(&format!("fetch the base image `{name}`")))
}

async fn fetch_named(run: &Run, planned: &Planned, name: &str, platform: &Platform) -> Result<Base, Failure> {
    let registry = run.registry()?;
    let image = meant(&registry, planned, name).await?;
    let manifest = image_manifest(&registry, &image, platform).await?;
    let manifest = Contents::read(&manifest).map_err(|_| unfit("its manifest is not one"))?;
    let mut blobs = manifest.blobs();
    let config = blobs.next().ok_or_else(|| unfit("it has no config"))?;
    let config = registry.blob(&image.repository, &digest(config)?).await?;
    let config: Map<String, Value> =
        serde_json::from_slice(&config).map_err(|_| unfit("its config is not one"))?;
    ensure_platform(&config, platform)?;
    let layers = blobs.cloned().collect();
    Ok(Base { name: name.to_owned(), digest: image.digest, config, layers, repository: image.repository })
}

/// The image that the plan saw under the name; where nobody asked then, the one that it means now.
async fn meant(registry: &Registry, planned: &Planned, name: &str) -> Result<Image, Failure> {
    if let Some(image) = base_images::of_plan(planned, name) {
        return Ok(image);
    }
    let named = base_images::parse(name).map_err(|error| Failure::new(ExitCode::Usage, error.to_string()))?;
    let Named::Tagged(repository, tag) = named else { return Err(unfit("its digest cannot be read")) };
    match base_images::ask(registry, repository, &tag).await {
        Ok(Meaning::Is(image)) => Ok(image),
        Ok(_) => Err(unfit("nobody knows which image it is")),
        Err(problem) => Err(Failure::new(ExitCode::Registry, problem)),
    }
}

/// The manifest of the image for `platform`, through an index if there is one.
async fn image_manifest(registry: &Registry, image: &Image, platform: &Platform) -> Result<Vec<u8>, Failure> {
    let bytes = registry.manifest(&image.repository, &image.digest).await?;
    let index: Value = serde_json::from_slice(&bytes).map_err(|_| unfit("its manifest is not one"))?;
    let Some(entries) = index["manifests"].as_array() else { return Ok(bytes) };
    let of_platform = entries.iter().find(|entry| platform_of(&entry["platform"]).as_ref() == Some(platform));
    let Some(entry) = of_platform else {
        let known = entries.iter().filter_map(|entry| platform_of(&entry["platform"]));
        let known: Vec<String> = known.map(|platform| platform.to_string()).collect();
        return Err(unfit(&format!("it has no image for {platform}, only for {}", known.join(", "))));
    };
    let digest: Option<Digest> = entry["digest"].as_str().and_then(|text| text.parse().ok());
    let digest = digest.ok_or_else(|| unfit("its index names no digest"))?;
    let bytes = registry.manifest(&image.repository, &digest).await?;
    let is_nested = serde_json::from_slice::<Value>(&bytes).is_ok_and(|inner| inner["manifests"].is_array());
    if is_nested { Err(unfit("its index holds another index")) } else { Ok(bytes) }
}

/// The platform that an entry of an index or a config names; none for what is no image, such as a provenance.
fn platform_of(named: &Value) -> Option<Platform> {
    let parts =
        ["os", "architecture", "variant"].map(|key| named[key].as_str().filter(|text| !text.is_empty()));
    let [Some(os), Some(architecture), variant] = parts else { return None };
    let text: Vec<&str> = [os, architecture].into_iter().chain(variant).collect();
    text.join("/").parse().ok().filter(|platform: &Platform| platform.os != "unknown")
}

/// The config says for what an image is, whatever an index promises.
fn ensure_platform(config: &Map<String, Value>, platform: &Platform) -> Result<(), Failure> {
    let found = platform_of(&Value::Object(config.clone()));
    match found {
        Some(found) if found.os == platform.os && found.architecture == platform.architecture => Ok(()),
        Some(found) => Err(unfit(&format!("it is an image for {found}, not for {platform}"))),
        None => Err(unfit("its config names no platform")),
    }
}

fn digest(descriptor: &Descriptor) -> Result<Digest, Failure> {
    descriptor.digest().map_err(|error| unfit(&error.to_string()))
}

fn unfit(problem: &str) -> Failure {
    Failure::new(ExitCode::Build, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_platform_is_read_whatever_it_is_called() {
        for (named, expected) in [
            (json!({"os": "linux", "architecture": "amd64"}), Some("linux/amd64")),
            (json!({"os": "linux", "architecture": "arm64", "variant": "v8"}), Some("linux/arm64")),
            (json!({"os": "linux", "architecture": "arm", "variant": "v7"}), Some("linux/arm/v7")),
            (json!({"os": "unknown", "architecture": "unknown"}), None),
            (json!({"os": "linux"}), None),
            (json!(null), None),
        ] {
            let found = platform_of(&named).map(|platform| platform.to_string());
            assert_eq!(found.as_deref(), expected, "{named}");
        }
    }

    #[test]
    fn an_image_for_another_platform_is_refused() {
        let config = |value: Value| value.as_object().expect("an object").clone();
        let platform = Platform::new("linux", "amd64");
        let check = |value| ensure_platform(&config(value), &platform).map_err(|failure| failure.headline);
        assert_eq!(check(json!({"os": "linux", "architecture": "amd64"})), Ok(()));
        let other = check(json!({"os": "linux", "architecture": "arm64"}));
        assert_eq!(other, Err("it is an image for linux/arm64, not for linux/amd64".to_owned()));
        assert_eq!(check(json!({})), Err("its config names no platform".to_owned()));
    }
}
