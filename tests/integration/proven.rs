//! Runs that were once green and wrong. Each test is one way in which a reviewer got the wrong program published, or a
//! success where nothing had succeeded.

use crate::support::Repository;
use std::process::Command;

/// A repository with a Cargo component in each of `folders`.
fn packages(folders: &[(&str, &str)]) -> Repository {
    let repository = Repository::empty();
    for (folder, name) in folders {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[package.metadata.hephy]\n[workspace]\n"
        );
        repository.write(&format!("{folder}/Cargo.toml"), &manifest);
        repository.write(&format!("{folder}/src/main.rs"), &prints(folder));
        let mut lock = Command::new("cargo");
        lock.args(["generate-lockfile", "--offline", "--quiet"]).current_dir(repository.path().join(folder));
        assert!(lock.status().expect("cargo starts").success());
    }
    repository.write(".gitignore", "target/\n");
    repository
}

fn prints(text: &str) -> String {
    format!("fn main() {{ print!(\"{text}\") }}\n")
}

/// What the published program of `component` prints.
fn published(repository: &Repository, component: &str) -> String {
    let out = repository.beside("unpacked");
    std::fs::create_dir_all(&out).expect("create the folder");
    let layout = repository.path().join(".hephy/oci");
    let image = format!("oci:{}:{component}:sha-{}", layout.display(), repository.short_id());
    let copy = Command::new("skopeo")
        .args(["copy", "--quiet", &image])
        .arg(format!("dir:{}", out.display()))
        .status();
    assert!(copy.expect("skopeo starts").success());
    let manifest = std::fs::read_to_string(out.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let digest = manifest["layers"][0]["digest"].as_str().expect("a layer").trim_start_matches("sha256:");
    let unpack = Command::new("tar").args(["-xzf", digest, "app"]).current_dir(&out).status();
    assert!(unpack.expect("tar starts").success());
    let mut programs = std::fs::read_dir(out.join("app")).expect("the program");
    let program = programs.next().expect("one file").expect("readable").path();
    let output = Command::new(&program).output().expect("the program starts");
    std::fs::remove_dir_all(&out).expect("clean up");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn two_packages_with_programs_of_one_name() {
    let repository = packages(&[("a", "server"), ("b", "server")]);
    repository.write(".cargo/config.toml", "[build]\ntarget-dir = \"target\"\n").commit("Servers");
    repository.up();
    assert_eq!([published(&repository, "a"), published(&repository, "b")], ["a", "b"]);
}

#[test]
fn sources_that_are_older_than_the_last_build() {
    let repository = packages(&[("a", "a")]);
    repository.commit("One");
    repository.up();
    repository.write("a/src/main.rs", &prints("two")).commit("Two");
    let old = Command::new("touch")
        .args(["--date=2020-01-01"])
        .arg(repository.path().join("a/src/main.rs"))
        .status();
    assert!(old.expect("touch starts").success());
    repository.up();
    assert_eq!(published(&repository, "a"), "two");
}

#[test]
fn a_file_that_only_the_compiler_knows_of() {
    let repository = packages(&[("a", "a")]);
    repository
        .write("shared/text", "one")
        .write("a/src/main.rs", "fn main() { print!(include_str!(\"../../shared/text\")) }\n");
    repository.commit("Include");
    let output = repository.hephy(["up"]).run().exits(3).says("watch: [\"shared/text\"]");
    assert!(output.error().contains("read `shared/text`, which is not among the inputs"), "{output}");
    // As the hint says:
    repository.write("hephy.yaml", "components:\n  a: {path: a, watch: [\"shared/text\"]}\n").commit("Watch");
    repository.up();
    assert_eq!(published(&repository, "a"), "one");
}

#[test]
fn flags_of_somebodys_shell() {
    let repository = packages(&[("a", "a")]);
    repository
        .write("a/src/main.rs", "fn main() { print!(\"{}\", cfg!(debug_assertions)) }\n")
        .commit("Assert");
    repository.hephy(["up"]).env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true").run().exits(0);
    assert_eq!(published(&repository, "a"), "false");
}

#[test]
fn a_gitignore_above_the_repository() {
    let repository = packages(&[("a", "a")]);
    repository.commit("One");
    std::fs::write(repository.beside(".gitignore"), "*\n").expect("write");
    std::fs::write(repository.path().join(".ignore"), "*\n").expect("write");
    let output = repository.hephy(["plan"]).run().exits(0);
    assert!(output.stdout.contains("│ a "), "{output}");
}

#[test]
fn two_components_with_one_image() {
    let repository = packages(&[("a", "a"), ("b", "b")]);
    repository
        .write("hephy.yaml", "components:\n  a: {path: a, image: shop/x}\n  b: {path: b, image: shop/x}\n");
    let output = repository.commit("Twins").hephy(["up"]).run().exits(2);
    assert_eq!(output.error(), "error: plan: `a` and `b` are both pushed to `shop/x`");
}

#[test]
fn a_plan_of_another_commit_whose_images_exist() {
    let repository = packages(&[("a", "a")]);
    repository.write("k8s/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n").commit("One");
    repository.up();
    let plan = repository.beside("plan.json");
    let planned = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    std::fs::write(&plan, planned.stdout).expect("write the plan");
    repository.write("k8s/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n").commit("Two");
    let output = repository.hephy(["up", "--plan"]).args([&plan]).run().exits(2);
    assert!(output.error().contains("this checkout differs from it"), "{output}");
}

#[test]
fn a_plan_whose_images_are_gone() {
    let repository = packages(&[("a", "a")]);
    repository.commit("One");
    repository.up();
    let plan = repository.beside("plan.json");
    let planned = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    std::fs::write(&plan, planned.stdout).expect("write the plan");
    std::fs::remove_dir_all(repository.path().join(".hephy")).expect("delete the images");
    repository.hephy(["push", "--plan"]).args([&plan]).run().exits(2).says("it was not built here");
}

#[test]
fn a_context_that_is_the_whole_repository() {
    let repository = Repository::empty();
    repository.write("Dockerfile", "FROM scratch\nCOPY . /\n").write("page", "hello\n").commit("Everything");
    let first = repository.up();
    // A second build finds more in the folders of git and of hephy, and makes the same image.
    repository.write("docs", "new\n");
    std::fs::remove_file(repository.path().join("docs")).expect("clean up");
    repository.git(["gc", "--quiet"]);
    std::fs::remove_dir_all(repository.path().join(".hephy/oci")).expect("delete the images");
    assert_eq!(repository.up(), first);
}

#[test]
fn a_full_disk_behind_stdout() {
    let repository = packages(&[("a", "a")]);
    repository.commit("One");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    repository.hephy(["plan", "--emit", "json"]).run_into(full).exits(1).says("write to stdout");
}

/// A repository in which the Dockerfile of `app` copies everything beside it.
fn copying() -> Repository {
    let repository = Repository::empty();
    repository.write("app/Dockerfile", "FROM scratch\nCOPY . /\n").write("app/run", "one\n").commit("Copy");
    repository
}

/// Adds `inner` as a submodule in `folder`, with its own submodules only if somebody asks for them.
fn add_submodule(repository: &Repository, inner: &Repository, folder: &str) {
    let source = inner.path().to_string_lossy().into_owned();
    repository.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, folder]);
    repository.commit("Add a submodule");
}

