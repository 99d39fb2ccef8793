//! Asks the engines of this machine whether they can build a Dockerfile.

use super::answers::{read_buildah, read_builder, read_docker, read_workers};
use super::engine::{Answer, Engine};
use crate::ci;
use crate::component::Backend;
use crate::exec::{self, ExecError, Program};
use crate::platform::Platform;
use futures::future::join_all;
use std::path::Path;
use std::time::Duration;

/// A daemon that says nothing for this long is one that does not build.
const PATIENCE: Duration = Duration::from_secs(10);

/// How Docker's client ends where it does not understand its arguments.
const USAGE: i32 = 125;
/// Where the kernel lists what starts programs that it does not know itself.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// What emulators are called there, and what they emulate.
const EMULATORS: [(&str, &str); 8] = [
    ("qemu-x86_64", "amd64"),
    ("qemu-aarch64", "arm64"),
    ("qemu-arm", "arm"),
    ("qemu-i386", "386"),
    ("qemu-ppc64le", "ppc64le"),
    ("qemu-s390x", "s390x"),
    ("qemu-riscv64", "riscv64"),
    ("qemu-loongarch64", "loong64"),
];

/// What the engines say that may build for one of `backends`, all asked at once.
pub(crate) async fn ask(root: &Path, backends: &[Backend]) -> Vec<(Engine, Answer)> {
    let mut engines: Vec<Engine> = vec![];
    for engine in backends.iter().flat_map(|backend| Engine::of(*backend)) {
        if !engines.contains(engine) {
            engines.push(*engine);
        }
    }
    join_all(engines.into_iter().map(|engine| async move { (engine, one(root, engine).await) })).await
}

async fn one(root: &Path, engine: Engine) -> Answer {
    let program = match engine {
        Engine::Buildctl => {
            Program::new("buildctl", root).args(["debug", "workers", "--format", "{{json .}}"])
        }
        // A builder that sleeps is woken up: it would be for the build as well.
        Engine::Buildx => Program::new("docker", root).args(["buildx", "inspect", "--bootstrap"]),
        Engine::Buildah => Program::new("buildah", root).arg("--version"),
        Engine::Docker => Program::new("docker", root).args(["version", "--format", "{{json .}}"]),
    };
    let output = match tokio::time::timeout(PATIENCE, exec::capture(&program)).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output).into_owned(),
        Ok(Err(error)) => return Answer::Unfit(why(engine, &error)),
        Err(_) => return Answer::Unfit(format!("it said nothing for {} s", PATIENCE.as_secs())),
    };
    match engine {
        Engine::Buildctl => read_workers(&output),
        Engine::Buildx => read_builder(&output),
        Engine::Buildah => read_buildah(&output, &machine()),
        Engine::Docker => read_docker(&output),
    }
}

/// The platforms whose programs this machine runs: its own, those that its processor knows too, and those that the kernel
/// has an emulator for.
fn machine() -> Vec<Platform> {
    let own = ci::host_platform();
    let also = match own.architecture.as_str() {
        "amd64" => "386",
        "arm64" => "arm",
        _ => "",
    };
    let emulated = EMULATORS.iter().filter(|(name, _)| is_on(&Path::new(BINFMT).join(name)));
    let mut platforms = vec![own];
    let others =
        emulated.map(|(_, architecture)| *architecture).chain([also]).filter(|name| !name.is_empty());
    platforms.extend(others.map(|architecture| Platform::new("linux", architecture)));
    platforms
}

/// An emulator that the kernel knows may be switched off (Linux, `admin-guide/binfmt-misc.rst`).
fn is_on(emulator: &Path) -> bool {
    std::fs::read_to_string(emulator).is_ok_and(|text| text.starts_with("enabled"))
}

/// Why it did not answer, in a line.
fn why(engine: Engine, error: &ExecError) -> String {
    match error {
        // A client without the plugin takes the flags for its own, and shows its help.
        ExecError::Failed { status, .. } if engine == Engine::Buildx && status.code() == Some(USAGE) => {
            "Docker's client has no buildx".to_owned()
        }
        ExecError::Missing { .. } => "it is not installed".to_owned(),
        ExecError::Failed { last_lines, .. } => {
            let said = last_lines.iter().map(|line| line.trim()).find(|line| !line.is_empty());
            said.map_or_else(|| "it failed without a word".to_owned(), |line| format!("it says `{line}`"))
        }
        error => error.to_string(),
    }
}
