//! Which backend builds a component, and why (facts: the order of definitions and what must not be guessed).

use crate::component::{Backend, Component};

/// The definitions that lie in a component's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    pub(crate) dockerfile: Option<String>,
    pub(crate) cargo_manifest: bool,
    /// `Cargo.toml` has `[package.metadata.hephy]`: the package says that it is a component.
    pub(crate) cargo_mark: bool,
}

/// Why no backend can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error("choose a backend for `{component}`: `{first}` and `{second}` both define it")]
    Several { component: String, first: String, second: String },
    #[error("choose a backend for `{component}`: its folder has no definition that hephy knows")]
    None { component: String },
}

/// The backend of `component` with the reason for it.
pub(crate) fn choose(
    component: &Component,
    definitions: &Definitions,
) -> Result<(Backend, String), ChooseError> {
    if let Some(backend) = component.backend {
        return Ok((backend, format!("`backend: {backend}` at {}", component.origin)));
    }
    if !component.recipe.prebuilt.is_empty() {
        return Ok((Backend::Prebuilt, format!("`prebuilt` at {}", component.origin)));
    }
    match (&definitions.dockerfile, definitions) {
        (Some(first), Definitions { cargo_mark: true, .. }) => Err(ChooseError::Several {
            component: component.name.to_string(),
            first: first.clone(),
            second: "Cargo.toml".to_owned(),
        }),
        (Some(name), Definitions { cargo_manifest: true, .. }) => {
            Ok((Backend::Buildah, format!("`{name}` comes before `Cargo.toml`")))
        }
        (Some(name), _) => Ok((Backend::Buildah, format!("`{name}` is in its folder"))),
        (None, Definitions { cargo_manifest: true, .. }) => {
            Ok((Backend::Cargo, "`Cargo.toml` is in its folder".to_owned()))
        }
        (None, _) => Err(ChooseError::None { component: component.name.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Recipe;
    use crate::platform::Platform;

    fn component(backend: Option<Backend>, prebuilt: bool) -> Component {
        let program = prebuilt.then(|| (Platform::new("linux", "amd64"), "dist/api".to_owned()));
        Component {
            backend,
            recipe: Recipe { prebuilt: program.into_iter().collect(), ..Recipe::default() },
            ..Component::new("api".parse().expect("a name"), "api", "hephy.yaml:3")
        }
    }

    #[test]
    fn the_definition_decides_and_says_so() {
        let dockerfile = |cargo_manifest, cargo_mark| Definitions {
            dockerfile: Some("Dockerfile".to_owned()),
            cargo_manifest,
            cargo_mark,
        };
        let cargo = Definitions { cargo_manifest: true, ..Definitions::default() };
        for (component, definitions, expected) in [
            (
                component(Some(Backend::Cargo), true),
                dockerfile(true, true),
                "cargo: `backend: cargo` at hephy.yaml:3",
            ),
            (component(None, true), dockerfile(false, false), "prebuilt: `prebuilt` at hephy.yaml:3"),
            (component(None, false), dockerfile(false, false), "buildah: `Dockerfile` is in its folder"),
            (
                component(None, false),
                dockerfile(true, false),
                "buildah: `Dockerfile` comes before `Cargo.toml`",
            ),
            (component(None, false), cargo, "cargo: `Cargo.toml` is in its folder"),
        ] {
            let (backend, reason) = choose(&component, &definitions).expect(expected);
            assert_eq!(format!("{backend}: {reason}"), expected);
        }
    }

    #[test]
    fn what_must_not_be_guessed_is_an_error() {
        let both =
            Definitions { dockerfile: Some("Dockerfile".into()), cargo_manifest: true, cargo_mark: true };
        let error = choose(&component(None, false), &both).expect_err("two definitions");
        assert_eq!(
            error.to_string(),
            "choose a backend for `api`: `Dockerfile` and `Cargo.toml` both define it"
        );
        let error = choose(&component(None, false), &Definitions::default()).expect_err("no definition");
        assert!(matches!(error, ChooseError::None { .. }));
    }
}
