//! Spin applications and buildpacks. Neither spin nor pack can be had here: what they read is tested with their files, and
//! how pack is called with a stand-in that writes down its command line (docs/backends.md says so). How spin is called is in
//! `backend_spin`.

use crate::support::registry::Registry;
use crate::support::{Hephy, Repository, stand_in, write_program};
use serde_json::Value;

/// A repository of these files, and `app` as its component.
fn repository(files: &[(&str, &str)]) -> Repository {
    let repository = Repository::empty();
    for (path, text) in files {
        repository.write(path, text);
    }
    repository.write("hephy.yaml", "components: {app: {path: app}}\n").commit("Add an app");
    repository
}

fn plan(repository: &Repository) -> Value {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    serde_json::from_str(&output.stdout).expect("a plan is JSON")
}

/// Those of `paths` whose change changes the input digest.
fn counting<'a>(repository: &Repository, paths: &[&'a str]) -> Vec<&'a str> {
    let digest = || plan(repository)["components"][0]["legs"][0]["input_digest"].clone();
    let before = digest();
    let counts = |path: &&&str| {
        let full = repository.path().join(path);
        let old = std::fs::read_to_string(&full).ok();
        repository.write(path, &format!("{}\n# more\n", old.as_deref().unwrap_or_default()));
        let counts = digest() != before;
        match old {
            Some(old) => std::fs::write(full, old).expect("write the file"),
            None => std::fs::remove_file(full).expect("remove the file"),
        }
        counts
    };
    paths.iter().filter(counts).copied().collect()
}

const SPIN: &str = "spin_manifest_version = 2\n[application]\nname = 'app'\n[component.api]\nsource = 'api/target/api.wasm'\n\
    files = ['assets/*', { source = '../shared/static', destination = '/' }]\n[component.api.build]\ncommand = 'make'\n\
    workdir = 'api'\nwatch = ['../../lib/**/*.rs']\n[component.plain]\nsource = 'plain.wasm'\n";

#[test]
fn a_spin_application_reads_its_folder_and_what_it_names() {
    let repository = repository(&[
        (".gitignore", "*.wasm\n"),
        ("app/spin.toml", SPIN),
        ("app/api/main.rs", "fn main() {}\n"),
        ("app/plain.wasm", "wasm"),
        ("shared/static/index.html", "<p>"),
        ("shared/other", "x"),
        ("lib/deep/lib.rs", ""),
        ("lib/deep/lib.md", ""),
    ]);
    let leg = &plan(&repository)["components"][0]["legs"][0];
    assert_eq!(leg["platform"], "wasi/wasm");
    let paths = [
        "app/spin.toml",
        "app/api/main.rs",
        "app/new",
        "app/plain.wasm",
        "app/api/target/api.wasm",
        "shared/static/index.html",
        "shared/other",
        "lib/deep/lib.rs",
        "lib/deep/lib.md",
    ];
    // What a command makes anew is no input, and neither is what nobody names.
    let expected: Vec<&str> = paths
        .into_iter()
        .filter(|path| !["app/api/target/api.wasm", "shared/other", "lib/deep/lib.md"].contains(path))
        .collect();
    assert_eq!(counting(&repository, &paths), expected);
}

#[test]
fn without_spin_nothing_else_is_started() {
    let repository = repository(&[("app/spin.toml", SPIN), ("other/run", "run")]);
    let components =
        "components:\n  app: {path: app}\n  other: {path: other, prebuilt: {linux/amd64: run}}\n";
    repository.write("hephy.yaml", components).commit("Add another");
    let output = repository.hephy(["up"]).run().exits(3);
    assert_eq!(output.error(), "error: build app (wasi/wasm): find the program `spin`");
    assert!(!output.stderr.contains("► build"), "{output}");
    repository.write("app/spin.toml", &SPIN.replace("../shared", "../../shared"));
    let output = repository.hephy(["plan"]).run().exits(2);
    assert!(output.error().contains("outside the repository"), "{output}");
}

