//! Builds in the cluster: BuildKit for real, kaniko by a stand-in that takes its documented command line.

use crate::support::builders::{Builders, in_builds, jobs, label, publish_shell};
use crate::support::buildkit::BuildKit;
use crate::support::cluster::Cluster;
use crate::support::guarded::Generation;
use crate::support::{Output, Repository};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

#[test]
fn buildkit_in_the_cluster_makes_the_image_that_a_buildkit_here_makes() {
    // Given a Dockerfile on a base image that runs a program and copies folders, a program and a link,
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    let base = publish_shell(&builders.registry);
    let dockerfile = format!(
        "FROM {base} AS one\nARG WHO=nobody\nRUN echo \"for $WHO\" > /made\n\
         FROM scratch\nCOPY --from=one /made /\nCOPY . /x/\n"
    );
    let there = builders.web("dockerfile", &dockerfile, "");
    there.write("web/deep/er/b.txt", "b").write("web/tools/run", "#!/bin/sh\n");
    let program = there.path().join("web/tools/run");
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("make it run");
    symlink("deep/er", there.path().join("web/link")).expect("link");
    there.commit("Add more");
    let here = there.clone_with(&[]);
    // when it is built in the cluster,
    let output =
        builders.up(&cluster, &there).run().exits(0).says("by BuildKit in the cluster: Job `hephy-web-");
    // then the progress was seen, the registry has it, nothing of the build is left,
    let output = output.says("#1 [internal] load build definition").says("RUN echo");
    let digest = output.stdout.trim().rsplit('@').next().expect("a digest").to_owned();
    let name = format!("made/web:sha-{}", there.short_id());
    let copied = read_back(&builders, &name);
    assert_eq!(copied, digest);
    assert_eq!(jobs(&cluster), "");
    // and a BuildKit on this machine makes the very same of another checkout.
    let configuration = std::fs::read_to_string(here.path().join("hephy.yaml")).expect("a configuration");
    let other = here.beside("here.yaml");
    std::fs::write(&other, configuration.replace("in: cluster", "in: here")).expect("write it");
    let hephy = here.hephy(["up", "--no-deploy", "--insecure-registry", builders.registry.address()]);
    let hephy = hephy.args(["--config", other.to_str().expect("UTF-8")]);
    let buildkit = BuildKit::start_trusting(Some(builders.registry.address()));
    let hephy = hephy.args(["--registry", &builders.registry.image("made")]).args(["--all"]);
    let again = buildkit.used_by(hephy).run().exits(0).says("by buildctl: BuildKit");
    assert_eq!(again.stdout, output.stdout);
}

/// The digest of an image, of which another program has read every blob.
fn read_back(builders: &Builders, name: &str) -> String {
    builders.registry.read_back(name);
    let image = format!("docker://{}", builders.registry.image(name));
    let output = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--format={{.Digest}}", &image])
        .output();
    String::from_utf8(output.expect("skopeo starts").stdout).expect("text").trim().to_owned()
}

#[test]
fn several_legs_are_several_jobs() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    let repository = Repository::empty();
    let names = ["one", "two", "three"];
    let components: Vec<String> =
        names.iter().map(|name| format!("{name}: {{platforms: [linux/amd64]}}")).collect();
    let components = format!("components: {{{}}}\n", components.join(", "));
    repository.write("hephy.yaml", &format!("{components}{}", builders.configuration("")));
    for name in names {
        repository.write(&format!("{name}/Dockerfile"), "FROM scratch\nCOPY a.txt /\n");
        repository.write(&format!("{name}/a.txt"), name);
    }
    repository.commit("Add three");
    let output = builders.up(&cluster, &repository).run().exits(0);
    assert_eq!(output.stdout.lines().count(), 3, "{output}");
    for name in names {
        builders.registry.read_back(&format!("made/{name}:sha-{}", repository.short_id()));
        assert!(output.stderr.contains(&format!("Job `hephy-{name}-linux-amd64-")), "{output}");
    }
    // What was built is reused: the engine is no input.
    let again = builders.up(&cluster, &repository).run().exits(0).says("nothing to do");
    assert!(!again.stderr.contains("Job `"), "{again}");
}

#[test]
fn a_failed_line_in_the_cluster_fails_with_the_words_of_buildkit() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    let base = publish_shell(&builders.registry);
    let repository =
        builders.web("buildkit", &format!("FROM {base}\nCOPY . /x\nRUN echo it is broken && exit 7\n"), "");
    let output = builders.up(&cluster, &repository).run().exits(3).says("it is broken");
    let error = output.error();
    assert!(
        error.starts_with("error: build web (linux/amd64): run `buildctl`: exit status: 1: error: "),
        "{output}"
    );
    assert!(error.contains("did not complete successfully: exit code: 7"), "{output}");
    assert_eq!(jobs(&cluster), "");
    assert_eq!(builders.registry.tags("made/web"), Vec::<String>::new());
}

