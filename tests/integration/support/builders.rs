//! What builds in the test cluster: an image with the real BuildKit, and one that stands in for kaniko.

use super::buildkit::{configuration, tools};
use super::cluster::Cluster;
use super::guarded::Generation;
use super::registry::Registry;
use super::{Hephy, Repository, path_with, write_program};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The namespace of builds, empty, with a registry that its pods can reach, and the names of the images.
pub(crate) struct Builders {
    pub(crate) registry: Registry,
    buildkit: String,
    kaniko: String,
}

/// kaniko cannot be had here. This takes its documented flags and the files on stdin as it does, makes an image of one
/// layer of them, without looking at what the Dockerfile says, and pushes it with crane.
const EXECUTOR: &str = r#"#!/bin/sh
set -e
echo "executor $*" >&2
for argument; do
  case $argument in
    --context=tar://stdin | --custom-platform=linux/amd64 | --reproducible | --build-arg=SOURCE_DATE_EPOCH=*) ;;
    --context-sub-path=*) sub=${argument#*=} ;;
    --dockerfile=*) dockerfile=${argument#*=} ;;
    --destination=*) destination=${argument#*=} ;;
    --digest-file=*) digest_file=${argument#*=} ;;
    --insecure-registry=*) insecure=--insecure ;;
    *) echo "Error: unknown flag: $argument" >&2; exit 1 ;;
  esac
done
mkdir -p /kaniko/buildcontext /tmp/layer
gunzip | tar -x -C /kaniko/buildcontext
source=/kaniko/buildcontext/$sub
dockerfile=$source/$dockerfile
if grep -q 'exit 7' "$dockerfile"; then
  echo "error building image: error building stage: failed to execute command: waiting for process to exit: exit status 7" >&2
  exit 7
fi
if grep -q 'sleep' "$dockerfile"; then echo "RUN sleep" >&2; sleep 300; fi
cp -a "$source" /tmp/layer/x
cp "$dockerfile" /tmp/layer/Dockerfile
tar -c -C /tmp/layer . > /tmp/layer.tar
crane append $insecure --oci-empty-base -f /tmp/layer.tar -t "$destination" >&2
crane mutate $insecure --set-platform linux/amd64 "$destination" -t "$destination" >&2
crane digest $insecure "$destination" > /tmp/digest
if grep -q 'LABEL lie' "$dockerfile"; then echo sha256:$(printf lie | sha256sum | cut -c1-64) > /tmp/digest; fi
cat /tmp/digest > "$digest_file"
"#;

impl Builders {
    /// Empties the namespace and makes the images, once for all tests of this process.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        static IMAGES: OnceLock<(String, String)> = OnceLock::new();
        let (buildkit, kaniko) =
            IMAGES.get_or_init(|| (buildkit_image(cluster), kaniko_image(cluster))).clone();
        in_builds(
            cluster,
            &["delete", "jobs,configmaps,resourcequotas", "--all", "--wait", "--cascade=foreground"],
        );
        label(cluster, "pod-security.kubernetes.io/enforce-");
        // The bridge, and with it the address, comes with the first pod.
        let wake = ["run", "wake", "--image=localhost/pause:1", "--restart=Never"];
        in_builds(cluster, &["delete", "pod", "wake", "--ignore-not-found", "--grace-period=1"]);
        in_builds(cluster, &wake);
        in_builds(cluster, &["wait", "pod/wake", "--for=condition=Ready", "--timeout=60s"]);
        in_builds(cluster, &["delete", "pod", "wake", "--grace-period=1", "--wait=false"]);
        let registry = Self::registry(cluster, Generation::Second);
        let builders = Self { registry, buildkit, kaniko };
        let file =
            format!("--from-literal=buildkitd.toml={}", configuration(Some(builders.registry.address())));
        in_builds(cluster, &["create", "configmap", "buildkitd", &file]);
        builders
    }

    /// A registry that pods can reach.
    pub(crate) fn registry(cluster: &Cluster, generation: Generation) -> Registry {
        Registry::start_on(generation, "0.0.0.0", cluster.setting("HEPHY_TEST_POD_GATEWAY"))
    }

    /// The key `builder` of hephy.yaml with `more` in it.
    pub(crate) fn configuration(&self, more: &str) -> String {
        format!(
            "builder: {{in: cluster, namespace: builds, buildkit: \"{}\", kaniko: \"{}\", config-map: buildkitd, \
             privileged: true{more}}}\n",
            self.buildkit, self.kaniko
        )
    }

    /// A repository with the component `web`, built by `backend` in the cluster.
    pub(crate) fn web(&self, backend: &str, dockerfile: &str, more: &str) -> Repository {
        let repository = Repository::empty();
        let component = format!("components: {{web: {{backend: {backend}, platforms: [linux/amd64]}}}}\n");
        repository.write("hephy.yaml", &format!("{component}{}", self.configuration(more)));
        repository.write("web/Dockerfile", dockerfile).write("web/a.txt", "text").commit("Add the site");
        repository
    }

    /// `hephy up` to the registry that pods can reach, by the identity that may build.
    pub(crate) fn up(&self, cluster: &Cluster, repository: &Repository) -> Hephy {
        let address = self.registry.address();
        let arguments = ["up", "--no-deploy", "--insecure-registry", address, "--registry"];
        let hephy = repository.hephy(arguments).args([self.registry.image("made")]);
        hephy.env("KUBECONFIG", cluster.setting("HEPHY_TEST_KUBECONFIG"))
    }
}

