//! The `cargo` and `prebuilt` backends: what their images hold, what they are put on, and what could not start.

use crate::support::registry::Registry;
use crate::support::{Repository, input_digest, prebuilt, stand_in, write_program};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package with two programs, a feature, a profile and files to serve.
fn package() -> Repository {
    let repository = Repository::empty();
    let manifest = "[package]\nname = \"api\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n\
        [features]\nloud = []\n\n[profile.small]\ninherits = \"release\"\nopt-level = \"s\"\nstrip = true\n";
    let main = "fn main() {\n    let page = std::fs::read_to_string(\"/srv/www/page.html\").unwrap_or_default();\n    \
        println!(\"{}{page}\", if cfg!(feature = \"loud\") { \"LOUD \" } else { \"quiet \" });\n}\n";
    let lock = "version = 4\n\n[[package]]\nname = \"api\"\nversion = \"1.0.0\"\n";
    repository.write("api/Cargo.toml", manifest).write("api/Cargo.lock", lock);
    repository.write("api/src/main.rs", main).write("api/src/bin/migrate.rs", "fn main() {}\n");
    repository.write(".gitignore", "target/\n").write("web/page.html", "<p>").write("web/img/dot", ".");
    repository
}

fn configure(repository: &Repository, keys: &str) {
    repository.write("hephy.yaml", &format!("components: {{api: {{{keys}}}}}\n")).commit("Configure");
}

/// An image as skopeo reads it: its manifest, its config, and the files of all layers with their content.
pub(crate) struct Image {
    pub(crate) manifest: Value,
    pub(crate) config: Value,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

/// The image of the only component for `architecture`, read and checked by skopeo.
#[track_caller]
pub(crate) fn image(repository: &Repository, architecture: &str) -> Image {
    let to = tempfile::tempdir().expect("a temporary folder");
    let component = if repository.path().join("api").is_dir() { "api" } else { "app" };
    let from = format!(
        "oci:{}:{component}:sha-{}",
        repository.path().join(".hephy/oci").display(),
        repository.short_id()
    );
    let copied = Command::new("skopeo")
        .args(["copy", "--quiet", "--override-os=linux", "--override-arch", architecture, &from])
        .arg(format!("dir:{}", to.path().display()))
        .output()
        .expect("skopeo (./dev tools)");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let read = |name: &str| std::fs::read(to.path().join(name)).expect("a file of the image");
    let blob = |descriptor: &Value| {
        read(descriptor["digest"].as_str().expect("a digest").trim_start_matches("sha256:"))
    };
    let manifest: Value = serde_json::from_slice(&read("manifest.json")).expect("JSON");
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).expect("JSON");
    let mut files = BTreeMap::new();
    for layer in manifest["layers"].as_array().expect("layers") {
        let compressed = blob(layer);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(compressed.as_slice()));
        for entry in archive.entries().expect("a layer") {
            let mut entry = entry.expect("an entry");
            let (path, mut bytes) = (entry.path().expect("a path").display().to_string(), vec![]);
            entry.read_to_end(&mut bytes).expect("content");
            files.insert(path, bytes);
        }
    }
    Image { manifest, config, files }
}

/// Runs a program of the image, as it is on this machine.
pub(crate) fn output(image: &Image, program: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("program");
    write_program(&path, &image.files[program]);
    let output = Command::new(&path).output().expect("the program starts");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

pub(crate) fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[test]
fn several_programs_with_features_and_a_profile_are_in_one_image() {
    let repository = package();
    configure(
        &repository,
        "bins: [migrate, api], bin: api, features: [loud], profile: small, assets: {web: /srv/www}",
    );
    repository.hephy(["up"]).run().exits(0).says("is linked in");
    let image = image(&repository, host());
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["/app/api"]));
    assert_eq!(image.config["config"]["User"], "65532:65532");
    let names: Vec<&str> = image.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["app/", "app/api", "app/migrate", "srv/www/img/dot", "srv/www/page.html"]);
    assert_eq!(output(&image, "app/api"), "LOUD");
    assert_eq!(image.config["history"].as_array().map(Vec::len), Some(2));
    // Which one is started has to be said somewhere.
    configure(&repository, "assets: {web: /srv/www}");
    let refused = repository.hephy(["up"]).run().exits(3).says("bins: [api, migrate]");
    assert!(refused.error().ends_with("find the program that cargo built: there are several, api, migrate"));
}

