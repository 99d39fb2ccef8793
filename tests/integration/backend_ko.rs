//! The `ko` backend, with the real ko and the real Go: what it reads, what it builds, and what it refuses.

use crate::support::attached::ensure_valid;
use crate::support::registry::Registry;
use crate::support::{Hephy, Output, Repository, path_with, stand_in};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

/// A program with everything that can be read: a package, one of another module, embedded files, data, a profile.
const FILES: [(&str, &str); 18] = [
    (
        "svc/api/main.go",
        "package main\n\nimport (\n\t_ \"embed\"\n\t\"example.com/lib\"\n\t\"example.com/svc/greet\"\n\t\"fmt\"\n)\n\n\
         //go:embed page.html\nvar page string\n\nfunc main() { fmt.Println(lib.Name, greet.Text, page) }\n",
    ),
    ("svc/api/page.html", "<p>"),
    ("svc/api/kodata/data.txt", "data"),
    ("svc/api/main_test.go", "package main\n"),
    (
        "svc/go.mod",
        "module example.com/svc\n\ngo 1.24\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n",
    ),
    ("svc/greet/greet.go", "package greet\n\nconst Text = \"hello\" + arch\n"),
    ("svc/greet/greet_amd64.go", "package greet\n\nconst arch = \" from amd64\"\n"),
    ("svc/greet/greet_arm64.go", "package greet\n\nconst arch = \" from arm64\"\n"),
    ("svc/greet/tagged.go", "//go:build special\n\npackage greet\n"),
    ("svc/greet/greet_test.go", "package greet\n"),
    ("svc/greet/notes.md", "notes"),
    ("svc/unused/unused.go", "package unused\n"),
    ("svc/web/main.go", "package main\n\nfunc main() {}\n"),
    ("lib/go.mod", "module example.com/lib\n\ngo 1.24\n"),
    ("lib/lib.go", "package lib\n\nconst Name = \"lib\"\n"),
    ("lib/other/other.go", "package other\n"),
    ("other/go.mod", "module example.com/other\n\ngo 1.24\n"),
    ("README.md", "read me"),
];

const CONFIGURATION: &str = "components: {api: {path: svc/api, platforms: [linux/amd64, linux/arm64]}}\n";

/// A registry with a base image for two platforms, and a repository with the program on it.
fn service() -> (Registry, Repository) {
    let registry = Registry::start();
    registry.publish_index("base:1");
    let repository = Repository::empty();
    for (path, text) in FILES {
        repository.write(path, text);
    }
    repository.write(".ko.yaml", &format!("defaultBaseImage: {}\n", registry.image("base:1")));
    repository.write("hephy.yaml", CONFIGURATION).commit("Add a service");
    (registry, repository)
}

/// hephy with ko, and with the cache of this machine's compiler: otherwise each call compiles Go's library.
fn ko(repository: &Repository, arguments: &[&str]) -> Hephy {
    let hephy = repository.hephy(arguments).env("PATH", path_with(&["ko"])).env("GOTOOLCHAIN", "local");
    hephy.env("GOCACHE", compiler_cache()).env("GOPROXY", "off")
}

fn compiler_cache() -> String {
    let output = Command::new("go").args(["env", "GOCACHE"]).output().expect("go starts");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

fn plan(repository: &Repository) -> Value {
    let output = ko(repository, &["plan", "--emit", "json"]).run().exits(0);
    serde_json::from_str(&output.stdout).expect("a plan is JSON")
}

/// The input digests of both platforms.
fn digests(repository: &Repository) -> [String; 2] {
    let plan = plan(repository);
    [0, 1]
        .map(|leg| plan["components"][0]["legs"][leg]["input_digest"].as_str().expect("a digest").to_owned())
}

/// The configuration of the image and the text of all its layers.
fn image(repository: &Repository, platform: &str) -> (Value, String) {
    let folder = repository.path().join(".hephy/build/api").join(platform).join("blobs/sha256");
    let (mut configuration, mut text) = (Value::Null, String::new());
    for blob in folder.read_dir().expect("blobs") {
        let bytes = std::fs::read(blob.expect("a blob").path()).expect("read the blob");
        let mut inside = vec![];
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(json) if json.get("rootfs").is_some() => configuration = json,
            Ok(_) => {}
            Err(_) if flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut inside).is_ok() => {
                text.push_str(&String::from_utf8_lossy(&inside));
            }
            Err(_) => {}
        }
    }
    (configuration, text)
}

