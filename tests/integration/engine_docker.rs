//! Dockerfiles where there is only a daemon of Docker, for real: Debian's, of version 20.10.

use crate::support::buildkit::BuildKit;
use crate::support::docker::{Docker, found, remains};
use crate::support::dockerfiles::{
    files_of_image, names_in_image, publish_shell, sleeping, wait_until, web_by,
};
use crate::support::registry::Registry;
use crate::support::{Output, Repository, write_program};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

fn web(dockerfile: &str, files: &[(&str, &str)]) -> Repository {
    web_by("dockerfile", dockerfile, files)
}

#[track_caller]
fn up(docker: &Docker, repository: &Repository) -> Output {
    docker.used_by(repository.hephy(["up"])).run().exits(0)
}

fn text_of(repository: &Repository, wanted: &str) -> Option<String> {
    files_of_image(repository).into_iter().find(|(name, ..)| name == wanted).map(|(_, text, _)| text)
}

#[test]
fn with_docker_alone_an_image_is_built_twice_the_same_pushed_and_gone_with_the_daemon() {
    // Given a Dockerfile on a base image that runs a program, in two checkouts of one commit,
    let (docker, other, registry) = (Docker::start(), Docker::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    let dockerfile = format!(
        "ARG TAG=1\nFROM --platform=$BUILDPLATFORM {} AS one\nARG WHO=nobody TARGETARCH\n\
         RUN echo \"for $WHO on $TARGETARCH\" > /made\n\
         FROM {base}\nENV A=1\nCOPY --from=one /made /made\nCOPY . /deep/x/\nRUN echo end > /end\nCMD [\"/bin/sh\"]\n",
        base.replace("base:1", "base:${TAG}")
    );
    let long = format!("{}.txt", "long".repeat(40));
    let first = web(&dockerfile, &[("a.txt", "text"), (&long, ""), ("tools/run", "#!/bin/sh\n")]);
    let configuration = "components: {web: {platforms: [linux/amd64], build-args: {WHO: hephy}}}\n";
    first.write("hephy.yaml", configuration).commit("Say for whom");
    let second = first.clone_with(&[]);
    let file = second.path().join("web/a.txt");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set the rights");
    // when each is built by a daemon of its own, and pushed,
    let target = registry.image("shop");
    let push = |docker: &Docker, repository: &Repository, target: &str| {
        docker.used_by(repository.hephy(["up", "--registry", target])).run().exits(0)
    };
    let output = push(&docker, &first, &target)
        .says("by docker: Docker 20.10")
        .says("no buildctl: it is not installed; no docker buildx: Docker's client has no buildx")
        .says("no buildah: it is not installed");
    let again = push(&other, &second, &registry.image("again"));
    // then the images are equal, and another program can read them;
    let digest = |output: &Output| output.stdout.split('@').nth(1).expect("a digest").to_owned();
    assert_eq!(digest(&again), digest(&output));
    registry.read_back(&format!("shop/web@{}", digest(&output).trim()));
    // they hold what was copied and made, nothing of it younger than the commit, and the base as it was;
    let date: u64 = first.git(["log", "-1", "--format=%ct"]).trim().parse().expect("a date");
    let long = format!("deep/x/{long}");
    let own = [&*long, "made", "deep/", "deep/x/", "deep/x/a.txt", "deep/x/tools/run", "end"];
    ensure_not_younger(&first, &own, date);
    let expected =
        [("made", "for hephy on amd64\n"), ("mark", "first"), ("deep/x/a.txt", "text"), ("end", "end\n")];
    for (name, text) in expected {
        assert_eq!(text_of(&first, name).as_deref(), Some(text), "{name}");
    }
    ensure_on(&config(&base), &config(&format!("{target}/web@{}", digest(&output).trim())), date);
    // nothing is built a second time,
    let decided = docker.used_by(first.hephy(["up", "--registry", &target])).run().exits(0);
    assert!(!decided.stderr.contains("by docker"), "{decided}");
    // and the daemon has no names of it and no containers.
    assert_eq!(
        docker
            .says(&["image", "ls", "--filter", "dangling=false", "--format", "{{.Tag}}"])
            .replace("<none>\n", ""),
        ""
    );
    assert_eq!(docker.says(&["ps", "--all", "--quiet"]), "");
    let folder = docker.folder();
    assert_ne!(remains(&folder), [] as [&str; 0]);
    drop(docker);
    assert_eq!(remains(&folder), [] as [&str; 0]);
}

/// Files of the image that are no younger than `date`.
#[track_caller]
fn ensure_not_younger(repository: &Repository, names: &[&str], date: u64) {
    let files = files_of_image(repository);
    for name in names {
        let (_, _, time) = files.iter().find(|(known, ..)| known == name).expect(name);
        assert!(*time <= date, "{name} {time}");
    }
}

/// An image on this base has its layers, its own `CMD`, the time of the commit, and nothing of the containers of the build.
#[track_caller]
fn ensure_on(base: &serde_json::Value, image: &serde_json::Value, date: u64) {
    let layers =
        |config: &serde_json::Value| config["rootfs"]["diff_ids"].as_array().expect("layers").clone();
    assert_eq!(layers(image)[..layers(base).len()], layers(base)[..]);
    assert_eq!(image["config"]["Cmd"], serde_json::json!(["/bin/sh"]));
    assert!(image["container"].is_null() && image["config"]["Image"].is_null(), "{image}");
    let created: jiff::Timestamp = image["created"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(created.as_second().cast_unsigned(), date);
}

/// The config of an image in a registry, as another program reads it.
fn config(image: &str) -> serde_json::Value {
    let output = Command::new("skopeo")
        .args(["inspect", "--config", "--raw", "--tls-verify=false", &format!("docker://{image}")])
        .output()
        .expect("skopeo starts");
    serde_json::from_slice(&output.stdout).expect("a config")
}

#[test]
fn docker_sees_the_files_that_count_and_builds_on_the_image_that_the_plan_saw() {
    let (docker, registry) = (Docker::start(), Registry::start());
    let files = [("a.txt", ""), ("b.txt", ""), ("docs/guide.md", ""), ("src/one.rs", "")];
    for (ignore, expected) in [
        (vec![], vec!["a.txt", "b.txt", "docs/guide.md", "src/one.rs"]),
        (vec![(".dockerignore", "docs\nsrc\n")], vec!["a.txt", "b.txt"]),
        // Docker's client would take the wrong one, or none.
        (
            vec![(".dockerignore", "a.txt\n"), ("Dockerfile.dockerignore", "b.txt\n")],
            vec!["Dockerfile.dockerignore", "a.txt", "docs/guide.md", "src/one.rs"],
        ),
        (vec![(".containerignore", "**/*.txt\n.*\n")], vec!["docs/guide.md", "src/one.rs"]),
    ] {
        let repository = web("FROM scratch\nCOPY . /\n", &files);
        for (name, text) in &ignore {
            repository.write(&format!("web/{name}"), text);
        }
        repository.commit("Hide some").write("web/.git/HEAD", "");
        let output = docker.used_by(repository.hephy(["build"])).run().exits(0);
        let names = names_in_image(&repository);
        let names =
            names.iter().map(String::as_str).filter(|name| !name.ends_with('/') && *name != "Dockerfile");
        let names: Vec<&str> = names.filter(|name| !name.starts_with("src/.")).collect();
        // `.dockerignore` itself is never in it: the client writes something of its own into that.
        assert_eq!(names, expected, "{ignore:?}: {output}");
    }
    let base = publish_shell(&registry, "first");
    let repository = web(&format!("FROM scratch\nCOPY --from={base} /mark /mark\nCOPY . /x/\n"), &[]);
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let file = repository.beside("plan.json");
    std::fs::write(&file, plan).expect("write the plan");
    publish_shell(&registry, "second");
    docker.used_by(repository.hephy(["up", "--plan"]).args([&file])).run().exits(0);
    assert_eq!(text_of(&repository, "mark").as_deref(), Some("first"));
    up(&docker, &repository);
    assert_eq!(text_of(&repository, "mark").as_deref(), Some("second"));
}

#[test]
fn what_docker_cannot_build_is_refused_with_a_way_out() {
    let (docker, registry) = (Docker::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    let run = |repository: &Repository| docker.used_by(repository.hephy(["up"])).run().exits(3);
    // Another platform: before anything starts.
    let repository = web("FROM scratch\nCOPY a.txt /\n", &[("a.txt", "a")]);
    let two = "components: {web: {backend: docker, platforms: [linux/amd64, linux/arm64]}}\n";
    repository.write("hephy.yaml", two).commit("Add a platform");
    let output = run(&repository);
    assert_eq!(
        output.error(),
        "error: build web (linux/arm64): find an engine that builds a Dockerfile (docker): no docker: it builds for \
         linux/amd64 only, not for linux/arm64"
    );
    assert!(!output.stderr.contains("► build"), "{output}");
    output.says("hint: build it on a runner of linux/arm64");
    // An image that has the name of a stage too.

    let stage = format!("FROM {base} AS {base}\nCOPY . /x/\n");
    assert!(run(&web(&stage, &[])).error().contains("very image that the plan saw"));
    // What only BuildKit knows.
    let mount = format!("FROM {base}\nCOPY . /x/\nRUN --mount=type=cache,target=/c true\n");
    run(&web(&mount, &[])).says("requires BuildKit").says("docker buildx create --use");
    // A line that fails, with its own words.
    let broken = format!("FROM {base}\nCOPY . /x/\nRUN echo it is broken && exit 7\n");
    let output = run(&web(&broken, &[]));
    assert!(output.error().contains("returned a non-zero code: 7"), "{output}");
    output.says("it is broken");
    // Nobody there.
    let alone = web_by("docker", "FROM scratch\nCOPY a.txt /\n", &[("a.txt", "a")]);
    let output = docker.used_by(alone.hephy(["up"])).env("DOCKER_HOST", "unix:///nowhere").run().exits(3);
    assert!(output.error().contains("no docker: it says `"), "{output}");
    assert!(output.error().contains("unix:///nowhere"), "{output}");
}

/// Docker 25 and later cannot be had here: this stand-in answers as 28 does, lets `buildctl` build, and hands out the kind of
/// archive that is a layout too, which BuildKit writes as well.
const LATER: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin here=$(dirname "$0")
printf '%s\n' "$*" >> "$here/calls"
case "$1 $2" in
  "version --format") echo '{"Client":{},"Server":{"Version":"28.3.1","Os":"linux","Arch":"amd64"}}'; exit ;;
  "image save") exec cp "$here/saved" "$4" ;;
  "build --force-rm") ;;
  *) exit 125 ;;
