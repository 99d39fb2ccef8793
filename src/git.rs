//! Git: the commit, its tree, the working tree's deviations from it, and the difference to a base commit.
//!
//! The `git` program is asked at most four times for a plan: `status`, `log`, `ls-files`, and `diff-tree` or `log`. Only where the base is
//! not in the clone, a few more calls fetch it. The files come from the index and not from the commit's tree: git reads one
//! file for it and not thousands of objects, says of which files it does not look at the working tree, and `status` names
//! every path in which the index differs from the commit.

mod conversion;
mod heal;
mod parse;

pub(crate) use heal::heal;

use crate::exec::{self, ExecError, Program};
use bstr::{BStr, BString, ByteSlice as _};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The mode of a submodule in a tree: its content is one commit of another repository.
pub(crate) const SUBMODULE: &str = "160000";

/// How many commits are read to find an ancestor.
const FARTHEST_ANCESTOR: usize = 500;

/// The refs that may be the default branch, best first.
const DEFAULT_BRANCHES: [&str; 5] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

/// A commit as the plan needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) id: String,
    /// Seconds since 1970, of the committer; it becomes `SOURCE_DATE_EPOCH`.
    pub(crate) time: u64,
    /// `None` with a detached HEAD.
    pub(crate) branch: Option<String>,
    /// Tracked files were changed or files were added, so the working tree is not what the commit says.
    pub(crate) dirty: bool,
}

/// A file as it would be built. Paths are bytes: git promises nothing about their encoding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File {
    pub(crate) path: BString,
    /// The git mode: `100644`, `100755`, `120000` (symlink), `160000` (submodule). What is no file has a word of its own.
    pub(crate) mode: &'static str,
    /// What identifies the content: a git object id, or a hash of the working file where that differs.
    pub(crate) content: String,
}

/// How a path of the working tree deviates from the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deviation {
    /// The commit has it, and here it is changed or removed.
    Dirty(BString),
    /// The commit does not have it, and it is not ignored. A repository within this one ends in `/`.
    Added(BString),
    /// Ignored by git; a folder ends in `/`.
    Ignored(BString),
}

impl Deviation {
    /// Whether it is hephy's own folder or lies in it.
    fn is_own(&self) -> bool {
        let (Self::Dirty(path) | Self::Added(path) | Self::Ignored(path)) = self;
        path.starts_with(b".hephy/")
    }

    /// The path, if it makes the working tree something else than the commit.
    fn unlike_commit(&self) -> Option<&BStr> {
        match self {
            Self::Dirty(path) | Self::Added(path) => Some(path.as_bstr()),
            Self::Ignored(_) => None,
        }
    }
}

/// What git knows about a checkout.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
    pub(crate) commit: Commit,
    /// The files that are here just as in the commit, sorted by path: all that no deviation names and that a sparse
    /// checkout does not leave out.
    pub(crate) files: Vec<File>,
    /// The folders of all submodules.
    pub(crate) submodules: Vec<BString>,
    pub(crate) deviations: Vec<Deviation>,
    /// The parents of the commit; none for the first commit, and where a shallow clone ends.
    pub(crate) parents: Vec<String>,
    /// The ref of the default branch, if it is in the clone and not this very commit.
    pub(crate) default_branch: Option<String>,
    /// History was cut off when this was cloned.
    pub(crate) is_shallow: bool,
}

impl Checkout {
    /// The files that are in the commit or could be added to it, and those that were removed here.
    pub(crate) fn listed(&self) -> Vec<&BStr> {
        let same = self.files.iter().filter(|file| file.mode != SUBMODULE).map(|file| file.path.as_bstr());
        same.chain(self.unlike_commit().filter(|path| !path.ends_with(b"/"))).collect()
    }

    /// The repositories within this one, of which git lists no files: submodules, and clones that nobody added.
    pub(crate) fn repositories(&self) -> Vec<&BStr> {
        let clones = self.unlike_commit().filter_map(|path| path.strip_suffix(b"/").map(BStr::new));
        self.submodules.iter().map(|path| path.as_bstr()).chain(clones).collect()
    }

    /// The paths in which the working tree is something else than the commit. Git can name one twice: removed from the
    /// index, and there all the same.
    pub(crate) fn unlike_commit(&self) -> impl Iterator<Item = &BStr> {
        self.deviations.iter().filter_map(Deviation::unlike_commit)
    }
}

