//! The inputs of what is built from source: Cargo packages and Dockerfiles.

use crate::support::{Repository, input_digest, input_digest_in, stand_in};
use std::os::unix::fs::symlink;
use std::process::Command;

const REUSED: [&str; 2] = ["api (HOST): reuse", "tool (HOST): reuse"];

/// A workspace of two programs, `api` and `tool`; `api` depends on the library `pricing`, and that on `money`.
fn workspace() -> Repository {
    let repository = Repository::empty();
    let package =
        |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{rest}");
    let marked = "[package.metadata.hephy]\n";
    let depends = |name: &str| format!("[dependencies]\n{name} = {{path = \"../{name}\"}}\n");
    repository.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"api\", \"tool\", \"pricing\", \"money\"]\nresolver = \"3\"\n",
    );
    repository.write("api/Cargo.toml", &package("api", &format!("{marked}{}", depends("pricing"))));
    repository.write("api/src/main.rs", "fn main() { println!(\"{}\", pricing::price()) }\n");
    repository.write("tool/Cargo.toml", &package("tool", marked)).write("tool/src/main.rs", "fn main() {}\n");
    repository.write("pricing/Cargo.toml", &package("pricing", &depends("money")));
    repository.write("pricing/src/lib.rs", "pub fn price() -> u32 { money::cents() }\n");
    repository
        .write("money/Cargo.toml", &package("money", ""))
        .write("money/src/lib.rs", "pub fn cents() -> u32 { 100 }\n");
    lock(&repository);
    repository.write(".gitignore", "target/\n").commit("Start the workspace");
    repository
}

fn lock(repository: &Repository) {
    let status = Command::new("cargo")
        .args(["generate-lockfile", "--offline", "--quiet"])
        .current_dir(repository.path())
        .status();
    assert!(status.expect("cargo starts").success());
}

/// What is decided, whatever the platform of this machine is.
#[track_caller]
fn decisions(repository: &Repository) -> Vec<String> {
    let anywhere = |text: String| text.replace("linux/amd64", "HOST").replace("linux/arm64", "HOST");
    repository.decisions().into_iter().map(anywhere).collect()
}

#[test]
fn only_what_depends_on_a_library_is_built_when_it_changes() {
    let repository = workspace();
    repository.up();
    assert_eq!(decisions(&repository), REUSED);
    repository.write("money/src/lib.rs", "pub fn cents() -> u32 { 99 }\n").commit("Lower the price");
    assert_eq!(
        decisions(&repository),
        [
            "api (HOST): build, `money/src/lib.rs` changed: `api` depends on `money` through `pricing`",
            "tool (HOST): reuse"
        ]
    );
}

#[test]
fn only_what_is_locked_for_a_package_counts() {
    let repository = workspace();
    repository.up();
    let locked = std::fs::read_to_string(repository.path().join("Cargo.lock")).expect("a lock file");
    // Given an entry that only `tool` has, then `api` is as it was.
    let more = "\n[[package]]\nname = \"added\"\nversion = \"1.0.0\"\n";
    repository.write("Cargo.lock", &format!("{locked}{more}")).commit("Lock what nobody needs");
    assert_eq!(decisions(&repository), REUSED);
    let depends = "name = \"tool\"\nversion = \"0.0.0\"\n";
    assert!(locked.contains(depends), "{locked}");
    let used = locked.replace(depends, &format!("{depends}dependencies = [\"added\"]\n"));
    let more = format!("{more}source = \"registry+https://example.com\"\n");
    repository.write("Cargo.lock", &format!("{used}{more}")).commit("Lock what the tool needs");
    assert_eq!(
        decisions(&repository),
        ["api (HOST): reuse", "tool (HOST): build, `Cargo.lock` changed: cargo reads it for `tool`"]
    );
    // A lock file that is not understood counts as a whole.
    repository.write("Cargo.lock", &format!("{locked}?")).commit("Break the lock file");
    assert_eq!(
        decisions(&repository),
        [
            "api (HOST): build, `Cargo.lock` changed: cargo reads it for `api`",
            "tool (HOST): build, `Cargo.lock` changed: cargo reads it for `tool`"
        ]
    );
}

#[test]
fn what_stands_in_the_place_of_a_package_counts() {
    // Given a workspace whose `money` comes from elsewhere, and a patch that takes it from a folder,
    let repository = workspace();
    repository.git(["mv", "money", "patched"]);
    let manifest = "[workspace]\nmembers = [\"api\", \"tool\", \"pricing\"]\nexclude = [\"patched\"]\nresolver = \"3\"\n\
        [patch.crates-io]\nmoney = {path = \"patched\"}\n";
    repository.write("Cargo.toml", manifest);
    let depends = "[package]\nname = \"pricing\"\nedition = \"2024\"\n[dependencies]\nmoney = \"*\"\n";
    repository.write("pricing/Cargo.toml", depends);
    lock(&repository);
    repository.commit("Patch the money");
    repository.up();
    assert_eq!(decisions(&repository), REUSED);
    // when the folder changes, then only what uses it is built.
    repository.write("patched/src/lib.rs", "pub fn cents() -> u32 { 98 }\n").commit("Lower the price");
    assert_eq!(
        decisions(&repository),
        [
            "api (HOST): build, `patched/src/lib.rs` changed: `Cargo.toml` takes `money` from it for `api`",
            "tool (HOST): reuse"
        ]
    );
}

