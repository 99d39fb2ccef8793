//! Which Rust target makes the program of a platform, who builds it, and why.

use super::super::BuildError;
use crate::ci;
use crate::exec::{self, Program};
use crate::platform::Platform;
use std::path::Path;

/// The program that brings a linker and a C library for every platform along.
const ZIGBUILD: &str = "cargo-zigbuild";

/// A Rust target that makes a static program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) triple: &'static str,
    /// The subcommand of Cargo: `build` or `zigbuild`.
    pub(super) subcommand: &'static str,
    pub(super) why: String,
}

/// The targets of `platform`, best first: musl is made for static programs; the GNU C library can be linked in too, but
/// parts of it (names of hosts and users) then miss what they load at run time.
fn triples(platform: &Platform) -> Option<[&'static str; 2]> {
    match (platform.os.as_str(), platform.architecture.as_str()) {
        ("linux", "amd64") => Some(["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"]),
        ("linux", "arm64") => Some(["aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"]),
        _ => None,
    }
}

/// The target for `platform`, as far as this machine has one for packages in `folder`.
pub(super) async fn find(folder: &Path, platform: &Platform) -> Result<Target, BuildError> {
    let triples = triples(platform).ok_or_else(|| BuildError::NoTriple { platform: platform.clone() })?;
    let sysroot = Program::new("rustc", folder).args(["--print", "sysroot"]);
    let sysroot = exec::capture(&sysroot).await?;
    let libraries = Path::new(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib");
    let installed = triples.map(|triple| libraries.join(triple).join("lib").is_dir());
    let is_foreign = *platform != ci::host_platform();
    let has_zigbuild =
        is_foreign && exec::capture(&Program::new(ZIGBUILD, folder).arg("--version")).await.is_ok();
    let target = choose(triples, installed, is_foreign, has_zigbuild);
    target.ok_or_else(|| BuildError::NoTarget { platform: platform.clone(), target: triples[0] })
}

/// `installed` says of each triple whether its standard library is there; `is_foreign` that this machine is another one.
fn choose(
    [musl, gnu]: [&'static str; 2],
    installed: [bool; 2],
    is_foreign: bool,
    has_zigbuild: bool,
) -> Option<Target> {
    let (triple, libc) = match installed {
        [true, _] => (musl, "musl is linked in"),
        [false, true] => (gnu, "the GNU C library is linked in, because no target with musl is installed"),
        [false, false] => return None,
    };
    // zig has musl to link statically, and the GNU library only to link dynamically.
    let (subcommand, linker) = match (is_foreign, has_zigbuild && triple == musl) {
        (false, _) => ("build", ""),
        (true, true) => ("zigbuild", "; zig links it, because this machine is of another platform"),
        (true, false) if triple == musl => {
            ("build", "; there is no `cargo-zigbuild`, so Cargo's own linker has to do")
        }
        (true, false) => ("build", "; `cargo-zigbuild` cannot link that, so Cargo's own linker has to do"),
    };
    Some(Target { triple, subcommand, why: format!("{libc}{linker}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn musl_comes_first_and_zig_only_for_another_platform() {
        for (installed, is_foreign, has_zigbuild, expected) in [
            ([true, true], false, true, Some("build m: musl is linked in")),
            (
                [false, true],
                false,
                false,
                Some("build g: the GNU C library is linked in, because no target with musl is installed"),
            ),
            (
                [true, false],
                true,
                true,
                Some(
                    "zigbuild m: musl is linked in; zig links it, because this machine is of another platform",
                ),
            ),
            (
                [true, true],
                true,
                false,
                Some(
                    "build m: musl is linked in; there is no `cargo-zigbuild`, so Cargo's own linker has to do",
                ),
            ),
            (
                [false, true],
                true,
                true,
                Some(
                    "build g: the GNU C library is linked in, because no target with musl is installed; \
                     `cargo-zigbuild` cannot link that, so Cargo's own linker has to do",
                ),
            ),
            ([false, false], true, true, None),
        ] {
            let chosen = choose(["m", "g"], installed, is_foreign, has_zigbuild);
            let shown =
                chosen.map(|target| format!("{} {}: {}", target.subcommand, target.triple, target.why));
            assert_eq!(shown.as_deref(), expected);
        }
    }
}
