//! The `cargo` backend: `cargo build`, and the binary in an image without a Dockerfile.

mod dependencies;

use super::{BuildError, Built, Order};
use crate::event::Events;
use crate::exec::{self, Program};
use crate::layout::{self, Layout, assemble};
use crate::platform::Platform;
use cargo_metadata::{Artifact, Message, TargetKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Cargo locks its target folder for one build at a time anyway. The turn lasts until the binary is in the image,
/// because the next build may put another program of the same name in its place.
static TURN: Mutex<()> = Mutex::const_new(());

/// Builds the package's binary for the platform and assembles the image.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Built, BuildError> {
    let target = target(order).await?;
    let _turn = TURN.lock().await;
    let mut artifacts = compile(events, cancel, order, target).await?;
    // Cargo judges by the times of files, and caches and checkouts set those as they like: of what lies in this
    // repository, nothing is taken that was not compiled just now.
    let stale = artifacts.stale(order.root);
    if !stale.is_empty() {
        let packages = stale.iter().flat_map(|package| ["--package", package]);
        let clean = Program::new("cargo", &order.folder())
            .args(["clean", "--quiet", "--release", "--locked", "--offline", "--target", target])
            .args(packages);
        exec::capture(&clean).await?;
        artifacts = compile(events, cancel, order, target).await?;
    }
    let binary = artifacts.binary(&order.folder().join("Cargo.toml"))?;
    let start = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let layout = Layout::create(order.out)?;
    let program =
        layout::Program { source: &binary, start: &start, platform: order.platform, created: order.epoch };
    let manifest = order.finish(&layout, assemble(&layout, &program)?)?;
    Ok(Built { manifest, reads: dependencies::of(&binary, order.root)? })
}

async fn compile(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
    target: &str,
) -> Result<Artifacts, BuildError> {
    let mut artifacts = Artifacts(vec![]);
    let on_stdout = |line: &str| artifacts.0.extend(artifact(line));
    exec::stream(events, cancel, &order.subject(), &command(order, target), on_stdout).await?;
    Ok(artifacts)
}

fn artifact(line: &str) -> Option<Artifact> {
    match serde_json::from_str(line) {
        Ok(Message::CompilerArtifact(artifact)) => Some(artifact),
        _ => None,
    }
}

/// What Cargo reported as made, or as still good.
struct Artifacts(Vec<Artifact>);

impl Artifacts {
    /// The packages below `root` that Cargo did not compile because it thought they were up to date.
    fn stale(&self, root: &Path) -> BTreeSet<&str> {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let is_stale = |artifact: &&Artifact| artifact.fresh && artifact.manifest_path.starts_with(&root);
        self.0.iter().filter(is_stale).map(|artifact| artifact.package_id.repr.as_str()).collect()
    }

    /// The one binary of the package.
    fn binary(&self, manifest_path: &Path) -> Result<PathBuf, BuildError> {
        let is_own = |artifact: &&Artifact| {
            artifact.target.kind.contains(&TargetKind::Bin)
                && same_file(artifact.manifest_path.as_std_path(), manifest_path)
        };
        let executables = self.0.iter().filter(is_own).filter_map(|artifact| artifact.executable.as_ref());
        let binaries: Vec<&Path> = executables.map(|path| path.as_std_path()).collect();
        match binaries.as_slice() {
            [] => Err(BuildError::NoBinary),
            [binary] => Ok(binary.to_path_buf()),
            several => {
                let name = |path: &&Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(BuildError::SeveralBinaries { names: several.iter().map(name).collect() })
            }
        }
    }
}

/// Cargo reports the real path, and the user may have come through a symbolic link.
fn same_file(left: &Path, right: &Path) -> bool {
    left == right
        || matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}

/// The Rust targets that make a static binary for `platform`, best first: musl where it is installed, else the GNU
/// target with the C library linked in.
fn targets(platform: &Platform) -> Option<[&'static str; 2]> {
    match (platform.os.as_str(), platform.architecture.as_str()) {
        ("linux", "amd64") => Some(["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"]),
        ("linux", "arm64") => Some(["aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"]),
        _ => None,
    }
}

/// The first target whose standard library is installed.
async fn target(order: &Order<'_>) -> Result<&'static str, BuildError> {
    let platform = order.platform;
    let targets = targets(platform).ok_or_else(|| BuildError::NoTriple { platform: platform.clone() })?;
    let sysroot = Program::new("rustc", &order.folder()).args(["--print", "sysroot"]);
    let sysroot = exec::capture(&sysroot).await?;
    let libraries = Path::new(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib");
    let installed = targets.into_iter().find(|target| libraries.join(target).join("lib").is_dir());
    installed.ok_or_else(|| BuildError::NoTarget { platform: platform.clone(), target: targets[0] })
}

fn command(order: &Order<'_>, target: &str) -> Program {
    // Paths of this machine must not end up in the binary: two checkouts in two places make one digest.
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned(), remap(order.root, "/source")];
    flags.extend(order.cargo_home.map(|home| remap(home, "/cargo")));
    let flags = serde_json::to_string(&flags).expect("a list of strings always serialises");
    let program = Program::new("cargo", &order.folder())
        .args([
            "build",
            "--release",
            "--locked",
            "--message-format=json-render-diagnostics",
            "--target",
            target,
        ])
        .args(["--config", &format!("target.{target}.rustflags={flags}")])
        .env("SOURCE_DATE_EPOCH", order.epoch.to_string())
        .env("CARGO_INCREMENTAL", "0");
    let program = match &order.component.recipe.bin {
        Some(bin) => program.args(["--bin", bin]),
        None => program.arg("--bins"),
    };
    order.foreign.iter().fold(program, Program::env_remove)
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}