esac
printf sha256:1 > "$4"
exec "$REAL_BUILDCTL" build --frontend dockerfile.v0 --local context="$7" --local dockerfile="$(dirname "$6")" \
  --output type=docker,dest="$here/saved"
"#;

#[test]
fn an_archive_of_a_later_docker_is_read_too() {
    let buildkit = BuildKit::start();
    let repository = web("FROM scratch\nCOPY a.txt /x/\nCOPY b.txt /y/\n", &[("a.txt", "a"), ("b.txt", "b")]);
    let tools = repository.beside("tools");
    std::fs::create_dir(&tools).expect("create the folder");
    std::os::unix::fs::symlink(found("git"), tools.join("git")).expect("link git");
    write_program(tools.join("docker"), LATER);
    let hephy = buildkit.used_by(repository.hephy(["up"])).env("REAL_BUILDCTL", buildkit.client());
    hephy.env("PATH", &tools).run().exits(0).says("by docker: Docker 28.3.1 answers");
    let names = names_in_image(&repository);
    assert_eq!(names.iter().collect::<Vec<_>>(), ["x/", "x/a.txt", "y/", "y/b.txt"]);
    assert_eq!(text_of(&repository, "x/a.txt").as_deref(), Some("a"));
    let calls = std::fs::read_to_string(tools.join("calls")).expect("calls");
    let build = calls.lines().find(|call| call.starts_with("build ")).expect("a build");
    assert!(build.starts_with("build --force-rm --iidfile /") && build.ends_with("/context"), "{calls}");
    assert!(calls.lines().last().is_some_and(|call| call.ends_with("/image.tar sha256:1")), "{calls}");
}

#[test]
fn a_build_by_docker_that_is_stopped_leaves_nothing_running() {
    let (docker, registry) = (Docker::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    // A number that no other program of this machine has among its arguments.
    let mark = format!("32{}", std::process::id());
    let dockerfile = format!("FROM {base}\nCOPY . /x/\nRUN [\"/bin/busybox\", \"sleep\", \"{mark}\"]\n");
    let repository = web(&dockerfile, &[]);
    let hephy = docker.used_by(repository.hephy(["up"])).start();
    wait_until("the line runs", || !sleeping(&mark).is_empty());
    let kill = Command::new("kill").args(["-s", "TERM", &hephy.id().to_string()]).status();
    assert!(kill.expect("kill starts").success());
    let output = Output::of(hephy).exits(143);
    wait_until("the line is stopped", || sleeping(&mark).is_empty());
    wait_until("its container is gone", || docker.says(&["ps", "--all", "--quiet"]).is_empty());
    assert_eq!(repository.entries(), [], "{output}");
    let left = std::fs::read_dir(repository.path().join(".hephy/build/web")).expect("the folder of builds");
    let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["linux-amd64"], "{output}");
}
