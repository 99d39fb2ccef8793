//! Dockerfiles and the engines that build them: BuildKit for real, Docker's client by a stand-in, or none.

use crate::support::buildkit::{BuildKit, path_with};
use crate::support::dockerfiles::{
    files_of_image, names_in_image, publish, publish_shell, sleeping, wait_until, web_by,
};
use crate::support::registry::Registry;
use crate::support::{Output, Repository, write_program};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A repository with the component `web`, with these files.
fn web(dockerfile: &str, files: &[(&str, &str)]) -> Repository {
    web_by("buildkit", dockerfile, files)
}

#[track_caller]
fn up(buildkit: &BuildKit, repository: &Repository) -> Output {
    buildkit.used_by(repository.hephy(["up"])).run().exits(0)
}

#[test]
fn a_dockerfile_is_built_by_buildkit_twice_the_same_and_once() {
    // Given a Dockerfile that runs a program, in two checkouts of one commit whose files differ in time and rights,
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    let dockerfile = format!(
        "FROM {base} AS one\nARG WHO=nobody\nRUN echo \"for $WHO\" > /made\nCOPY . /x/\n\
         FROM scratch\nCOPY --from=one /made /mark /\nCOPY --from=one /x /x\n"
    );
    let first = web(&dockerfile, &[("a.txt", "text"), ("tools/run", "#!/bin/sh\n")]);
    let configuration =
        "components: {web: {backend: buildkit, platforms: [linux/amd64], build-args: {WHO: hephy}}}\n";
    first.write("hephy.yaml", configuration).commit("Say for whom");
    let second = first.clone_with(&[]);
    let file = second.path().join("web/a.txt");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("set the rights");
    std::fs::create_dir(second.path().join("web/empty")).expect("create a folder");
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().append(true).open(&file).and_then(|file| file.set_modified(old)).expect("set");
    // when both are built,
    let output = up(&buildkit, &first).says("by buildctl: BuildKit v0.33.1 answers");
    // whose words are shown although nothing is wrong,
    let output = output.says("  web (linux/amd64) │ #").says("[one 1/3] RUN echo \"for hephy\" > /made");
    // then the images are equal and hold what was made and copied, nothing younger than the commit,
    assert_eq!(up(&buildkit, &second).stdout, output.stdout);
    let files = files_of_image(&first);
    let date: u64 = first.git(["log", "-1", "--format=%ct"]).trim().parse().expect("a date");
    assert!(files.iter().all(|(_, _, time)| *time <= date), "{files:?}");
    let text =
        |wanted: &str| files.iter().find(|(name, ..)| name == wanted).map(|(_, text, _)| text.as_str());
    assert_eq!(
        (text("made"), text("mark"), text("x/a.txt")),
        (Some("for hephy\n"), Some("first"), Some("text"))
    );
    // the layout has the key for a name and no other,
    let index = first.path().join(".hephy/build/web/linux-amd64/index.json");
    let index = std::fs::read_to_string(index).expect("an index");
    assert!(index.contains("\"in-") && !index.contains("latest"), "{index}");
    // and nothing is built a second time.
    assert_eq!(first.decisions(), ["web (linux/amd64): reuse"]);
    // Built again, it is the same again.
    std::fs::remove_dir_all(first.path().join(".hephy")).expect("forget the image");
    assert_eq!(up(&buildkit, &first).stdout, output.stdout);
}

#[test]
fn buildkit_sees_the_files_that_count_and_no_others() {
    let buildkit = BuildKit::start();
    let files = [
        ("a.txt", ""),
        ("b.txt", ""),
        ("docs/guide.md", ""),
        ("docs/image.txt", ""),
        ("src/one.rs", ""),
        (".hidden", ""),
    ];
    for (ignore, expected) in [
        (vec![], vec![".hidden", "a.txt", "b.txt", "docs/guide.md", "docs/image.txt", "src/one.rs"]),
        (
            vec![(".dockerignore", "docs\n!docs/image.txt\n*.rs\n.*\n")],
            vec!["a.txt", "b.txt", "docs/image.txt", "src/one.rs"],
        ),
        (
            // The Dockerfile's own file comes first; without it BuildKit would take the other one.
            vec![(".dockerignore", "a.txt\n"), ("Dockerfile.dockerignore", "")],
            vec![
                ".dockerignore",
                ".hidden",
                "Dockerfile.dockerignore",
                "a.txt",
                "b.txt",
                "docs/guide.md",
                "docs/image.txt",
                "src/one.rs",
            ],
        ),
        (vec![(".containerignore", "**/*.txt\n.*\n")], vec!["docs/guide.md", "src/one.rs"]),
    ] {
        let repository = web("FROM scratch\nCOPY . /\n", &files);
        for (name, text) in &ignore {
            repository.write(&format!("web/{name}"), text);
        }
        // What git knows nothing about is an input all the same; its own folder and hephy's never are.
        repository.write(
            "hephy.yaml",
            "components: {web: {path: web, backend: buildkit, platforms: [linux/amd64]}}\n",
        );
        repository.commit("Hide some");
        repository.write("web/.hephy/old", "").write("web/.git/HEAD", "");
        let output = buildkit.used_by(repository.hephy(["build"])).run().exits(0);
        let names = names_in_image(&repository);
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.ends_with('/')).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| *name != "Dockerfile").collect();
        assert_eq!(names, expected, "{ignore:?}: {output}");
    }
}

