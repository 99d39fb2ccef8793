//! What only base images know, asked of their registries before a build: whether they make it read more than its inputs.
//!
//! buildah can be asked about the images that it has used; other engines keep them to themselves.

use super::{Run, base_images};
use crate::backends::BuildError;
use crate::failure::Failure;
use crate::image::{Digest, Image};
use crate::inputs;
use crate::plan::Planned;
use crate::platform::Platform;
use crate::registry::Registry;
use serde_json::Value;
use std::collections::BTreeSet;

/// Refuses a build on an image with `ONBUILD` lines, which read more of the context, or with a variable of a name that
/// paths are made of; and one on an image of which nobody can tell.
pub(super) async fn ensure_seen(run: &Run, planned: &Planned, platform: &Platform) -> Result<(), Failure> {
    let reading = inputs::dockerfile_reading(&run.root, &planned.component, platform);
    if reading.is_everything() || reading.images.is_empty() {
        return Ok(());
    }
    let registry = run.registry()?;
    let is_any_platform = names_platforms(run, planned);
    for name in reading.images.keys() {
        let refused = |what: String| Failure::from(BuildError::Unseen { image: name.clone(), what });
        let image = base_images::of_plan(planned, name);
        let image = image.ok_or_else(|| refused("a config that nobody asked for".to_owned()))?;
        let of_platform = Some(platform).filter(|_| !is_any_platform);
        for config in configs(&registry, &image, of_platform).await? {
            if let Some(what) = unseen(&config, &reading.assumed) {
                return Err(refused(what));
            }
        }
    }
    Ok(())
}

/// Whether a line of the Dockerfile chooses the platform of an image. Then any of them may be used.
fn names_platforms(run: &Run, planned: &Planned) -> bool {
    let name = inputs::dockerfile_name(&run.root, &planned.component).unwrap_or_default();
    let path = run.root.join(&planned.component.path).join(name);
    std::fs::read_to_string(path).is_ok_and(|text| text.contains("--platform"))
}

/// The configs of the image, or of those images of an index that are for `platform`; of all if none is, or if no
/// platform is given.
async fn configs(
    registry: &Registry,
    image: &Image,
    platform: Option<&Platform>,
) -> Result<Vec<Value>, Failure> {
    let manifest = json(&registry.manifest(&image.repository, &image.digest).await?);
    let mut manifests = vec![];
    if manifest["manifests"].is_array() {
        for digest in wanted(&manifest, platform) {
            manifests.push(json(&registry.manifest(&image.repository, &digest).await?));
        }
    } else {
        manifests.push(manifest);
    }
    let mut configs = vec![];
    for manifest in manifests {
        // What has no config is no image, and nothing can be built on it.
        if let Some(digest) = digest_of(&manifest["config"]) {
            configs.push(json(&registry.blob(&image.repository, &digest).await?));
        }
    }
    Ok(configs)
}

/// The manifests of an index that may be used for `platform`. A variant makes no difference here: more are better.
fn wanted(index: &Value, platform: Option<&Platform>) -> Vec<Digest> {
    let entries: Vec<&Value> = index["manifests"].as_array().into_iter().flatten().collect();
    let fits = |entry: &&&Value| {
        let of_entry = &entry["platform"];
        platform.is_none_or(|platform| {
            of_entry["os"] == platform.os.as_str()
                && of_entry["architecture"] == platform.architecture.as_str()
        })
    };
    let fitting: Vec<Digest> = entries.iter().filter(fits).filter_map(|entry| digest_of(entry)).collect();
    if fitting.is_empty() { entries.into_iter().filter_map(digest_of).collect() } else { fitting }
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    descriptor["digest"].as_str()?.parse().ok()
}

/// What is no JSON says nothing; the engine will refuse it.
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// The line of a config that makes a build read more, as the Dockerfile of that image has it.
fn unseen(config: &Value, assumed: &BTreeSet<String>) -> Option<String> {
    let texts = |key: &str| config["config"][key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let is_assumed = |line: &&str| line.split_once('=').is_some_and(|(name, _)| assumed.contains(name));
    let line = texts("OnBuild").next().map(|line| format!("ONBUILD {line}"));
    let line = line.or_else(|| texts("Env").find(is_assumed).map(str::to_owned));
    line.map(|line| format!("`{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_that_make_a_build_read_more_are_found() {
        let assumed = BTreeSet::from(["DIR".to_owned()]);
        for (config, expected) in [
            (
                json!({"config": {"OnBuild": ["COPY b.txt /y/"], "Env": ["DIR=x"]}}),
                Some("`ONBUILD COPY b.txt /y/`"),
            ),
            (json!({"config": {"OnBuild": null, "Env": ["PATH=/bin", "DIR=docs"]}}), Some("`DIR=docs`")),
            (json!({"config": {"Env": ["PATH=/bin", "DIRS=docs"]}}), None),
            (json!({}), None),
        ] {
            assert_eq!(unseen(&config, &assumed).as_deref(), expected, "{config}");
        }
    }

    #[test]
    fn of_an_index_those_count_that_may_be_used() {
        let entry = |n: u8, os: &str, architecture: &str| json!({"digest": Digest::of(&[n]).to_string(), "platform": {"os": os, "architecture": architecture}});
        let index = json!({"manifests": [
            entry(1, "linux", "amd64"), entry(2, "linux", "arm64"), entry(3, "unknown", "unknown"),
        ]});
        let arm = Platform::new("linux", "arm64");
        assert_eq!(wanted(&index, Some(&arm)), [Digest::of(&[2])]);
        let all = [Digest::of(&[1]), Digest::of(&[2]), Digest::of(&[3])];
        assert_eq!(wanted(&index, Some(&Platform::new("linux", "s390x"))), all);
        assert_eq!(wanted(&index, None), all);
    }
}
