//! The real cluster of the tests: `./dev cluster up` starts it, and its environment file says where everything is.

use super::{Hephy, Output, Repository};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The tests share a namespace, because hephy's identity has rights in that one only.
static TURN: Mutex<()> = Mutex::new(());

/// The cluster, for one test at a time.
pub(crate) struct Cluster {
    settings: BTreeMap<String, String>,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Waits for this test's turn and empties the namespace.
    pub(crate) fn take() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Self { settings: settings(), _turn: turn };
        cluster.kubectl([
            "delete",
            "deployments,services,configmaps,pods",
            "--all",
            "--grace-period=1",
            "--wait",
        ]);
        cluster
    }

    /// What the environment file says.
    #[track_caller]
    pub(crate) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).unwrap_or_else(|| panic!("the cluster's environment has no {name}"))
    }

    /// A repository of its own for this test, so that no image of another test is found.
    pub(crate) fn registry(&self, name: &str) -> String {
        format!("{}/{name}-{}", self.setting("HEPHY_TEST_REGISTRY"), std::process::id())
    }

    /// hephy as the narrow identity, pushing to the registry `name`.
    pub(crate) fn hephy(&self, repository: &Repository, verb: &str, name: &str) -> Hephy {
        let hephy = repository.hephy([verb, "--registry"]).args([self.registry(name)]);
        hephy.env("KUBECONFIG", self.setting("HEPHY_TEST_KUBECONFIG"))
    }

    /// Runs `kubectl` as administrator in the namespace of the tests, and returns what it printed.
    #[track_caller]
    pub(crate) fn kubectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut command = Command::new(self.setting("HEPHY_TEST_KUBECTL"));
        command.args(["--kubeconfig", self.setting("HEPHY_TEST_ADMIN_KUBECONFIG"), "--namespace", "shop"]);
        let output = command.args(arguments).output().expect("kubectl starts");
        assert!(output.status.success(), "kubectl: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("kubectl writes UTF-8")
    }

    /// The image that a Deployment asks for.
    pub(crate) fn image_of(&self, deployment: &str) -> String {
        let path = "jsonpath={.spec.template.spec.containers[0].image}";
        self.kubectl(["get", "deployment", deployment, "--output", path])
    }

    /// How often the Deployment was rolled out.
    pub(crate) fn generation_of(&self, deployment: &str) -> String {
        self.kubectl(["get", "deployment", deployment, "--output", "jsonpath={.metadata.generation}"])
    }

    /// Waits until `jsonpath` of an object is `expected`: for what happens without hephy.
    #[track_caller]
    pub(crate) fn until(&self, object: &str, jsonpath: &str, expected: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let output = format!("jsonpath={jsonpath}");
        while self.kubectl(["get", object, "--output", &output, "--ignore-not-found"]) != expected {
            assert!(Instant::now() < deadline, "{object} never had {jsonpath} = {expected}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A kubeconfig of another identity, with `shop` as its namespace.
    pub(crate) fn identity(&self, name: &str) -> PathBuf {
        PathBuf::from(self.setting(&format!("HEPHY_TEST_{name}_KUBECONFIG")))
    }
}

fn settings() -> BTreeMap<String, String> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cluster/environment");
    let path = std::env::var_os("HEPHY_TEST_ENVIRONMENT").map_or(default, PathBuf::from);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("no cluster ({}: {error}): run ./dev cluster up", path.display()));
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned())).collect()
}

/// The digests of an `up`, as it printed them: `repository@digest` by component.
pub(crate) fn digests(output: &Output) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (repository, digest) = line.split_once('@').expect("a digest");
        (repository.rsplit('/').next().expect("a name").to_owned(), digest.to_owned())
    };
    output.stdout.lines().map(pair).collect()
}