#[test]
fn settings_between_a_package_and_its_workspace_count() {
    let repository = workspace();
    repository.git(["mv", "tool", "programs"]);
    repository.write("programs/deep/README", "moved");
    repository.git(["mv", "programs/Cargo.toml", "programs/deep/Cargo.toml"]);
    repository.git(["mv", "programs/src", "programs/deep/src"]);
    let manifest =
        "[workspace]\nmembers = [\"api\", \"programs/deep\", \"pricing\", \"money\"]\nresolver = \"3\"\n";
    repository.write("Cargo.toml", manifest).write("programs/deep/src/main.rs", "fn main() {}\n");
    lock(&repository);
    repository.commit("Move the tool");
    repository.up();
    repository
        .write("programs/.cargo/config.toml", "[profile.release]\nopt-level = 1\n")
        .commit("Optimise less");
    assert_eq!(
        decisions(&repository),
        [
            "api (HOST): reuse",
            "deep (HOST): build, `programs/.cargo/config.toml` changed: cargo reads it for `deep`"
        ]
    );
}

/// What a file is that stands for a change of it: another comment, in the language of the file.
fn touched(path: &str, text: &str) -> String {
    let comment = if path.ends_with(".rs") { "// touched" } else { "# touched" };
    format!("{text}\n{comment}\n")
}

#[test]
fn every_file_that_cargo_opens_counts() {
    // Given a workspace with a build script, an included text and settings, and the real build of one package,
    let repository = workspace();
    repository.write("api/build.rs", "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n");
    repository.write("api/src/text.txt", "text\n").write("api/src/deep/mod.rs", "pub const X: u32 = 1;\n");
    repository.write(
        "api/src/main.rs",
        "mod deep;\nfn main() { println!(\"{}{}{}\", pricing::price(), include_str!(\"text.txt\"), deep::X) }\n",
    );
    repository.write(".cargo/config.toml", "[profile.release]\nopt-level = 0\n");
    repository.write("money/build.rs", "fn main() {}\n").commit("Add what can be read");
    let trace = repository.beside("trace");
    let status = Command::new("strace")
        .args(["--follow-forks", "--quiet=all", "--trace=open,openat", "--string-limit=4096", "--output"])
        .arg(&trace)
        .args(["cargo", "build", "--release", "--locked", "--offline", "--quiet"])
        .current_dir(repository.path().join("api"))
        .status();
    assert!(status.expect("strace starts (./dev tools strace)").success());
    let trace = std::fs::read_to_string(trace).expect("a trace");
    let root = repository.path().canonicalize().expect("a folder");
    let opened =
        trace.lines().filter(|line| !line.contains(" = -1 ")).filter_map(|line| line.split('"').nth(1));
    // A relative path is relative to the package or to the workspace.
    let in_repository = |path: &str| {
        let found = [root.join("api").join(path), root.join(path)].into_iter().find(|path| path.is_file())?;
        let path = found.canonicalize().ok()?.strip_prefix(&root).ok()?.to_string_lossy().into_owned();
        (!path.starts_with("target/") && !path.starts_with(".git/")).then_some(path)
    };
    let opened: std::collections::BTreeSet<String> = opened.filter_map(in_repository).collect();
    for expected in
        ["api/src/main.rs", "api/build.rs", "api/src/text.txt", "money/src/lib.rs", ".cargo/config.toml"]
    {
        assert!(opened.contains(expected), "{expected} in {opened:?}");
    }
    // when any of them changes, then the input digest does.
    let before = input_digest(&repository);
    for path in opened {
        // Cargo opens every manifest of a workspace to see that the lock file is up to date; of that file, only a
        // part counts, and a comment is none.
        if path == "Cargo.lock" || path == "tool/Cargo.toml" {
            continue;
        }
        let text = std::fs::read_to_string(repository.path().join(&path)).expect("a file");
        repository.write(&path, &touched(&path, &text));
        assert_ne!(input_digest(&repository), before, "cargo opens {path}");
        repository.write(&path, &text);
    }
}

#[test]
fn another_compiler_is_a_reason_to_build() {
    let repository = workspace();
    let before = input_digest(&repository);
    let folder = repository.beside("tools");
    std::fs::create_dir(&folder).expect("create the folder");
    let program = folder.join("rustc");
    stand_in(&program, "echo 'release: 0.0.1'");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a PATH"));
    let output = repository.hephy(["plan", "--emit", "json"]).env("PATH", path).run().exits(0);
    assert_ne!(input_digest_in(&output.stdout), before);
}