#[test]
fn buildkit_builds_on_the_base_image_that_the_plan_saw() {
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    let dockerfile = format!(
        "ARG TAG=1\nFROM {} AS one\nFROM scratch\nCOPY --from=one /mark /1\nCOPY --from={base} /mark /2\n",
        base.replace("base:1", "base:${TAG}")
    );
    let repository = web(&dockerfile, &[]);
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let file = repository.beside("plan.json");
    std::fs::write(&file, plan).expect("write the plan");
    // Another image under this name is not what the plan saw.
    publish_shell(&registry, "second");
    buildkit.used_by(repository.hephy(["up", "--plan"]).args([&file])).run().exits(0);
    let text = |files: &[(String, String, u64)]| -> Vec<String> {
        files
            .iter()
            .filter(|(name, ..)| name == "1" || name == "2")
            .map(|(_, text, _)| text.clone())
            .collect()
    };
    assert_eq!(text(&files_of_image(&repository)), ["first", "first"]);
    up(&buildkit, &repository);
    assert_eq!(text(&files_of_image(&repository)), ["second", "second"]);
}

#[test]
fn what_only_the_base_image_knows_is_asked_before_buildkit_builds() {
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trigger = "FROM scratch\nENV DIR=docs\nONBUILD COPY b.txt /y/\n";
    let base = publish(&registry, "trigger:1", folder.path(), trigger);
    let repository = web(&format!("FROM {base}\nCOPY a.txt /x/\n"), &[("a.txt", "a"), ("b.txt", "b")]);
    let refused = buildkit.used_by(repository.hephy(["up"])).run().exits(3);
    assert!(refused.error().contains("it has `ONBUILD COPY b.txt /y/`"), "{refused}");
    // Who does not ask cannot know.
    let configuration =
        std::fs::read_to_string(repository.path().join("hephy.yaml")).expect("a configuration");
    repository.write("hephy.yaml", &format!("base-images: offline\n{configuration}")).commit("Ask nobody");
    let refused = buildkit.used_by(repository.hephy(["up"])).run().exits(3);
    assert!(refused.error().contains("a config that nobody asked for"), "{refused}");
    let watched = "components: {web: {backend: buildkit, platforms: [linux/amd64], watch: [\"web/**\"]}}\n";
    repository.write("hephy.yaml", watched).commit("Watch the folder");
    up(&buildkit, &repository);
    assert!(names_in_image(&repository).contains("y/b.txt"));
}

#[test]
fn a_failed_line_fails_the_build_with_the_words_of_buildkit() {
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    let repository = web(&format!("FROM {base}\nCOPY . /x/\nRUN echo it is broken && exit 7\n"), &[]);
    let output = buildkit.used_by(repository.hephy(["up"])).run().exits(3);
    assert!(output.error().contains("did not complete successfully: exit code: 7"), "{output}");
    assert!(output.stderr.contains("it is broken"), "{output}");
    assert_eq!(repository.entries(), []);
    let alone = "`hephy build web --platform linux/amd64` tries it alone\n";
    output.says(&format!("hint: what `buildctl` says is the reason; {alone}"));
}

