//! What an image holds or has beside what a build reads: the finished program, assets, the base image, a document of the
//! user's own.

use super::{BaseImage, InputsError, Reads, Rule, below, real};
use crate::component::{Backend, Component};
use crate::platform::Platform;
use std::path::Path;

/// Adds the assets, the base image and the SBOM. An error if the component has keys that its backend does not know.
pub(super) fn add(
    reads: &mut Reads,
    root: &Path,
    component: &Component,
    backend: Backend,
    platforms: &[Platform],
) -> Result<(), InputsError> {
    if let Some(key) = unknown_key(component, backend) {
        return Err(InputsError::NotForBackend { component: component.name.to_string(), key, backend });
    }
    for asset in component.recipe.assets.keys() {
        let why = format!("it is an asset of `{}`", component.name);
        let rules = named(root, component, asset.clone(), &why)?;
        reads.rules.extend(rules.map(|rule| Rule { caches: true, ..rule }));
    }
    for platform in platforms {
        let Some(path) = component.recipe.sbom.as_ref().and_then(|sbom| sbom.file(platform)) else {
            continue;
        };
        let why = format!("it is the SBOM of `{}`", component.name);
        let rules = named(root, component, below(&component.path, path), &why)?;
        let only = |rule| Rule { caches: true, platform: Some(platform.clone()), ..rule };
        reads.rules.extend(rules.map(only));
    }
    reads.images.extend(component.recipe.base.image().map(|name| BaseImage {
        name: name.to_owned(),
        platform: None,
        is_replaceable: true,
    }));
    Ok(())
}

/// The first key that `backend` would pass over.
fn unknown_key(component: &Component, backend: Backend) -> Option<&'static str> {
    let recipe = &component.recipe;
    let of_cargo = [
        ("bins", !recipe.bins.is_empty()),
        ("features", !recipe.features.is_empty()),
        ("profile", recipe.profile.is_some()),
    ];
    let of_both = [
        ("assets", !recipe.assets.is_empty()),
        ("base", recipe.base.text().is_some()),
        ("user", recipe.user.is_some()),
    ];
    let of_cargo = of_cargo.into_iter().filter(|_| backend != Backend::Cargo);
    let is_program = matches!(backend, Backend::Cargo | Backend::Prebuilt);
    let of_both = of_both.into_iter().filter(|_| !is_program);
    of_cargo.chain(of_both).find(|(_, is_given)| *is_given).map(|(key, _)| key)
}

/// The finished programs.
pub(super) fn prebuilt(root: &Path, component: &Component) -> Result<Vec<Rule>, InputsError> {
    let mut rules = vec![];
    for (platform, path) in &component.recipe.prebuilt {
        let why = format!("it is the program of `{}`", component.name);
        let named = named(root, component, below(&component.path, path), &why)?;
        rules.extend(named.map(|rule| Rule { platform: Some(platform.clone()), ..rule }));
    }
    Ok(rules)
}

/// The path that is named, and the one that symbolic links lead to: git knows a link and not what lies behind it.
fn named(
    root: &Path,
    component: &Component,
    path: String,
    why: &str,
) -> Result<impl Iterator<Item = Rule>, InputsError> {
    let real = real(root, Path::new(&path), component)?.filter(|real| *real != path);
    let why = why.to_owned();
    Ok([Some(path), real].into_iter().flatten().map(move |path| Rule::path(path, why.clone())))
}