#[test]
fn every_key_and_every_asset_is_an_input() {
    let repository = package();
    let first = "bin: api, assets: {web: /srv}";
    configure(&repository, first);
    let before = input_digest(&repository);
    for keys in [
        "bin: api, assets: {web: /srv/www}",
        "bin: api, assets: {web: /srv}, bins: [migrate]",
        "bin: api, assets: {web: /srv}, features: [loud]",
        "bin: api, assets: {web: /srv}, profile: small",
        "bin: api, assets: {web: /srv}, user: nobody",
    ] {
        configure(&repository, keys);
        assert_ne!(input_digest(&repository), before, "{keys}");
    }
    configure(&repository, &format!("{first}, base: scratch"));
    assert_eq!(input_digest(&repository), before, "`scratch` is what is there anyway");
    repository.write("web/page.html", "<b>");
    assert_ne!(input_digest(&repository), before);
    repository.write("web/page.html", "<p>");
    // What git ignores counts too, also where the folder says that it is a cache.
    repository.write("api/target/doc/a", "1").write("api/target/CACHEDIR.TAG", "");
    configure(&repository, "bin: api, assets: {api/target/doc: /doc}");
    let before = input_digest(&repository);
    repository.write("api/target/release/api", "made");
    assert_eq!(input_digest(&repository), before);
    repository.write("api/target/doc/a", "2");
    assert_ne!(input_digest(&repository), before);
}

#[test]
fn two_folders_make_one_image_with_assets_and_a_base() {
    let registry = Registry::start();
    registry.publish_index("base:1");
    let repository = package();
    let base = format!("{}@{}", registry.image("base"), digest_of(&registry, "base:1"));
    configure(&repository, &format!("bin: api, base: '{base}', assets: {{web: /srv/www}}"));
    let elsewhere = repository.clone_with(&[]);
    let up = |repository: &Repository| repository.hephy(["up"]).run().exits(0).stdout;
    assert_eq!(up(&repository), up(&elsewhere));
    let image = image(&repository, host());
    let annotations = &image.manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.name"], base);
    assert!(base.ends_with(annotations["org.opencontainers.image.base.digest"].as_str().expect("a digest")));
    assert_eq!(image.files["app/run"], format!("for {}", host()).into_bytes());
}

/// The digest of what a name means now, an index as a whole.
fn digest_of(registry: &Registry, name: &str) -> String {
    let image = format!("docker://{}", registry.image(name));
    let output = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--format={{.Digest}}", &image])
        .output()
        .expect("skopeo (./dev tools)");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

#[test]
fn a_base_image_is_what_the_plan_saw_and_stays_as_it_is() {
    // Given programs for two platforms and a base for both,
    let registry = Registry::start();
    registry.publish_index("base:1");
    let base = registry.image("base:1");
    let repository = Repository::empty();
    repository.write("app/run", "#!/bin/sh\n").write("app/run-arm64", "#!/bin/sh\n");
    let programs = "prebuilt: {linux/amd64: run, linux/arm64: run-arm64}";
    let text = format!("components: {{app: {{path: app, base: '{base}', {programs}}}}}\n");
    repository.write("hephy.yaml", &text).commit("Add a program");
    // when it is built after the name of the base has moved on,
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let parsed: Value = serde_json::from_str(&plan).expect("JSON");
    let meant = parsed["components"][0]["base_images"][&base].as_str().expect("an image").to_owned();
    let file = repository.beside("plan.json");
    std::fs::write(&file, plan).expect("write the plan");
    registry.publish("base:1", "another");
    repository
        .hephy(["up", "--plan", &file.to_string_lossy()])
        .run()
        .exits(0)
        .says("1 copied from `127.0.0.1:");
    // then each image is on its own part of the base that the plan saw, and says so.
    for (architecture, own) in [("amd64", "app/run"), ("arm64", "app/run-arm64")] {
        let image = image(&repository, architecture);
        assert_eq!(
            image.files["app/run"],
            if own == "app/run" {
                b"#!/bin/sh\n".to_vec()
            } else {
                format!("for {architecture}").into_bytes()
            }
        );
        assert!(image.files.contains_key(own), "{:?}", image.files.keys());
        assert_eq!(image.config["architecture"], architecture);
        assert_eq!(image.config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
        assert_eq!(image.config["history"].as_array().map(Vec::len), Some(2));
        let path = image.config["config"]["Env"][0].as_str().expect("a variable");
        assert!(path.starts_with("PATH=") && path.ends_with(":/app"), "{path}");
        let annotations = &image.manifest["annotations"];
        assert_eq!(annotations["org.opencontainers.image.base.name"], base);
        assert!(
            meant.ends_with(annotations["org.opencontainers.image.base.digest"].as_str().expect("a digest"))
        );
    }
    // Another image under the name is a reason to build.
    let decisions = repository.decisions().join("\n");
    assert!(decisions.contains("build, "), "{decisions}");
}

#[test]
fn the_layers_of_a_base_on_the_same_registry_are_not_sent() {
    let registry = Registry::start();
    registry.publish_index("base:1");
    let repository = Repository::empty();
    repository.write("app/run", "#!/bin/sh\n");
    let text = format!(
        "components: {{app: {{path: app, base: '{}', prebuilt: {{linux/amd64: run}}}}}}\n",
        registry.image("base:1")
    );
    repository.write("hephy.yaml", &text).commit("Add a program");
    let shop = registry.image("shop");
    registry
        .hephy(&repository, &["up", "--registry", &shop])
        .run()
        .exits(0)
        .says("2 of 3 blobs sent, 1 mounted from `base`");
    registry.read_back(&format!("shop/app:sha-{}", repository.short_id()));
}

#[test]
fn a_large_base_of_docker_s_kind_arrives_whole() {
    // Given a base whose layer takes more than one request, with the media types of Docker,
    let registry = Registry::start();
    let mut state = 1_u32;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + u8::try_from(state >> 26).expect("six bits"))
    })
    .take(12 << 20)
    .collect();
    registry.publish("base:oci", &noise);
    let [from, to] = ["base:oci", "base:docker"].map(|name| format!("docker://{}", registry.image(name)));
    let flags =
        ["copy", "--quiet", "--format=v2s2", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to];
    assert!(Command::new("skopeo").args(flags).status().expect("skopeo starts").success());
    // when a program is put on it,
    let repository = Repository::empty();
    let base = registry.image("base:docker");
    let text = format!(
        "components: {{app: {{path: app, base: '{base}', user: '7', prebuilt: {{linux/amd64: own}}}}}}\n"
    );
    repository.write("app/own", "#!/bin/sh\n").write("hephy.yaml", &text).commit("Add a program");
    repository.hephy(["up"]).run().exits(0);
    // then every byte of it is there, as OCI's layers.
    let image = image(&repository, "amd64");
    assert!(image.files["app/run"] == noise.as_bytes() && image.files.contains_key("app/own"));
    assert_eq!(image.config["config"]["User"], "7");
    let layers = image.manifest["layers"].as_array().expect("layers");
    assert!(layers[0]["size"].as_u64() > Some(8 << 20), "{layers:?}");
    let is_oci = |layer: &Value| layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip";
    assert!(layers.iter().all(is_oci), "{layers:?}");
}

