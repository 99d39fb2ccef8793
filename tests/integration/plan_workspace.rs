//! `inputs: workspace`: of an npm workspace only the package counts that is built, and what it needs.

use crate::support::{Repository, input_digest};
use std::process::Command;

/// Runs npm in the repository.
fn npm(repository: &Repository, arguments: &[&str]) {
    let mut command = Command::new("npm");
    command.args(arguments).args(["--no-audit", "--no-fund"]).current_dir(repository.path());
    let output = command.output().expect("npm starts");
    assert!(output.status.success(), "npm: {}", String::from_utf8_lossy(&output.stderr));
}

fn package(name: &str, dependencies: &str) -> String {
    format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\", \"dependencies\": {{{dependencies}}}}}\n")
}

/// `api` needs `lib` and `ms`, `lib` needs `debug`, and `web` is on its own; npm itself wrote the lock file.
fn shop() -> Repository {
    let repository = Repository::empty();
    let configuration = "components:\n  api: {path: packages/api, context: ../.., inputs: workspace, platforms: [linux/amd64]}\n";
    repository
        .write("hephy.yaml", configuration)
        .write("package.json", "{\"name\": \"shop\", \"private\": true, \"workspaces\": [\"packages/*\"]}\n");
    repository.write("packages/api/Dockerfile", "FROM scratch\nCOPY . /app/\n");
    repository
        .write("packages/api/package.json", &package("@acme/api", "\"@acme/lib\": \"*\", \"ms\": \"2.0.0\""));
    repository.write("packages/lib/package.json", &package("@acme/lib", "\"debug\": \"4.3.3\""));
    repository.write("packages/web/package.json", &package("@acme/web", "\"is-odd\": \"3.0.0\""));
    repository.write("packages/tsconfig.base.json", "{}\n").write(".dockerignore", "**/*.md\n");
    npm(&repository, &["install", "--package-lock-only"]);
    repository.commit("Add the shop");
    repository
}

#[test]
fn a_package_reads_itself_and_what_it_depends_on() {
    let repository = shop();
    let before = input_digest(&repository);
    for (file, is_read) in [
        ("packages/api/index.js", true),
        ("packages/api/deep/er.js", true),
        ("packages/lib/index.js", true),
        ("packages/tsconfig.base.json", true),
        (".npmrc", true),
        ("patches/debug.patch", true),
        ("turbo.json", true),
        ("packages/web/index.js", false),
        ("packages/web/package.json", false),
        ("docs/guide.txt", false),
        // What the build cannot see.
        ("packages/api/README.md", false),
    ] {
        let path = repository.path().join(file);
        let original = std::fs::read_to_string(&path).ok();
        repository.write(file, "{\"name\": \"@acme/other\"}\n");
        assert_eq!(input_digest(&repository) != before, is_read, "{file}");
        match original {
            Some(text) => drop(repository.write(file, &text)),
            None => std::fs::remove_file(path).expect("remove the file"),
        }
    }
    let explained = repository.hephy(["plan", "--explain", "packages/lib"]).run().exits(0).stdout;
    assert!(explained.contains("`@acme/api` depends on `@acme/lib`"), "{explained}");
}

#[test]
fn of_the_lock_file_only_the_part_of_the_package_counts() {
    let repository = shop();
    let before = input_digest(&repository);
    // Given another version of what only `web` needs, then the image of `api` is the same;
    npm(&repository, &["install", "--package-lock-only", "--workspace", "packages/web", "is-odd@3.0.1"]);
    assert_ne!(repository.git(["status", "--porcelain", "package-lock.json"]), "");
    assert_eq!(input_digest(&repository), before);
    repository.commit("Update web");
    // given one of what `lib` needs, which `api` needs, then it is another.
    npm(&repository, &["update", "--package-lock-only", "debug"]);
    repository.write("packages/lib/package.json", &package("@acme/lib", "\"debug\": \"4.3.4\""));
    npm(&repository, &["install", "--package-lock-only"]);
    repository.git(["checkout", "--quiet", "packages/lib/package.json"]);
    assert_ne!(repository.git(["status", "--porcelain", "package-lock.json"]), "");
    assert_ne!(input_digest(&repository), before);
}

#[test]
fn without_the_key_or_a_workspace_everything_that_is_copied_counts() {
    let repository = shop();
    let with_key = std::fs::read_to_string(repository.path().join("hephy.yaml")).expect("a configuration");
    repository.write("hephy.yaml", &with_key.replace("inputs: workspace, ", ""));
    let before = input_digest(&repository);
    repository.write("packages/web/index.js", "1");
    assert_ne!(input_digest(&repository), before);
    // A workspace that is none any more is said to be none.
    repository.write("hephy.yaml", &with_key).write("package.json", "{}\n");
    let output = repository.hephy(["plan"]).run().exits(0);
    let warning = "`inputs: workspace` of `api` does not count: no folder above it has a workspace";
    let output = output.says(warning);
    assert_eq!(output.stderr.matches(warning).count(), 1, "{output}");
    // A lock file that is not understood counts as a whole.
    let repository = shop();
    repository.write("package-lock.json", "{\"lockfileVersion\": 1}\n");
    let before = input_digest(&repository);
    repository.write("package-lock.json", "{\"lockfileVersion\": 1, \"x\": 1}\n");
    assert_ne!(input_digest(&repository), before);
}

#[test]
fn only_a_dockerfile_reads_a_package_of_a_workspace() {
    let repository = Repository::app();
    repository.write("hephy.yaml", "components: {app: {inputs: workspace, prebuilt: {linux/amd64: run}}}\n");
    let output = repository.hephy(["plan"]).run().exits(2);
    assert!(
        output.error().ends_with("`inputs: workspace` is for a Dockerfile, and `prebuilt` builds it"),
        "{output}"
    );
}
