//! Healing: bringing a base into a clone that lacks it, by the cheapest fetch that can.
//!
//! Never a loop that deepens, and never file contents: a comparison needs the base's trees, and for a merge base the
//! commits between.

use super::{Comparison, GitError, program};
use crate::exec::{self, ExecError, Program};
use std::path::Path;
use std::time::Duration;

/// A base only explains, so nobody should wait long for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a server says that answers and does not have, or does not give, what was asked for.
const REFUSALS: [&str; 4] =
    ["not our ref", "couldn't find remote ref", "unadvertised object", "no such remote ref"];

/// Fetches what the comparison with `base` lacks, and returns the commit that HEAD's tree can now be compared with.
/// The caller has seen the comparison fail.
pub(crate) async fn heal(
    root: &Path,
    is_shallow: bool,
    base: &str,
    comparison: Comparison,
) -> Result<String, GitError> {
    let commit = match comparison {
        Comparison::Tree => commit(root, is_shallow, base).await?,
        Comparison::MergeBase => merge_base(root, is_shallow, base).await?,
        // Where history is cut off, nobody can tell whether it is an ancestor.
        Comparison::Ancestor if is_shallow => commit(root, is_shallow, base).await?,
        Comparison::Ancestor => ancestor(root, base).await?,
    };
    ensure_tree(root, &commit).await?;
    Ok(commit)
}

/// The commit by itself: no history, no file contents.
async fn commit(root: &Path, is_shallow: bool, base: &str) -> Result<String, GitError> {
    if let Ok(id) = id(root, base).await {
        return Ok(id);
    }
    let wanted = match base {
        "HEAD^1" => first_parent(root, base).await?,
        base => base.to_owned(),
    };
    let (refspec, local) = refspec(&wanted).ok_or_else(|| unknown(base))?;
    // A clone that is whole must not become shallow.
    let options: &[&str] = if is_shallow { &["--depth=1", "--filter=blob:none"] } else { &[] };
    fetch(root, base, options, &[&refspec]).await?;
    id(root, &local).await.map_err(fault(root))
}

/// Where a shallow clone ends, git hides the parents of the commit; the commit itself still names them.
async fn first_parent(root: &Path, base: &str) -> Result<String, GitError> {
    let text = ask(root, &["cat-file", "commit", "HEAD"]).await.map_err(fault(root))?;
    let header = text.lines().take_while(|line| !line.is_empty());
    let mut parents = header.filter_map(|line| line.strip_prefix("parent "));
    parents.next().map(str::to_owned).ok_or_else(|| unknown(base))
}

/// The last common commit: the names of all commits are needed for it, and nothing of what is in them.
async fn merge_base(root: &Path, is_shallow: bool, base: &str) -> Result<String, GitError> {
    if let Ok(id) = ask(root, &["merge-base", "HEAD", base]).await {
        return Ok(id);
    }
    if !is_shallow && id(root, base).await.is_ok() {
        return Err(GitError::NoMergeBase { base: base.to_owned() });
    }
    let (refspec, local) = match refspec(base) {
        Some((refspec, local)) => (Some(refspec), local),
        None if is_shallow => (None, base.to_owned()),
        // Without a name to ask for, git would fetch every branch there is.
        None => return Err(unknown(base)),
    };
    let refspecs: Vec<&str> = refspec.as_deref().into_iter().collect();
    let options: &[&str] = if is_shallow { &["--unshallow", "--filter=tree:0"] } else { &[] };
    fetch(root, base, options, &refspecs).await?;
    ask(root, &["merge-base", "HEAD", &local])
        .await
        .map_err(|_| GitError::NoMergeBase { base: base.to_owned() })
}

/// The commit, if it is an ancestor of HEAD. A clone with all of its history has all ancestors, so nothing is fetched.
async fn ancestor(root: &Path, base: &str) -> Result<String, GitError> {
    match ask(root, &["merge-base", "HEAD", base]).await {
        Ok(id) if id == base => Ok(id),
        _ => Err(GitError::NoAncestor { base: base.to_owned() }),
    }
}