#[test]
fn a_base_that_is_pinned_or_that_has_no_such_platform() {
    let registry = Registry::start();
    registry.publish_index("base:1");
    let (base, first) = (registry.image("base:1"), digest_of(&registry, "base:1"));
    let repository = Repository::empty();
    repository.write("app/run", "#!/bin/sh\n");
    let configure_on = |base: &str, platform: &str, more: &str| {
        let text = format!(
            "{more}components: {{app: {{path: app, base: '{base}', prebuilt: {{{platform}: run}}}}}}\n"
        );
        repository.write("hephy.yaml", &text).commit("Configure");
    };
    let configure = |platform: &str, more: &str| configure_on(&base, platform, more);
    configure("linux/s390x", "");
    let output = repository.hephy(["build"]).run().exits(3);
    let expected = format!(
        "error: build app (linux/s390x): fetch the base image `{base}`: it has no image for linux/s390x, only for \
         linux/amd64, linux/arm64"
    );
    assert_eq!(output.error(), expected);
    // Pins hold for it as for one in a Dockerfile,
    configure("linux/amd64", "base-images: pin\n");
    let output = repository.hephy(["build"]).run().exits(2);
    assert!(output.error().ends_with("is not in `hephy.lock`"), "{output}");
    repository.hephy(["plan", "--update-pins"]).run().exits(0);
    repository.commit("Pin");
    let pinned = std::fs::read_to_string(repository.path().join("hephy.lock")).expect("pins");
    registry.publish("base:1", "another");
    repository.hephy(["up"]).run().exits(0);
    let digest =
        image(&repository, "amd64").manifest["annotations"]["org.opencontainers.image.base.digest"].clone();
    assert!(pinned.contains(digest.as_str().expect("a digest")), "{digest} in {pinned}");
    // and where nobody asks for the plan, the build still finds it.
    configure("linux/amd64", "base-images: offline\n");
    repository.hephy(["build"]).run().exits(0);
    // A digest needs no pin and no name, wherever that has moved on to.
    let exact = format!("{}@{first}", registry.image("base"));
    for more in ["", "base-images: pin\n", "base-images: offline\n"] {
        configure_on(&exact, "linux/amd64", more);
        repository.hephy(["up"]).run().exits(0);
        let image = image(&repository, "amd64");
        assert_eq!(image.manifest["annotations"]["org.opencontainers.image.base.digest"], first, "{more}");
        assert_eq!(image.config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2), "{more}");
    }
}

