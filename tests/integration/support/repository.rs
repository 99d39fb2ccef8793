//! Throw-away git repositories, as people make them and as CI systems check them out.

use super::{Hephy, MANIFEST, clean, hephy, prebuilt};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A git repository that goes away with the test.
pub(crate) struct Repository {
    folder: TempDir,
    root: PathBuf,
}

impl Repository {
    /// An empty repository without a commit, on branch `main`.
    pub(crate) fn empty() -> Self {
        Self::named("repository")
    }

    /// The same in a folder of this name.
    pub(crate) fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join(name);
        std::fs::create_dir(&root).expect("create the repository");
        let repository = Self { folder, root };
        repository.git(["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// What CI does in place of a clone: this ref of `origin`, detached, with so much of its history. Without a depth it
    /// is the whole history of all branches.
    pub(crate) fn checkout_of(origin: &Self, reference: &str, depth: Option<u32>) -> Self {
        let repository = Self::named("checkout");
        let url = format!("file://{}", origin.path().display());
        repository.git(["remote", "add", "origin", url.as_str()]);
        let wanted = format!("+{reference}:refs/remotes/run");
        match depth {
            Some(depth) => repository.git([
                "fetch",
                "--quiet",
                "--no-tags",
                &format!("--depth={depth}"),
                "origin",
                &wanted,
            ]),
            None => {
                let branches = "+refs/heads/*:refs/remotes/origin/*";
                repository.git(["fetch", "--quiet", "--no-tags", "origin", branches, &wanted])
            }
        };
        repository.git(["checkout", "--quiet", "--detach", "refs/remotes/run"]);
        repository
    }

    /// `git clone` of this repository with these options.
    pub(crate) fn clone_with(&self, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("clone");
        let url = format!("file://{}", self.path().display());
        let to = root.to_string_lossy().into_owned();
        self.git(["clone", "--quiet"].iter().copied().chain(options.iter().copied()).chain([&*url, &*to]));
        Self { folder, root }
    }

    /// The full id of a commit.
    pub(crate) fn id(&self, reference: &str) -> String {
        self.git(["rev-parse", "--verify", reference]).trim().to_owned()
    }

    /// The example shop, with its finished programs, committed.
    pub(crate) fn shop() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("shop");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/make-repository");
        let status = Command::new(script).arg(&root).status().expect("the script starts");
        assert!(status.success(), "make-repository: {status}");
        Self { folder, root }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// One component, `app`, that is a finished program, with the manifest that runs it, committed.
    pub(crate) fn app() -> Self {
        let repository = Self::empty();
        repository.write("app/run", "#!/bin/sh\n").write("hephy.yaml", &prebuilt("linux/amd64: run"));
        repository.write("k8s/app.yaml", MANIFEST).commit("Add the app");
        repository
    }

    /// The twelve digits of HEAD that tags are made of.
    pub(crate) fn short_id(&self) -> String {
        self.git(["rev-parse", "--short=12", "HEAD"]).trim().to_owned()
    }

    /// A folder beside the repository, for what a test keeps.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        std::fs::write(path, text).expect("write the file");
        self
    }

    /// Commits everything there is.
    pub(crate) fn commit(&self, message: &str) -> &Self {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", message]);
        self
    }

    /// Runs git here and returns what it printed.
    pub(crate) fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let mut command = Command::new("git");
        clean(&mut command, self.folder.path());
        command.env("GIT_AUTHOR_NAME", "test").env("GIT_AUTHOR_EMAIL", "test@example.com");
        command.env("GIT_COMMITTER_NAME", "test").env("GIT_COMMITTER_EMAIL", "test@example.com");
        let output = command.current_dir(&self.root).args(arguments).output().expect("git starts");
        assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("git writes UTF-8")
    }

    /// hephy in this repository.
    pub(crate) fn hephy<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Hephy {
        hephy(&self.root).args(arguments)
    }
}