#[test]
fn a_build_that_is_stopped_leaves_nothing_running() {
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    // A number that no other program of this machine has among its arguments.
    let mark = format!("31{}", std::process::id());
    let dockerfile = format!("FROM {base}\nCOPY . /x/\nRUN [\"/bin/busybox\", \"sleep\", \"{mark}\"]\n");
    let repository = web(&dockerfile, &[]);
    let hephy = buildkit.used_by(repository.hephy(["up"])).start();
    wait_until("the line runs", || !sleeping(&mark).is_empty());
    let kill = Command::new("kill").args(["-s", "TERM", &hephy.id().to_string()]).status();
    assert!(kill.expect("kill starts").success());
    let output = Output::of(hephy).exits(143);
    wait_until("the line is stopped", || sleeping(&mark).is_empty());
    assert_eq!(repository.entries(), [], "{output}");
    let left: Vec<PathBuf> = std::fs::read_dir(repository.path().join(".hephy/build/web"))
        .expect("the folder of builds")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "linux-amd64"))
        .collect();
    assert_eq!(left, [] as [PathBuf; 0], "{output}");
}

#[test]
fn the_engine_of_a_machine_makes_no_difference_to_the_decision() {
    // Given an image that BuildKit has built where nobody says which engine,
    let buildkit = BuildKit::start();
    let repository = web_by("dockerfile", "FROM scratch\nCOPY a.txt /\n", &[("a.txt", "a")]);
    up(&buildkit, &repository).says("with dockerfile").says("by buildctl");
    // when a machine with another engine looks, then it is there;
    let other = repository.hephy(["up"]).run().exits(0);
    assert!(!other.stderr.contains("by buildah") && other.stderr.contains("reuse"), "{other}");
    // what is asked of one engine by name is another thing.
    repository.write("hephy.yaml", "components: {web: {backend: buildah, platforms: [linux/amd64]}}\n");
    repository.commit("Choose the engine");
    repository.hephy(["up"]).run().exits(0).says("by buildah: buildah ");
}

#[test]
fn lines_that_nothing_here_can_run_are_refused_before_anything_starts() {
    // Given a builder that runs programs for one platform,
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let base = publish_shell(&registry, "first");
    let two = "components: {web: {backend: buildkit, platforms: [linux/amd64, linux/arm64]}}\n";
    let of_two = |dockerfile: &str| {
        let repository = web(dockerfile, &[("a.txt", "a")]);
        repository.write("hephy.yaml", two).commit("Add a platform");
        repository
    };
    // when lines are to be run for another, then it ends there, and names the platform and ways out.
    let repository = of_two(&format!("FROM {base}\nCOPY . /x/\nRUN true\n"));
    let output = buildkit.used_by(repository.hephy(["up"])).run().exits(3);
    assert!(
        output.error().starts_with(
            "error: build web (linux/arm64): find an engine that builds a Dockerfile (buildkit): no buildctl: it runs \
             programs for linux/amd64, and the `RUN` lines are for linux/arm64; no docker buildx: "
        ),
        "{output}"
    );
    assert!(!output.stderr.contains("► build"), "{output}");
    output.says("hint: build it on a runner of linux/arm64, install an emulator");
    // Files are copied for any platform, and a stage may be for the machine that builds.
    let elsewhere = format!(
        "FROM --platform=$BUILDPLATFORM {base} AS one\nCOPY . /x/\nRUN echo x > /made\nFROM scratch\n\
         COPY --from=one /made /\n"
    );
    for dockerfile in ["FROM scratch\nCOPY a.txt /\n", &elsewhere] {
        up(&buildkit, &of_two(dockerfile));
    }
}

#[test]
fn without_an_engine_each_one_that_was_asked_is_named() {
    let repository = web("FROM scratch\nCOPY a.txt /\n", &[("a.txt", "a")]);
    let tools = repository.beside("tools");
    stand_in(&tools, "docker", "echo \"Driver: docker\"");
    stand_in(&tools, "buildctl", "echo \"error: nobody is there\" >&2; exit 1");
    let output = repository.hephy(["up"]).env("PATH", path_with(&tools)).run().exits(3);
    assert_eq!(
        output.error(),
        "error: build web (linux/amd64): find an engine that builds a Dockerfile (buildkit): no buildctl: it says \
         `error: nobody is there`; no docker buildx: its builder of the driver `docker` cannot export a layout"
    );
    output.says("hint: install `buildah`");
}

/// A program that does what the script says, with its arguments kept in the file `calls` beside it.
fn stand_in(tools: &Path, name: &str, script: &str) {
    std::fs::create_dir_all(tools).expect("create the folder");
    let program = tools.join(name);
    let calls = tools.join("calls");
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\n{script}\n", calls.display());
    write_program(&program, text);
}

