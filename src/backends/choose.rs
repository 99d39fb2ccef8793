//! Which backend builds a component, and why (facts: the order of definitions and what must not be guessed).

use crate::component::{Backend, Component};
use crate::config::Definitions;

/// A backend with the reason for it, and everything that was asked on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) backend: Backend,
    pub(crate) reason: String,
    /// Every rule, in the order in which they decide.
    pub(crate) tried: Vec<Tried>,
}

/// A rule and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    /// The backend that the rule is about, or the key that names one.
    pub(crate) rule: &'static str,
    /// What matched, or what would have.
    pub(crate) found: String,
    pub(crate) is_chosen: bool,
}

/// Why no backend can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error("choose a backend for `{component}`: `{}` and `{}` both define it", first.1, second.1)]
    Several { component: String, first: (Backend, String), second: (Backend, String) },
    #[error("choose a backend for `{component}`: its folder has no definition that hephy knows")]
    None { component: String },
}

/// How sure a rule is, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// The user says so; nothing else is asked.
    Said,
    /// The file has no other meaning, so two of them contradict each other.
    Strong,
    /// The file is there for other reasons too, so it gives way to what comes before it.
    Weak,
}

/// A rule that matched or did not.
struct Rule {
    name: &'static str,
    backend: Backend,
    /// The file or key that matched.
    matched: Option<(String, Strength)>,
    /// What it looks for.
    wanted: &'static str,
}

/// The backend of `component`: what the configuration says, else the first sure definition in the order of [`rules`], else
/// the first of the others.
pub(crate) fn choose(component: &Component, definitions: &Definitions) -> Result<Choice, ChooseError> {
    let rules = rules(component, definitions);
    let mut matched: Vec<(&Rule, &str, Strength)> = rules
        .iter()
        .filter_map(|rule| rule.matched.as_ref().map(|(what, strength)| (rule, what.as_str(), *strength)))
        .collect();
    let name = || component.name.to_string();
    let surest = |wanted: &(&Rule, &str, Strength)| matched.iter().all(|(.., other)| wanted.2 <= *other);
    let Some(position) = matched.iter().position(surest) else {
        return Err(ChooseError::None { component: name() });
    };
    let (chosen, what, strength) = matched.remove(position);
    let rival = matched.iter().find(|(.., other)| (strength, *other) == (Strength::Strong, Strength::Strong));
    if let Some((rival, second, _)) = rival {
        let (first, second) = ((chosen.backend, what.to_owned()), (rival.backend, (*second).to_owned()));
        return Err(ChooseError::Several { component: name(), first, second });
    }
    let reason = match (strength, matched.first()) {
        (Strength::Said, _) => format!("`{what}` at {}", component.origin),
        (_, Some((_, other, _))) => format!("`{what}` comes before `{other}`"),
        (_, None) => format!("`{what}` is in its folder"),
    };
    let tried = rules.iter().map(|rule| tried(rule, std::ptr::eq(rule, chosen))).collect();
    Ok(Choice { backend: chosen.backend, reason, tried })
}

/// All rules, those first that decide before the others.
fn rules(component: &Component, files: &Definitions) -> Vec<Rule> {
    use Strength::{Said, Strong, Weak};
    let named = component.backend;
    let prebuilt = !component.recipe.prebuilt.is_empty();
    let file = |is_there: bool, name: &str, strength| is_there.then(|| (name.to_owned(), strength));
    let rule = |name, backend, wanted, matched| Rule { name, backend, matched, wanted };
    vec![
        rule(
            "backend",
            named.unwrap_or(Backend::Prebuilt),
            "`backend` key",
            named.map(|backend| (format!("backend: {backend}"), Said)),
        ),
        rule("prebuilt", Backend::Prebuilt, "`prebuilt` key", file(prebuilt, "prebuilt", Said)),
        rule(
            "spin",
            Backend::Spin,
            "`spin.toml` with a `spin_manifest_version`",
            file(files.spin, "spin.toml", Strong),
        ),
        rule(
            "helm",
            Backend::Helm,
            "`Chart.yaml` with an `apiVersion` that is no part of another chart",
            file(files.chart, "Chart.yaml", Strong),
        ),
        rule(
            "dockerfile",
            Backend::Dockerfile,
            "`Dockerfile` or `Containerfile`",
            files.dockerfile.clone().map(|name| (name, Strong)),
        ),
        rule(
            "ko",
            Backend::Ko,
            "`.ko.yaml` below the root, and no Go file with `package main` in a module",
            file(files.ko_file, ".ko.yaml", Strong).or(files.go_main.clone().map(|name| (name, Weak))),
        ),
        rule(
            "cargo",
            Backend::Cargo,
            "`Cargo.toml`",
            file(files.cargo_manifest, "Cargo.toml", if files.cargo_mark { Strong } else { Weak }),
        ),
        rule(
            "buildpacks",
            Backend::Buildpacks,
            "`project.toml` with a table of buildpacks, and no `Procfile`",
            file(files.project, "project.toml", Strong).or(file(files.procfile, "Procfile", Weak)),
        ),
    ]
}