#[test]
fn keys_of_other_backends_are_refused() {
    let repository = Repository::app();
    repository.write("app/Dockerfile", "FROM scratch\n");
    for (keys, expected) in [
        (
            "backend: dockerfile, base: 'alpine:3'",
            "`base` is for `cargo` and `prebuilt`, and `dockerfile` builds it",
        ),
        (
            "prebuilt: {linux/amd64: run}, features: [a]",
            "`features` is for `cargo` and `prebuilt`, and `prebuilt` builds it",
        ),
    ] {
        repository.write("hephy.yaml", &format!("components: {{app: {{path: app, {keys}}}}}\n"));
        let output = repository.hephy(["plan"]).run().exits(2);
        assert!(output.error().ends_with(expected), "{output}");
    }
}

/// A program for this machine that wants the loader of its C library.
fn dynamic_program(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("main.rs"), folder.join("program"));
    std::fs::write(&source, "fn main() {}\n").expect("write the source");
    let target = if host() == "arm64" { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    let status = Command::new("rustc").args(["--target", target, "-o"]).arg(&program).arg(&source).status();
    assert!(status.expect("rustc starts").success());
    program
}

#[test]
fn programs_that_could_not_start_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = dynamic_program(folder.path());
    let repository = Repository::app();
    std::fs::copy(&program, repository.path().join("app/run")).expect("copy the program");
    let configure = |platform: &str, more: &str| {
        let configuration = prebuilt(&format!("{platform}: run"));
        repository.write("hephy.yaml", &configuration.replace("prebuilt:", &format!("{more}prebuilt:")));
        repository.git(["add", "--all"]);
        repository.git(["commit", "--quiet", "--allow-empty", "--message", "Configure"]);
    };
    // One for another machine,
    let other = if host() == "arm64" { "amd64" } else { "arm64" };
    configure(&format!("linux/{other}"), "");
    let output = repository.hephy(["build"]).run().exits(3);
    assert!(
        output.error().ends_with(&format!("for linux/{other}: it is a program for {}", host())),
        "{output}"
    );
    // one without its loader,
    configure(&format!("linux/{}", host()), "");
    let output = repository.hephy(["build"]).run().exits(3).says("hint: link it statically");
    assert!(output.error().contains("it needs the loader `/lib"), "{output}");
    // which an asset or a base may have.
    repository.write("lib/ld.so", "loader");
    configure(&format!("linux/{}", host()), "assets: {lib: /}, ");
    repository.hephy(["build"]).run().exits(0);
    // A script is a program only where something can run it.
    repository.write("app/run", "#!/bin/sh\n");
    configure(&format!("linux/{}", host()), "");
    repository
        .hephy(["build"])
        .run()
        .exits(0)
        .says("is a script, and its image has no program that could run it");
}

#[test]
fn another_platform_is_linked_by_zig_where_it_is_there() {
    // Given a machine whose compiler has the other platform's musl library, and tools that write down their calls,
    let repository = package();
    let other = if host() == "arm64" { "amd64" } else { "arm64" };
    configure(&repository, &format!("bin: api, platforms: [linux/{other}]"));
    let triple = if other == "arm64" { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };
    let tools = repository.beside("tools");
    let sysroot = repository.beside("sysroot");
    std::fs::create_dir_all(&tools).expect("create the folder");
    std::fs::create_dir_all(sysroot.join("lib/rustlib").join(triple).join("lib")).expect("create the folder");
    stand_in(&tools.join("rustc"), &format!("echo '{}'", sysroot.display()));
    let call = repository.beside("call");
    let path = std::env::var("PATH").expect("a PATH");
    let keep = format!("echo \"$@\" > '{}'; exit 1", call.display());
    let zigbuild = format!("[ \"$1\" = --version ] || {{ {keep}; }}");
    // Of Cargo, only the build is written down.
    let cargo = format!("[ \"$1\" != build ] || {{ {keep}; }}; PATH='{path}' exec cargo \"$@\"");
    for (has_zigbuild, subcommand, why) in [
        (true, "zigbuild", "musl is linked in; zig links it, because this machine is of another platform"),
        (false, "build", "musl is linked in; there is no `cargo-zigbuild`, so Cargo's own linker has to do"),
    ] {
        let _ = std::fs::remove_file(tools.join("cargo"));
        let _ = std::fs::remove_file(tools.join("cargo-zigbuild"));
        match has_zigbuild {
            true => stand_in(&tools.join("cargo-zigbuild"), &zigbuild),
            false => stand_in(&tools.join("cargo"), &cargo),
        }
        // when it is built, then the one that is there is called with what Cargo would be called with.
        let hephy = repository.hephy(["build"]).env("PATH", format!("{}:{path}", tools.display()));
        hephy.run().exits(3).says(&format!("for {triple}: {why}"));
        let call = std::fs::read_to_string(&call).expect("a call");
        let expected = format!(
            "{subcommand} --profile release --locked --message-format=json-render-diagnostics --target {triple} "
        );
        assert!(call.starts_with(&expected) && call.contains("--bin=api"), "{call}");
    }
}