#[test]
fn a_go_program_is_built_for_two_platforms_on_the_base_that_the_plan_saw() {
    let (registry, repository) = service();
    let plan = plan(&repository);
    assert_eq!(plan["components"][0]["backend"], "ko");
    assert_eq!(plan["components"][0]["backend_reason"], "`main.go` is in its folder");
    // Another image under the name of the base is not what the plan saw.
    let file = repository.beside("plan.json");
    std::fs::write(&file, plan.to_string()).expect("write the plan");
    registry.publish("base:1", "another");
    ko(&repository, &["up", "--plan", &file.to_string_lossy()]).run().exits(0);
    for (platform, architecture) in [("linux-amd64", "amd64"), ("linux-arm64", "arm64")] {
        let (configuration, text) = image(&repository, platform);
        assert_eq!(configuration["architecture"], architecture);
        assert_eq!(configuration["config"]["Entrypoint"][0], "/ko-app/api");
        assert!(text.contains(&format!("hello from {architecture}")), "the program is in the image");
        assert!(text.contains("var/run/ko/data.txt"), "so is its data");
        assert!(text.contains(&format!("for {architecture}")), "and the base");
        let commit = repository.id("HEAD");
        assert!(!text.contains(&commit), "the commit is not in the program");
    }
    registry.publish_index("base:1");
    // Another commit that changes nothing of it takes the same image.
    repository.write("README.md", "new").commit("Write").write("svc/unused/unused.go", "package unused\n\n");
    let output = ko(&repository, &["up"]).run().exits(0);
    assert!(!output.stderr.contains(" build  "), "{output}");
}

#[test]
fn what_the_program_is_made_of_counts_and_nothing_else() {
    let (registry, repository) = service();
    let before = digests(&repository);
    let mut counting = vec![];
    for (path, text) in FILES {
        let changed = if path.ends_with(".go") || path.ends_with(".mod") { "\n// new\n" } else { "new" };
        repository.write(path, &format!("{text}{changed}"));
        let after = digests(&repository);
        for (platform, (before, after)) in ["amd64", "arm64"].iter().zip(before.iter().zip(&after)) {
            if before != after {
                counting.push(format!("{path} {platform}"));
            }
        }
        repository.write(path, text);
    }
    assert_eq!(
        counting,
        [
            "svc/api/main.go amd64",
            "svc/api/main.go arm64",
            "svc/api/page.html amd64",
            "svc/api/page.html arm64",
            "svc/api/kodata/data.txt amd64",
            "svc/api/kodata/data.txt arm64",
            "svc/greet/greet.go amd64",
            "svc/greet/greet.go arm64",
            "svc/greet/greet_amd64.go amd64",
            "svc/greet/greet_arm64.go arm64",
            "lib/lib.go amd64",
            "lib/lib.go arm64",
        ]
    );
    // New files and settings count where they mean something, and only there.
    let base = registry.image("base:1");
    for (path, text, counts) in [
        ("svc/greet/more.go", "package greet\n", true),
        ("svc/unused/more.go", "package unused\n", false),
        ("svc/api/default.pgo", "profile", true),
        ("svc/api/kodata/more", "more", true),
        ("go.work", "go 1.24\n\nuse ./svc\n", true),
        ("other/more.go", "package other\n", false),
        (".ko.yaml", &format!("defaultBaseImage: {base}\n# more\n"), false),
        (".ko.yaml", &format!("defaultBaseImage: {base}\nbuilds: [{{main: svc/web, flags: [-v]}}]\n"), false),
        (".ko.yaml", &format!("defaultBaseImage: {base}\nbuilds: [{{main: svc/api, ldflags: -s}}]\n"), true),
        (".ko.yaml", &format!("defaultBaseImage: {base}\ndefaultFlags: [-tags=special]\n"), true),
    ] {
        let old = std::fs::read_to_string(repository.path().join(path)).ok();
        repository.write(path, text);
        assert_eq!(digests(&repository) != before, counts, "{path}: {text}");
        match old {
            Some(old) => drop(repository.write(path, &old)),
            None => std::fs::remove_file(repository.path().join(path)).expect("remove the file"),
        }
    }
    assert_eq!(digests(&repository), before);
}

