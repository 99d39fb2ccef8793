//! The `cargo` and `prebuilt` backends: what is refused before anything is built, and what must not depend on the machine.

use crate::backend_cargo::{host, image, output};
use crate::support::stand_in;
use crate::support::{Repository, refused};
use std::path::Path;
use std::process::Command;

/// A package that a workspace of one would have.
fn package(repository: &Repository, more: &str, main: &str) {
    let manifest = format!("[package]\nname = \"api\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{more}");
    let lock = "version = 4\n\n[[package]]\nname = \"api\"\nversion = \"1.0.0\"\n";
    repository.write("api/Cargo.toml", &manifest).write("api/Cargo.lock", lock);
    repository.write("api/src/main.rs", main).write(".gitignore", "target/\n");
}

/// A program of this source, with its C library in it.
fn compile(source: &str, program: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("main.rs"), source).expect("write the source");
    let target = if host() == "arm64" { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    let flags = ["--target", target, "-Ctarget-feature=+crt-static", "-Cstrip=symbols", "main.rs", "-o"];
    let status = Command::new("rustc").args(flags).arg(program).current_dir(folder.path()).status();
    assert!(status.expect("rustc starts").success());
}

#[test]
fn what_cannot_be_is_refused_before_another_component_is_built() {
    // Given a component that can be built, and one that cannot, in each way that can be seen beforehand,
    let repository = Repository::empty();
    repository.write("a/run", "#!/bin/sh\n").write("app/run", "#!/bin/sh\n");
    package(&repository, "", "fn main() {}\n");
    compile("fn main() {}\n", &repository.path().join("app/here"));
    let empty = repository.beside("tools");
    std::fs::create_dir_all(&empty).expect("create the folder");
    stand_in(&empty.join("rustc"), &format!("echo '{}'", empty.display()));
    let (here, there) = if host() == "arm64" { ("arm64", "amd64") } else { ("amd64", "arm64") };
    let missing = format!("find the finished program `{}/app/nowhere`", repository.path().display());
    let other =
        format!("`{}/app/here` for linux/{there}: it is a program for {here}", repository.path().display());
    for (name, keys, expected) in [
        ("app", format!("prebuilt: {{linux/{here}: run, linux/{there}: nowhere}}"), missing.as_str()),
        ("app", format!("prebuilt: {{linux/{here}: here, linux/{there}: here}}"), &other),
        ("app", format!("prebuilt: {{linux/{there}: .}}"), "`bin` does not name a file in it"),
        ("app", format!("prebuilt: {{linux/{here}: run}}, assets: {{gone: /srv}}"), "it is not there"),
        ("api", "assets: {gone: /srv}".to_owned(), "it is not there"),
        (
            "api",
            format!("platforms: [linux/{here}, linux/s390x]"),
            "(linux/s390x): build for linux/s390x: cargo",
        ),
        ("api", "platforms: [linux/amd64]".to_owned(), "no Rust target for it is installed"),
    ] {
        let text = format!(
            "components:\n  a: {{path: a, prebuilt: {{linux/{here}: run}}}}\n  {name}: {{path: {name}, {keys}}}\n"
        );
        repository.write("hephy.yaml", &text).commit("Configure");
        // when both are to be built,
        let path = std::env::var("PATH").expect("a PATH");
        let has_rust = !expected.contains("no Rust target");
        let path = if has_rust { path } else { format!("{}:{path}", empty.display()) };
        let output = repository.hephy(["up"]).env("PATH", path).run().exits(3);
        // then that is the error, and nothing was begun.
        assert!(output.error().contains(expected), "{output}");
        assert!(
            output.stderr.contains("build with prebuilt") && !output.stderr.contains("► build"),
            "{output}"
        );
        assert!(!repository.path().join(".hephy/build").exists(), "{output}");
        assert_eq!(repository.entries(), []);
    }
    // Where the user wants the other legs all the same, they are built, and the error is the same.
    let app = format!("app: {{path: app, fail-fast: false, prebuilt: {{linux/{there}: here}}}}");
    let text = format!("components:\n  a: {{path: a, prebuilt: {{linux/{here}: run}}}}\n  {app}\n");
    repository.write("hephy.yaml", &text).commit("Configure");
    let output = repository.hephy(["up"]).run().exits(3).says("✔ build  a");
    assert!(output.error().ends_with(&other), "{output}");
}

#[test]
fn every_program_of_an_image_must_be_able_to_start() {
    // Given a package whose second program needs a loader, as its build script wants it,
    let repository = Repository::empty();
    package(&repository, "", "fn main() {}\n");
    repository.write("api/src/bin/migrate.rs", "fn main() {}\n");
    let flag = "cargo::rustc-link-arg-bin=migrate=-Wl,--dynamic-linker=/lib/own-loader";
    repository.write("api/build.rs", &format!("fn main() {{ println!(\"{flag}\") }}\n"));
    repository.write("hephy.yaml", "components: {api: {bins: [api, migrate]}}\n").commit("Add the programs");
    // when the image starts the first, then the second is looked at too.
    let output = refused(&repository, &["up"], 3);
    let expected = "/migrate`: it needs the loader `/lib/own-loader`, and its image has none";
    assert!(output.error().ends_with(expected), "{output}");
}