/// Why git could not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("find a git repository at `{directory}` or above it")]
    NoRepository { directory: PathBuf },
    #[error("read the commit of `{root}`: the repository has no commit yet")]
    Empty { root: PathBuf },
    #[error("compare with the base `{base}`")]
    Base { base: String, source: ExecError },
    #[error("compare with the base `{base}`: a ref does not start with `-`")]
    OptionLikeBase { base: String },
    #[error("fetch the base `{base}`")]
    Fetch { base: String, source: ExecError },
    #[error("fetch the base `{base}`: `origin` took longer than {} s", patience.as_secs())]
    FetchTooSlow { base: String, patience: std::time::Duration },
    #[error("fetch the base `{base}`: it is no commit and no name that `origin` could know")]
    Unfetchable { base: String },
    #[error("compare with the base `{base}`: it has no commit in common with HEAD")]
    NoMergeBase { base: String },
    #[error("compare with the base `{base}`: it is no ancestor of HEAD")]
    NoAncestor { base: String },
    #[error("ask git about `{root}`")]
    Git { root: PathBuf, source: ExecError },
    #[error("understand what `git {command}` printed")]
    Output { command: &'static str },
}

/// How the base was found, which decides how the difference is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The base's own tree: the user or the CI system named it.
    Tree,
    /// The tree of the last common commit: the base is a branch that went on.
    MergeBase,
    /// The base's own tree, if it is an ancestor of HEAD: somebody foreign named the base by its full id.
    Ancestor,
}

/// The root of the repository that `directory` is in: the nearest folder with a `.git` (a file in worktrees).
pub(crate) fn find_root(directory: &Path) -> Result<PathBuf, GitError> {
    let root = directory.ancestors().find(|folder| folder.join(".git").exists());
    root.map(Path::to_owned).ok_or_else(|| GitError::NoRepository { directory: directory.to_owned() })
}

/// Reads the checkout at `root`. `default_branch` is its name, where somebody knows it.
pub(crate) async fn read(root: &Path, default_branch: Option<&str>) -> Result<Checkout, GitError> {
    let status = program(root).args(["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"]);
    let status = status.args(["--ignored=matching", "--no-renames", "--ignore-submodules=none"]);
    let status = status.arg("--no-ahead-behind");
    let log = program(root).args(["log", "--no-walk=unsorted", "--ignore-missing", "--no-show-signature"]);
    let log = log.args(["--format=%H %ct %S %P", "HEAD"]).args(default_branch.map(remote_branch));
    // Without the dashes, a file that is called `HEAD` makes git ask which of the two is meant.
    let log = log.args(DEFAULT_BRANCHES).arg("--");
    let index = program(root).args(["ls-files", "--stage", "-v", "-z"]);
    // `status` takes longest by far, and what the index holds is understood while it runs.
    let index = async { exec::capture(&index).await.map(|output| parse::index(&output)) };
    let (status, log, index) = tokio::join!(exec::capture(&status), exec::capture(&log), index);
    let fault = |source| GitError::Git { root: root.to_owned(), source };
    let mut status = parse::status(&status.map_err(fault)?).ok_or(GitError::Output { command: "status" })?;
    if status.is_initial {
        return Err(GitError::Empty { root: root.to_owned() });
    }
    // What hephy itself keeps there, such as the plan of another job, is no change of the user.
    status.deviations.retain(|deviation| !deviation.is_own());
    let log = parse::log(&log.map_err(fault)?).ok_or(GitError::Output { command: "log" })?;
    let index = index.map_err(fault)?.ok_or(GitError::Output { command: "ls-files" })?;
    // Nobody has compared these: a file that is there counts as changed, because nothing proves that it is not.
    let is_here = |path: &BString| root.join(path.to_path_lossy()).symlink_metadata().is_ok();
    status.deviations.extend(index.unwatched.into_iter().filter(is_here).map(Deviation::Dirty));
    let mut files = index.files;
    let submodules =
        files.iter().filter(|file| file.mode == SUBMODULE).map(|file| file.path.clone()).collect();
    let unlike: HashSet<&BStr> = status.deviations.iter().filter_map(Deviation::unlike_commit).collect();
    let dirty = !unlike.is_empty();
    if dirty {
        files.retain(|file| !unlike.contains(file.path.as_bstr()));
    }
    conversion::tell_apart(root, &mut files);
    Ok(Checkout {
        root: root.to_owned(),
        commit: Commit { id: log.id, time: log.time, branch: status.branch, dirty },
        files,
        submodules,
        deviations: status.deviations,
        parents: log.parents,
        default_branch: log.default_branch,
        is_shallow: is_shallow(root),
    })
}