/// Runs `kubectl` as administrator in the namespace of builds.
#[track_caller]
pub(crate) fn in_builds(cluster: &Cluster, arguments: &[&str]) -> String {
    cluster.kubectl(["--namespace", "builds"].iter().chain(arguments).copied())
}

/// Sets a label of the namespace, or takes it away.
pub(crate) fn label(cluster: &Cluster, label: &str) {
    cluster.kubectl(["label", "namespace", "builds", "--overwrite", label]);
}

/// The Jobs that are there.
pub(crate) fn jobs(cluster: &Cluster) -> String {
    in_builds(cluster, &["get", "jobs", "--output", "name"])
}

fn buildkit_image(cluster: &Cluster) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = root(&folder);
    for program in ["buildkitd", "buildctl"] {
        std::fs::copy(tools().join(program), root.join("bin").join(program)).expect("copy the program");
    }
    let runc = find("runc");
    std::fs::copy(&runc, root.join("bin/runc")).expect("copy runc");
    let libraries = Command::new("ldd").arg(&runc).output().expect("ldd starts");
    let libraries = String::from_utf8(libraries.stdout).expect("text");
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("create the folder");
        std::fs::copy(library, to).expect("copy the library");
    }
    publish(cluster, &folder, "buildkit", "/bin/buildkitd")
}

fn kaniko_image(cluster: &Cluster) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = root(&folder);
    let path = path_with(&["crane"]);
    let crane = std::env::split_paths(&path).map(|folder| folder.join("crane")).find(|path| path.is_file());
    std::fs::copy(crane.expect("crane is built"), root.join("bin/crane")).expect("copy crane");
    std::fs::create_dir(root.join("kaniko")).expect("create the folder");
    let executor = root.join("kaniko/executor");
    write_program(&executor, EXECUTOR);
    publish(cluster, &folder, "kaniko", "/kaniko/executor")
}

/// A root file system with a shell.
fn root(folder: &TempDir) -> PathBuf {
    let root = folder.path().join("root");
    for name in ["bin", "tmp", "etc", "run"] {
        std::fs::create_dir_all(root.join(name)).expect("create the folder");
    }
    std::fs::copy(find("busybox"), root.join("bin/busybox")).expect("copy the shell");
    for name in ["sh", "tar", "cat", "cp", "cut", "grep", "gunzip", "mkdir", "printf", "sha256sum", "sleep"] {
        symlink("busybox", root.join("bin").join(name)).expect("link");
    }
    root
}

fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a path");
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(more).map(|folder| folder.join(program));
    found
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{program} is installed (./dev tools)"))
}

fn publish(cluster: &Cluster, folder: &TempDir, name: &str, program: &str) -> String {
    let dockerfile = format!("FROM scratch\nCOPY root /\nENV PATH=/bin\nENTRYPOINT [\"{program}\"]\n");
    let image = format!("{}/tools/{name}:{}", cluster.setting("HEPHY_TEST_REGISTRY"), std::process::id());
    push_image(folder.path(), &dockerfile, &image);
    image
}

/// Builds `dockerfile` in `folder` with buildah and pushes it.
#[track_caller]
pub(crate) fn push_image(folder: &Path, dockerfile: &str, image: &str) {
    std::fs::write(folder.join("Dockerfile"), dockerfile).expect("write the Dockerfile");
    for arguments in [
        &["build", "--quiet", "--format", "docker", "--isolation", "chroot", "--tag", image, "."][..],
        &["push", "--quiet", "--tls-verify=false", image],
    ] {
        let output = Command::new("buildah").args(arguments).current_dir(folder).output();
        let output = output.expect("buildah starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A base image with a shell in the registry that pods can reach, as `base:1`.
pub(crate) fn publish_shell(registry: &Registry) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    root(&folder);
    let image = registry.image("base:1");
    push_image(folder.path(), "FROM scratch\nCOPY root /\nENV PATH=/bin\n", &image);
    image
}
