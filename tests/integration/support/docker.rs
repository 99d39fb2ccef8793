//! A Docker of one test: the real daemon in a world of its own, gone with the test.

use super::Hephy;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running daemon, and a folder with the only programs that hephy finds: git and Docker's client.
pub(crate) struct Docker {
    folder: TempDir,
    world: Child,
}

impl Docker {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        install();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("bin")).expect("create the folder");
        for program in ["git", "docker"] {
            symlink(found(program), Path::new(&at("bin")).join(program)).expect("link the program");
        }
        std::fs::write(at("settings.json"), "{}").expect("write the settings");
        let log = std::fs::File::create(at("log")).expect("create the log");
        // Processes and mounts of its own: what it starts and mounts ends with it, and it ends with the thread of the test.
        let world = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
            ])
            .arg(found("dockerd"))
            .args(["--config-file", &at("settings.json"), "--host", &format!("unix://{}", at("socket"))])
            .args(["--data-root", &at("data"), "--exec-root", &at("state"), "--pidfile", &at("pid")])
            .args(["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        let started = Self { folder, world };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !started.client(&["version"]).status.success() {
            assert!(Instant::now() < deadline, "dockerd never answered: {}", started.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        started
    }

    /// Lets hephy find this daemon, and nothing else that builds.
    pub(crate) fn used_by(&self, hephy: Hephy) -> Hephy {
        hephy.env("PATH", self.folder.path().join("bin")).env("DOCKER_HOST", self.address())
    }

    /// What the client prints.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.client(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What its programs have among their arguments, and its mounts lie below.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn client(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(found("docker"));
        command.args(arguments).env("DOCKER_HOST", self.address()).output().expect("the client starts")
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("read the log")
    }
}

impl Drop for Docker {
    /// The daemon is the first process of its world, and the world ends with it.
    fn drop(&mut self) {
        let id = self.world.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let _ = Command::new("kill").args(["-s", "TERM", child]).status();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while matches!(self.world.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.world.kill();
        let _ = self.world.wait();
    }
}

/// The processes that have `folder` among their arguments, and the mounts below it.
pub(crate) fn remains(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let is_below = |text: &String| text.contains(&folder);
    let processes = std::fs::read_dir("/proc").expect("the processes").filter_map(Result::ok);
    let arguments = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let arguments = arguments.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    let mounts = std::fs::read_to_string("/proc/mounts").expect("the mounts");
    arguments.filter(is_below).chain(mounts.lines().map(str::to_owned).filter(is_below)).collect()
}

fn install() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/run");
    let output = Command::new(script).args(["docker", "buildah", "busybox", "skopeo"]).output();
    let output = output.expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A program of this machine; daemons often lie where users do not look.
pub(crate) fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a path");
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut places = folders.map(|folder| folder.join(program));
    places.find(|place| place.is_file()).unwrap_or_else(|| panic!("`{program}` is installed"))
}
