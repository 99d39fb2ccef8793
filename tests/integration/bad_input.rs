//! Input that is wrong: the first line says what failed and why, a hint what to do, and nothing is half-written.

use crate::support::{Repository, prebuilt, refused, shows};
use std::process::Command;

#[test]
fn no_repository() {
    let repository = Repository::app();
    std::fs::rename(repository.path().join(".git"), repository.beside("git")).expect("move .git away");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: find a git repository at `[TMP]/repository` or above it
    hint: run `git init`, or name the repository with `--directory`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_repository_without_a_commit() {
    let repository = Repository::empty();
    repository.write("Dockerfile", "FROM scratch\n");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: read the commit of `[TMP]/repository`: the repository has no commit yet
    hint: commit something first: what hephy builds is a commit
    ------- exit Some(2)
    "#);
    assert!(!repository.path().join(".hephy").exists());
}

#[test]
fn a_repository_without_components() {
    // An empty plan is a normal answer, and it must not read like a finished build.
    let repository = Repository::empty();
    repository.write("README", "nothing here\n").commit("Add words");
    shows!(refused(&repository, &["up"], 0), @r#"
    ------- stderr -------
    nothing to do: no component was found; add a Dockerfile, or name components in hephy.yaml
    ------- exit Some(0)
    "#);
}

#[test]
fn a_registry_that_does_not_answer() {
    let repository = Repository::app();
    shows!(refused(&repository, &["up", "--registry", "127.0.0.1:1/shop"], 75), @r#"
    ------- stderr -------
    error: plan: reach the registry `127.0.0.1:1`: Connection refused (os error 111)
    hint: check the address; if `127.0.0.1:1` speaks plain HTTP, run with `--insecure-registry 127.0.0.1:1`
    ------- exit Some(75)
    "#);
    assert!(!repository.path().join(".hephy").exists());
}

#[test]
fn a_registry_that_is_none() {
    let repository = Repository::app();
    shows!(refused(&repository, &["up", "--registry", "shop"], 2), @r#"
    ------- stderr -------
    error: plan: use the registry `shop`: it names no host
    hint: write it like `ghcr.io/OWNER/REPOSITORY`
    ------- exit Some(2)
    "#);
    shows!(refused(&repository, &["up", "--registry", "https://ghcr.io/acme/shop"], 2), @r#"
    ------- stderr -------
    error: plan: read image repository `https://ghcr.io/acme/shop`: its parts are lower-case letters and digits, joined by `.`, `_` or `-`
    hint: write it like `ghcr.io/OWNER/REPOSITORY`
    ------- exit Some(2)
    "#);
}

#[test]
fn a_base_that_is_unknown() {
    shows!(refused(&Repository::app(), &["plan", "--base", "v9"], 2), @r#"
    ------- stderr -------
    error: plan: compare with the base `v9`: run `git`: exit status: 128: fatal: bad revision 'v9'
    hint: fetch it, or name another with `--base`
      `v9`, named with `--base`, is not in this clone, or not all of it (fetch the base `v9`: run `git`: exit status: 128: fatal: 'origin' does not appear to be a git repository)
    ------- exit Some(2)
    "#);
}

#[test]
fn a_base_that_looks_like_an_option_creates_no_file() {
    let repository = Repository::app();
    let trap = repository.beside("trap");
    for base in [format!("--output={}", trap.display()), format!("main --output={}", trap.display())] {
        refused(&repository, &["plan", &format!("--base={base}")], 2).says("compare with the base");
        assert!(!trap.exists());
    }
}

#[test]
fn a_plan_that_is_none() {
    let repository = Repository::app();
    let file = repository.beside("plan.json");
    let refused_plan = |text: &str| {
        std::fs::write(&file, text).expect("write the plan");
        refused(&repository, &["build", "--plan", &file.to_string_lossy()], 2)
    };
    shows!(refused_plan("no JSON\n"), @r#"
    ------- stderr -------
    error: read the plan `[TMP]/plan.json`: it is not the JSON of a plan: expected ident at line 1 column 2
    hint: write a new one with `hephy plan --emit json`
    ------- exit Some(2)
    "#);
    shows!(refused_plan("{\"schema\": \"hephy.plan/0\"}\n"), @r#"
    ------- stderr -------
    error: read the plan `[TMP]/plan.json`: its schema is `hephy.plan/0`, this version reads `hephy.plan/1`
    hint: write a new one with `hephy plan --emit json`
    ------- exit Some(2)
    "#);
    shows!(refused_plan("{\"schema\": \"hephy.plan/1\"}\n"), @r#"
    ------- stderr -------
    error: read the plan `[TMP]/plan.json`: it is not the JSON of a plan: missing field `commit` at line 1 column 26
    hint: write a new one with `hephy plan --emit json`
    ------- exit Some(2)
    "#);
    shows!(refused(&repository, &["build", "--plan", "nowhere.json"], 2), @r#"
    ------- stderr -------
    error: read the plan `nowhere.json`: No such file or directory (os error 2)
    ------- exit Some(2)
    "#);
}

#[test]
fn a_plan_that_leads_out_of_the_repository() {
    let repository = Repository::app();
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let file = repository.beside("plan.json");
    for (inside, outside) in [
        ("\"path\": \"app\"", "\"path\": \"../x\""),
        ("\"linux/amd64\": \"run\"", "\"linux/amd64\": \"../../run\""),
        ("\"dockerfile\": null", "\"dockerfile\": \"/etc/passwd\""),
        ("\"k8s/app.yaml\"", "\"k8s/../../app.yaml\""),
    ] {
        assert!(plan.contains(inside), "{inside} in {plan}");
        std::fs::write(&file, plan.replace(inside, outside)).expect("write the plan");
        for verb in ["build", "push", "deploy", "up"] {
            let output = refused(&repository, &[verb, "--plan", &file.to_string_lossy()], 2);
            assert!(output.error().ends_with("` leads out of the repository"), "{output}");
        }
    }
}

#[test]
fn a_report_that_has_no_place() {
    let repository = Repository::app();
    shows!(refused(&repository, &["up", "--report", "no/where.json"], 2), @r#"
    ------- stderr -------
    error: write the report `no/where.json`: the folder `no` does not exist
    hint: name a file in a folder that exists with `--report`
    ------- exit Some(2)
    "#);
    assert!(!repository.path().join(".hephy").exists());
}

#[test]
fn manifests_that_are_none() {
    let repository = Repository::app();
    // The text of the manifest is not quoted: it may be a Secret.
    repository.write("k8s/app.yaml", "kind: Secret\nstringData: {password: hunter2\n");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    warning: the working tree differs from commit [ID]; images are built from it and tagged `-dirty`
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: read manifest `k8s/app.yaml:2`: unclosed bracket '{' at line 2, column 13
    ------- exit Some(2)
    "#);
    repository.write("k8s/app.yaml", "# one\n---\nkind: Deployment\nmetadata: {name: app}\n");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    warning: the working tree differs from commit [ID]; images are built from it and tagged `-dirty`
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: read manifest `k8s/app.yaml:3`: expected an object with `apiVersion`, `kind` and `metadata.name`, but `apiVersion` is missing
    ------- exit Some(2)
    "#);
}

#[test]
fn a_finished_program_that_is_missing() {
    let repository = Repository::app();
    repository.write("hephy.yaml", &prebuilt("linux/amd64: nowhere"));
    shows!(refused(&repository, &["up"], 3), @r#"
    ------- stderr -------
    warning: the working tree differs from commit [ID]; images are built from it and tagged `-dirty`
    ✔ plan   app  build with prebuilt: no image of these inputs exists yet
    error: build app (linux/amd64): find the finished program `[TMP]/repository/app/nowhere`
    hint: build it before hephy runs; a prebuilt program is somebody else's work
    ------- exit Some(3)
    "#);
}

#[test]
fn a_cargo_package_without_a_lock_file() {
    let repository = Repository::named("tool");
    repository
        .write("Cargo.toml", "[package]\nname = \"tool\"\nedition = \"2024\"\n[package.metadata.hephy]\n");
    repository.write("src/main.rs", "fn main() {}\n").write(".gitignore", "/target/\n").commit("Add a tool");
    let output =
        refused(&repository, &["up"], 3).says("hint: run `cargo update --workspace` and commit `Cargo.lock`");
    assert!(
        output.error().contains("build tool (linux/")
            && output.error().contains("cannot create the lock file"),
        "{output}"
    );
}

#[test]
fn a_program_that_does_not_compile() {
    let repository = Repository::empty();
    let manifest =
        "[package]\nname = \"tool\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[package.metadata.hephy]\n";
    let lock = "version = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n";
    repository.write("apps/tool/Cargo.toml", manifest).write("apps/tool/Cargo.lock", lock);
    repository.write("apps/tool/src/main.rs", "fn main() { let number: u8 = \"text\"; }\n");
    repository.write(".gitignore", "target/\n").commit("Add a tool");
    let output = refused(&repository, &["up"], 3);
    let platform = format!("linux/{}", crate::backend_cargo::host());
    let expected = format!(
        "error: build tool ({platform}): run `cargo`: exit status: 101: error[E0308]: mismatched types"
    );
    assert_eq!(output.error(), expected, "{output}");
    // Cargo's own words come while it works, then again below the hint, which says where and how to see them.
    let hint = format!(
        "hint: what `cargo` says is the reason; `hephy build tool --platform {platform}` tries it alone; errors of the \
         compiler show with `cargo build --locked --profile=release --bins` in the folder `apps/tool` too\n"
    );
    output.says("│ error[E0308]: mismatched types").says(&hint);
    // Both commands do that.
    let alone = repository.hephy(["build", "tool", "--platform", &platform]).run().exits(3);
    assert_eq!(alone.error(), expected, "{alone}");
    let by_hand = ["build", "--locked", "--profile=release", "--bins"];
    let by_hand =
        Command::new("cargo").args(by_hand).current_dir(repository.path().join("apps/tool")).output();
    let said = String::from_utf8(by_hand.expect("cargo starts").stderr).expect("UTF-8");
    assert!(said.contains("error[E0308]: mismatched types"), "{said}");
}

#[test]
fn a_dockerfile_that_fails() {
    let repository = Repository::named("tool");
    repository.write("Dockerfile", "FROM scratch\nCOPY nothing /\n").commit("Add a Dockerfile");
    let output = refused(&repository, &["up"], 3).says("✗ build");
    assert!(
        output.error().starts_with("error: build tool (linux/")
            && output.error().contains("no such file or directory"),
        "{output}"
    );
}
