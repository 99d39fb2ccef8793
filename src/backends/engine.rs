//! Engines: which of the programs that build a Dockerfile does it here. What they answered comes in, the choice and
//! its reason go out.

use crate::component::Backend;
use std::fmt;

/// A program that builds a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// BuildKit, through its own client.
    Buildctl,
    /// BuildKit, through Docker's client.
    Buildx,
    Buildah,
}

/// What an engine said when it was asked whether it can build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What it is, with its version: `BuildKit v0.33.1`.
    Ready(String),
    /// Why it cannot.
    Unfit(String),
}

/// The engine that builds, and why this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) engine: Engine,
    pub(crate) reason: String,
}

/// Oldest versions that understand all the flags that hephy gives.
const OLDEST: [(Engine, (u64, u64)); 3] = [
    // `rewrite-timestamp`.
    (Engine::Buildctl, (0, 13)),
    (Engine::Buildx, (0, 13)),
    // The oldest that the tests have seen; `--build-context` with an image is younger than 1.24.
    (Engine::Buildah, (1, 28)),
];

impl Engine {
    /// How it is called in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Buildctl => "buildctl",
            Self::Buildx => "docker buildx",
            Self::Buildah => "buildah",
        }
    }

    /// Those that may build for `backend`, the best first. BuildKit's own client comes first, because it answers only
    /// where somebody has set up a daemon for it.
    pub(crate) fn of(backend: Backend) -> &'static [Self] {
        match backend {
            Backend::Dockerfile => &[Self::Buildctl, Self::Buildx, Self::Buildah],
            Backend::Buildkit => &[Self::Buildctl, Self::Buildx],
            Backend::Buildah => &[Self::Buildah],
            _ => &[],
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The first engine for `backend` that can build; if none can, what each of them said.
pub(crate) fn pick(backend: Backend, answers: &[(Engine, Answer)]) -> Result<Chosen, Vec<String>> {
    let mut unfit = vec![];
    for engine in Engine::of(backend) {
        match answers.iter().find(|(asked, _)| asked == engine) {
            Some((_, Answer::Ready(what))) => {
                let because =
                    if unfit.is_empty() { what.clone() } else { format!("{what}; {}", unfit.join("; ")) };
                return Ok(Chosen { engine: *engine, reason: because });
            }
            Some((_, Answer::Unfit(why))) => unfit.push(format!("no {engine}: {why}")),
            None => unfit.push(format!("no {engine}: it was not asked")),
        }
    }
    Err(unfit)
}

/// Reads what `buildctl debug workers` prints as JSON.
pub(super) fn read_workers(output: &str) -> Answer {
    let workers: serde_json::Value = match serde_json::from_str(output) {
        Ok(workers) => workers,
        Err(_) => return Answer::Unfit("it does not say which workers it has".to_owned()),
    };
    match workers.get(0) {
        None => Answer::Unfit("its daemon has no worker".to_owned()),
        Some(worker) => {
            let version = worker["buildkitVersion"]["version"].as_str().unwrap_or_default();
            versioned(Engine::Buildctl, "BuildKit", version)
        }
    }
}

/// Reads what `docker buildx inspect` prints: lines of `Name: value`.
pub(super) fn read_builder(output: &str) -> Answer {
    let line = |wanted: &str| {
        let mut pairs = output.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    match line("Driver") {
        None => Answer::Unfit("its builder has no driver".to_owned()),
        // Only some daemons could (those that keep images in containerd), and they do not say so here.
        Some("docker") => {
            Answer::Unfit("its builder of the driver `docker` cannot export a layout".to_owned())
        }
        Some(_) if line("Status").is_some_and(|status| status != "running") => {
            Answer::Unfit("its builder does not run".to_owned())
        }
        Some(_) => {
            let version = line("BuildKit version").or(line("BuildKit")).unwrap_or_default();
            versioned(Engine::Buildx, "BuildKit", version)
        }
    }
}

/// Reads what `buildah --version` prints: `buildah version 1.28.2 (...)`.
pub(super) fn read_buildah(output: &str) -> Answer {
    let version = output.split_whitespace().nth(2).unwrap_or_default();
    versioned(Engine::Buildah, "buildah", version)
}

/// A version that cannot be read is no reason against an engine: people build their own.
fn versioned(engine: Engine, what: &str, version: &str) -> Answer {
    let oldest = OLDEST.iter().find(|(known, _)| *known == engine).map_or((0, 0), |(_, oldest)| *oldest);
    match numbers(version) {
        Some(found) if found < oldest && !version.contains("unknown") => {
            Answer::Unfit(format!("{what} {version} is too old, it takes {}.{} or newer", oldest.0, oldest.1))
        }
        _ if version.is_empty() => Answer::Ready(format!("{what} answers")),
        _ => Answer::Ready(format!("{what} {version} answers")),
    }
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(text: &str) -> Answer {
        Answer::Ready(text.to_owned())
    }

    fn unfit(text: &str) -> Answer {
        Answer::Unfit(text.to_owned())
    }

    #[test]
    fn the_first_engine_that_answers_builds_and_says_what_was_passed_over() {
        let missing = || unfit("it is not installed");
        let all = |answers: [Answer; 3]| {
            let engines = [Engine::Buildah, Engine::Buildx, Engine::Buildctl];
            engines.into_iter().zip(answers).collect::<Vec<_>>()
        };
        for (backend, answers, expected) in [
            (
                Backend::Dockerfile,
                all([ready("b"), ready("x"), ready("BuildKit v1 answers")]),
                Ok("buildctl: BuildKit v1 answers".to_owned()),
            ),
            (
                Backend::Dockerfile,
                all([ready("b"), ready("x"), missing()]),
                Ok("docker buildx: x; no buildctl: it is not installed".to_owned()),
            ),
            (
                Backend::Dockerfile,
                all([ready("b"), missing(), missing()]),
                Ok("buildah: b; no buildctl: it is not installed; no docker buildx: it is not installed"
                    .to_owned()),
            ),
            (Backend::Buildah, all([ready("b"), ready("x"), ready("k")]), Ok("buildah: b".to_owned())),
            (
                Backend::Buildkit,
                all([ready("b"), missing(), missing()]),
                Err(vec![
                    "no buildctl: it is not installed".to_owned(),
                    "no docker buildx: it is not installed".to_owned(),
                ]),
            ),
        ] {
            let picked = pick(backend, &answers);
            assert_eq!(picked.map(|chosen| format!("{}: {}", chosen.engine, chosen.reason)), expected);
        }
    }

    #[test]
    fn answers_are_understood() {
        for (answer, expected) in [
            (
                read_workers(r#"[{"buildkitVersion":{"version":"v0.33.1"}}]"#),
                ready("BuildKit v0.33.1 answers"),
            ),
            (
                read_workers(r#"[{"buildkitVersion":{"version":"v0.0.0+unknown"}}]"#),
                ready("BuildKit v0.0.0+unknown answers"),
            ),
            (
                read_workers(r#"[{"buildkitVersion":{"version":"v0.12.5"}}]"#),
                unfit("BuildKit v0.12.5 is too old, it takes 0.13 or newer"),
            ),
            (read_workers(r#"[{"id":"x"}]"#), ready("BuildKit answers")),
            (read_workers("[]"), unfit("its daemon has no worker")),
            (read_workers("ID PLATFORMS"), unfit("it does not say which workers it has")),
            (
                read_builder(
                    "Name: x\nDriver:  docker-container\n\nNodes:\nStatus:   running\nBuildKit version: v0.21.0\n",
                ),
                ready("BuildKit v0.21.0 answers"),
            ),
            (read_builder("Driver: remote\nStatus: inactive\n"), unfit("its builder does not run")),
            (
                read_builder("Driver: docker\nStatus: running\n"),
                unfit("its builder of the driver `docker` cannot export a layout"),
            ),
            (read_builder(""), unfit("its builder has no driver")),
            (
                read_buildah("buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)\n"),
                ready("buildah 1.28.2 answers"),
            ),
            (
                read_buildah("buildah version 1.23.1 (image-spec 1.0.1-dev)"),
                unfit("buildah 1.23.1 is too old, it takes 1.28 or newer"),
            ),
        ] {
            assert_eq!(answer, expected);
        }
    }
}