fn tried(rule: &Rule, is_chosen: bool) -> Tried {
    let found = match &rule.matched {
        Some((what, _)) if is_chosen => format!("`{what}`"),
        Some((what, _)) => format!("`{what}`, which gives way"),
        None => format!("no {}", rule.wanted),
    };
    Tried { rule: rule.name, found, is_chosen }
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

    /// The definitions of these files; a `!` marks a Cargo package that says that it is a component.
    fn definitions(files: &[&str]) -> Definitions {
        let has = |name: &str| files.contains(&name);
        Definitions {
            dockerfile: has("Dockerfile").then(|| "Dockerfile".to_owned()),
            cargo_manifest: has("Cargo.toml") || has("Cargo.toml!"),
            cargo_mark: has("Cargo.toml!"),
            spin: has("spin.toml"),
            chart: has("Chart.yaml"),
            ko_file: has(".ko.yaml"),
            go_main: has("main.go").then(|| "main.go".to_owned()),
            project: has("project.toml"),
            procfile: has("Procfile"),
        }
    }

    #[test]
    fn the_definition_decides_and_says_so() {
        let all = ["Dockerfile", "Cargo.toml!", "spin.toml", "Chart.yaml", ".ko.yaml", "project.toml"];
        let none = component(None, false);
        for (component, files, expected) in [
            (component(Some(Backend::Cargo), true), &all[..], "cargo: `backend: cargo` at hephy.yaml:3"),
            (component(None, true), &["Dockerfile"], "prebuilt: `prebuilt` at hephy.yaml:3"),
            (none.clone(), &["Dockerfile"], "dockerfile: `Dockerfile` is in its folder"),
            (
                none.clone(),
                &["Dockerfile", "Cargo.toml"],
                "dockerfile: `Dockerfile` comes before `Cargo.toml`",
            ),
            (none.clone(), &["Dockerfile", "main.go"], "dockerfile: `Dockerfile` comes before `main.go`"),
            (none.clone(), &["Cargo.toml"], "cargo: `Cargo.toml` is in its folder"),
            (none.clone(), &["spin.toml", "Cargo.toml"], "spin: `spin.toml` comes before `Cargo.toml`"),
            (none.clone(), &["spin.toml", "main.go"], "spin: `spin.toml` comes before `main.go`"),
            (none.clone(), &["Chart.yaml"], "helm: `Chart.yaml` is in its folder"),
            (none.clone(), &[".ko.yaml", "main.go"], "ko: `.ko.yaml` is in its folder"),
            (none.clone(), &["main.go", "Procfile"], "ko: `main.go` comes before `Procfile`"),
            (none.clone(), &["project.toml"], "buildpacks: `project.toml` is in its folder"),
            // What is sure comes before what may be there for other reasons, wherever it stands.
            (none.clone(), &["main.go", "Cargo.toml!"], "cargo: `Cargo.toml` comes before `main.go`"),
            (
                none.clone(),
                &["Cargo.toml", "project.toml"],
                "buildpacks: `project.toml` comes before `Cargo.toml`",
            ),
            (none, &["Procfile"], "buildpacks: `Procfile` is in its folder"),
        ] {
            let Choice { backend, reason, tried } = choose(&component, &definitions(files)).expect(expected);
            assert_eq!(format!("{backend}: {reason}"), expected);
            assert_eq!(tried.iter().filter(|tried| tried.is_chosen).count(), 1);
        }
    }

    #[test]
    fn every_rule_is_told() {
        let choice = choose(&component(None, false), &definitions(&["Dockerfile", "Cargo.toml"]));
        let lines: Vec<String> = choice
            .expect("a choice")
            .tried
            .iter()
            .map(|tried| format!("{}: {}{}", tried.rule, tried.found, if tried.is_chosen { "!" } else { "" }))
            .collect();
        assert_eq!(
            lines,
            [
                "backend: no `backend` key",
                "prebuilt: no `prebuilt` key",
                "spin: no `spin.toml` with a `spin_manifest_version`",
                "helm: no `Chart.yaml` with an `apiVersion` that is no part of another chart",
                "dockerfile: `Dockerfile`!",
                "ko: no `.ko.yaml` below the root, and no Go file with `package main` in a module",
                "cargo: `Cargo.toml`, which gives way",
                "buildpacks: no `project.toml` with a table of buildpacks, and no `Procfile`",
            ]
        );
    }

    #[test]
    fn what_must_not_be_guessed_is_an_error() {
        for (files, first, second) in [
            (["Dockerfile", "Cargo.toml!"], "Dockerfile", "Cargo.toml"),
            (["spin.toml", "Dockerfile"], "spin.toml", "Dockerfile"),
            ([".ko.yaml", "Dockerfile"], "Dockerfile", ".ko.yaml"),
            (["Chart.yaml", "Dockerfile"], "Chart.yaml", "Dockerfile"),
            (["Chart.yaml", ".ko.yaml"], "Chart.yaml", ".ko.yaml"),
            (["project.toml", "Dockerfile"], "Dockerfile", "project.toml"),
        ] {
            let error = choose(&component(None, false), &definitions(&files)).expect_err("two definitions");
            let expected = format!("choose a backend for `api`: `{first}` and `{second}` both define it");
            assert_eq!(error.to_string(), expected);
        }
        let error = choose(&component(None, false), &Definitions::default()).expect_err("no definition");
        assert!(matches!(error, ChooseError::None { .. }));
    }
}
