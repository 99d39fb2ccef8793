//! Reading git where it is not plain: other hashes, submodules, hidden changes, clones that lack something.

use crate::support::{Repository, prebuilt, stand_in};
use serde_json::Value;
use std::os::unix::fs::symlink;

/// The app whose program is all of `app/dist`, with a second commit that `change` makes.
fn changed(change: impl Fn(&Repository)) -> Repository {
    let repository = Repository::empty();
    repository.git(["config", "uploadpack.allowFilter", "true"]);
    begin(&repository);
    change(&repository);
    repository.commit("Change");
    repository
}

fn begin(repository: &Repository) {
    let configuration = prebuilt("linux/amd64: dist").replace("path: app", "path: app, bin: run");
    repository.write("hephy.yaml", &configuration).write("app/dist/run", "run\n").write("other/file", "1\n");
    symlink("run", repository.path().join("app/dist/link")).expect("create the link");
    repository.commit("Begin");
}

/// The reason of the only component, compared with the first commit.
#[track_caller]
fn reason(repository: &Repository) -> String {
    reason_with(repository, &["--base", "HEAD~1"])
}

#[track_caller]
fn reason_with(repository: &Repository, arguments: &[&str]) -> String {
    let plan = plan(repository, arguments);
    plan["components"][0]["reason"]["text"].as_str().expect("a reason").to_owned()
}

#[track_caller]
fn plan(repository: &Repository, arguments: &[&str]) -> Value {
    let output = repository.hephy(["plan", "--emit", "json"]).args(arguments).run().exits(0);
    serde_json::from_str(&output.stdout).expect("JSON")
}

const PROGRAM: &str = "it is the program of `app`";

#[test]
fn modes_kinds_and_names_are_changes() {
    let path = |repository: &Repository, name: &str| repository.path().join("app/dist").join(name);
    type Change<'a> = (&'a str, &'a dyn Fn(&Repository), &'a str);
    let changes: [Change<'_>; 6] = [
        (
            "the mode, although git is told to overlook modes",
            &|repository| {
                repository.git(["update-index", "--chmod=+x", "app/dist/run"]);
                repository.git(["config", "core.fileMode", "false"]);
            },
            "`app/dist/run` changed: ",
        ),
        (
            "a link that becomes a file",
            &|repository| {
                std::fs::remove_file(path(repository, "link")).expect("remove the link");
                repository.write("app/dist/link", "a file\n");
            },
            "`app/dist/link` changed: ",
        ),
        (
            "a link that leads elsewhere",
            &|repository| {
                std::fs::remove_file(path(repository, "link")).expect("remove the link");
                symlink("nowhere", path(repository, "link")).expect("create the link");
            },
            "`app/dist/link` changed: ",
        ),
        (
            "another case",
            &|repository| {
                repository.git(["mv", "--force", "app/dist/link", "app/dist/LINK"]);
            },
            "`app/dist/LINK` changed: ",
        ),
        (
            "a file that moves out",
            &|repository| {
                std::fs::rename(path(repository, "link"), repository.path().join("other/link"))
                    .expect("move it");
            },
            "`app/dist/link` changed: ",
        ),
        (
            "a tab and a line end",
            &|repository| {
                repository.write("app/dist/a\tb\nc", "x\n");
            },
            "`app/dist/a\tb\nc` changed: ",
        ),
    ];
    for (what, change, start) in changes {
        let found = reason(&changed(change));
        assert!(found.starts_with(start) && found.contains(PROGRAM), "{what}: {found}");
    }
}

#[test]
fn a_repository_of_sha_256() {
    let repository = Repository::empty();
    std::fs::remove_dir_all(repository.path().join(".git")).expect("remove the repository");
    repository.git(["init", "--quiet", "--initial-branch=main", "--object-format=sha256"]);
    repository.git(["config", "uploadpack.allowFilter", "true"]);
    begin(&repository);
    assert_eq!(plan(&repository, &[])["base"]["reason"], "the first commit");
    repository.write("app/dist/run", "faster\n").commit("Change");
    repository.write("other/file", "2\n").commit("Another");
    assert_eq!(reason_with(&repository, &["--base", "HEAD~2"]), format!("`app/dist/run` changed: {PROGRAM}"));
    let before = repository.id("HEAD~2");
    assert_eq!(before.len(), 64);
    // An id of this length is known as one: it is fetched into a shallow clone, and zeros stand for nothing.
    let shallow = repository.clone_with(&["--depth=1"]);
    assert_eq!(reason_with(&shallow, &["--base", &before]), format!("`app/dist/run` changed: {PROGRAM}"));
    repository.hephy(["up"]).run().exits(0).says(&format!("sha-{}", repository.short_id()));
}