/// buildx cannot be had here: this stand-in takes its arguments and lets `buildctl` build the same, failing as often as
/// the file `faults` says.
const BUILDX: &str = r#"
case "$2" in
  inspect) printf 'Name: test\nDriver: docker-container\nStatus: running\nBuildKit version: v0.33.1\n'; exit ;;
esac
here=$(dirname "$0")
if read -r code < "$here/faults"; then sed -i 1d "$here/faults"; echo "ERROR: failed to solve: no room" >&2; exit "$code"; fi
shift 2
while [ $# -gt 1 ]; do
  case "$1" in
    --file) file=$2; shift ;;
    --output) output=$2; shift ;;
    --metadata-file) metadata=$2; shift ;;
    --build-arg) args="$args --opt build-arg:$2"; shift ;;
    --platform) args="$args --opt platform=$2"; shift ;;
  esac
  shift
done
exec "$REAL_BUILDCTL" build --frontend dockerfile.v0 --local context="$1" --local dockerfile="$(dirname "$file")" \
  $args --output "$output" --metadata-file "$metadata"
"#;

#[test]
fn buildx_is_called_as_its_documentation_says_and_once_more_after_a_fault_of_its_own() {
    let buildkit = BuildKit::start();
    let repository = web("FROM scratch\nARG MODE\nCOPY a.txt /\n", &[("a.txt", "a")]);
    let expected = up(&buildkit, &repository).stdout;
    let tools = repository.beside("tools");
    stand_in(&tools, "docker", BUILDX);
    stand_in(&tools, "buildctl", "exit 1");
    for (faults, code) in [("", 0), ("102\n", 0), ("100\n100\n", 75), ("100\n1\n", 3), ("1\n", 3)] {
        let _ = std::fs::remove_dir_all(repository.path().join(".hephy"));
        std::fs::write(tools.join("faults"), faults).expect("write the faults");
        let _ = std::fs::remove_file(tools.join("calls"));
        let hephy = buildkit.used_by(repository.hephy(["up"])).env("REAL_BUILDCTL", buildkit.client());
        let output = hephy.env("PATH", path_with(&tools)).run().exits(code);
        let calls = std::fs::read_to_string(tools.join("calls")).expect("calls");
        let builds: Vec<&str> = calls.lines().filter(|call| call.starts_with("buildx build")).collect();
        assert_eq!(builds.len(), if faults.is_empty() || faults == "1\n" { 1 } else { 2 }, "{calls}{output}");
        assert!(
            builds[0].starts_with("buildx build --progress=plain --provenance=false --sbom=false --platform linux/amd64 --file /"),
            "{calls}"
        );
        if code == 0 {
            assert_eq!(output.stdout, expected);
        } else {
            assert!(output.error().contains("failed to solve: no room"), "{output}");
        }
    }
}

#[test]
fn lines_for_another_processor_are_a_warning_where_a_builder_says_that_it_runs_them() {
    // Given a builder that runs the programs of two platforms, and builds nothing,
    let runs = "FROM scratch\nCOPY a.txt /\nRUN [\"/made\"]\n";
    let (host, other) = if cfg!(target_arch = "aarch64") { ("arm64", "amd64") } else { ("amd64", "arm64") };
    let builder = "case \"$2\" in inspect) printf 'Driver: docker-container\\nStatus: running\\nPlatforms: \
        linux/amd64, linux/arm64\\n'; exit ;; esac\nexit 1";
    for (dockerfile, architecture, is_warned) in
        [(runs, other, true), (runs, host, false), ("FROM scratch\nCOPY a.txt /\n", other, false)]
    {
        let repository = web(dockerfile, &[("a.txt", "a")]);
        let component =
            format!("components: {{web: {{backend: buildkit, platforms: [linux/{architecture}]}}}}\n");
        repository.write("hephy.yaml", &component).commit("Choose the platform");
        let tools = repository.beside("tools");
        stand_in(&tools, "docker", builder);
        stand_in(&tools, "buildctl", "exit 1");
        // when it is to build, then what will be slow is said before the build.
        let output = repository.hephy(["build"]).env("PATH", path_with(&tools)).run().exits(3);
        let warning =
            format!("warning: build web (linux/{architecture}): its `RUN` lines are for another processor");
        assert_eq!(output.stderr.contains(&warning), is_warned, "{output}");
        let calls = std::fs::read_to_string(tools.join("calls")).expect("calls");
        assert!(calls.contains("buildx build"), "{calls}{output}");
    }
}