#[test]
fn buildpacks_read_what_the_descriptor_leaves_in() {
    let files = [
        ("app/project.toml", ""),
        ("app/main.py", "print()\n"),
        ("app/docs/guide.md", "guide"),
        ("app/tests/test.py", ""),
        ("buildpack/bin/build", ""),
        ("other", ""),
    ];
    let paths = files.map(|(path, _)| path);
    for (keys, left_out) in [
        ("", &[][..]),
        ("exclude = ['*.md', '/tests/']", &["app/docs/guide.md", "app/tests/test.py"]),
        ("include = ['*.py']", &["app/docs/guide.md"]),
        // What may be read in two ways leaves nothing out.
        ("exclude = ['*', '!main.py']", &[]),
    ] {
        let repository = repository(&files);
        let group = "[[io.buildpacks.group]]\nuri = '../buildpack'\n";
        let text = format!("[io.buildpacks]\nbuilder = 'a@sha256:{}'\n{keys}\n{group}", "0".repeat(64));
        repository.write("app/project.toml", &text).commit("Describe it");
        let expected: Vec<&str> =
            paths.into_iter().filter(|path| *path != "other" && !left_out.contains(path)).collect();
        assert_eq!(counting(&repository, &paths), expected, "{keys}");
    }
}

/// What a stand-in for pack does: it writes down how it was called and leaves the smallest layout there is.
const PACK: &str = r#"#!/bin/sh
[ "$1" != version ] || { echo 0.40.0+git-b7ab4f8; exit; }
printf '%s\n' "$@" > "$RECORD"
cat "$PACK_HOME/config.toml" >> "$RECORD"
mkdir -p image/latest/blobs/sha256
put() { d=$(printf '%s' "$1" | sha256sum | cut -d' ' -f1); printf '%s' "$1" > "image/latest/blobs/sha256/$d"; }
put '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
c=$d; t=application/vnd.oci.image
put '{"schemaVersion":2,"config":{"mediaType":"'$t.config.v1+json'","digest":"sha256:'$c'","size":76},"layers":[]}'
echo '{"schemaVersion":2,"manifests":[{"mediaType":"'$t.manifest.v1+json'","digest":"sha256:'$d'","size":'$(wc -c < image/latest/blobs/sha256/$d)'}]}' > image/latest/index.json
echo '{"imageLayoutVersion":"1.0.0"}' > image/latest/oci-layout
"#;

#[test]
fn pack_is_called_as_its_documentation_says() {
    let registry = Registry::start();
    registry.publish("builder:1", "builder");
    let builder = registry.image("builder:1");
    let descriptor = format!("[io.buildpacks]\nbuilder = '{builder}'\n");
    let repository = repository(&[("app/project.toml", &descriptor), ("app/main.py", "")]);
    let keys = "path: app, platforms: [linux/amd64], build-args: {BP_PYTHON_VERSION: '3.13'}";
    repository.write("hephy.yaml", &format!("components: {{app: {{{keys}}}}}\n")).commit("Choose a version");
    let tools = repository.beside("tools");
    std::fs::create_dir(&tools).expect("create the folder");
    write_program(tools.join("pack"), PACK);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("a path"));
    let record = repository.beside("record");
    let found = plan(&repository);
    repository.hephy(["up"]).env("PATH", path).env("RECORD", &record).run().exits(0);
    let pinned = found["components"][0]["base_images"][&builder].as_str().expect("a digest");
    let time = repository.git(["log", "-1", "--format=%ct"]);
    let folder = repository.path().join("app");
    let expected = format!(
        "build\noci:image\n--builder\n{pinned}\n--platform\nlinux/amd64\n--creation-time\n{}\n--path\n{}\n--env\n\
         BP_PYTHON_VERSION=3.13\nexperimental = true\n",
        time.trim(),
        folder.display()
    );
    assert_eq!(std::fs::read_to_string(&record).expect("a record"), expected);
    assert!(repository.tags()[0].starts_with("app:sha-"));
    // Who has no builder of his own would get that of this machine.
    repository.write("app/project.toml", "[_]\n").commit("Forget the builder");
    let output = repository.hephy(["build"]).run().exits(3);
    assert!(output.error().ends_with("choose a builder: `project.toml` names none"), "{output}");
}

