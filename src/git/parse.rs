//! Reading what git prints. All of it is NUL-separated, so no path can break a record.

use super::{Deviation, File};
use bstr::{BString, ByteSlice as _};

/// `git status --porcelain=v2 --branch -z`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) is_initial: bool,
    pub(super) branch: Option<String>,
    pub(super) deviations: Vec<Deviation>,
}

/// `git log --format='%H %ct %S %P'` of HEAD and the refs that may be the default branch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) id: String,
    pub(super) time: u64,
    pub(super) parents: Vec<String>,
    pub(super) default_branch: Option<String>,
}

/// `None` where the output is not what git documents.
pub(super) fn status(output: &[u8]) -> Option<Status> {
    let mut status = Status { is_initial: false, branch: None, deviations: vec![] };
    for record in records(output) {
        if let Some(header) = record.strip_prefix(b"# ") {
            match header.split_once_str(" ") {
                Some((b"branch.oid", b"(initial)")) => status.is_initial = true,
                Some((b"branch.head", name)) if name != b"(detached)" => {
                    status.branch = Some(name.to_str_lossy().into_owned());
                }
                _ => {}
            }
        } else {
            status.deviations.push(deviation(record)?);
        }
    }
    Some(status)
}

/// Changed entries have eight fields before the path, unmerged ones ten, untracked and ignored ones one.
fn deviation(record: &[u8]) -> Option<Deviation> {
    let path = |fields: usize| record.splitn_str(fields + 1, " ").nth(fields).map(BString::from);
    match record.first()? {
        b'1' => path(8).map(Deviation::Dirty),
        b'u' => path(10).map(Deviation::Dirty),
        b'?' => path(1).map(Deviation::Dirty),
        b'!' => path(1).map(Deviation::Ignored),
        _ => None,
    }
}

/// The first line is HEAD; a ref that points at HEAD is not listed again.
pub(super) fn log(output: &[u8]) -> Option<Log> {
    let text = output.to_str_lossy();
    let mut lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let head = lines.next()?;
    let default_branch = lines.next().and_then(|fields| fields.get(2).map(|name| (*name).to_owned()));
    let parents = head.iter().skip(3).filter(|parent| !parent.is_empty());
    Some(Log {
        id: (*head.first()?).to_owned(),
        time: head.get(1)?.parse().ok()?,
        parents: parents.map(|parent| (*parent).to_owned()).collect(),
        default_branch,
    })
}

/// `git ls-tree -r -z`: `MODE TYPE ID TAB PATH`.
pub(super) fn tree(output: &[u8]) -> Option<Vec<File>> {
    let file = |record: &[u8]| {
        let (fields, path) = record.split_once_str("\t")?;
        let mut fields = fields.to_str().ok()?.split(' ');
        let (mode, content) = (fields.next()?.to_owned(), fields.nth(1)?.to_owned());
        Some(File { path: path.into(), mode, content })
    };
    let mut files = records(output).map(file).collect::<Option<Vec<File>>>()?;
    files.sort();
    Some(files)
}

/// `git diff-tree -r -z --raw`: a record of modes and ids that starts with `:`, then a record with the path.
pub(super) fn changes(output: &[u8]) -> Option<Vec<BString>> {
    let mut paths = vec![];
    let mut rest = records(output);
    while let Some(record) = rest.next() {
        if record.starts_with(b":") {
            paths.push(BString::from(rest.next()?));
        } else if !is_object_id(record) {
            return None;
        }
    }
    paths.sort();
    Some(paths)
}

/// With `--merge-base`, git prints the commit it compared with.
fn is_object_id(record: &[u8]) -> bool {
    matches!(record.len(), 40 | 64) && record.iter().all(u8::is_ascii_hexdigit)
}

fn records(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split_str("\0").filter(|record| !record.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_tells_branch_and_deviations() {
        let output = "# branch.oid 4fd5\0# branch.head main\x001 .M N... 100644 100644 100644 aa bb a b/ü\n.txt\0\
            ? new file\0! target/\0u UU N... 1 2 3 4 a b c both\0";
        let status = status(output.as_bytes()).expect("documented output");
        assert_eq!(status.branch.as_deref(), Some("main"));
        let dirty = |path: &str| Deviation::Dirty(path.into());
        let expected =
            [dirty("a b/ü\n.txt"), dirty("new file"), Deviation::Ignored("target/".into()), dirty("both")];
        assert_eq!(status.deviations, expected);
    }

    #[test]
    fn an_empty_repository_and_a_detached_head_are_told_apart() {
        let initial = status(b"# branch.oid (initial)\0# branch.head main\0").expect("documented output");
        assert!(initial.is_initial);
        let detached = status(b"# branch.oid 4fd5\0# branch.head (detached)\0").expect("documented output");
        assert_eq!((detached.is_initial, detached.branch), (false, None));
    }

    #[test]
    fn the_log_gives_the_commit_its_parents_and_the_default_branch() {
        for (output, parents, branch) in [
            ("aa 17 HEAD \n", &[][..], None),
            ("aa 17 HEAD cc\n", &["cc"], None),
            (
                "aa 17 HEAD cc dd\nbb 16 refs/remotes/origin/main ee\n",
                &["cc", "dd"],
                Some("refs/remotes/origin/main"),
            ),
        ] {
            let log = log(output.as_bytes()).expect("documented output");
            assert_eq!((log.id.as_str(), log.time, log.default_branch.as_deref()), ("aa", 17, branch));
            assert_eq!(log.parents, parents);
        }
        assert_eq!(super::log(b""), None);
    }

    #[test]
    fn trees_keep_paths_as_bytes() {
        let files = tree(b"100644 blob bb\tz\xff\x00120000 blob aa\ta\tb\0").expect("documented output");
        assert_eq!(files[0].path, "a\tb");
        assert_eq!(files[1].path, BString::from(b"z\xff".to_vec()));
        assert_eq!(files[0].mode, "120000");
    }

    #[test]
    fn changes_are_paths() {
        let output = b":100644 100644 aa bb M\0api/x\0:000000 100644 00 cc A\0new\nline\0";
        assert_eq!(changes(output).expect("documented output"), ["api/x", "new\nline"]);
        assert_eq!(changes(b"noise\0"), None);
    }

    /// Coverage-guided with `./dev fuzz`, some random bytes in an ordinary run.
    #[test]
    fn fuzz_what_git_prints() {
        bolero::check!().for_each(|output: &[u8]| {
            let _ = (status(output), log(output), tree(output), changes(output));
        });
    }

    proptest::proptest! {
        #[test]
        fn no_output_makes_it_panic(output in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let records = output.iter().map(|byte| b"\0\t :12u?!#a0"[usize::from(*byte) % 12]).collect::<Vec<u8>>();
            for output in [&output, &records] {
                let _ = (status(output), log(output), tree(output), changes(output));
            }
        }
    }
}
