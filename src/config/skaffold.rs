//! `skaffold.yaml`: its artifacts become components, its raw manifests those of the release. The rest is named, so that
//! nobody thinks that it counts.

mod artifact;
mod file;

use super::ConfigError;
use super::definition::Definition;
use super::source::{Source, hint, spot};
use file::File;
use serde_json::Value;
use serde_saphyr::Spanned;

/// The file in the root of the repository.
pub(super) const FILE_NAME: &str = "skaffold.yaml";

/// The versions of the format in which the keys that are read mean the same.
const VERSIONS: [&str; 4] = ["skaffold/v2beta", "skaffold/v3", "skaffold/v4beta", "skaffold/v4"];

/// Keys that are read, or that mean nothing to anybody but Skaffold itself.
const READ: [(&str, &[&str]); 5] = [
    ("", &["apiVersion", "kind", "metadata", "build", "manifests", "deploy"]),
    ("/build", &["artifacts", "platforms"]),
    ("/manifests", &["rawYaml"]),
    ("/deploy", &["kubectl"]),
    ("/deploy/kubectl", &["manifests"]),
];

/// What the file says of the release.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) definitions: Vec<Definition>,
    /// Paths and globs from the root; `None` if it names none.
    pub(super) manifests: Option<Vec<String>>,
    /// What is there and does not count, as one sentence.
    pub(super) warning: Option<String>,
}

/// Reads and checks the whole file.
pub(super) fn read(source: &Source<'_>) -> Result<Read, ConfigError> {
    let file: File = source.shape()?;
    ensure_version(source, &file)?;
    if let Some(requires) = &file.requires {
        let problem = "`requires` cannot be honoured: hephy does not follow it into other files";
        let way_out = hint("list the components in hephy.yaml");
        return Err(source.fault(spot(requires), problem, way_out));
    }
    let definitions = artifact::definitions(source, &file.build)?;
    let manifests = manifests(source, &file)?;
    Ok(Read { definitions, manifests, warning: warning(source) })
}

fn ensure_version(source: &Source<'_>, file: &File) -> Result<(), ConfigError> {
    let Some(version) = &file.api_version else { return Ok(()) };
    let is_number = |rest: &str| rest.chars().all(|c| c.is_ascii_digit());
    let is_known = |known: &str| version.value.strip_prefix(known).is_some_and(is_number);
    match VERSIONS.into_iter().find(|known| is_known(known)) {
        Some(_) => Ok(()),
        None => {
            let problem =
                format!("version `{}` is unknown, expected v2beta..., v3 or v4beta...", version.value);
            Err(source.fault(spot(version), problem, hint("run `skaffold fix --overwrite`")))
        }
    }
}

/// The raw manifests, where the version of the format has them.
fn manifests(source: &Source<'_>, file: &File) -> Result<Option<Vec<String>>, ConfigError> {
    let new = file.manifests.raw_yaml.iter().flatten();
    let old = file.deploy.kubectl.iter().flat_map(|kubectl| kubectl.manifests.iter().flatten());
    let paths: Vec<&Spanned<String>> = new.chain(old).collect();
    for path in &paths {
        ensure_plain(source, path)?;
        if path.value.contains("://") {
            let problem = format!("the manifest `{}` is not in the repository", path.value);
            return Err(source.fault(spot(path), problem, hint("keep a copy of it in the repository")));
        }
        source.inside(path)?;
        source.globs(std::slice::from_ref(*path))?;
    }
    let paths: Vec<String> = paths.iter().map(|path| super::definition::plain(&path.value)).collect();
    Ok(Some(paths).filter(|paths| !paths.is_empty()))
}

/// A text that Skaffold would put something into means another thing in every run.
fn ensure_plain(source: &Source<'_>, text: &Spanned<String>) -> Result<(), ConfigError> {
    if text.value.contains("{{") {
        let problem = format!("the template `{}` cannot be honoured", text.value);
        return Err(source.fault(
            spot(text),
            problem,
            hint("write the value itself, or name the component in hephy.yaml"),
        ));
    }
    Ok(())
}

/// Names everything that is there and not read.
fn warning(source: &Source<'_>) -> Option<String> {
    let all: Value = serde_saphyr::from_str(source.text).unwrap_or_default();
    let mut ignored = vec![];
    for (place, read) in READ {
        let section = all.pointer(place).and_then(Value::as_object);
        let names = section.into_iter().flatten().filter(|(name, _)| !read.contains(&name.as_str()));
        let prefix = place.trim_start_matches('/').replace('/', ".");
        ignored.extend(names.map(|(name, _)| match prefix.as_str() {
            "" => format!("`{name}`"),
            prefix => format!("`{prefix}.{name}`"),
        }));
    }
    let file = &source.file;
    (!ignored.is_empty()).then(|| {
        format!(
            "of `{file}`, hephy reads the artifacts and the raw manifests, and not {}",
            ignored.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
