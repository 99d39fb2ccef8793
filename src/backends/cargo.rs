//! The `cargo` backend: `cargo build`, and the binary in an image without a Dockerfile.

mod dependencies;
mod folders;
mod target;

use super::program::{self, Finished};
use super::tool::{self, Tool};
use super::{BuildError, Built, Order};
use crate::component::{Component, Recipe};
use crate::event::{Events, Progress, Stage};
use crate::exec::{self, Program};
use crate::platform::Platform;
use cargo_metadata::{Artifact, Message, TargetKind};
use folders::Folders;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use target::Target;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

const TOOLS: [Tool; 1] = [
    // The first that takes settings with `--config` (Cargo's changelog).
    Tool { program: "cargo", ask: &["--version"], least: "1.63" },
];

/// Cargo locks its target folder for one build at a time anyway. The turn lasts until the binary is in the image,
/// because the next build may put another program of the same name in its place.
static TURN: Mutex<()> = Mutex::const_new(());

/// Refuses a platform that this machine's Rust does not build for, and an image whose assets are not there.
pub(super) async fn ensure_possible(
    root: &Path,
    component: &Component,
    platform: &Platform,
) -> Result<(), BuildError> {
    let folder = root.join(&component.path);
    program::ensure_possible(root, component, platform, &[])?;
    tool::ensure(&TOOLS, &folder).await?;
    target::find(&folder, platform).await.map(drop)
}

/// Builds the package's binaries for the platform and assembles the image.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Built, BuildError> {
    let target = target::find(&order.folder(), order.platform).await?;
    let text = format!("for {}: {}", target.triple, target.why);
    events.step(Stage::Build, order.subject(), Progress::Doing, text);
    let _turn = TURN.lock().await;
    let folders = folders::ask(order).await?;
    let command = || command(order, &target, &folders);
    let mut artifacts = compile(events, cancel, order, &command()).await?;
    // Cargo judges by the times of files, and caches and checkouts set those as they like: of what lies in this
    // repository, nothing is taken that was not compiled just now.
    let stale = artifacts.stale(order.root);
    if !stale.is_empty() {
        let packages = stale.iter().flat_map(|package| ["--package", package]);
        let clean = cargo(order)
            .args([
                "clean",
                "--quiet",
                "--profile",
                profile(&order.component.recipe),
                "--locked",
                "--offline",
            ])
            .args(["--target", target.triple])
            .args(packages);
        exec::capture(&clean).await?;
        artifacts = compile(events, cancel, order, &command()).await?;
    }
    let binaries = artifacts.binaries(&order.folder().join("Cargo.toml"));
    let start = file_name(started(&binaries, order)?);
    let finished = Finished { sources: binaries.clone(), start, programs: binaries };
    let manifest = program::package(events, order, &finished)?;
    let mut reads = vec![];
    for binary in &finished.programs {
        reads.extend(dependencies::of(binary, order.root, &folders)?);
    }
    Ok(Built { manifest, reads })
}

/// The binary that the image starts: `bin`, else the first of `bins`, else the only one.
fn started<'a>(binaries: &'a [PathBuf], order: &Order<'_>) -> Result<&'a PathBuf, BuildError> {
    let recipe = &order.component.recipe;
    let named = recipe.bin.as_ref().or(recipe.bins.first());
    match (named, binaries) {
        (_, []) => Err(BuildError::NoBinary),
        (None, [binary]) => Ok(binary),
        (None, several) => {
            Err(BuildError::SeveralBinaries { names: several.iter().map(|path| file_name(path)).collect() })
        }
        (Some(name), binaries) => {
            binaries.iter().find(|path| file_name(path) == *name).ok_or(BuildError::NoBinary)
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn profile(recipe: &Recipe) -> &str {
    recipe.profile.as_deref().unwrap_or("release")
}

async fn compile(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
    command: &Program,
) -> Result<Artifacts, BuildError> {
    let mut artifacts = Artifacts(vec![]);
    let on_stdout = |line: &str| artifacts.0.extend(artifact(line));
    exec::stream(events, cancel, &order.subject(), command, on_stdout).await?;
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

    /// The binaries of the package, sorted.
    fn binaries(&self, manifest_path: &Path) -> Vec<PathBuf> {
        let is_own = |artifact: &&Artifact| {
            artifact.target.kind.contains(&TargetKind::Bin)
                && same_file(artifact.manifest_path.as_std_path(), manifest_path)
        };
        let executables = self.0.iter().filter(is_own).filter_map(|artifact| artifact.executable.as_ref());
        let mut binaries: Vec<PathBuf> = executables.map(|path| path.as_std_path().to_owned()).collect();
        binaries.sort();
        binaries
    }
}

/// Cargo reports the real path, and the user may have come through a symbolic link.
fn same_file(left: &Path, right: &Path) -> bool {
    left == right
        || matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}

fn command(order: &Order<'_>, target: &Target, folders: &Folders) -> Program {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(folders.remaps(order.root, order.cargo_home));
    let flags = serde_json::to_string(&flags).expect("a list of strings always serialises");
    cargo(order)
        .args([target.subcommand, "--profile", profile(&order.component.recipe), "--locked"])
        .args(["--message-format=json-render-diagnostics", "--target", target.triple])
        .args(["--config", &format!("target.{}.rustflags={flags}", target.triple)])
        .args(chosen(&order.component.recipe))
        .env("SOURCE_DATE_EPOCH", order.epoch.to_string())
        .env("CARGO_INCREMENTAL", "0")
}

/// What a user calls to see the errors of the same programs, for his own machine.
pub(super) fn by_hand(recipe: &Recipe) -> Vec<String> {
    let words = ["cargo", "build", "--locked"].map(str::to_owned);
    words.into_iter().chain([format!("--profile={}", profile(recipe))]).chain(chosen(recipe)).collect()
}

/// Cargo in the folder of the package, without the variables of somebody's shell.
fn cargo(order: &Order<'_>) -> Program {
    order.foreign.iter().fold(Program::new("cargo", &order.folder()), Program::env_remove)
}

/// Which binaries are built, and with which features.
fn chosen(recipe: &Recipe) -> Vec<String> {
    let mut names: Vec<&String> = recipe.bin.iter().chain(&recipe.bins).collect();
    names.sort();
    names.dedup();
    let mut arguments: Vec<String> = names.iter().map(|name| format!("--bin={name}")).collect();
    if arguments.is_empty() {
        arguments.push("--bins".to_owned());
    }
    if !recipe.features.is_empty() {
        arguments.push(format!("--features={}", recipe.features.join(",")));
    }
    arguments
}