#[test]
fn a_program_that_looks_for_certificates_where_there_are_none_is_a_warning() {
    let repository = Repository::empty();
    let looks = "fn main() { println!(\"{}\", std::path::Path::new(\"/etc/ssl/certs/ca-certificates.crt\").exists()) }\n";
    std::fs::create_dir_all(repository.path().join("app")).expect("create the folder");
    compile(looks, &repository.path().join("app/run"));
    repository.write("own.pem", "a certificate\n");
    let stderr = |more: &str| {
        let program = format!("prebuilt: {{linux/{}: run}}", host());
        let text = format!("components: {{app: {{path: app, {more}{program}}}}}\n");
        repository.write("hephy.yaml", &text).commit("Configure");
        repository.hephy(["build"]).run().exits(0).stderr
    };
    let warning = "can look for CA certificates, and its image has none";
    let without = stderr("");
    assert!(without.contains(warning), "{without}");
    let with = stderr("assets: {own.pem: /etc/ssl/certs/}, ");
    assert!(!with.contains(warning), "{with}");
    compile("fn main() {}\n", &repository.path().join("app/run"));
    let other = stderr("");
    assert!(!other.contains(warning), "{other}");
}

#[test]
fn a_program_of_more_than_128_mebibytes_is_a_warning() {
    let repository = Repository::app();
    let program = std::fs::File::options().write(true).open(repository.path().join("app/run"));
    program.and_then(|program| program.set_len(129 << 20)).expect("make it longer");
    let output = repository.hephy(["build"]).run().exits(0);
    let path = repository.path().join("app/run");
    let expected = format!(
        "warning: app (linux/amd64): `{}` has 129 MiB; without debug information (`strip`) it is smaller\n",
        path.display()
    );
    output.says(&expected);
}

/// A folder of Cargo's with the only package that this machine knows, `greeting`, and these settings.
fn cargo_home(folder: &Path, settings: &str) {
    let vendor = folder.join("vendor");
    let package = vendor.join("greeting");
    std::fs::create_dir_all(package.join("src")).expect("create the folder");
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("write");
    let manifest = "[package]\nname = \"greeting\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
    write(&package.join("Cargo.toml"), manifest);
    write(&package.join("src/lib.rs"), "pub fn place() -> &'static str { file!() }\n");
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", "0".repeat(64));
    write(&package.join(".cargo-checksum.json"), &checksum);
    let source = format!(
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = '{}'\n{settings}",
        vendor.display()
    );
    write(&folder.join("config.toml"), &source);
}

#[test]
fn no_folder_of_a_machine_is_in_a_program() {
    // Given a program that is made of a file of its build script and of a package from elsewhere, and names them,
    let repository = Repository::empty();
    let main = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
        fn main() { println!(\"{} {} {}\", made(), greeting::place(), file!()) }\n";
    package(&repository, "[package.metadata.hephy]\n[dependencies]\ngreeting = \"1\"\n", main);
    let script = "fn main() {\n    let made = std::path::Path::new(&std::env::var(\"OUT_DIR\").unwrap()).join(\"made.rs\");\n    \
        std::fs::write(made, \"fn made() -> &'static str { file!() }\").unwrap();\n}\n";
    repository.write("api/build.rs", script);
    let home = repository.beside("cargo");
    cargo_home(&home, "");
    let lock = Command::new("cargo")
        .args(["generate-lockfile", "--offline", "--quiet"])
        .current_dir(repository.path().join("api"))
        .env("CARGO_HOME", &home)
        .status();
    assert!(lock.expect("cargo starts").success());
    repository.commit("Add a program");
    // when it is built on two machines that have nothing where the other has it,
    let elsewhere = repository.beside("another place/of another length");
    repository.git(["clone", "--quiet", ".", &elsewhere.to_string_lossy()]);
    let other_home = repository.beside("a home of Cargo/with its own settings");
    // One of them keeps what is not finished in a folder of the repository.
    let settings = format!("[build]\nbuild-dir = '{}'\n", elsewhere.join("target/unfinished").display());
    cargo_home(&other_home, &settings);
    let up = |repository: &Path, home: &Path, target: &str| {
        let hephy = crate::support::hephy(repository).args(["up"]).env("CARGO_HOME", home);
        hephy.env("CARGO_TARGET_DIR", repository.with_file_name(target)).run().exits(0).stdout
    };
    let first = up(repository.path(), &home, "target");
    let second = up(&elsewhere, &other_home, "what is made/there");
    // then it is one image, whose program names the sources by names that mean the same everywhere.
    assert_eq!(first, second);
    let image = image(&repository, host());
    let says = output(&image, "app/api");
    assert!(
        says.starts_with("/target/")
            && says.ends_with("/out/made.rs /cargo/vendor/greeting/src/lib.rs src/main.rs"),
        "{says}"
    );
    let here = repository.beside("");
    let here = here.to_string_lossy();
    let names_it = image.files["app/api"].windows(here.len()).any(|part| part == here.as_bytes());
    assert!(!names_it, "{here} is in the program");
}