#[track_caller]
fn is_built_again(repository: &Repository) {
    assert!(repository.decisions()[0].contains(": build, "), "{:?}", repository.decisions());
}

#[test]
fn a_file_that_a_submodule_ignores() {
    let inner = Repository::named("inner");
    inner.write(".gitignore", "dist\n").commit("Ignore");
    let repository = copying();
    add_submodule(&repository, &inner, "app/inner");
    repository.write("app/inner/dist/run", "one\n").up();
    assert_eq!(repository.decisions(), ["app (linux/amd64): reuse"]);
    repository.write("app/inner/dist/run", "two\n");
    is_built_again(&repository);
}

#[test]
fn a_submodule_of_a_submodule_that_is_not_checked_out() {
    let (deep, inner) = (Repository::named("deep"), Repository::named("inner"));
    deep.write("run", "deep\n").commit("Add a file");
    add_submodule(&inner, &deep, "deep");
    let repository = copying();
    add_submodule(&repository, &inner, "app/inner");
    assert!(!repository.path().join("app/inner/deep/run").exists());
    repository.up();
    let update =
        ["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive"];
    repository.git(update);
    assert!(repository.path().join("app/inner/deep/run").exists());
    is_built_again(&repository);
}

#[test]
fn a_permission_that_git_was_told_to_overlook() {
    let repository = copying();
    repository.git(["config", "core.fileMode", "false"]);
    repository.up();
    let run = repository.path().join("app/run");
    std::fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    assert_eq!(repository.git(["status", "--porcelain"]), "");
    is_built_again(&repository);
}

#[test]
fn a_file_of_which_only_the_pointer_is_here() {
    // Given a file that the commit has as a pointer, as Git LFS does it,
    let repository = copying();
    repository.git(["config", "filter.large.clean", "echo pointer"]);
    repository.git(["config", "filter.large.smudge", "cat"]);
    repository
        .write(".gitattributes", "*.bin filter=large\n")
        .write("app/a.bin", "pointer\n")
        .commit("Large");
    repository.up();
    // when what it stands for is fetched, of which git says nothing,
    repository.git(["config", "filter.large.smudge", "echo what it stands for"]);
    std::fs::remove_file(repository.path().join("app/a.bin")).expect("remove");
    repository.git(["checkout", "--quiet", "app/a.bin"]);
    assert_eq!(repository.git(["status", "--porcelain"]), "");
    // then an image of the pointer is not taken for one of it.
    is_built_again(&repository);
}
