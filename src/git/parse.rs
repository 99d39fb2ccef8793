//! Reading what git prints. All of it is NUL-separated, so no path can break a record.

use super::{Deviation, File, SUBMODULE};
use bstr::{BString, ByteSlice as _};
use std::collections::BTreeMap;

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

/// What the index holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// Sorted by path.
    pub(super) files: Vec<File>,
    /// The files of which `status` does not look at the working tree.
    pub(super) unwatched: Vec<BString>,
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

/// Changed entries have eight fields before the path, unmerged ones ten, untracked and ignored ones one. The mode in the
/// commit, of zeros if it does not have the file, is the fourth of a changed entry, and the fifth of an unmerged one.
fn deviation(record: &[u8]) -> Option<Deviation> {
    let path = |fields: usize| record.splitn_str(fields + 1, " ").nth(fields).map(BString::from);
    let tracked = |fields: usize, mode: usize| {
        let is_new = record.split_str(" ").nth(mode)? == b"000000";
        Some(if is_new { Deviation::Added(path(fields)?) } else { Deviation::Dirty(path(fields)?) })
    };
    match record.first()? {
        b'1' => tracked(8, 3),
        b'u' => tracked(10, 4),
        b'?' => path(1).map(Deviation::Added),
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

/// `git ls-files --stage -v -z`: `TAG MODE ID STAGE TAB PATH`. A tag in lower case is of a file that git was told to take
/// for unchanged, an `S` of one that is not to be in the working tree.
pub(super) fn index(output: &[u8]) -> Option<Index> {
    let mut index = Index { files: Vec::with_capacity(output.len() / 100), unwatched: vec![] };
    for record in records(output) {
        let (fields, path) = record.split_once_str("\t")?;
        let mut fields = fields.split_str(" ");
        let (tag, mode, id) = (fields.next()?, mode(fields.next()?)?, fields.next()?);
        let (is_merged, path) = (fields.next()? == b"0", BString::from(path));
        match tag {
            b"S" | [b'a'..=b'z'] => index.unwatched.push(path),
            // `status` names what is not merged, and what it is comes from the working tree.
            _ if !is_merged => {}
            _ => index.files.push(File { path, mode, content: id.to_str().ok()?.to_owned() }),
        }
    }
    if !index.files.is_sorted_by(|left, right| left.path <= right.path) {
        index.files.sort();
    }
    Some(index)
}

fn mode(text: &[u8]) -> Option<&'static str> {
    ["100644", "100755", "120000", SUBMODULE].into_iter().find(|mode| mode.as_bytes() == text)
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

/// `git log --first-parent -m -z --raw --no-abbrev --format='%H %P'`, newest first: the first parent of the oldest commit,
/// and the paths that differ between that and the newest one. A path that was changed and changed back is none of them.
pub(super) fn history(output: &[u8]) -> Option<(Option<String>, Vec<BString>)> {
    let mut paths: BTreeMap<BString, (Side<'_>, Side<'_>)> = BTreeMap::new();
    let mut next: Option<&[u8]> = None;
    let mut rest = records(output).map(|record| record.strip_prefix(b"\n").unwrap_or(record));
    while let Some(record) = rest.next() {
        let fields: Vec<&[u8]> = record.split_str(" ").collect();
        if let [old_mode, new_mode, old, new, _] = fields.as_slice()
            && let Some(old_mode) = old_mode.strip_prefix(b":")
        {
            let sides = ((old_mode, *old), (*new_mode, *new));
            paths.entry(rest.next()?.into()).and_modify(|known| known.0 = sides.0).or_insert(sides);
            continue;
        }
        let (id, parents) = fields.split_first()?;
        // The line of first parents has no gaps.
        if !is_object_id(id) || next.is_some_and(|next| next != *id) {
            return None;
        }
        next = Some(parents.first().copied().unwrap_or_default());
    }
    let changed = paths.into_iter().filter(|(_, (old, new))| old != new).map(|(path, _)| path);
    Some((next.map(|id| id.to_str_lossy().into_owned()), changed.collect()))
}

/// Mode and content of a path on one side of a difference.
type Side<'a> = (&'a [u8], &'a [u8]);

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
    use bstr::BStr;

    #[test]
    fn status_tells_branch_and_deviations() {
        let output = "# branch.oid 4fd5\0# branch.head main\x001 .M N... 100644 100644 100644 aa bb a b/ü\n.txt\0\
            ? new file\0! target/\0u UU N... 1 2 3 4 a b c both\x001 A. N... 000000 100644 100644 00 bb staged\0\
            u UA N... 0 000000 3 4 a b c theirs\0";
        let status = status(output.as_bytes()).expect("documented output");
        assert_eq!(status.branch.as_deref(), Some("main"));
        let expected = [
            Deviation::Dirty("a b/ü\n.txt".into()),
            Deviation::Added("new file".into()),
            Deviation::Ignored("target/".into()),
            Deviation::Dirty("both".into()),
            Deviation::Added("staged".into()),
            Deviation::Added("theirs".into()),
        ];
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
    fn the_index_keeps_paths_as_bytes_and_knows_what_git_does_not_look_at() {
        let output =
            b"H 120000 aa 0\ta\tb\0M 100644 bb 1\tboth\0M 100644 cc 2\tboth\0h 100644 dd 0\tfrozen\0\
            S 100644 dd 0\tsparse\0s 100644 dd 0\tsparser\0H 100755 bb 0\tz\xff\0";
        let index = super::index(output).expect("documented output");
        let paths: Vec<&BStr> = index.files.iter().map(|file| file.path.as_bstr()).collect();
        assert_eq!(paths, [BStr::new("a\tb"), BStr::new(b"z\xff")]);
        assert_eq!((index.files[0].mode, index.files[1].content.as_str()), ("120000", "bb"));
        assert_eq!(index.unwatched, ["frozen", "sparse", "sparser"]);
        assert_eq!(super::index(b"H 123456 aa 0\tx\0"), None);
    }

    #[test]
    fn changes_are_paths() {
        let output = b":100644 100644 aa bb M\0api/x\0:000000 100644 00 cc A\0new\nline\0";
        assert_eq!(changes(output).expect("documented output"), ["api/x", "new\nline"]);
        assert_eq!(changes(b"noise\0"), None);
    }

    #[test]
    fn history_is_one_difference_from_its_start() {
        let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(40));
        let newest = format!("{a} {b}\0\n:100644 100755 3 3 M\0x\0:000000 100644 0 5 A\0:y z\0");
        let middle = format!("{b} {c} {a}\0\n:100644 000000 5 0 D\0:y z\0:100644 100644 1 2 M\0w\0");
        let start = |text: &str| (Some(text.to_owned()), vec![BString::from("w"), BString::from("x")]);
        // `:y z` went and came back; one commit changed nothing.
        assert_eq!(history(format!("{newest}{middle}").as_bytes()), Some(start(&c)));
        let empty = format!("{c} {a} {b}\0");
        assert_eq!(history(format!("{newest}{middle}{empty}").as_bytes()), Some(start(&a)));
        // A first commit has no parent, and no commit is no history.
        assert_eq!(history(format!("{a} \0").as_bytes()), Some((Some(String::new()), vec![])));
        assert_eq!(history(b""), Some((None, vec![])));
        // Gaps and noise.
        for noise in [format!("{newest}{empty}"), "noise\0".to_owned(), format!("{a} {b}\0:1 1 1 1 M\0")] {
            assert_eq!(history(noise.as_bytes()), None, "{noise}");
        }
    }

    /// Coverage-guided with `./dev fuzz`, some random bytes in an ordinary run.
    #[test]
    fn fuzz_what_git_prints() {
        bolero::check!().for_each(|output: &[u8]| {
            let _ = (status(output), log(output), index(output), changes(output), history(output));
        });
    }

    proptest::proptest! {
        #[test]
        fn no_output_makes_it_panic(output in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let records = output.iter().map(|byte| b"\0\t :12u?!#a0"[usize::from(*byte) % 12]).collect::<Vec<u8>>();
            for output in [&output, &records] {
                let _ = (status(output), log(output), super::index(output), changes(output), history(output));
            }
        }
    }
}