/// hephy with stand-ins of these names in front of everything else on PATH.
fn with(repository: &Repository, arguments: &[&str], tools: &[(&str, &str)]) -> Hephy {
    let folder = repository.beside("stand-ins");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).expect("create the folder");
    tools.iter().for_each(|(name, script)| stand_in(&folder.join(name), script));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a path"));
    repository.hephy(arguments).env("PATH", path)
}

/// A repository with an application for pack, whose builder is in `registry`.
fn packed(registry: &Registry) -> Repository {
    registry.publish("builder:1", "builder");
    let descriptor = format!("[io.buildpacks]\nbuilder = '{}'\n", registry.image("builder:1"));
    repository(&[("app/project.toml", &descriptor), ("app/main.py", "")])
}

#[test]
fn a_build_of_pack_that_fails_does_so_with_its_words() {
    let registry = Registry::start();
    let repository = packed(&registry);
    let words = "[ \"$1\" != version ] || { echo 0.40.0; exit; }; echo 'no buildpack fits'; echo 'ERROR: failed to build' >&2; exit 51";
    let output = with(&repository, &["up"], &[("pack", words)]).run().exits(3).says("│ no buildpack fits");
    assert!(output.error().ends_with("run `pack`: exit status: 51: ERROR: failed to build"), "{output}");
    assert_eq!(repository.entries(), [], "{output}");
    output.says(
        "hint: what `pack` says is the reason; `hephy build app --platform linux/amd64` tries it alone\n",
    );
}

#[test]
fn a_tool_that_is_too_old_is_named() {
    let registry = Registry::start();
    let packed = packed(&registry);
    registry.publish_index("base:1");
    let settings = format!("defaultBaseImage: {}\n", registry.image("base:1"));
    let go = repository(&[
        ("app/go.mod", "module example.com/app\n\ngo 1.20\n"),
        ("app/main.go", "package main\n\nfunc main() {}\n"),
        ("app/.ko.yaml", &settings),
    ]);
    let manifest = "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    let lock = "version = 3\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\n";
    let rust = repository(&[
        ("app/Cargo.toml", manifest),
        ("app/Cargo.lock", lock),
        ("app/src/main.rs", "fn main() {}\n"),
    ]);
    let spin =
        repository(&[("app/spin.toml", SPIN), ("shared/static/index.html", "<p>"), ("app/plain.wasm", "")]);
    // Given tools that are one version too old, of which the plan gets the answers that it wants,
    let path = std::env::var("PATH").expect("a path");
    let older = |tool: &str, ask: &str, says: &str| {
        format!("[ \"$1\" != {ask} ] || {{ echo '{says}'; exit; }}; PATH='{path}' exec {tool} \"$@\"")
    };
    let cargo = older("cargo", "--version", "cargo 1.62.1 (a748cf5a3 2022-06-08)");
    let old_go = older("go", "version", "go version go1.20.14 linux/amd64");
    for (repository, tools, expected) in [
        (&rust, vec![("cargo", &*cargo)], "cargo`: it is version 1.62.1, and hephy needs 1.63 or newer"),
        (&go, vec![("ko", "echo v0.14.1")], "ko`: it is version 0.14.1, and hephy needs 0.15 or newer"),
        (
            &go,
            vec![("ko", "echo v0.15.0"), ("go", &*old_go)],
            "go`: it is version 1.20.14, and hephy needs 1.21 or newer",
        ),
        (
            &packed,
            vec![("pack", "echo 0.28.0+git-1")],
            "pack`: it is version 0.28.0+git-1, and hephy needs 0.29 or newer",
        ),
        (
            &spin,
            vec![("spin", "echo 'spin 1.5.1'")],
            "spin`: it is version 1.5.1, and hephy needs 2.0 or newer",
        ),
    ] {
        // when something is to be built, then the tool is named with its version, and nothing was begun.
        let output = with(repository, &["up"], &tools).run().exits(3);
        assert!(output.error().ends_with(&format!(": use `{expected}")), "{output}");
        assert!(!output.stderr.contains("► build"), "{output}");
        output.says("hint: install a newer one, or put it first on PATH");
    }
    // A tool that is not there is named too.
    let output = packed.hephy(["up"]).run().exits(3).says("hint: install pack, or put it on PATH");
    assert!(output.error().ends_with(": find the program `pack`"), "{output}");
    assert!(!output.stderr.contains("► build"), "{output}");
}