#[test]
fn a_source_behind_a_symbolic_link_is_an_input() {
    // Given a program with a source file that lies elsewhere, outside of every package,
    let repository = workspace();
    repository.write("common/version.rs", "pub const VERSION: u32 = 1;\n");
    symlink("../../common/version.rs", repository.path().join("tool/src/version.rs"))
        .expect("create the link");
    repository.write("tool/src/main.rs", "mod version;\nfn main() { println!(\"{}\", version::VERSION) }\n");
    repository.commit("Link to a source");
    let first = repository.up();
    assert_eq!(decisions(&repository), REUSED);
    // when that file changes, then the program is built, and it is another one.
    repository.write("common/version.rs", "pub const VERSION: u32 = 2;\n").commit("Raise the version");
    assert!(decisions(&repository)[1].starts_with("tool (HOST): build"));
    assert_ne!(repository.up(), first);
}

#[test]
fn the_target_folder_of_a_package_at_the_root_is_no_input() {
    let repository = Repository::named("tool");
    repository
        .write("Cargo.toml", "[package]\nname = \"tool\"\nedition = \"2024\"\n[package.metadata.hephy]\n");
    repository.write("src/main.rs", "fn main() {}\n").write(".gitignore", "/target/\n");
    lock(&repository);
    repository.commit("Add a tool");
    let first = repository.up();
    let second = repository.hephy(["up"]).run().exits(0).says("= plan   tool  reuse");
    assert_eq!(second.stdout, first);
}

#[test]
fn a_generated_source_that_git_ignores_is_an_input() {
    let repository = workspace();
    repository.write("tool/src/main.rs", "fn main() { println!(include_str!(\"../made.txt\")) }\n");
    repository.write("tool/.gitignore", "made.txt\n").commit("Read a file that is made");
    repository.write("tool/made.txt", "one");
    repository.up();
    assert_eq!(decisions(&repository), REUSED);
    repository.write("tool/made.txt", "two");
    assert!(decisions(&repository)[1].starts_with("tool (HOST): build"));
}

#[test]
fn two_checkouts_in_two_places_make_one_image() {
    let repository = workspace();
    let elsewhere = repository.beside("another place/of another length");
    repository.git(["clone", "--quiet", ".", &elsewhere.to_string_lossy()]);
    let there = crate::support::hephy(&elsewhere).args(["up"]).run().exits(0);
    assert!(there.stderr.contains("✔ build  api"), "{there}");
    assert_eq!(there.stdout, repository.up());
}

#[test]
fn a_file_that_git_ignores_inside_a_dockerfile_context_is_an_input() {
    let repository = Repository::named("site");
    repository
        .write("Dockerfile", "FROM scratch\nCOPY page /page\n")
        .write(".gitignore", "page\n")
        .commit("Add a site");
    repository.write("page", "one\n");
    let first = repository.up();
    let second = repository.hephy(["up"]).run().exits(0).says("= plan   site  reuse");
    assert_eq!(second.stdout, first);
    repository.write("page", "two\n");
    let third = repository.hephy(["up"]).run().exits(0).says("✔ build  site");
    assert_ne!(third.stdout, first);
}

#[test]
fn a_source_that_changes_while_it_is_built_makes_no_image() {
    // Given a package whose build changes a file of the commit, as somebody in an editor might,
    let repository = Repository::named("tool");
    let package = "[package]\nname = \"tool\"\nedition = \"2024\"\n[package.metadata.hephy]\n";
    repository.write("Cargo.toml", package).write("src/main.rs", "fn main() {}\n").write("notes", "one\n");
    repository.write("build.rs", "fn main() { std::fs::write(\"notes\", \"two\\n\").unwrap(); }\n");
    lock(&repository);
    repository.write(".gitignore", "/target/\n").commit("Add a tool");
    let plan = repository.beside("plan.json");
    let text = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    std::fs::write(&plan, text).expect("write the plan");
    // when it is built, then it is refused,
    let output =
        crate::support::refused(&repository, &["up"], 2).says("hint: run again when the files are at rest");
    assert!(output.error().ends_with("): what it is built from changed while it was built"), "{output}");
    // and there is nothing left that a push could take for the image of the commit.
    let output = crate::support::refused(&repository, &["push", "--plan", &plan.to_string_lossy()], 2);
    assert!(output.error().contains("it was not built here"), "{output}");
    // Once the files are at rest, it is built.
    repository.hephy(["up"]).run().exits(0).says("✔ build  tool");
}

#[test]
fn what_a_build_leaves_beside_its_sources_is_no_change_of_them() {
    // Given a package whose target folder nobody told git to ignore,
    let repository = Repository::named("tool");
    repository
        .write("Cargo.toml", "[package]\nname = \"tool\"\nedition = \"2024\"\n[package.metadata.hephy]\n")
        .write("src/main.rs", "fn main() {}\n");
    lock(&repository);
    repository.commit("Add a tool");
    // when it is built, then that is no reason to throw the image away.
    repository.hephy(["up"]).run().exits(0).says("✔ build  tool");
}
