//! Which backend builds a component, and why (facts: the order of definitions and what must not be guessed).

mod warnings;

use crate::component::{Backend, Component};
use crate::config::{Definitions, Unsupported};
use warnings::warnings;

/// A backend with the reason for it, and everything that was asked on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) backend: Backend,
    pub(crate) reason: String,
    /// Every rule, in the order in which they decide.
    pub(crate) tried: Vec<Tried>,
    /// What somebody may have meant to be built, and is not.
    pub(crate) warnings: Vec<String>,
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
    /// A chart, and what makes an image: neither is the other by another name.
    #[error(
        "choose a backend for `{component}`: `{}` and `{}` in one folder are two components, not one",
        first.1,
        second.1
    )]
    Two { component: String, first: (Backend, String), second: (Backend, String) },
    #[error("choose the Dockerfile of `{component}`: nothing says which of {} it is", listed(names))]
    Unclear { component: String, names: Vec<String> },
    #[error("choose a backend for `{component}`: `{file}` defines it, and hephy has no backend for {kind}")]
    Unsupported { component: String, file: String, kind: &'static str },
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
    /// The name alone does not say what it is for, so it gives way to everything else.
    Weakest,
}

/// A question that is asked of the folder or the configuration, with its answer.
struct Rule {
    name: &'static str,
    finding: Finding,
    /// What it looks for.
    wanted: &'static str,
}

/// What a rule found.
enum Finding {
    Nothing,
    /// The file or key that matched.
    Match(Backend, String, Strength),
    /// Dockerfiles among which nothing decides.
    Unclear(Vec<String>),
    /// What no backend builds.
    Unsupported(Unsupported, String),
}

/// A rule that could decide.
struct Match<'a> {
    rule: &'a Rule,
    backend: Backend,
    what: &'a str,
    strength: Strength,
}

/// The backend of `component`: what the configuration says, else the first sure definition in the order of [`rules`], else
/// the first of the others, a Dockerfile of another name last.
pub(crate) fn choose(component: &Component, definitions: &Definitions) -> Result<Choice, ChooseError> {
    let rules = rules(component, definitions);
    let mut matches: Vec<Match<'_>> = rules.iter().filter_map(Rule::as_match).collect();
    let surest = |wanted: &Match<'_>| matches.iter().all(|other| wanted.strength <= other.strength);
    let Some(position) = matches.iter().position(surest) else { return Err(nothing(component, &rules)) };
    let chosen = matches.remove(position);
    if let Some(names) = unclear(&rules).filter(|_| chosen.backend.is_dockerfile()) {
        return Err(ChooseError::Unclear { component: component.name.to_string(), names });
    }
    if let Some(rival) = matches.iter().find(|other| chosen.contradicts(other)) {
        return Err(contradiction(component, &chosen, rival));
    }
    let is_said = chosen.strength == Strength::Said || component.recipe.dockerfile.is_some();
    Ok(Choice {
        backend: chosen.backend,
        reason: reason(component, definitions, &chosen, matches.first()),
        tried: rules.iter().map(|rule| tried(rule, std::ptr::eq(rule, chosen.rule))).collect(),
        warnings: if is_said { vec![] } else { warnings(component, &rules, &chosen, &matches) },
    })
}

impl Rule {
    fn as_match(&self) -> Option<Match<'_>> {
        match &self.finding {
            Finding::Match(backend, what, strength) => {
                Some(Match { rule: self, backend: *backend, what, strength: *strength })
            }
            _ => None,
        }
    }
}

impl Match<'_> {
    fn contradicts(&self, other: &Self) -> bool {
        (self.strength, other.strength) == (Strength::Strong, Strength::Strong)
    }
}

/// Why none of `rules` decides: the fault that is the easiest to put right.
fn nothing(component: &Component, rules: &[Rule]) -> ChooseError {
    let name = component.name.to_string();
    let unsupported = rules.iter().find_map(|rule| match &rule.finding {
        Finding::Unsupported(kind, file) => Some((kind.as_str(), file.clone())),
        _ => None,
    });
    match (unclear(rules), unsupported) {
        (Some(names), _) => ChooseError::Unclear { component: name, names },
        (None, Some((kind, file))) => ChooseError::Unsupported { component: name, file, kind },
        (None, None) => ChooseError::None { component: name },
    }
}

fn unclear(rules: &[Rule]) -> Option<Vec<String>> {
    rules.iter().find_map(|rule| match &rule.finding {
        Finding::Unclear(names) => Some(names.clone()),
        _ => None,
    })
}

fn contradiction(component: &Component, chosen: &Match<'_>, rival: &Match<'_>) -> ChooseError {
    let component = component.name.to_string();
    let [first, second] = [chosen, rival].map(|found| (found.backend, found.what.to_owned()));
    match [chosen, rival].iter().any(|found| found.backend == Backend::Helm) {
        true => ChooseError::Two { component, first, second },
        false => ChooseError::Several { component, first, second },
    }
}

