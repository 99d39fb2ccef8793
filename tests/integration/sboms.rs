//! SBOMs of images that hephy did not compile: what real programs say about themselves, and documents of the user's own.

use crate::support::attached::{attached, digest, ensure_valid};
use crate::support::registry::Registry;
use crate::support::{Repository, input_digest, path_with, prebuilt, refused};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
const SPDX: &str = "application/spdx+json";

/// A program that the tests have: it was built by Go, with dependencies.
fn program_of_go() -> PathBuf {
    std::env::split_paths(&path_with(&["crane"])).next().expect("a folder").join("crane")
}

/// A repository with the component `app`, whose finished programs are these, by file name.
fn finished(programs: &[(&str, &Path)], configuration: &str) -> Repository {
    let repository = Repository::empty();
    repository.write("hephy.yaml", configuration).write("app/dist/README.md", "two programs\n");
    for (name, path) in programs {
        std::fs::copy(path, repository.path().join("app/dist").join(name)).expect("copy the program");
    }
    repository.commit("Add programs");
    repository
}

/// What is attached to the only image that `up` makes in this registry.
fn published(
    registry: &Registry,
    repository: &Repository,
    arguments: &[&str],
) -> Vec<(String, Value, Value)> {
    let place = registry.image("shop");
    let up = repository.hephy(["up", "--registry", &place]).args(arguments).run().exits(0);
    attached(&format!("{}@{}", registry.image("shop/app"), digest(&up)))
}

/// Name, version and package URL of each component.
fn components(sbom: &Value) -> BTreeSet<[String; 3]> {
    let text = |component: &Value, key: &str| component[key].as_str().unwrap_or("-").to_owned();
    let listed = sbom["components"].as_array().expect("a list").iter();
    listed.map(|one| ["name", "version", "purl"].map(|key| text(one, key))).collect()
}

/// What Go itself reads in the program.
fn go_says(program: &Path) -> (String, BTreeSet<(String, String)>) {
    let output = Command::new("go").args(["version", "-m"]).arg(program).output().expect("go starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let version =
        text.lines().next().and_then(|line| line.rsplit_once(": go")).expect("a version").1.to_owned();
    let columns = text.lines().map(|line| line.trim().split('\t').collect::<Vec<_>>());
    let modules = columns.filter(|columns| matches!(columns[0], "mod" | "dep" | "=>"));
    (version, modules.map(|columns| (columns[1].to_owned(), columns[2].to_owned())).collect())
}

#[test]
fn a_finished_program_of_go_is_listed_as_go_lists_it() {
    let registry = Registry::start();
    let program = program_of_go();
    let configuration = "components: {app: {path: app, prebuilt: {linux/amd64: dist/run}}}\n";
    let found = published(&registry, &finished(&[("run", &program)], configuration), &[]);
    let [(kind, _, sbom)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(kind, CYCLONEDX);
    ensure_valid(sbom);
    let (version, modules) = go_says(&program);
    assert!(modules.len() > 5, "{modules:?}");
    let listed = components(sbom);
    let library = ["stdlib".to_owned(), version.clone(), format!("pkg:golang/stdlib@{version}")];
    assert!(listed.contains(&library), "{listed:?}");
    let listed: BTreeSet<_> =
        listed.into_iter().filter(|one| *one != library).map(|[name, version, _]| (name, version)).collect();
    assert_eq!(listed, modules);
    // The program itself, as a reader, finds the same document from the list that the registry has for the image.
    let subject = sbom["metadata"]["component"]["version"].as_str().expect("a digest").replace(':', "-");
    let crane = |verb: &str, reference: String| -> Value {
        let output =
            Command::new(&program).args([verb, "--insecure", &reference]).output().expect("crane starts");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("crane {verb} {reference}: {output:?}"))
    };
    let place = registry.image("shop/app");
    let list = crane("manifest", format!("{place}:{subject}"));
    let manifest =
        crane("manifest", format!("{place}@{}", list["manifests"][0]["digest"].as_str().expect("one")));
    let layer = manifest["layers"][0]["digest"].as_str().expect("a document");
    assert_eq!(crane("blob", format!("{place}@{layer}")), *sbom);
}

/// A program that `cargo auditable` built, static, with a package of crates.io and one in a folder.
fn program_of_rust(folder: &Path) -> PathBuf {
    let package =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.3.0\"\nedition = \"2024\"\n");
    let needs = "[dependencies]\nitoa = \"1\"\npricing = {path = \"pricing\"}\n";
    let files = [
        ("Cargo.toml", format!("{}{needs}", package("api"))),
        (
            "src/main.rs",
            "fn main() { println!(\"{}\", itoa::Buffer::new().format(pricing::price())) }\n".to_owned(),
        ),
        ("pricing/Cargo.toml", package("pricing")),
        ("pricing/src/lib.rs", "pub fn price() -> u32 { 1 }\n".to_owned()),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        std::fs::write(path, text).expect("write the file");
    }
    let output = Command::new("cargo")
        .args(["auditable", "build", "--offline", "--quiet"])
        .current_dir(folder)
        .env("PATH", path_with(&["cargo-auditable"]))
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("target/debug/api")
}