#[test]
fn the_bump_of_a_submodule_is_seen_although_the_repository_hides_it() {
    // Given a submodule that the repository itself tells git to overlook,
    let library = Repository::named("library");
    library.write("lib.c", "1\n").commit("Begin");
    let repository = Repository::app();
    let url = library.path().to_string_lossy().into_owned();
    let local = "protocol.file.allow=always";
    repository.git(["-c", local, "submodule", "--quiet", "add", "--name", "lib", &url, "lib"]);
    repository.git(["config", "--file", ".gitmodules", "submodule.lib.ignore", "all"]);
    let configuration = prebuilt("linux/amd64: run").replace("path: app", "path: app, watch: [lib]");
    repository.write("hephy.yaml", &configuration).commit("Add a library");
    repository.up();
    assert_eq!(repository.decisions(), ["app (linux/amd64): reuse"]);
    // when it moves on in a commit,
    library.write("lib.c", "2\n").commit("Change");
    let id = library.id("HEAD");
    repository.git(["-C", "lib", "-c", local, "fetch", "--quiet", "origin"]);
    repository.git(["-C", "lib", "checkout", "--quiet", &id]);
    repository.git(["update-index", "--cacheinfo", &format!("160000,{id},lib")]);
    repository.git(["commit", "--quiet", "--message", "Bump"]);
    // then the component that reads it is built, with the bump as the reason,
    let expected = ["app (linux/amd64): build, `lib` changed: `app` watches `lib`"];
    assert_eq!(repository.decisions(), expected);
    // and where the submodule was not fetched, nobody can build it, which is said instead of building without it.
    let bare = repository.clone_with(&[]);
    bare.hephy(["plan"]).run().exits(2).says("the submodule `lib` is not checked out");
}

#[test]
fn replaced_objects_and_settings_of_git_change_nothing() {
    let repository = changed(|repository| {
        repository.write("app/dist/run", "faster\n");
    });
    let expected = format!("`app/dist/run` changed: {PROGRAM}");
    for setting in [
        ["diff.renames", "copies"],
        ["diff.relative", "true"],
        ["diff.noprefix", "true"],
        ["diff.external", "false"],
        ["core.quotePath", "true"],
        ["color.ui", "always"],
        ["log.showSignature", "true"],
        ["log.decorate", "full"],
        ["status.showUntrackedFiles", "no"],
        ["format.pretty", "oneline"],
    ] {
        repository.git(["config"].iter().chain(&setting));
        assert_eq!(reason(&repository), expected, "{setting:?}");
    }
    repository.git(["replace", "HEAD", "HEAD~1"]);
    assert_eq!(reason(&repository), expected);
}

#[test]
fn programs_that_the_repository_names_are_not_started() {
    // Given a repository whose settings and hooks would start a program that leaves a mark, in a shallow clone,
    let repository = changed(|repository| {
        repository.write("app/dist/run", "faster\n");
    });
    let clone = repository.clone_with(&["--depth=1"]);
    let mark = repository.beside("mark");
    let program = repository.beside("program");
    stand_in(&program, &format!("touch '{}'", mark.display()));
    let path = program.to_string_lossy().into_owned();
    clone.git(["config", "core.fsmonitor", &path]);
    for hook in ["reference-transaction", "post-index-change", "post-checkout"] {
        symlink(&program, clone.path().join(".git/hooks").join(hook)).expect("create the hook");
    }
    // when a base has to be fetched for the plan, then the base is found and the program was never started,
    let base = repository.id("HEAD~1");
    let reason = reason_with(&clone, &["--base", &base]);
    assert_eq!(reason, format!("`app/dist/run` changed: {PROGRAM}"));
    assert!(!mark.exists(), "hephy started a program of the repository");
    // while git by itself does start it.
    clone.git(["status"]);
    assert!(mark.exists(), "git would start it");
}

#[test]
fn files_that_git_is_told_to_overlook_are_looked_at() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        // Given a program that git is told to take for unchanged, of which the image exists,
        let repository = Repository::app();
        repository.up();
        assert_eq!(repository.decisions(), ["app (linux/amd64): reuse"], "{flag}");
        // when it is changed, then nothing proves that the image is the same;
        repository.git(["update-index", flag, "app/run"]);
        repository.write("app/run", "faster\n");
        assert_eq!(
            repository.decisions(),
            ["app (linux/amd64): build, no image of these inputs exists yet"],
            "{flag}"
        );
        // and when it is taken away, there is nothing to build of.
        std::fs::remove_file(repository.path().join("app/run")).expect("remove the program");
        assert_eq!(
            repository.decisions(),
            ["app (linux/amd64): build, no image of these inputs exists yet"],
            "{flag}"
        );
    }
}

