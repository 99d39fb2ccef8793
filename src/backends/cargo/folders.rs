//! Where Cargo puts what it makes, and what the folders of this machine are called in a program.

use super::super::{BuildError, Order};
use crate::exec;
use cargo_metadata::Metadata;
use std::path::{Path, PathBuf};

/// The folders of a workspace that Cargo writes to; they may lie anywhere (`CARGO_TARGET_DIR`, `build.target-dir`,
/// `build.build-dir`), and mostly they are one.
pub(super) struct Folders {
    /// What is finished.
    target: PathBuf,
    /// What is on its way to that, with the files that build scripts write (`OUT_DIR`).
    build: PathBuf,
}

/// Asks Cargo, who knows its variables, its configuration files and their order.
pub(super) async fn ask(order: &Order<'_>) -> Result<Folders, BuildError> {
    let command = super::cargo(order).args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let output = exec::capture(&command).await?;
    let metadata: Metadata = serde_json::from_slice(&output).map_err(|error| BuildError::Read {
        path: order.folder().join("Cargo.toml"),
        source: error.into(),
    })?;
    // Cargo before 1.91 has only one.
    let build = metadata.build_directory.unwrap_or_else(|| metadata.target_directory.clone());
    Ok(Folders { target: metadata.target_directory.into(), build: build.into() })
}

impl Folders {
    /// Whether Cargo or a build script has made the file at `path`.
    pub(super) fn have(&self, path: &Path) -> bool {
        [&self.target, &self.build].into_iter().any(|folder| path.starts_with(folder))
    }

    /// The flags by which paths of this machine do not end up in a program: the same sources in other folders make the same.
    pub(super) fn remaps(&self, root: &Path, cargo_home: Option<&Path>) -> Vec<String> {
        let mut names = vec![(root, "/source"), (&self.build, "/target")];
        names.extend(cargo_home.map(|home| (home, "/cargo")));
        // Of those that fit, the compiler takes the last; so a folder in another one has to come after it.
        names.sort_by_key(|(folder, _)| folder.components().count());
        let flag =
            |(folder, name): &(&Path, &str)| format!("--remap-path-prefix={}={name}", folder.display());
        names.iter().map(flag).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_folder_wins() {
        for (root, build, home, expected) in [
            ("/r", "/r/target", None, ["/r=/source", "/r/target=/target"].as_slice()),
            ("/cache/r", "/cache", None, &["/cache=/target", "/cache/r=/source"]),
            ("/r", "/c/h/t", Some("/c/h"), &["/r=/source", "/c/h=/cargo", "/c/h/t=/target"]),
        ] {
            let folders = Folders { target: PathBuf::from("/elsewhere"), build: PathBuf::from(build) };
            let flags = folders.remaps(Path::new(root), home.map(Path::new));
            let expected: Vec<String> =
                expected.iter().map(|names| format!("--remap-path-prefix={names}")).collect();
            assert_eq!(flags, expected);
        }
    }
}
