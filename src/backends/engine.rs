//! Engines: which of the programs that build a Dockerfile does it here. What they answered comes in, the choice and
//! its reason go out.

use crate::component::Backend;
use crate::platform::Platform;
use std::fmt;

/// A program that builds a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// BuildKit, through its own client.
    Buildctl,
    /// BuildKit, through Docker's client.
    Buildx,
    Buildah,
    /// The classic builder of Docker's daemon.
    Docker,
}

/// What an engine said when it was asked whether it can build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What it is, with its version (`BuildKit v0.33.1`), and for which platforms it builds.
    Ready(String, Reach),
    /// Why it cannot.
    Unfit(String),
}

/// For which platforms an engine builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It does not say.
    Unknown,
    /// For all, but it runs the programs of these only.
    Runs(Vec<Platform>),
    /// For this one.
    Only(Platform),
}

/// What a leg wants of an engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need<'a> {
    pub(super) platform: &'a Platform,
    /// The Dockerfile surely runs programs of the platform.
    pub(super) runs: bool,
}

/// The engine that builds, and why this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) engine: Engine,
    pub(crate) reason: String,
}

impl Engine {
    /// How it is called in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Buildctl => "buildctl",
            Self::Buildx => "docker buildx",
            Self::Buildah => "buildah",
            Self::Docker => "docker",
        }
    }

    /// Those that may build for `backend`, the best first. BuildKit's own client comes first, because it answers only
    /// where somebody has set up a daemon for it; Docker's classic builder last, because it knows least.
    pub(crate) fn of(backend: Backend) -> &'static [Self] {
        match backend {
            Backend::Dockerfile => &[Self::Buildctl, Self::Buildx, Self::Buildah, Self::Docker],
            Backend::Buildkit => &[Self::Buildctl, Self::Buildx],
            Backend::Buildah => &[Self::Buildah],
            Backend::Docker => &[Self::Docker],
            _ => &[],
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Reach {
    /// Why an engine of this reach does not build for `need`.
    fn lack(&self, need: Need<'_>) -> Option<String> {
        let Need { platform, runs } = need;
        // Which variants an engine emulates is not told in words that can be relied on.
        let is_same =
            |other: &Platform| (&other.os, &other.architecture) == (&platform.os, &platform.architecture);
        match self {
            Self::Only(own) if !is_same(own) => Some(format!("it builds for {own} only, not for {platform}")),
            Self::Runs(own) if runs && !own.iter().any(is_same) => {
                let mut own: Vec<String> =
                    own.iter().map(|own| format!("{}/{}", own.os, own.architecture)).collect();
                own.dedup();
                Some(format!(
                    "it runs programs for {}, and the `RUN` lines are for {platform}",
                    own.join(", ")
                ))
            }
            _ => None,
        }
    }
}

/// No engine can build.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// What each of them said.
    pub(super) tried: Vec<String>,
    /// One of them could build for another platform.
    pub(super) is_platform: bool,
}