#[test]
fn what_keeps_a_pod_from_building_is_named_and_leaves_nothing() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    let nothing = "FROM scratch\nCOPY a.txt /\n";
    let missing = format!("{}/tools/none:1", cluster.setting("HEPHY_TEST_REGISTRY"));
    let other = |from: &str, to: &str| {
        let repository = builders.web("dockerfile", nothing, ", timeout: 6s");
        let file = std::fs::read_to_string(repository.path().join("hephy.yaml")).expect("a configuration");
        assert!(file.contains(from), "{file}");
        repository.write("hephy.yaml", &file.replace(from, to)).commit("Change the builder");
        repository
    };
    let own = builders.configuration("");
    let image = own.split('"').nth(1).expect("an image").to_owned();
    for (repository, code, words, hint) in [
        (other(&image, &missing), 5, "cannot pull image", "hint: name an image that the nodes can pull"),
        (
            other("linux/amd64", "linux/arm64"),
            75,
            "it did not run after 6 s: cannot be scheduled",
            "hint: no node is free that fits",
        ),
        (other("privileged", "secret: none, privileged"), 5, "secret \"none\" not found", "hint: create it"),
        (other("privileged", "service-account: none, privileged"), 5, "none", "hint: create it"),
        (
            other("privileged", "memory: 14Mi, privileged"),
            3,
            "out of memory",
            "hint: give it more: `builder: {memory",
        ),
        (other("namespace: builds", "namespace: nowhere"), 5, "403", "hint: in the namespace, allow"),
    ] {
        let output = builders.up(&cluster, &repository).run().exits(code).says(hint);
        assert!(output.error().contains(words), "`{words}` is not in the first line of {output}");
        assert_eq!(jobs(&cluster), "", "{output}");
    }
}

#[test]
fn a_namespace_that_refuses_such_pods_is_named_at_once() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    let repository = builders.web("dockerfile", "FROM scratch\nCOPY a.txt /\n", "");
    label(&cluster, "pod-security.kubernetes.io/enforce=restricted");
    let started = Instant::now();
    let output = builders.up(&cluster, &repository).run();
    label(&cluster, "pod-security.kubernetes.io/enforce-");
    let output = output.exits(5).says("hint: name a namespace that allows such pods");
    assert!(
        output.error().contains("violates PodSecurity") && output.error().contains("privileged"),
        "{output}"
    );
    assert!(started.elapsed() < Duration::from_secs(30), "{output}");
    assert_eq!(jobs(&cluster), "");
}

#[test]
fn an_identity_that_may_not_build_is_told_what_it_lacks() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    let repository = builders.web("dockerfile", "FROM scratch\nCOPY a.txt /\n", "");
    let hephy = builders.up(&cluster, &repository).env("KUBECONFIG", cluster.identity("STRANGER"));
    let output = hephy.run().exits(5).says("`pods/exec` and `pods/attach`");
    assert!(output.error().contains("create Job `hephy-web-") && output.error().contains("403"), "{output}");
}

