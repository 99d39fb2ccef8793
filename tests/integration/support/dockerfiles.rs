//! Components with a Dockerfile, the images that they become, and base images for them.

use super::Repository;
use super::registry::Registry;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A repository with the component `web`, with these files, built by this backend.
pub(crate) fn web_by(backend: &str, dockerfile: &str, files: &[(&str, &str)]) -> Repository {
    let repository = Repository::empty();
    let configuration = format!("components: {{web: {{backend: {backend}, platforms: [linux/amd64]}}}}\n");
    repository.write("hephy.yaml", &configuration);
    repository.write("web/Dockerfile", dockerfile);
    for (path, text) in files {
        repository.write(&format!("web/{path}"), text);
    }
    repository.commit("Add the site");
    repository
}

/// Every file of the image with its content and its time, as `tar` tells it, layer by layer.
pub(crate) fn files_of_image(repository: &Repository) -> Vec<(String, String, u64)> {
    let layout = repository.path().join(".hephy/build/web/linux-amd64");
    let mut files = vec![];
    for blob in layout.join("blobs/sha256").read_dir().expect("blobs") {
        let bytes = std::fs::read(blob.expect("a blob").path()).expect("read the blob");
        let mut inside = vec![];
        if flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut inside).is_err() {
            continue;
        }
        for entry in tar::Archive::new(&*inside).entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let mtime = entry.header().mtime().expect("a time");
            let mut text = String::new();
            // A program is no text, and its text is not asked for.
            let _ = entry.read_to_string(&mut text);
            files.push((name, text, mtime));
        }
    }
    files.sort();
    files
}

/// The names of its files.
pub(crate) fn names_in_image(repository: &Repository) -> BTreeSet<String> {
    files_of_image(repository).into_iter().map(|(name, ..)| name).collect()
}

/// A base image with a shell, published as `base:1`; its file `/mark` has this text.
pub(crate) fn publish_shell(registry: &Registry, mark: &str) -> String {
    let folder = folder_with_busybox();
    std::fs::write(folder.path().join("mark"), mark).expect("write the mark");
    let dockerfile = "FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/busybox\nCOPY mark /mark\n";
    publish(registry, "base:1", folder.path(), dockerfile)
}

/// A folder to build a small image in that has a shell.
pub(crate) fn folder_with_busybox() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let busybox = std::env::split_paths(&std::env::var_os("PATH").expect("a path"))
        .map(|folder| folder.join("busybox"))
        .find(|program| program.is_file());
    let busybox = busybox.expect("busybox is installed (./dev tools busybox)");
    std::fs::copy(busybox, folder.path().join("busybox")).expect("copy the shell");
    folder
}

/// Builds `dockerfile` in `folder` with buildah and pushes it.
pub(crate) fn publish(registry: &Registry, name: &str, folder: &Path, dockerfile: &str) -> String {
    std::fs::write(folder.join("Dockerfile"), dockerfile).expect("write the Dockerfile");
    let image = registry.image(name);
    for arguments in [
        &["build", "--quiet", "--format", "docker", "--isolation", "chroot", "--tag", &image, "."][..],
        &["push", "--quiet", "--tls-verify=false", &image],
    ] {
        let output = Command::new("buildah").args(arguments).current_dir(folder).output();
        let output = output.expect("buildah starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    image
}

/// The programs that sleep for so many seconds.
pub(crate) fn sleeping(mark: &str) -> Vec<PathBuf> {
    let programs = std::fs::read_dir("/proc").expect("the processes").filter_map(Result::ok);
    let is_it = |path: &PathBuf| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        words.ends_with(format!("sleep\0{mark}\0").as_bytes())
    };
    programs.map(|entry| entry.path()).filter(is_it).collect()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