/// The first engine for `backend` that can build what is needed.
pub(super) fn pick(backend: Backend, need: Need<'_>, answers: &[(Engine, Answer)]) -> Result<Chosen, Unfit> {
    let mut unfit = Unfit { tried: vec![], is_platform: false };
    for engine in Engine::of(backend) {
        let why = match answers.iter().find(|(asked, _)| asked == engine) {
            Some((_, Answer::Ready(what, reach))) => match reach.lack(need) {
                Some(why) => {
                    unfit.is_platform = true;
                    why
                }
                None => {
                    let because = [what.clone()].into_iter().chain(unfit.tried).collect::<Vec<_>>();
                    return Ok(Chosen { engine: *engine, reason: because.join("; ") });
                }
            },
            Some((_, Answer::Unfit(why))) => why.clone(),
            None => "it was not asked".to_owned(),
        };
        unfit.tried.push(format!("no {engine}: {why}"));
    }
    Err(unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(text: &str) -> Answer {
        Answer::Ready(text.to_owned(), Reach::Unknown)
    }

    fn missing() -> Answer {
        Answer::Unfit("it is not installed".to_owned())
    }

    /// The engine and the reason, or what all of them said.
    #[track_caller]
    fn picked(backend: Backend, need: Need<'_>, answers: [Answer; 4]) -> Result<String, String> {
        let engines = [Engine::Docker, Engine::Buildah, Engine::Buildx, Engine::Buildctl];
        let answers: Vec<(Engine, Answer)> = engines.into_iter().rev().zip(answers).collect();
        let picked = pick(backend, need, &answers);
        let shown = picked.map(|chosen| format!("{}: {}", chosen.engine, chosen.reason));
        shown.map_err(|unfit| unfit.tried.join("; "))
    }

    #[test]
    fn the_first_engine_that_answers_builds_and_says_what_was_passed_over() {
        let platform = Platform::new("linux", "amd64");
        let need = Need { platform: &platform, runs: true };
        let all = || [ready("k"), ready("x"), ready("b"), ready("d")];
        let none = || [missing(), missing(), missing(), missing()];
        let [.., docker] = all();
        for (backend, answers, expected) in [
            (Backend::Dockerfile, all(), Ok("buildctl: k")),
            (
                Backend::Dockerfile,
                [missing(), ready("x"), ready("b"), missing()],
                Ok("docker buildx: x; no buildctl: it is not installed"),
            ),
            (
                Backend::Dockerfile,
                [missing(), missing(), ready("b"), ready("d")],
                Ok("buildah: b; no buildctl: it is not installed; no docker buildx: it is not installed"),
            ),
            (
                Backend::Dockerfile,
                [missing(), missing(), missing(), docker],
                Ok("docker: d; no buildctl: it is not installed; no docker buildx: it is not installed; \
                    no buildah: it is not installed"),
            ),
            (Backend::Buildah, all(), Ok("buildah: b")),
            (Backend::Docker, all(), Ok("docker: d")),
            (
                Backend::Buildkit,
                none(),
                Err("no buildctl: it is not installed; no docker buildx: it is not installed"),
            ),
        ] {
            let picked = picked(backend, need, answers);
            assert_eq!(picked.as_ref().map(String::as_str).map_err(String::as_str), expected);
        }
    }

    #[test]
    fn an_engine_that_cannot_build_for_the_platform_is_passed_over() {
        let platform = |name: &str| name.parse::<Platform>().expect("a platform");
        let (amd, arm) = (platform("linux/amd64"), platform("linux/arm/v7"));
        let able = |reach: Reach| Answer::Ready("b".to_owned(), reach);
        let emulating = || able(Reach::Runs(vec![amd.clone(), arm.clone()]));
        let plain = || able(Reach::Runs(vec![amd.clone()]));
        let docker = || able(Reach::Only(amd.clone()));
        let passed =
            "no buildctl: it runs programs for linux/amd64, and the `RUN` lines are for linux/arm/v7";
        for (name, runs, answers, expected) in [
            (
                "linux/arm/v7",
                true,
                [emulating(), missing(), missing(), missing()],
                Ok("buildctl: b".to_owned()),
            ),
            (
                "linux/arm/v6",
                true,
                [emulating(), missing(), missing(), missing()],
                Ok("buildctl: b".to_owned()),
            ),
            ("linux/arm/v7", false, [plain(), missing(), missing(), missing()], Ok("buildctl: b".to_owned())),
            (
                "linux/arm/v7",
                true,
                [plain(), emulating(), missing(), missing()],
                Ok(format!("docker buildx: b; {passed}")),
            ),
            (
                "linux/arm/v7",
                true,
                [plain(), missing(), missing(), docker()],
                Err(format!(
                    "{passed}; no docker buildx: it is not installed; no buildah: it is not installed; no docker: it \
                     builds for linux/amd64 only, not for linux/arm/v7"
                )),
            ),
        ] {
            let wanted = platform(name);
            let need = Need { platform: &wanted, runs };
            assert_eq!(picked(Backend::Dockerfile, need, answers), expected, "{name} {runs}");
        }
        // Whether another machine would help is for the hint.
        let (answers, none) = ([(Engine::Docker, docker())], [(Engine::Docker, missing())]);
        let unfit = |platform: &Platform, answers| {
            pick(Backend::Docker, Need { platform, runs: false }, answers)
                .err()
                .map(|unfit| unfit.is_platform)
        };
        assert_eq!(unfit(&arm, &answers), Some(true));
        assert_eq!(unfit(&amd, &none), Some(false));
        assert_eq!(unfit(&amd, &answers), None);
    }
}