#[test]
fn whatever_the_compiler_opens_is_an_input() {
    let (_registry, repository) = service();
    let trace = repository.beside("trace");
    let status = Command::new("strace")
        .args(["--follow-forks", "--quiet=all", "--trace=open,openat", "--string-limit=4096", "--output"])
        .arg(&trace)
        .args(["go", "build", "-trimpath", "-buildvcs=false", "-o", "/dev/null", "."])
        .current_dir(repository.path().join("svc/api"))
        .env("CGO_ENABLED", "0")
        .env("GOARCH", "amd64")
        .env("GOCACHE", compiler_cache())
        .status();
    assert!(status.expect("strace starts (./dev tools strace)").success());
    let trace = std::fs::read_to_string(trace).expect("a trace");
    let opened =
        trace.lines().filter(|line| !line.contains(" = -1 ")).filter_map(|line| line.split('"').nth(1));
    let root = repository.path().canonicalize().expect("a folder");
    let in_repository = |path: &str| {
        let path = root.join("svc/api").join(path).canonicalize().ok().filter(|path| path.is_file())?;
        Some(path.strip_prefix(&root).ok()?.to_string_lossy().into_owned())
    };
    let opened: BTreeSet<String> = opened.filter_map(in_repository).collect();
    for expected in ["svc/api/main.go", "svc/api/page.html", "svc/greet/greet.go", "lib/lib.go", "svc/go.mod"]
    {
        assert!(opened.contains(expected), "{expected} in {opened:?}");
    }
    let before = digests(&repository);
    for path in opened {
        // Of these, Go only reads the first lines, to see that they do not belong to this build.
        let is_left_out = path.ends_with("_test.go") || path.ends_with("tagged.go") || path.contains("arm64");
        let text = std::fs::read_to_string(repository.path().join(&path)).expect("a file");
        let more = if path.ends_with(".mod") { "godebug default=go1.23\n" } else { "\n// new\n" };
        repository.write(&path, &format!("{text}{more}"));
        assert_eq!(digests(&repository)[0] != before[0], !is_left_out, "{path}");
        repository.write(&path, &text);
    }
}

#[test]
fn two_folders_make_one_image() {
    let (_registry, repository) = service();
    let elsewhere = repository.clone_with(&[]);
    let up = |repository: &Repository| ko(repository, &["up"]).run().exits(0).stdout;
    assert_eq!(up(&repository), up(&elsewhere));
}

#[test]
fn a_shell_does_not_change_the_image() {
    let (_registry, repository) = service();
    let expected = ko(&repository, &["up"]).run().exits(0).stdout;
    std::fs::remove_dir_all(repository.path().join(".hephy")).expect("forget the image");
    let foreign = [("GOFLAGS", "-tags=special"), ("GOARCH", "riscv64"), ("KO_DEFAULTBASEIMAGE", "nowhere/x")];
    let hephy = foreign.iter().fold(ko(&repository, &["up"]), |hephy, (name, value)| hephy.env(name, value));
    assert_eq!(hephy.run().exits(0).stdout, expected);
}

