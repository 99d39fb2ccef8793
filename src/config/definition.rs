//! A component as one place defines it, and what becomes of it where another place speaks of it too.

use super::ConfigError;
use crate::component::Component;
use std::collections::BTreeMap;

/// What one file says of a component. What it does not say is as in [`Component::new`].
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) component: Component,
    /// Where each key stands that was said, such as `hephy.yaml:4`.
    pub(super) places: BTreeMap<&'static str, String>,
}

impl Definition {
    /// One that says nothing but what the component is.
    pub(super) fn new(component: Component) -> Self {
        Self { component, places: BTreeMap::new() }
    }

    /// Takes over what only `other` says, which is about the same component. Where both say something, they must say
    /// the same: nothing tells which of them is right.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), ConfigError> {
        let (mine, theirs) = (said(&self.component), said(&other.component));
        for (key, mine) in mine {
            if let Some(theirs) = theirs.get(&key).filter(|theirs| **theirs != mine) {
                return Err(self.disagree(&key, &mine, &other, theirs));
            }
        }
        self.take_over(other.component);
        for (key, place) in other.places {
            self.places.entry(key).or_insert(place);
        }
        Ok(())
    }

    /// Fills in what is not said here; nothing of it is in conflict.
    fn take_over(&mut self, theirs: Component) {
        let Component { backend, platforms, image, watch, recipe, .. } = theirs;
        let own = &mut self.component;
        own.backend = own.backend.or(backend);
        if own.platforms.is_empty() {
            own.platforms = platforms;
        }
        own.image = own.image.take().or(image);
        own.watch.extend(watch);
        own.recipe.dockerfile = own.recipe.dockerfile.take().or(recipe.dockerfile);
        own.recipe.context = own.recipe.context.take().or(recipe.context);
        own.recipe.target = own.recipe.target.take().or(recipe.target);
        own.recipe.build_args.extend(recipe.build_args);
    }

    fn disagree(&self, key: &str, mine: &str, other: &Self, theirs: &str) -> ConfigError {
        // Each build argument is compared by itself.
        let key = key.split(' ').next().unwrap_or(key);
        let place =
            |definition: &Self| definition.places.get(key).unwrap_or(&definition.component.origin).clone();
        ConfigError::Disagree {
            component: self.component.name.to_string(),
            first: place(self),
            mine: format!("{key}: {mine}"),
            second: place(other),
            theirs: format!("{key}: {theirs}"),
        }
    }
}

/// What is said, as text by key. A key that is left out is not here.
fn said(component: &Component) -> BTreeMap<String, String> {
    let recipe = &component.recipe;
    let keys = [
        ("path", Some(folder(&component.path))),
        ("backend", component.backend.as_ref().map(ToString::to_string)),
        ("platforms", list(&component.platforms)),
        ("image", component.image.as_ref().map(ToString::to_string)),
        ("dockerfile", recipe.dockerfile.as_deref().map(plain)),
        ("context", recipe.context.as_deref().map(folder)),
        ("target", recipe.target.clone()),
    ];
    let keys = keys.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?)));
    let arguments = recipe.build_args.iter();
    keys.chain(arguments.map(|(name, text)| (format!("build-args {name}"), format!("{{{name}: {text}}}"))))
        .collect()
}

/// The order of platforms says nothing.
fn list(values: &[impl ToString]) -> Option<String> {
    let mut values: Vec<String> = values.iter().map(ToString::to_string).collect();
    values.sort();
    values.dedup();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A path without empty and `.` parts.
pub(super) fn plain(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

fn folder(path: &str) -> String {
    if path.is_empty() { ".".to_owned() } else { path.to_owned() }
}