#[test]
fn every_program_of_a_folder_is_listed_whoever_built_it() {
    // Given a folder with a program of Rust and one of Go,
    let registry = Registry::start();
    let (folder, go) = (tempfile::tempdir().expect("a temporary folder"), program_of_go());
    let rust = program_of_rust(folder.path());
    let configuration = "components: {app: {path: app, bin: api, prebuilt: {linux/amd64: dist}}}\n";
    let repository = finished(&[("api", &rust), ("crane", &go)], configuration);
    // when it is an image, then one document has the packages of both,
    let found = published(&registry, &repository, &[]);
    let [(_, _, sbom)] = found.as_slice() else { panic!("{found:?}") };
    ensure_valid(sbom);
    let lock = std::fs::read_to_string(folder.path().join("Cargo.lock")).expect("a lock file");
    let itoa = lock.split("name = \"itoa\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    let itoa = itoa.expect("it is locked").to_owned();
    let listed = components(sbom);
    let own = |name: &str| [name.to_owned(), "0.3.0".to_owned(), "-".to_owned()];
    for expected in
        [own("api"), own("pricing"), ["itoa".to_owned(), itoa.clone(), format!("pkg:cargo/itoa@{itoa}")]]
    {
        assert!(listed.contains(&expected), "{expected:?} in {listed:?}");
    }
    assert_eq!(listed.len(), 3 + 1 + go_says(&go).1.len(), "{listed:?}");
    // and the image needs both programs.
    let graph = sbom["dependencies"].as_array().expect("a list");
    let needs =
        |of: &Value| graph.iter().find(|one| one["ref"] == *of).expect("it is there")["dependsOn"].clone();
    let programs = needs(&sbom["metadata"]["component"]["bom-ref"]);
    assert_eq!(programs.as_array().map(Vec::len), Some(2), "{programs}");
    assert_eq!(
        needs(&"path:api@0.3.0".into()),
        serde_json::json!([format!("pkg:cargo/itoa@{itoa}"), "path:pricing@0.3.0"])
    );
}

#[test]
fn equal_programs_have_equal_documents() {
    let configuration = "components: {app: {path: app, prebuilt: {linux/amd64: dist/run}}}\n";
    let repository = finished(&[("run", &program_of_go())], configuration);
    let list = || {
        repository.hephy(["up"]).run().exits(0);
        let list = std::fs::read_to_string(repository.path().join(".hephy/oci/index.json")).expect("a list");
        std::fs::remove_dir_all(repository.path().join(".hephy")).expect("remove it");
        list
    };
    let first = list();
    assert!(first.contains(CYCLONEDX), "{first}");
    assert_eq!(first, list());
}

const OWN: &str = r#"{"spdxVersion": "SPDX-2.3", "name": "mine"}"#;

#[test]
fn a_document_of_the_users_own_is_attached_as_it_is_also_to_what_a_dockerfile_makes() {
    // Given a Dockerfile and a document about its image, and a program that could speak for itself,
    let registry = Registry::start();
    let repository = Repository::empty();
    repository.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n").write("app/own.spdx.json", OWN);
    repository.write("hephy.yaml", "components: {app: {path: app, sbom: own.spdx.json}}\n").commit("Add it");
    // when the image is pushed, then the document is there,
    let found = published(&registry, &repository, &[]);
    let expected: Value = serde_json::from_str(OWN).expect("JSON");
    assert!(
        matches!(found.as_slice(), [(kind, _, document)] if kind == SPDX && *document == expected),
        "{found:?}"
    );
    // byte by byte, and only on demand;
    let digest = Command::new("sha256sum").arg(repository.path().join("app/own.spdx.json")).output();
    let digest = String::from_utf8(digest.expect("sha256sum starts").stdout).expect("UTF-8");
    let blob = format!(".hephy/build/app/linux-amd64/blobs/sha256/{}", &digest[..64]);
    assert!(repository.path().join(&blob).exists(), "{blob}");
    // when only the document changes, then the leg is built again, and has the new one.
    repository.write("app/own.spdx.json", &OWN.replace("mine", "ours")).commit("Change the document");
    let plan = repository.hephy(["plan", "--registry", &registry.image("shop")]).run().exits(0);
    assert!(plan.stdout.contains("build"), "{plan}");
    let found = published(&registry, &repository, &[]);
    assert!(found.iter().any(|(.., document)| document["name"] == "ours"), "{found:?}");
    let none = published(&registry, &repository, &["--attest", "none", "--all"]);
    assert_eq!(none.len(), found.len(), "nothing new");
}

#[test]
fn a_document_stands_before_what_a_program_says_and_each_platform_has_its_own() {
    // Given a program that could speak for itself, and a document for each platform,
    let registry = Registry::start();
    let documents = "sbom: {linux/amd64: own.spdx.json, linux/arm64: own.cdx.json}";
    let programs = "prebuilt: {linux/amd64: dist/run, linux/arm64: dist/README.md}";
    let configuration = format!("components: {{app: {{path: app, {documents}, {programs}}}}}\n");
    let repository = finished(&[("run", &program_of_go())], &configuration);
    let cyclonedx = r#"{"bomFormat": "CycloneDX", "specVersion": "1.6"}"#;
    repository.write("app/own.spdx.json", OWN).write("app/own.cdx.json", cyclonedx).commit("Add documents");
    // when both are pushed, then each image has its own, and the index has none.
    assert_eq!(published(&registry, &repository, &[]), []);
    let tags = registry.tags("shop/app");
    let subjects = tags.iter().filter_map(|tag| tag.strip_prefix("sha256-"));
    let image = |digits| attached(&format!("{}@sha256:{digits}", registry.image("shop/app")));
    let kinds: Vec<Vec<String>> =
        subjects.map(|digits| image(digits).into_iter().map(|(kind, ..)| kind).collect()).collect();
    let kinds: BTreeSet<_> = kinds.into_iter().collect();
    assert_eq!(kinds, [vec![SPDX.to_owned()], vec![CYCLONEDX.to_owned()]].into());
}

#[test]
fn what_is_said_about_an_sbom_counts_for_its_platform_also_where_git_ignores_the_file() {
    let repository = Repository::empty();
    let component =
        |sbom: &str| format!("components: {{app: {{path: app, {sbom}platforms: [linux/amd64]}}}}\n");
    let digest = |sbom: &str, amd64: &str, arm64: &str| {
        repository.write("hephy.yaml", &component(sbom));
        repository.write("app/sbom/amd64.json", amd64).write("app/sbom/arm64.json", arm64);
        input_digest(&repository)
    };
    // The Dockerfile reads no document, and git knows none.
    repository.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n").write(".gitignore", "sbom/\n");
    repository.write("hephy.yaml", &component("")).commit("Add it");
    let both = "sbom: {linux/amd64: sbom/amd64.json, linux/arm64: sbom/arm64.json}, ";
    let (nothing, something) = (digest("", "1", "1"), digest(both, "1", "1"));
    assert_eq!(digest("", "2", "2"), nothing);
    assert_eq!(digest(both, "1", "2"), something, "the document for another platform");
    let others = [nothing, something, digest(both, "2", "1"), digest("sbom: required, ", "1", "1")];
    assert_eq!(BTreeSet::from(others).len(), 4);
}

#[test]
fn what_cannot_be_attached_is_refused_before_anything_is_built() {
    let repository = Repository::empty();
    repository.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n").write("app/odd.json", "{}");
    repository.write("app/text.json", "SPDXVersion: SPDX-2.3\n");
    for (sbom, problem, hint) in [
        ("required", "nobody says it of what `dockerfile` builds", "`sbom: FILE.json`"),
        ("nowhere.json", "read the SBOM", "make it before hephy runs"),
        ("odd.json", "it is neither CycloneDX nor SPDX", "`bomFormat`"),
        ("text.json", "it is no JSON", "`spdxVersion`"),
        ("{linux/s390x: odd.json}", "find an SBOM for linux/amd64", "add `linux/amd64: FILE.json`"),
    ] {
        repository.write("hephy.yaml", &format!("components: {{app: {{path: app, sbom: {sbom}}}}}\n"));
        repository.commit("Say it");
        let output = refused(&repository, &["up"], 2).says(hint);
        assert!(output.error().starts_with("error: build app (linux/amd64): "), "{output}");
        assert!(output.error().contains(problem), "{output}");
        assert!(!repository.path().join(".hephy/build").exists(), "nothing is built: {output}");
        // Who wants no documents gets none.
        repository.hephy(["up", "--attest", "none", "--dry-run"]).run().exits(0);
    }
}

#[test]
fn a_program_that_does_not_say_what_it_is_made_of_is_refused_only_where_it_must() {
    let repository = Repository::empty();
    repository
        .write("app/run", "#!/bin/sh\n")
        .write("hephy.yaml", &prebuilt("linux/amd64: run"))
        .commit("Add it");
    repository.hephy(["up"]).run().exits(0);
    let required = "components: {app: {path: app, sbom: required, prebuilt: {linux/amd64: run}}}\n";
    repository.write("hephy.yaml", required).commit("Require it");
    let output = repository.hephy(["up"]).run().exits(3).says("`cargo auditable build`");
    assert!(output.error().contains("its programs do not say what they are made of"), "{output}");
}

#[test]
fn a_damaged_list_is_a_warning() {
    // Given a program whose list of modules is cut out of its middle,
    let whole = std::fs::read(program_of_go()).expect("read the program");
    let at = whole.windows(14).position(|bytes| bytes == b"\xff Go buildinf:").expect("a list");
    let damaged = [&whole[..at], &[0; 32][..], &whole[at + 32..]].concat();
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("damaged"), damaged).expect("write");
    let configuration = "components: {app: {path: app, prebuilt: {linux/amd64: dist/run}}}\n";
    let repository = finished(&[("run", &folder.path().join("damaged"))], configuration);
    // when it is packaged, then a warning says that it has no SBOM.
    let output = repository.hephy(["up"]).run().exits(0);
    output.says(
        "`/app/run` does not say what it is made of: its section `.go.buildinfo` is not what Go writes",
    );
}