#[test]
fn templates_that_no_input_stands_for_are_refused() {
    let (registry, repository) = service();
    let base = registry.image("base:1");
    let flags = |template: &str| {
        let text = format!("defaultBaseImage: {base}\ndefaultLdflags: ['-X main.v={{{{{template}}}}}']\n");
        repository.write(".ko.yaml", &text);
    };
    flags(".Git.ShortCommit");
    let output = ko(&repository, &["plan"]).run().exits(2);
    let expected = "error: plan: read `.ko.yaml` for `api`: `{{.Git.ShortCommit}}` makes another image of every commit \
                    or of every time";
    assert_eq!(output.error(), expected);
    flags(".Env.VERSION");
    ko(&repository, &["plan"]).run().exits(2).says("hint: give it a value in hephy.yaml: `build-args:");
    // What the component says itself is an input, and ko gets it.
    let before = "{path: svc/api, ";
    let with =
        |value: &str| CONFIGURATION.replace(before, &format!("{before}build-args: {{VERSION: {value}}}, "));
    repository.write("hephy.yaml", &with("one"));
    let first = digests(&repository);
    repository.write("hephy.yaml", &with("two"));
    assert_ne!(digests(&repository), first);
    repository.write("svc/api/version.go", "package main\n\nvar v string\n\nfunc init() { println(v) }\n");
    repository.write("hephy.yaml", &with("this-very-version")).commit("Say the version");
    ko(&repository, &["build"]).run().exits(0);
    assert!(image(&repository, "linux-amd64").1.contains("this-very-version"));
}

#[test]
fn a_program_that_does_not_compile_fails_with_the_words_of_go() {
    let (_registry, repository) = service();
    repository.write("svc/api/broken.go", "package main\n\nvar number int = \"text\"\n").commit("Break it");
    let output =
        ko(&repository, &["build", "--platform", "linux/amd64"]).run().exits(3).says("cannot use \"text\"");
    assert!(
        output.error().starts_with("error: build api (linux/amd64): run `ko`: exit status: 1: Error: "),
        "{output}"
    );
    assert_eq!(repository.entries(), [], "{output}");
    output.says(
        "hint: what `ko` says is the reason; `hephy build api --platform linux/amd64` tries it alone; errors of the compiler \
         show with `go build -o /dev/null ./...` in the folder `svc/api` too\n",
    );
}

#[test]
fn a_tool_that_is_missing_or_too_old_is_named_before_anything_starts() {
    let (_registry, repository) = service();
    let go = Command::new("go").args(["env", "GOROOT"]).output().expect("go starts").stdout;
    let go = format!("{}/bin:/usr/bin:/bin", String::from_utf8(go).expect("UTF-8").trim());
    let output = ko(&repository, &["up"]).env("PATH", &go).run().exits(3);
    assert!(output.error().contains("find the program `ko`"), "{output}");
    let output = output.says("hint: install ko, or put it on PATH");
    assert!(!output.stderr.contains("► build"), "{output}");
    let folder = repository.beside("old");
    std::fs::create_dir(&folder).expect("create the folder");
    stand_in(&folder.join("ko"), "echo v0.11.2");
    let path = format!("{}:{go}", folder.display());
    let output = ko(&repository, &["up"]).env("PATH", path).run().exits(3);
    assert!(
        output.error().ends_with("use `ko`: it is version 0.11.2, and hephy needs 0.15 or newer"),
        "{output}"
    );
}

#[test]
fn a_folder_with_ko_settings_may_have_its_program_elsewhere() {
    let (registry, repository) = service();
    let base = registry.image("base:1");
    repository.write("svc/.ko.yaml", &format!("defaultBaseImage: {base}\nbuilds: [{{main: ./api}}]\n"));
    repository.write("hephy.yaml", &CONFIGURATION.replace("svc/api", "svc")).commit("Name the folder");
    let found = plan(&repository);
    assert_eq!(found["components"][0]["backend_reason"], "`.ko.yaml` is in its folder");
    ko(&repository, &["build", "--platform", "linux/amd64"]).run().exits(0);
    assert!(image(&repository, "linux-amd64").1.contains("ko-app/api"));
}