/// The ref of a branch of `origin`.
pub(crate) fn remote_branch(name: &str) -> String {
    format!("refs/remotes/origin/{name}")
}

/// The name of the branch that a ref is; none for `HEAD`, which only points at one.
pub(crate) fn branch_name(reference: &str) -> Option<&str> {
    let local = || reference.strip_prefix("refs/heads/");
    reference.strip_prefix("refs/remotes/origin/").or_else(local).filter(|name| *name != "HEAD")
}

/// Git keeps the commits at which history was cut off in a file of that name, in the folder that worktrees share.
fn is_shallow(root: &Path) -> bool {
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(PathBuf::from(text.trim().trim_start_matches("gitdir: ")))
    };
    let link = root.join(".git");
    let own = read(&link).map_or(link, |path| root.join(path));
    let common = read(&own.join("commondir")).map_or(own.clone(), |path| own.join(path));
    common.join("shallow").metadata().is_ok_and(|file| file.len() > 0)
}

/// The paths that differ between `base` and HEAD, both old and new names of what moved.
pub(crate) async fn changes(
    root: &Path,
    base: &str,
    comparison: Comparison,
) -> Result<Vec<BString>, GitError> {
    // `--end-of-options` is younger than the flags used here, and an option that looks like a ref creates files.
    if base.starts_with('-') {
        return Err(GitError::OptionLikeBase { base: base.to_owned() });
    }
    if comparison == Comparison::Ancestor {
        return newest_ancestor(root, &[base]).await.map(|(_, changes)| changes);
    }
    let diff = program(root).args(["diff-tree", "-r", "-z", "--raw", "--no-renames"]);
    let diff = diff.args(["--ignore-submodules=none", "--no-ext-diff"]);
    let diff = if comparison == Comparison::MergeBase { diff.arg("--merge-base") } else { diff };
    // Two trees are compared, and git would read the whole index first. There is none at this place.
    let diff = diff.args([base, "HEAD", "--"]).env("GIT_INDEX_FILE", "/nonexistent/index");
    let output = exec::capture(&diff).await;
    let output = output.map_err(|source| GitError::Base { base: base.to_owned(), source })?;
    parse::changes(&output).ok_or(GitError::Output { command: "diff-tree" })
}

/// The newest of `commits`, full ids, along the first parents of HEAD, and the paths that differ between the two. One
/// process answers both: the differences on the way, added up. `NoAncestor` also where it is farther away than is worth
/// reading, or was merged; healing asks for that.
pub(crate) async fn newest_ancestor(
    root: &Path,
    commits: &[&str],
) -> Result<(String, Vec<BString>), GitError> {
    let base = || commits.join(", ");
    let log = program(root).args(["log", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff"]);
    let log = log.args(["--ignore-submodules=none", "--no-relative", "--no-color", "--no-show-signature"]);
    let log = log.args(["--no-notes", "--first-parent", "-m", "--format=%H %P"]);
    let log = log.arg(format!("--max-count={FARTHEST_ANCESTOR}")).arg("HEAD");
    let log = log.args(commits.iter().map(|id| format!("^{id}"))).arg("--");
    let output = exec::capture(&log).await.map_err(|source| GitError::Base { base: base(), source })?;
    match parse::history(&output).ok_or(GitError::Output { command: "log" })? {
        (Some(start), changes) if commits.contains(&start.as_str()) => Ok((start, changes)),
        _ => Err(GitError::NoAncestor { base: base() }),
    }
}

/// Git with everything off that makes its answer depend on the machine (facts: replace refs, lazy fetches, locale), with
/// the programs off that the repository's own settings may name, and without the settings that let it overlook what a
/// build sees: permissions, links that are files, times.
fn program(root: &Path) -> Program {
    let program = Program::new("git", root).env("LC_ALL", "C");
    let program = program.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_OPTIONAL_LOCKS", "0");
    let program = program.env("GIT_NO_LAZY_FETCH", "1");
    let program = program.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    let program = program.args(["-c", "core.fileMode=true", "-c", "core.symlinks=true"]);
    let program = program.args(["-c", "core.checkStat=default", "-c", "core.trustctime=true"]);
    ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SHALLOW_FILE"]
        .into_iter()
        .fold(program, Program::env_remove)
}
