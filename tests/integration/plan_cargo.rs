//! The inputs of what is built from source: Cargo packages and Dockerfiles.

use crate::support::Repository;
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
    // The lock file is shared, so a change of it may change every program.
    let locked = std::fs::read_to_string(repository.path().join("Cargo.lock")).expect("a lock file");
    repository.write("Cargo.lock", &format!("{locked}\n")).commit("Touch the lock file");
    assert_eq!(
        decisions(&repository),
        [
            "api (HOST): build, `Cargo.lock` changed: cargo reads it for `api`",
            "tool (HOST): build, `Cargo.lock` changed: cargo reads it for `tool`"
        ]
    );
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
