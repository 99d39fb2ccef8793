//! A registry of one test: the real program, on a loopback port of its own, gone with the test.

use super::guarded::{Generation, serve};
use super::{Hephy, Repository, prebuilt};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A running registry.
pub(crate) struct Registry {
    address: String,
    folder: TempDir,
    server: Child,
}

/// A port for a server that cannot choose one itself. No connection gets such a port meanwhile, as those begin at 32768,
/// and no other test of this process.
pub(crate) fn free_port(listen: &str) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(number % 12_000).expect("it is small");
        if TcpListener::bind((listen, port)).is_ok() {
            return port;
        }
    }
}

impl Registry {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_on(Generation::Second, "127.0.0.1", "127.0.0.1")
    }

    /// The same on `listen`, an address of this machine that others know as `host`.
    pub(crate) fn start_on(generation: Generation, listen: &str, host: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port(listen);
        let (address, listen) = (format!("{host}:{port}"), format!("{listen}:{port}"));
        let configuration = folder.path().join("config.yml");
        let storage = folder.path().join("storage");
        let text = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\nhttp: {{addr: '{listen}'}}\n\
             storage: {{filesystem: {{rootdirectory: '{}'}}, delete: {{enabled: true}}}}\n",
            storage.display()
        );
        std::fs::write(&configuration, text).expect("write the configuration");
        // buildah wants to be told that this registry has no TLS.
        let trust = format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n");
        std::fs::write(folder.path().join("registries.conf"), trust).expect("write the trust");
        let server = serve(generation, &configuration, &address);
        Self { address, folder, server }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The tags of a repository, sorted.
    pub(crate) fn tags(&self, name: &str) -> Vec<String> {
        let url = format!("http://{}/v2/{name}/tags/list", self.address);
        let output = Command::new("curl").args(["--silent", &url]).output().expect("curl starts");
        let body: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let tags = body["tags"].as_array().cloned().unwrap_or_default();
        let mut tags: Vec<String> = tags.iter().map(|tag| tag.as_str().expect("a tag").to_owned()).collect();
        tags.sort();
        tags
    }

    /// The manifest that has this digest or tag.
    pub(crate) fn manifest(&self, name: &str, reference: &str) -> serde_json::Value {
        self.manifest_of_kind(name, reference, "application/vnd.oci.image.manifest.v1+json")
    }

    /// The same of another media type.
    pub(crate) fn manifest_of_kind(&self, name: &str, reference: &str, kind: &str) -> serde_json::Value {
        let url = format!("http://{}/v2/{name}/manifests/{reference}", self.address);
        let accept = format!("Accept: {kind}");
        let output = Command::new("curl").args(["--silent", "--fail", "--header", &accept, &url]).output();
        serde_json::from_slice(&output.expect("curl starts").stdout).expect("JSON")
    }

    /// Deletes a manifest or a blob, as people do.
    pub(crate) fn delete(&self, path: &str) {
        let url = format!("http://{}/v2/{path}", self.address);
        let status = Command::new("curl").args(["--silent", "--fail", "--request", "DELETE", &url]).status();
        assert!(status.expect("curl starts").success(), "{path}");
    }

    /// Reads a whole image with another program, which checks every digest.
    #[track_caller]
    pub(crate) fn read_back(&self, name: &str) {
        let to = tempfile::tempdir().expect("a temporary folder");
        let from = format!("docker://{}", self.image(name));
        let to = format!("oci:{}", to.path().join("copy").display());
        let output = Command::new("skopeo")
            .args(["copy", "--quiet", "--all", "--src-tls-verify=false", &from, &to])
            .output()
            .expect("skopeo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Lets a repository lose its manifests and tags, as a cleanup does; its blobs stay.
    pub(crate) fn forget_manifests(&self, name: &str) {
        self.forget(name, "_manifests");
    }

    /// Lets a repository lose its blobs and its tags; its manifests stay.
    pub(crate) fn forget_blobs(&self, name: &str) {
        self.forget(name, "_layers");
        self.forget(name, "_manifests/tags");
    }

    /// Lets a repository lose its blobs; its manifests and tags stay.
    pub(crate) fn forget_layers(&self, name: &str) {
        self.forget(name, "_layers");
    }

    fn forget(&self, name: &str, what: &str) {
        let folder = self.folder.path().join("storage/docker/registry/v2/repositories").join(name).join(what);
        std::fs::remove_dir_all(folder).expect("the repository is there");
    }

    /// The name of an image here.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// hephy, whose tools may pull from here.
    pub(crate) fn hephy(&self, repository: &Repository, arguments: &[&str]) -> Hephy {
        repository.hephy(arguments).env("CONTAINERS_REGISTRIES_CONF", self.trust())
    }

    /// Lets `name`, a repository with a tag, be an image with this program.
    pub(crate) fn publish(&self, name: &str, program: &str) {
        let repository = Repository::empty();
        repository.write("app/run", program).write("hephy.yaml", &prebuilt("linux/amd64: run"));
        self.copy(&repository, name);
    }

    /// Lets `name` be an image with a program for each of two platforms, `amd64` and `arm64`.
    pub(crate) fn publish_index(&self, name: &str) {
        let repository = Repository::empty();
        repository.write("app/amd64/run", "for amd64").write("app/arm64/run", "for arm64");
        let programs = "linux/amd64: amd64, linux/arm64: arm64";
        let configuration =
            format!("components:\n  app: {{path: app, bin: run, prebuilt: {{{programs}}}}}\n");
        repository.write("hephy.yaml", &configuration);
        self.copy(&repository, name);
    }

    fn copy(&self, repository: &Repository, name: &str) {
        repository.commit("Add a program");
        let pushed = self.hephy(repository, &["up", "--registry", &self.image("made")]).run().exits(0).stdout;
        let digest = pushed.trim().rsplit('@').next().expect("a digest").to_owned();
        let from = format!("docker://{}@{digest}", self.image("made/app"));
        let to = format!("docker://{}", self.image(name));
        let copied = Command::new("skopeo")
            .args([
                "copy",
                "--quiet",
                "--all",
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
                &from,
                &to,
            ])
            .status();
        assert!(copied.expect("skopeo starts").success());
    }

    /// Lets the tag `name` point at an index of the same images in other words.
    pub(crate) fn rewrite_index(&self, name: &str) {
        let (repository, tag) = name.rsplit_once(':').expect("a tag");
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.address);
        let kind = "application/vnd.oci.image.index.v1+json";
        let read =
            Command::new("curl").args(["--silent", "--header", &format!("Accept: {kind}"), &url]).output();
        let index: serde_json::Value =
            serde_json::from_slice(&read.expect("curl starts").stdout).expect("JSON");
        let index = serde_json::to_string_pretty(&index).expect("JSON");
        let header = format!("Content-Type: {kind}");
        let write =
            ["--silent", "--fail", "--request", "PUT", "--header", &header, "--data-binary", &index, &url];
        assert!(Command::new("curl").args(write).status().expect("curl starts").success());
    }

    /// Ends it; whoever asks later gets no answer.
    pub(crate) fn stop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    fn trust(&self) -> PathBuf {
        self.folder.path().join("registries.conf")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The digest that a tag of an image on a registry without TLS points at.
pub(crate) fn digest(image: &str, tag: &str) -> Option<String> {
    let (address, name) = image.split_once('/').expect("a host");
    let url = format!("http://{address}/v2/{name}/manifests/{tag}");
    let kinds = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let output = Command::new("curl").args(["--silent", "--head", "--header", kinds, &url]).output();
    let text = String::from_utf8(output.expect("curl starts").stdout).expect("text").to_lowercase();
    let is_there = text.lines().next().is_some_and(|line| line.contains(" 200"));
    let line = text.lines().find_map(|line| line.strip_prefix("docker-content-digest:"));
    line.filter(|_| is_there).map(|digest| digest.trim().to_owned())
}
