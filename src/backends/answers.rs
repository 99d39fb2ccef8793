//! What engines print when they are asked whether they can build, read.

use super::engine::{Answer, Engine, Reach};
use crate::platform::Platform;

/// Oldest versions that understand all the flags that hephy gives.
const OLDEST: [(Engine, (u64, u64)); 4] = [
    // `rewrite-timestamp`.
    (Engine::Buildctl, (0, 13)),
    (Engine::Buildx, (0, 13)),
    // The oldest that the tests have seen; `--build-context` with an image is younger than 1.24.
    (Engine::Buildah, (1, 28)),
    // The oldest that the tests have seen.
    (Engine::Docker, (20, 10)),
];

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
            let platforms = worker["platforms"].as_array().into_iter().flatten().filter_map(platform);
            versioned(Engine::Buildctl, "BuildKit", version, runs(platforms.collect()))
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
            let names = line("Platforms").unwrap_or_default().split(',');
            // A star marks those that somebody has chosen for the builder.
            let platforms = names.filter_map(|name| name.trim().trim_end_matches('*').parse().ok());
            versioned(Engine::Buildx, "BuildKit", version, runs(platforms.collect()))
        }
    }
}

/// Reads what `buildah --version` prints: `buildah version 1.28.2 (...)`. It runs what this machine runs.
pub(super) fn read_buildah(output: &str, machine: &[Platform]) -> Answer {
    let version = output.split_whitespace().nth(2).unwrap_or_default();
    versioned(Engine::Buildah, "buildah", version, runs(machine.to_vec()))
}

/// Reads what `docker version` prints as JSON. Its classic builder has no word for the platform of an image, so it
/// builds for its own.
pub(super) fn read_docker(output: &str) -> Answer {
    let said: serde_json::Value = serde_json::from_str(output).unwrap_or_default();
    let text = |key: &str| said["Server"][key].as_str().unwrap_or_default();
    match format!("{}/{}", text("Os"), text("Arch")).parse() {
        Ok(own) => versioned(Engine::Docker, "Docker", text("Version"), Reach::Only(own)),
        Err(_) => Answer::Unfit("no daemon answers".to_owned()),
    }
}

/// A platform as BuildKit writes it.
fn platform(said: &serde_json::Value) -> Option<Platform> {
    let part = |key: &str| said[key].as_str().filter(|part| !part.is_empty());
    let parts: Vec<&str> =
        [part("os"), part("architecture"), part("variant")].into_iter().flatten().collect();
    parts.join("/").parse().ok()
}

/// Who names no platform may have any.
fn runs(platforms: Vec<Platform>) -> Reach {
    if platforms.is_empty() { Reach::Unknown } else { Reach::Runs(platforms) }
}

/// A version that cannot be read is no reason against an engine: people build their own.
fn versioned(engine: Engine, what: &str, version: &str, reach: Reach) -> Answer {
    let oldest = OLDEST.iter().find(|(known, _)| *known == engine).map_or((0, 0), |(_, oldest)| *oldest);
    match numbers(version) {
        Some(found) if found < oldest && !version.contains("unknown") => {
            Answer::Unfit(format!("{what} {version} is too old, it takes {}.{} or newer", oldest.0, oldest.1))
        }
        _ if version.is_empty() => Answer::Ready(format!("{what} answers"), reach),
        _ => Answer::Ready(format!("{what} {version} answers"), reach),
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

    /// `Ready` with the platforms, the way people write them.
    fn ready(text: &str, platforms: &str) -> Answer {
        let platforms = platforms.split_whitespace().map(|name| name.parse().expect("a platform"));
        Answer::Ready(text.to_owned(), runs(platforms.collect()))
    }

    fn unfit(text: &str) -> Answer {
        Answer::Unfit(text.to_owned())
    }

    #[test]
    fn answers_of_buildkit_are_understood() {
        for (answer, expected) in [
            (
                read_workers(
                    r#"[{"buildkitVersion":{"version":"v0.33.1"},"platforms":[{"architecture":"amd64","os":"linux"},{"architecture":"arm","os":"linux","variant":"v7"}]}]"#,
                ),
                ready("BuildKit v0.33.1 answers", "linux/amd64 linux/arm/v7"),
            ),
            (
                read_workers(r#"[{"buildkitVersion":{"version":"v0.0.0+unknown"}}]"#),
                ready("BuildKit v0.0.0+unknown answers", ""),
            ),
            (
                read_workers(r#"[{"buildkitVersion":{"version":"v0.12.5"}}]"#),
                unfit("BuildKit v0.12.5 is too old, it takes 0.13 or newer"),
            ),
            (read_workers(r#"[{"id":"x"}]"#), ready("BuildKit answers", "")),
            (read_workers("[]"), unfit("its daemon has no worker")),
            (read_workers("ID PLATFORMS"), unfit("it does not say which workers it has")),
            (
                read_builder(
                    "Name: x\nDriver:  docker-container\n\nNodes:\nStatus:   running\nBuildKit version: v0.21.0\nPlatforms: linux/amd64*, linux/amd64/v2, linux/arm64\n",
                ),
                ready("BuildKit v0.21.0 answers", "linux/amd64 linux/amd64/v2 linux/arm64"),
            ),
            (read_builder("Driver: remote\nStatus: inactive\n"), unfit("its builder does not run")),
            (
                read_builder("Driver: docker\nStatus: running\n"),
                unfit("its builder of the driver `docker` cannot export a layout"),
            ),
            (read_builder(""), unfit("its builder has no driver")),
        ] {
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn answers_of_buildah_and_docker_are_understood() {
        let machine = ["linux/arm64".parse().expect("a platform")];
        let docker = |server: &str| format!(r#"{{"Client":{{"Version":"28.2.2"}},"Server":{server}}}"#);
        for (answer, expected) in [
            (
                read_buildah(
                    "buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)\n",
                    &machine,
                ),
                ready("buildah 1.28.2 answers", "linux/arm64"),
            ),
            (
                read_buildah("buildah version 1.23.1 (image-spec 1.0.1-dev)", &machine),
                unfit("buildah 1.23.1 is too old, it takes 1.28 or newer"),
            ),
            (
                read_docker(&docker(r#"{"Version":"20.10.24+dfsg1","Os":"linux","Arch":"amd64"}"#)),
                Answer::Ready(
                    "Docker 20.10.24+dfsg1 answers".to_owned(),
                    Reach::Only(Platform::new("linux", "amd64")),
                ),
            ),
            (
                read_docker(&docker(r#"{"Version":"19.03.1","Os":"linux","Arch":"amd64"}"#)),
                unfit("Docker 19.03.1 is too old, it takes 20.10 or newer"),
            ),
            (read_docker(&docker("null")), unfit("no daemon answers")),
            (read_docker("Client: x"), unfit("no daemon answers")),
        ] {
            assert_eq!(answer, expected);
        }
    }
}
