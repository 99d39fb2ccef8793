//! The `cargo` backend: `cargo build`, and the binary in an image without a Dockerfile.

use super::{BuildError, Order};
use crate::event::Events;
use crate::exec::{self, Program};
use crate::layout::{self, Descriptor, Layout, assemble};
use crate::platform::Platform;
use cargo_metadata::{Message, TargetKind};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Flags of the user's shell would make the image depend on it. What belongs to the project belongs into its
/// `.cargo/config.toml`, which is an input.
const FOREIGN_FLAGS: [&str; 3] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];

/// Builds the package's binary for the platform and assembles the image.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let target = target(order).await?;
    let program = command(order, target);
    let manifest_path = order.folder().join("Cargo.toml");
    let mut binaries = vec![];
    let on_stdout = |line: &str| binaries.extend(executable(line, &manifest_path));
    exec::stream(events, cancel, &order.subject(), &program, on_stdout).await?;
    let binary = single(binaries)?;
    let start = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let layout = Layout::create(order.out)?;
    let program =
        layout::Program { source: &binary, start: &start, platform: order.platform, created: order.epoch };
    let manifest = assemble(&layout, &program)?;
    Ok(order.finish(&layout, manifest)?)
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
    FOREIGN_FLAGS.into_iter().fold(program, Program::env_remove)
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// The binary that a line of Cargo's JSON reports, if it belongs to this package.
fn executable(line: &str, manifest_path: &Path) -> Option<PathBuf> {
    let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(line) else { return None };
    let is_own = same_file(artifact.manifest_path.as_std_path(), manifest_path);
    let is_binary = artifact.target.kind.contains(&TargetKind::Bin);
    artifact.executable.filter(|_| is_own && is_binary).map(Into::into)
}

/// Cargo reports the real path, and the user may have come through a symbolic link.
fn same_file(left: &Path, right: &Path) -> bool {
    left == right
        || matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}

fn single(mut binaries: Vec<PathBuf>) -> Result<PathBuf, BuildError> {
    let last = binaries.pop().ok_or(BuildError::NoBinary)?;
    if binaries.is_empty() {
        return Ok(last);
    }
    binaries.push(last);
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(BuildError::SeveralBinaries { names: binaries.iter().map(name).collect() })
}