#[test]
fn files_and_branches_with_the_names_of_refs_confuse_nobody() {
    let repository = changed(|repository| {
        repository.write("app/dist/run", "faster\n").write("HEAD", "x\n").write("HEAD~1", "x\n");
        repository.write("refs/heads/main", "x\n").write("main", "x\n");
    });
    assert_eq!(reason(&repository), format!("`app/dist/run` changed: {PROGRAM}"));
    repository.git(["update-ref", "refs/heads/--output=trap", "HEAD"]);
    repository.git(["update-ref", "refs/tags/HEAD", "HEAD~1"]);
    let found = plan(&repository, &[]);
    assert_eq!(found["commit"]["id"], repository.git(["rev-parse", "refs/heads/main"]).trim());
    for base in ["--output=trap", "--since=-x"] {
        let output = repository.hephy(["plan", "--base", "HEAD~1"]).args([format!("--base={base}")]).run();
        assert_eq!(output.code, Some(2), "{output}");
    }
    assert!(!repository.path().join("trap").exists());
}

#[test]
fn clones_that_lack_files_folders_or_history() {
    let origin = changed(|repository| {
        repository.write("app/dist/run", "faster\n");
    });
    let expected = format!("`app/dist/run` changed: {PROGRAM}");
    let whole = plan(&origin, &["--base", "HEAD~1"]);
    for options in [
        &["--filter=blob:none"][..],
        &["--filter=tree:0"],
        &["--depth=2"],
        &["--depth=1"],
        &["--filter=blob:none", "--depth=1"],
        &["--filter=tree:0", "--depth=1"],
        &["--sparse"],
        &["--no-tags", "--single-branch"],
    ] {
        let clone = origin.clone_with(options);
        if options == ["--sparse"] {
            clone.git(["sparse-checkout", "set", "app"]);
            assert!(!clone.path().join("other").exists());
        }
        let is_shallow = clone.git(["rev-parse", "--is-shallow-repository"]);
        let before = origin.id("HEAD~1");
        assert_eq!(reason_with(&clone, &["--base", &before]), expected, "{options:?}");
        // The decision is that of the whole repository, and no clone is made less than it was.
        let digest = "/components/0/legs/0/input_digest";
        let found = plan(&clone, &["--base", &before]);
        assert_eq!(found.pointer(digest), whole.pointer(digest), "{options:?}");
        if is_shallow.trim() == "false" {
            assert_eq!(clone.git(["rev-parse", "--is-shallow-repository"]).trim(), "false", "{options:?}");
        }
    }
}

#[test]
fn a_clone_without_folders_and_without_a_network_says_what_it_lacks() {
    let origin = changed(|repository| {
        repository.write("app/dist/run", "faster\n");
    });
    let clone = origin.clone_with(&["--filter=tree:0"]);
    drop(origin);
    let base = plan(&clone, &[])["base"].clone();
    assert_eq!((base["kind"].as_str(), &base["reference"]), (Some("nothing"), &Value::Null), "{base}");
    assert_eq!(base["reason"], "`HEAD^1`, the parent commit, is not in this clone, or not all of it");
    assert_eq!(reason_with(&clone, &[]), "no image of these inputs exists yet");
}

#[test]
fn a_shallow_clone_is_as_shallow_in_its_worktree() {
    let origin = changed(|repository| {
        repository.write("app/dist/run", "faster\n");
    });
    let clone = origin.clone_with(&["--depth=1"]);
    let worktree = clone.beside("second");
    clone.git(["worktree", "add", "--quiet", "--detach", &worktree.to_string_lossy()]);
    let base = origin.id("HEAD~1");
    let arguments = ["plan", "--emit", "json", "--base", &base];
    let output = crate::support::hephy(&worktree).args(arguments).run().exits(0);
    assert!(output.stdout.contains(&format!("`app/dist/run` changed: {PROGRAM}")), "{output}");
}

#[test]
fn a_repository_of_somebody_else_is_named_with_what_to_do() {
    let repository = Repository::app();
    let hephy = repository.hephy(["plan"]).env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    let output = hephy.run().exits(2).says("detected dubious ownership");
    let path = repository.path().canonicalize().expect("it is there");
    output.says(&format!("hint: run `git config --global --add safe.directory {}`", path.display()));
}
