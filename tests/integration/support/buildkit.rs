//! A BuildKit of one test: the real daemon on a socket of its own, gone with the test.

use super::Hephy;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running daemon.
pub(crate) struct BuildKit {
    tools: PathBuf,
    folder: TempDir,
    daemon: Child,
}

impl BuildKit {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_trusting(None)
    }

    /// The same, which speaks plain HTTP to a registry that is not on loopback.
    pub(crate) fn start_trusting(registry: Option<&str>) -> Self {
        let tools = tools();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let configuration = format!(
            "root = \"{}\"\n[grpc]\naddress = [\"unix://{}\"]\n{}",
            at("root"),
            at("socket"),
            configuration(registry),
        );
        std::fs::write(at("buildkitd.toml"), configuration).expect("write the configuration");
        let log = std::fs::File::create(at("log")).expect("create the log");
        let daemon = Command::new(tools.join("buildkitd"))
            .args(["--config", &at("buildkitd.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("buildkitd starts (./dev tools buildkit runc)");
        let started = Self { tools, folder, daemon };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !started.answers() {
            assert!(Instant::now() < deadline, "buildkitd never answered: {}", started.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }

    /// Lets hephy find the client and the daemon.
    pub(crate) fn used_by(&self, hephy: Hephy) -> Hephy {
        hephy.env("PATH", path_with(&self.tools)).env("BUILDKIT_HOST", self.address())
    }

    /// The client's program.
    pub(crate) fn client(&self) -> PathBuf {
        self.tools.join("buildctl")
    }

    fn answers(&self) -> bool {
        let mut command = Command::new(self.tools.join("buildctl"));
        command.args(["--addr", &self.address(), "debug", "workers"]);
        command.output().expect("buildctl starts").status.success()
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("read the log")
    }
}

impl Drop for BuildKit {
    /// Kindly, so that it takes its own programs and mounts with it.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-s", "TERM", &self.daemon.id().to_string()]).status();
        let _ = self.daemon.wait();
    }
}

/// What the daemon of a test is told, wherever it runs: containers in the network of their host, for there is no other.
pub(crate) fn configuration(registry: Option<&str>) -> String {
    let trust = registry.map(|registry| format!("[registry.\"{registry}\"]\nhttp = true\n"));
    let worker = "[worker.oci]\nenabled = true\nnetworkMode = \"host\"\nplatforms = [\"linux/amd64\"]\n[worker.containerd]\nenabled = false\n";
    format!("{worker}[cdi]\ndisabled = true\n{}", trust.unwrap_or_default())
}

/// `PATH` with this folder in front.
pub(crate) fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").expect("a path"))
}

/// The folder with `buildkitd` and `buildctl`.
pub(crate) fn tools() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/run");
    let output = Command::new(script).arg("buildkit").stderr(Stdio::inherit()).output().expect("it starts");
    assert!(output.status.success(), "tests/tools/run buildkit: {}", output.status);
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}
