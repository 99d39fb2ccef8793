use super::*;
use crate::git::Commit;
use crate::git::{Deviation, File};
use std::borrow::Cow;
use std::os::unix::fs::symlink;

/// A folder with these files, and the checkout that git would report: nothing is committed, and `ignored` is ignored.
fn checkout(files: &[&str], ignored: &[&str]) -> (tempfile::TempDir, Checkout) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for path in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        std::fs::write(&path, path.as_os_str().as_encoded_bytes()).expect("write the file");
    }
    let checkout = Checkout {
        root: folder.path().canonicalize().expect("a folder"),
        commit: Commit { id: "0".repeat(40), time: 0, branch: None, dirty: false },
        files: vec![],
        submodules: vec![],
        deviations: ignored.iter().map(|path| Deviation::Ignored((*path).into())).collect(),
        parents: vec![],
        default_branch: None,
        is_shallow: false,
    };
    (folder, checkout)
}

fn component() -> Component {
    Component::new("api".parse().expect("a name"), "api", "hephy.yaml:1")
}

fn paths(files: &[File]) -> Vec<String> {
    files.iter().map(|file| file.path.to_string()).collect()
}

#[test]
fn ignored_files_are_found_where_rules_and_ignored_folders_meet() {
    let files =
        ["api/dist/run", "api/dist/data/x", "api/.env", "api2/x", "gen/style.css", ".hephy/oci/x", "top"];
    let ignored = ["api/dist/", "api/.env", "api2/", "gen/", ".hephy/", "top"];
    let (_folder, checkout) = checkout(&files, &ignored);
    let path = |path: &str| Pattern::Path(path.to_owned());
    let glob = |glob: &str| Pattern::Glob(glob.to_owned());
    for (pattern, expected) in [
        // The ignored folder lies below what is read,
        (path("api"), &["api/.env", "api/dist/data/x", "api/dist/run"][..]),
        // or what is read lies below the ignored folder,
        (path("api/dist/run"), &["api/dist/run"]),
        (path("api/dist/data"), &["api/dist/data/x"]),
        (path("api/src"), &[]),
        // or everything is read but hephy's own folder.
        (path(""), &["api/.env", "api/dist/data/x", "api/dist/run", "api2/x", "gen/style.css", "top"]),
        (glob("gen/*.css"), &["gen/style.css"]),
        (glob("api/dist/**"), &["api/dist/data/x", "api/dist/run"]),
        (glob("src/*.css"), &[]),
    ] {
        let rule = Rule::new(pattern.clone(), "");
        let reads = Reads { rules: vec![rule], caches: true, ..Reads::default() };
        let found = ignored_files(&checkout, &reads, &|_| true).expect("readable");
        assert_eq!(paths(&found), expected, "{pattern:?}");
    }
}

#[test]
fn ignored_files_that_nobody_wants_are_left_out() {
    // Given an ignored folder with a file and a link,
    let (_folder, checkout) = checkout(&["api/dist/run"], &["api/dist/"]);
    symlink("/nowhere", checkout.root.join("api/dist/link")).expect("create the link");
    let reads = Reads { rules: vec![Rule::path("api", "")], caches: true, ..Reads::default() };
    // when only the link is wanted, then only it is found, as a link.
    let found = ignored_files(&checkout, &reads, &|path| !path.ends_with(b"run")).expect("readable");
    assert_eq!((paths(&found), found[0].mode), (vec!["api/dist/link".to_owned()], "120000"));
}

#[test]
fn caches_are_inputs_only_of_backends_that_read_them() {
    let (_folder, checkout) = checkout(&["target/CACHEDIR.TAG", "target/x"], &["target/"]);
    for (caches, expected) in [(true, &["target/CACHEDIR.TAG", "target/x"][..]), (false, &[])] {
        let reads = Reads { rules: vec![Rule::path("", "")], caches, ..Reads::default() };
        assert_eq!(paths(&ignored_files(&checkout, &reads, &|_| true).expect("readable")), expected);
    }
}

#[test]
fn what_links_lead_to_is_followed_until_nothing_is_new() {
    let (_folder, checkout) = checkout(&["api/own", "shared/a", "shared/deep/b"], &[]);
    let link = |target: &str, path: &str| {
        symlink(target, checkout.root.join(path)).expect("create the link");
        Cow::Owned(File { path: path.into(), mode: "120000", content: target.to_owned() })
    };
    let selected =
        [link("../shared", "api/link"), link("own", "api/inside"), link("nowhere", "api/dangling")];
    link("../api", "shared/back");
    let found = behind_links(&checkout, &component(), &[], &selected).expect("readable");
    let mut found = paths(&found);
    found.sort();
    assert_eq!(
        found,
        ["api/dangling", "api/inside", "api/link", "api/own", "shared/a", "shared/back", "shared/deep/b"]
    );
    // A link out of the repository leads to what nobody can watch.
    let out = [link("/etc/passwd", "api/out")];
    let error = behind_links(&checkout, &component(), &[], &out).expect_err("outside").to_string();
    assert_eq!(error, "list the inputs of `api`: it depends on `/etc/passwd`, outside the repository");
}

#[test]
fn a_glob_has_a_folder_that_everything_it_matches_lies_in() {
    for (glob, folder) in [
        ("a/b/*.css", "a/b"),
        ("a/b*/c", "a"),
        ("**/*.md", ""),
        ("a/b", "a/b"),
        ("x*", ""),
        ("a/{b,c}/d", "a"),
    ] {
        assert_eq!(Pattern::Glob(glob.to_owned()).folder(), folder, "{glob}");
    }
}

#[test]
fn below_means_whole_names() {
    assert!(is_at_or_below(b"api/main.rs", b"api"));
    assert!(is_at_or_below(b"api", b"api"));
    assert!(is_at_or_below(b"anything", b""));
    assert!(!is_at_or_below(b"api2/main.rs", b"api"));
}

#[test]
fn paths_join_without_empty_parts() {
    for (folder, path, expected) in [("", "x", "x"), ("a", "./b", "a/b"), ("a/", "", "a"), ("", "", "")] {
        assert_eq!(below(folder, path), expected);
    }
}