/// A run that has begun a line that takes long.
fn sleeping(cluster: &Cluster, builders: &Builders, backend: &str, more: &str) -> Child {
    let base = publish_shell(&builders.registry);
    let repository = builders.web(backend, &format!("FROM {base}\nCOPY . /x\nRUN sleep 300\n"), more);
    let folder = repository.path().to_owned();
    let hephy = builders.up(cluster, &repository).start();
    // The repository goes away with the test; until then it must stay.
    std::mem::forget(repository);
    wait_until("the line runs", || {
        assert!(folder.exists());
        let programs = std::fs::read_dir("/proc").expect("the processes").filter_map(Result::ok);
        let words = programs.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
        words.into_iter().any(|words| words.ends_with(b"sleep\x00300\x00"))
    });
    hephy
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_cancelled_build_leaves_no_job_and_no_pod() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    for backend in ["dockerfile", "kaniko"] {
        let hephy = sleeping(&cluster, &builders, backend, "");
        assert!(jobs(&cluster).contains("hephy-web-"), "{backend}");
        let kill = Command::new("kill").args(["-s", "TERM", &hephy.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
        let output = Output::of(hephy).exits(143);
        assert_eq!(jobs(&cluster), "", "{output}");
        let pods = || in_builds(&cluster, &["get", "pods", "--output", "name"]);
        wait_until("the pod is gone", || !pods().contains("hephy-web-"));
    }
}

#[test]
fn a_pod_that_is_taken_away_or_too_slow_is_told_apart_from_a_failed_build() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    // Somebody deletes the pod: nobody's fault, and worth another run.
    let hephy = sleeping(&cluster, &builders, "dockerfile", "");
    in_builds(&cluster, &["delete", "pods", "--all", "--grace-period=1"]);
    let output = Output::of(hephy).exits(75).says("hint: run again");
    assert!(output.error().contains("run the pod of Job `hephy-web-"), "{output}");
    assert_eq!(jobs(&cluster), "", "{output}");
    // The deadline of the Job passes.
    let hephy = sleeping(&cluster, &builders, "dockerfile", ", timeout: 12s");
    let output = Output::of(hephy).exits(3).says("hint: give it more time");
    assert!(output.error().contains("it was not done after 12 s"), "{output}");
    assert_eq!(jobs(&cluster), "", "{output}");
}

#[test]
fn kaniko_is_told_as_its_documentation_says_and_its_image_goes_the_usual_way() {
    // Given a Dockerfile on a base image that the plan knows,
    let cluster = Cluster::take();
    let mut builders = Builders::of(&cluster);
    let base = publish_shell(&builders.registry);
    let repository = builders.web("kaniko", &format!("FROM {base}\nCOPY a.txt /\n"), "");
    // when it is built,
    let output = builders.up(&cluster, &repository).run().exits(0);
    // then the executor got what it documents, and found the files on its stdin,
    let address = builders.registry.address();
    for flags in [
        "executor --context=tar://stdin --context-sub-path=context --dockerfile=../dockerfile/Dockerfile \
         --custom-platform=linux/amd64 --reproducible --build-arg=SOURCE_DATE_EPOCH=",
        &format!("--destination={address}/made/web:hephy-tmp-"),
        &format!("--digest-file=/dev/termination-log --insecure-registry={address}"),
    ] {
        assert!(output.stderr.contains(flags), "`{flags}` is not in {output}");
    }
    let layout = repository.path().join(".hephy/build/web/linux-amd64");
    let files = files_of(&layout);
    let text = |name: &str| files.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
    assert_eq!(text("./x/a.txt").as_deref(), Some("text"));
    // with the base image that the plan saw in place of its name,
    let dockerfile = text("./Dockerfile").expect("the Dockerfile");
    assert!(dockerfile.starts_with(&format!("FROM {}@sha256:", base.trim_end_matches(":1"))), "{dockerfile}");
    // the image has hephy's labels and tags and can be read, and no Job is left.
    let name = format!("made/web:sha-{}", repository.short_id());
    assert_eq!(read_back(&builders, &name), output.stdout.trim().rsplit('@').next().expect("a digest"));
    assert_eq!(jobs(&cluster), "");
    // This registry (distribution 2.8) lets nobody delete a tag, which is said,
    output.says("stays, and nothing needs it any more: the registry deletes no tags (400 Bad Request)");
    // and one that does has nothing of it any more.
    builders.registry = Builders::registry(&cluster, Generation::Third);
    let output =
        builders.up(&cluster, &builders.web("kaniko", "FROM scratch\nCOPY a.txt /\n", "")).run().exits(0);
    assert!(!output.stderr.contains("warning"), "{output}");
    let tags = builders.registry.tags("made/web");
    assert!(!tags.is_empty() && tags.iter().all(|tag| !tag.starts_with("hephy-tmp-")), "{tags:?}");
}

/// The files of all layers in a layout.
fn files_of(layout: &Path) -> Vec<(String, String)> {
    let mut files = vec![];
    for blob in layout.join("blobs/sha256").read_dir().expect("blobs") {
        let bytes = std::fs::read(blob.expect("a blob").path()).expect("read the blob");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
        for entry in archive.entries().into_iter().flatten().map_while(Result::ok) {
            let mut entry = entry;
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut entry, &mut text);
            files.push((entry.path().expect("a path").display().to_string(), text));
        }
    }
    files
}

#[test]
fn kaniko_that_fails_or_lies_is_not_believed() {
    let cluster = Cluster::take();
    let builders = Builders::of(&cluster);
    for (dockerfile, code, words) in [
        ("FROM scratch\nRUN exit 7\n", 3, "run `kaniko`: exit status: 7: error building image: "),
        ("FROM scratch\nCOPY a.txt /\nLABEL lie=1\n", 4, "does not have sha256:"),
    ] {
        let repository = builders.web("kaniko", dockerfile, "");
        let output = builders.up(&cluster, &repository).run().exits(code);
        assert!(output.error().contains(words), "`{words}` is not in the first line of {output}");
        let tags = builders.registry.tags("made/web");
        assert!(tags.iter().all(|tag| tag.starts_with("hephy-tmp-")), "{tags:?} {output}");
        assert_eq!(jobs(&cluster), "", "{output}");
    }
}