/// The folders of a commit: clones without trees have the commit and nothing else of it.
async fn ensure_tree(root: &Path, commit: &str) -> Result<(), GitError> {
    let tree = ask(root, &["log", "--no-walk", "--no-show-signature", "--format=%T", commit, "--"]).await;
    let tree = tree.map_err(fault(root))?;
    if ask(root, &["cat-file", "-e", &tree]).await.is_ok() {
        return Ok(());
    }
    // Git would tell the server that it has this commit, and the server would believe that it has its tree too.
    let quiet = ["-c", "fetch.negotiationAlgorithm=noop"];
    fetch_with(root, commit, &quiet, &["--filter=blob:none"], &[&tree]).await
}

/// What to ask the server for, and the name that it has here afterwards. `None` for what only this clone can know.
fn refspec(base: &str) -> Option<(String, String)> {
    let is_id = matches!(base.len(), 40 | 64) && base.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return Some((base.to_owned(), base.to_owned()));
    }
    let special = |c: char| c.is_ascii_control() || " ~^:?*[\\@+".contains(c);
    if base.contains(special) || base.contains("..") || base.starts_with('-') || base == "HEAD" {
        return None;
    }
    if let Some(branch) = base.strip_prefix("refs/remotes/origin/").or_else(|| base.strip_prefix("origin/")) {
        let local = format!("refs/remotes/origin/{branch}");
        return (branch != "HEAD").then(|| (format!("+refs/heads/{branch}:{local}"), local));
    }
    Some((base.to_owned(), "FETCH_HEAD".to_owned()))
}

async fn fetch(root: &Path, base: &str, options: &[&str], refspecs: &[&str]) -> Result<(), GitError> {
    fetch_with(root, base, &[], options, refspecs).await
}

async fn fetch_with(
    root: &Path,
    base: &str,
    settings: &[&str],
    options: &[&str],
    refspecs: &[&str],
) -> Result<(), GitError> {
    let git = program(root).env("GIT_TERMINAL_PROMPT", "0").args(["-c", "protocol.version=2"]).args(settings);
    let git = git.args(["fetch", "--quiet", "--no-tags", "--recurse-submodules=no", "--no-auto-maintenance"]);
    let git = git.args(options).arg("origin").args(refspecs);
    let fetched = tokio::time::timeout(PATIENCE, exec::capture(&git)).await;
    match fetched {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(source)) => Err(GitError::Fetch { base: base.to_owned(), source }),
        Err(_) => Err(GitError::FetchTooSlow { base: base.to_owned(), patience: PATIENCE }),
    }
}

async fn id(root: &Path, base: &str) -> Result<String, ExecError> {
    ask(root, &["rev-parse", "--verify", "--quiet", &format!("{base}^{{commit}}")]).await
}

async fn ask(root: &Path, arguments: &[&str]) -> Result<String, ExecError> {
    let output = exec::capture(&Program::args(program(root), arguments)).await?;
    Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
}

fn fault(root: &Path) -> impl Fn(ExecError) -> GitError {
    move |source| GitError::Git { root: root.to_owned(), source }
}

fn unknown(base: &str) -> GitError {
    GitError::Unfetchable { base: base.to_owned() }
}

impl GitError {
    /// Whether a further fetch would most likely fail too: the server was not reached, or does not let us in.
    pub(crate) fn is_offline(&self) -> bool {
        match self {
            Self::Fetch { source: ExecError::Failed { last_lines, .. }, .. } => {
                !last_lines.iter().any(|line| REFUSALS.iter().any(|refusal| line.contains(refusal)))
            }
            Self::Fetch { .. } | Self::FetchTooSlow { .. } => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::refspec;

    #[test]
    fn only_names_and_ids_are_asked_for() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        for (base, expected) in [
            (id, Some((id, id))),
            ("origin/main", Some(("+refs/heads/main:refs/remotes/origin/main", "refs/remotes/origin/main"))),
            (
                "refs/remotes/origin/a/b",
                Some(("+refs/heads/a/b:refs/remotes/origin/a/b", "refs/remotes/origin/a/b")),
            ),
            ("v1.2.0", Some(("v1.2.0", "FETCH_HEAD"))),
            ("HEAD", None),
            ("HEAD^1", None),
            ("main@{1}", None),
            ("+refs/*:refs/*", None),
            ("a:b", None),
            ("a..b", None),
            ("--upload-pack=x", None),
            ("origin/HEAD", None),
        ] {
            let found = refspec(base);
            let found = found.as_ref().map(|(spec, local)| (spec.as_str(), local.as_str()));
            assert_eq!(found, expected, "{base}");
        }
    }
}
