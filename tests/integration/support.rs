//! What tests are written with: hephy in a clean environment, and throw-away repositories.

pub(crate) mod attached;
pub(crate) mod builders;
pub(crate) mod buildkit;
pub(crate) mod cluster;
pub(crate) mod copying;
pub(crate) mod docker;
pub(crate) mod dockerfiles;
pub(crate) mod faulty;
pub(crate) mod guarded;
mod layered;
mod left_behind;
pub(crate) mod proxy;
pub(crate) mod pushing;
pub(crate) mod registry;
mod repository;
pub(crate) mod workflows;

pub(crate) use repository::Repository;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A Deployment that runs the image of the component `app`.
pub(crate) const MANIFEST: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: app}]}
";

/// A `hephy.yaml` with the component `app`, whose finished programs are these.
pub(crate) fn prebuilt(programs: &str) -> String {
    format!("components:\n  app: {{path: app, prebuilt: {{{programs}}}}}\n")
}

/// What differs from run to run in an output: folders, ids, digests, times.
pub(crate) const CHANGING: [(&str, &str); 4] = [
    (r"/[^ `']*/\.tmp[A-Za-z0-9]+", "[TMP]"),
    (r"sha256:[0-9a-f]+", "sha256:[DIGEST]"),
    (r"\b[0-9a-f]{12}\b", "[ID]"),
    (r"\d+\.\ds\b", "[T]s"),
];

/// PATH with the folders of these test programs in front (`tests/tools`), which are built if they are not there yet.
pub(crate) fn path_with(tools: &[&str]) -> OsString {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/run");
    let output = Command::new(script).args(tools).output().expect("the script starts");
    assert!(output.status.success(), "tools: {}", String::from_utf8_lossy(&output.stderr));
    let folders = String::from_utf8(output.stdout).expect("UTF-8");
    let old = std::env::var_os("PATH").unwrap_or_default();
    let paths = folders.lines().map(PathBuf::from).chain(std::env::split_paths(&old));
    std::env::join_paths(paths).expect("no colons in folders")
}

/// Compares everything that a call of hephy shows with the text that stands in the test.
macro_rules! shows {
    ($output:expr, @$expected:literal) => {
        insta::with_settings!({filters => $crate::support::CHANGING}, {
            insta::assert_snapshot!($output, @$expected)
        })
    };
}
pub(crate) use shows;

/// Variables that would make a test depend on the machine it runs on.
const FOREIGN: [&str; 20] = [
    "GITHUB_",
    "FORGEJO_",
    "GITEA_",
    "BITBUCKET_",
    "GITLAB_",
    "CI",
    "RUNNER_",
    "ACTIONS_",
    "HEPHY_",
    "KUBE",
    "DOCKER_",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "XDG_",
    "REGISTRY_AUTH_FILE",
    "GIT_",
];

/// A call of hephy: a builder of arguments and environment, in a folder of its own.
pub(crate) struct Hephy {
    command: Command,
    _home: TempDir,
}

/// hephy, to be run in `directory`, with a fresh home and nothing of this machine's CI, cluster or login.
pub(crate) fn hephy(directory: &Path) -> Hephy {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hephy"));
    clean(&mut command, home.path());
    command.current_dir(directory);
    Hephy { command, _home: home }
}

/// Takes away what is foreign. Rust's tool folders stay: cargo must be found without the old home.
fn clean(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        if FOREIGN.iter().any(|prefix| text.starts_with(prefix)) || text.ends_with("_TOKEN") {
            command.env_remove(&name);
        }
    }
    let old_home = std::env::home_dir().unwrap_or_default();
    let keep =
        |name: &str, default: &str| std::env::var_os(name).map_or(old_home.join(default), PathBuf::from);
    command
        .env("RUSTUP_HOME", keep("RUSTUP_HOME", ".rustup"))
        .env("CARGO_HOME", keep("CARGO_HOME", ".cargo"));
    command.env("HOME", home).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
}

impl Hephy {
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Output {
        Output::from(self.command.output().expect("hephy starts"))
    }

    /// Runs it on a terminal of its own; what that shows is the stdout of the output.
    pub(crate) fn on_terminal(self) -> Output {
        let words = [self.command.get_program()].into_iter().chain(self.command.get_args());
        let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
        script.current_dir(self.command.get_current_dir().expect("a folder"));
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        Output::from(script.stdin(Stdio::null()).output().expect("script starts"))
    }

    /// Runs it with stdout going to `file`.
    pub(crate) fn run_into(mut self, file: std::fs::File) -> Output {
        let child = self.command.stdout(file).stderr(Stdio::piped()).spawn().expect("hephy starts");
        Output::of(child)
    }

    /// Starts it and goes on.
    pub(crate) fn start(mut self) -> Child {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hephy starts")
    }
}

/// Everything a call of hephy shows, as one printable value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}------- stderr -------\n{}------- exit {:?}",
            self.stdout, self.stderr, self.code
        )
    }
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("hephy writes UTF-8");
        Self { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
    }
}

impl Output {
    /// What a started hephy shows until its end.
    pub(crate) fn of(child: Child) -> Self {
        Self::from(child.wait_with_output().expect("hephy ends"))
    }

    /// This output, if the exit code is `code`; otherwise the test ends and shows everything.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The line that starts with `error:`.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        self.stderr
            .lines()
            .find(|line| line.starts_with("error:"))
            .unwrap_or_else(|| panic!("no error in {self}"))
    }

    /// Fails the test unless stderr contains `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in {self}");
        self
    }
}

/// Writes a program that can be started.
pub(crate) fn write_program(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    std::fs::write(&path, content).expect("write the program");
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, rights).expect("make it a program");
}

/// Writes a shell script that stands in for a program.
pub(crate) fn stand_in(path: &Path, script: &str) {
    write_program(path, format!("#!/bin/sh\n{script}\n"));
}

/// Runs hephy and expects that it ends with this code and publishes nothing: no layout, no tag, no release.
#[track_caller]
pub(crate) fn refused(repository: &Repository, arguments: &[&str], code: i32) -> Output {
    let output = repository.hephy(arguments).run().exits(code);
    assert_eq!(repository.entries(), [], "{output}");
    assert!(!repository.path().join(".hephy/release").exists(), "{output}");
    output
}

/// The input digest of the first leg of the first component in a plan, which is JSON.
#[track_caller]
pub(crate) fn input_digest_in(plan: &str) -> String {
    let plan: serde_json::Value = serde_json::from_str(plan).expect("a plan is JSON");
    plan["components"][0]["legs"][0]["input_digest"].as_str().expect("a digest").to_owned()
}

/// The same of the plan that is made now.
#[track_caller]
pub(crate) fn input_digest(repository: &Repository) -> String {
    input_digest_in(&repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout)
}

/// The layers of the image of `component` in `layout`, of each architecture, read by skopeo.
pub(crate) fn layers(
    repository: &Repository,
    layout: &Path,
    component: &str,
    architectures: &[&str],
) -> Vec<serde_json::Value> {
    let image = format!("oci:{}:{component}:sha-{}", layout.display(), repository.short_id());
    let inspect = |architecture: &&str| {
        let flags = ["inspect", "--override-os=linux", "--override-arch", architecture, &image];
        let output = Command::new("skopeo").args(flags).output().expect("skopeo (./dev tools)");
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("skopeo prints JSON");
        assert_eq!(read["Layers"].as_array().map(Vec::len), Some(1), "{read}");
        read["Layers"].clone()
    };
    architectures.iter().map(inspect).collect()
}