#[test]
fn a_package_that_go_cannot_list_counts_its_whole_module() {
    let (_registry, repository) = service();
    repository
        .write("svc/greet/greet.go", "package greet\n\nimport _ \"example.com/missing\"\n")
        .commit("Break it");
    let before = digests(&repository);
    repository.write("svc/unused/unused.go", "package unused\n\n// new\n");
    assert_ne!(digests(&repository), before);
}

#[test]
fn each_platform_has_an_sbom_of_what_go_linked() {
    let (_registry, repository) = service();
    ko(&repository, &["up"]).run().exits(0);
    let layout = repository.path().join(".hephy/oci");
    let read = |path: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
    };
    let blob = |digest: &Value| {
        let digest = digest.as_str().expect("a digest").trim_start_matches("sha256:");
        read(&layout.join("blobs/sha256").join(digest))
    };
    let index = read(&layout.join("index.json"));
    let entries = index["manifests"].as_array().expect("a list").iter();
    let documents: Vec<Value> = entries
        .filter(|entry| entry["artifactType"] == "application/vnd.cyclonedx+json")
        .map(|entry| blob(&blob(&entry["digest"])["layers"][0]["digest"]))
        .collect();
    let image = |sbom: &Value| sbom["metadata"]["component"]["purl"].to_string();
    for architecture in ["arch=amd64", "arch=arm64"] {
        let sbom = documents.iter().find(|sbom| image(sbom).contains(architecture)).expect(architecture);
        ensure_valid(sbom);
        let names: Vec<&str> = sbom["components"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|component| component["name"].as_str().expect("a name"))
            .collect();
        assert_eq!(names, ["example.com/lib", "example.com/svc", "stdlib"], "{sbom}");
        // A module in a folder is not the one that has its name elsewhere.
        assert!(!sbom.to_string().contains("pkg:golang/example.com"), "{sbom}");
    }
    assert_eq!(documents.len(), 2);
}

#[test]
fn files_that_ko_leaves_out_because_they_want_cgo_are_named_once() {
    // Given a package with a file for cgo and another in its place, and files that other things keep out as well,
    let (registry, repository) = service();
    repository
        .write("svc/greet/greet.go", "package greet\n\nconst Text = \"hello\" + arch\n")
        .write("svc/greet/native.go", "package greet\n\n// int one() { return 1; }\nimport \"C\"\n")
        .write("svc/greet/native_windows.go", "package greet\n\nimport \"C\"\n")
        .write("svc/greet/tagged.go", "//go:build special\n\npackage greet\n\nimport \"C\"\n")
        .write("svc/unused/unused.go", "package unused\n\nimport \"C\"\n")
        .commit("Call C");
    // when it is planned and built for two platforms, then one warning names the file that would be compiled,
    let expected = "warning: `svc/greet/native.go` imports \"C\" and is left out of `api`, because ko builds without cgo; say \
                    what is meant with `defaultEnv` in `.ko.yaml`: `CGO_ENABLED=0`, or";
    let warned =
        |output: &Output| output.stderr.lines().filter(|line| line.contains("imports \"C\"")).count();
    let output = ko(&repository, &["up"]).run().exits(0).says(expected);
    assert_eq!(warned(&output), 1, "{output}");
    let output = ko(&repository, &["plan", "--explain", "api"]).run().exits(0);
    assert_eq!(warned(&output), 1, "{output}");
    // another tag makes two of them,
    let base = format!("defaultBaseImage: {}\n", registry.image("base:1"));
    repository.write(".ko.yaml", &format!("{base}defaultFlags: [-tags=special]\n"));
    ko(&repository, &["plan"]).run().exits(0).says("`svc/greet/native.go` (and 1 more file) imports \"C\"");
    // and there is none where somebody has decided.
    repository.write(".ko.yaml", &format!("{base}defaultEnv: [CGO_ENABLED=0]\n"));
    assert_eq!(warned(&ko(&repository, &["plan"]).run().exits(0)), 0);
}