fn reason(
    component: &Component,
    definitions: &Definitions,
    chosen: &Match<'_>,
    next: Option<&Match<'_>>,
) -> String {
    let what = chosen.what;
    match (chosen.strength, next) {
        (Strength::Said, _) => format!("`{what}` at {}", component.origin),
        (_, Some(next)) => format!("`{what}` comes before `{}`", next.what),
        _ if chosen.backend == Backend::Dockerfile && !definitions.variants.is_empty() => {
            format!("`{what}` is the only Dockerfile in its folder")
        }
        _ => format!("`{what}` is in its folder"),
    }
}

/// All rules, those first that decide before the others.
fn rules(component: &Component, files: &Definitions) -> Vec<Rule> {
    use Backend::{Buildpacks, Cargo, Helm, Ko, Prebuilt, Spin};
    use Strength::{Said, Strong, Weak};
    let rule = |name, wanted, finding| Rule { name, finding, wanted };
    let file = |backend, is_there: bool, name: &str, strength| match is_there {
        true => Finding::Match(backend, name.to_owned(), strength),
        false => Finding::Nothing,
    };
    let said = component.backend.map(|backend| Finding::Match(backend, format!("backend: {backend}"), Said));
    let prebuilt = !component.recipe.prebuilt.is_empty();
    let cargo = if files.cargo_mark { Strong } else { Weak };
    let go_main = |name: &String| Finding::Match(Ko, name.clone(), Weak);
    let ko = match &files.go_main {
        Some(name) if !files.ko_file => go_main(name),
        _ => file(Ko, files.ko_file, ".ko.yaml", Strong),
    };
    let buildpacks = match files.project {
        true => file(Buildpacks, true, "project.toml", Strong),
        false => file(Buildpacks, files.procfile, "Procfile", Weak),
    };
    let none = |kind| unsupported(files, kind);
    vec![
        rule("backend", "`backend` key", said.unwrap_or(Finding::Nothing)),
        rule("prebuilt", "`prebuilt` key", file(Prebuilt, prebuilt, "prebuilt", Said)),
        rule(
            "spin",
            "`spin.toml` with a `spin_manifest_version`",
            file(Spin, files.spin, "spin.toml", Strong),
        ),
        rule(
            "helm",
            "`Chart.yaml` with an `apiVersion` that is no part of another chart",
            file(Helm, files.chart, "Chart.yaml", Strong),
        ),
        rule("bake", "`docker-bake.hcl` or `docker-bake.json`", none(Unsupported::Bake)),
        rule(
            "dockerfile",
            "`Dockerfile` or `Containerfile`, and not one of another name such as `Dockerfile.prod` that git lists",
            dockerfile(files),
        ),
        rule("ko", "`.ko.yaml` below the root, and no Go file with `package main` in a module", ko),
        rule("cargo", "`Cargo.toml`", file(Cargo, files.cargo_manifest, "Cargo.toml", cargo)),
        rule(
            "jib",
            "plugin of jib in a build file, which is read only where nothing else is",
            none(Unsupported::Jib),
        ),
        rule("apko", "`apko.yaml` or `melange.yaml` with packages and repositories", none(Unsupported::Apko)),
        rule("buildpacks", "`project.toml` with a table of buildpacks, and no `Procfile`", buildpacks),
        rule("railpack", "`railpack.json`", none(Unsupported::Railpack)),
        rule("nixpacks", "`nixpacks.toml`", none(Unsupported::Nixpacks)),
    ]
}

fn dockerfile(files: &Definitions) -> Finding {
    match (&files.dockerfile, files.variants.as_slice()) {
        (Some(name), _) => Finding::Match(Backend::Dockerfile, name.clone(), Strength::Strong),
        (None, [name]) => Finding::Match(Backend::Dockerfile, name.clone(), Strength::Weakest),
        (None, []) => Finding::Nothing,
        (None, names) => Finding::Unclear(names.to_vec()),
    }
}

fn unsupported(files: &Definitions, kind: Unsupported) -> Finding {
    let found = files.unsupported.iter().find(|(other, _)| *other == kind);
    found.map_or(Finding::Nothing, |(kind, file)| Finding::Unsupported(*kind, file.clone()))
}

fn tried(rule: &Rule, is_chosen: bool) -> Tried {
    let found = match &rule.finding {
        Finding::Match(_, what, _) if is_chosen => format!("`{what}`"),
        Finding::Match(_, what, _) => format!("`{what}`, which gives way"),
        Finding::Unclear(names) => format!("{}, and nothing says which", listed(names)),
        Finding::Unsupported(_, file) => format!("`{file}`, for which hephy has no backend"),
        Finding::Nothing => format!("no {}", rule.wanted),
    };
    Tried { rule: rule.name, found, is_chosen }
}

/// `a`, `b` and `c`.
fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.join(""),
    }
}

#[cfg(test)]
mod tests;
