//! The CI system: what the environment says about this run, read once at the start.

use crate::platform::Platform;
use crate::secret::Secret;
use std::path::PathBuf;

/// Who called hephy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    GitHub,
    GitLab,
    /// Some other CI system, known only by `CI`.
    Other,
    Laptop,
}

/// What the environment says. Everything here is a hint or a default: flags and `hephy.yaml` come first.
#[derive(Clone, Debug)]
pub(crate) struct Ci {
    pub(crate) host: Host,
    /// The commit to compare with, as the CI system names it, with the name of the variable that said so.
    pub(crate) base: Option<(String, &'static str)>,
    /// The branch or tag that runs; a checkout in CI has a detached HEAD and cannot tell.
    pub(crate) reference: Option<String>,
    /// The repository that images go to by default (DESIGN.md section 5).
    pub(crate) registry: Option<String>,
    /// The user and token with which the CI system itself may push to its own registry.
    pub(crate) registry_login: Option<RegistryLogin>,
    /// `KUBECONFIG` is set, or there is a `~/.kube/config`.
    pub(crate) has_kubeconfig: bool,
    pub(crate) in_cluster: bool,
    pub(crate) cargo_home: Option<PathBuf>,
    /// Names of variables that would change what Cargo builds although no file says so.
    pub(crate) build_variables: Vec<String>,
    /// Texts that must never be shown, whoever prints them.
    pub(crate) secrets: Vec<Secret>,
}

/// A login that is valid for one registry host only.
#[derive(Clone, Debug)]
pub(crate) struct RegistryLogin {
    pub(crate) host: String,
    pub(crate) user: String,
    pub(crate) token: Secret,
}

/// The ends of names under which CI systems hand secrets to a job.
const SECRET_NAMES: [&str; 8] =
    ["TOKEN", "PASSWORD", "PASS", "SECRET", "KEY", "CREDENTIALS", "PRIVATE", "PAT"];
/// A shorter text is more likely a word that happens to be a password than a secret worth hiding everywhere.
const SHORTEST_SECRET: usize = 8;

/// Reads a variable; an empty one counts as absent, as in every CI system.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Ci {
    /// Reads the environment of this process.
    pub(crate) fn from_environment() -> Self {
        let lookup = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut ci = Self::read(&lookup);
        let home = std::env::home_dir();
        let is_default_there = || home.as_ref().is_some_and(|home| home.join(".kube/config").exists());
        ci.has_kubeconfig = ci.has_kubeconfig || is_default_there();
        ci.cargo_home = ci.cargo_home.or_else(|| home.map(|home| home.join(".cargo")));
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        ci.build_variables = names.filter(|name| changes_a_build(name)).collect();
        ci.secrets = secrets(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        ci
    }

    fn read(lookup: Lookup<'_>) -> Self {
        let blank = Self {
            host: Host::Laptop,
            base: None,
            reference: None,
            registry: None,
            registry_login: None,
            has_kubeconfig: lookup("KUBECONFIG").is_some(),
            in_cluster: lookup("KUBERNETES_SERVICE_HOST").is_some(),
            cargo_home: lookup("CARGO_HOME").map(PathBuf::from),
            build_variables: vec![],
            secrets: vec![],
        };
        // GITLAB_CI is not asked: local runners of GitLab pipelines set it to `false`.
        match () {
            () if lookup("GITHUB_ACTIONS").is_some() => github(lookup, blank),
            () if lookup("CI_JOB_ID").is_some() && lookup("CI_PROJECT_ID").is_some() => gitlab(lookup, blank),
            () if lookup("CI").is_some_and(|value| value != "false") => Self { host: Host::Other, ..blank },
            () => blank,
        }
    }
}

/// Flags of somebody's shell would make the image depend on it. What belongs to the project belongs into its
/// `.cargo/config.toml`, which is an input.
fn changes_a_build(name: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_TARGET_", "CARGO_ENCODED_", "CARGO_UNSTABLE_", "RUSTC"];
    // Where the target folder lies changes nothing, and users keep it in a cache.
    let is_folder = matches!(name, "CARGO_TARGET_DIR" | "CARGO_BUILD_TARGET_DIR");
    name == "RUSTFLAGS" || (PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !is_folder)
}

fn secrets(variables: impl Iterator<Item = (String, String)>) -> Vec<Secret> {
    let is_secret = |name: &str| {
        let last = name.rsplit('_').next().unwrap_or(name).to_ascii_uppercase();
        SECRET_NAMES.contains(&last.as_str())
    };
    let values = variables.filter(|(name, _)| is_secret(name)).map(|(_, value)| value);
    // A key of several lines is shown line by line, so each line is a secret.
    let lines = values.flat_map(|value| value.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.len() >= SHORTEST_SECRET).filter_map(Secret::new).collect()
}

fn github(lookup: Lookup<'_>, blank: Ci) -> Ci {
    let repository = lookup("GITHUB_REPOSITORY").map(|name| name.to_lowercase());
    let login = lookup("GITHUB_TOKEN").and_then(Secret::new).map(|token| RegistryLogin {
        host: "ghcr.io".to_owned(),
        user: lookup("GITHUB_ACTOR").unwrap_or_else(|| "x-access-token".to_owned()),
        token,
    });
    Ci {
        host: Host::GitHub,
        base: lookup("GITHUB_BASE_REF").map(|branch| (format!("origin/{branch}"), "GITHUB_BASE_REF")),
        reference: lookup("GITHUB_HEAD_REF").or_else(|| lookup("GITHUB_REF_NAME")),
        registry: repository.map(|name| format!("ghcr.io/{name}")),
        registry_login: login,
        ..blank
    }
}

fn gitlab(lookup: Lookup<'_>, blank: Ci) -> Ci {
    let login =
        lookup("CI_REGISTRY").zip(lookup("CI_JOB_TOKEN").and_then(Secret::new)).map(|(host, token)| {
            RegistryLogin {
                host,
                user: lookup("CI_REGISTRY_USER").unwrap_or("gitlab-ci-token".to_owned()),
                token,
            }
        });
    let is_known = |sha: &String| sha.bytes().any(|b| b != b'0');
    let base = lookup("CI_MERGE_REQUEST_DIFF_BASE_SHA").map(|sha| (sha, "CI_MERGE_REQUEST_DIFF_BASE_SHA"));
    let before = lookup("CI_COMMIT_BEFORE_SHA").filter(is_known).map(|sha| (sha, "CI_COMMIT_BEFORE_SHA"));
    Ci {
        host: Host::GitLab,
        base: base.or(before),
        reference: lookup("CI_COMMIT_REF_NAME"),
        registry: lookup("CI_REGISTRY_IMAGE"),
        registry_login: login,
        ..blank
    }
}

/// The platform whose containers this machine can run: on macOS and Windows that is still Linux.
pub(crate) fn host_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform::new("linux", architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Ci {
        Ci::read(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_laptop_knows_nothing() {
        let ci = read(&[]);
        assert_eq!(ci.host, Host::Laptop);
        assert_eq!((ci.base, ci.registry, ci.reference), (None, None, None));
    }

    #[test]
    fn github_names_the_registry_and_the_base_of_a_pull_request() {
        let ci = read(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "Acme/Shop"),
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_HEAD_REF", "fix/price"),
            ("GITHUB_REF_NAME", "7/merge"),
        ]);
        assert_eq!(ci.host, Host::GitHub);
        assert_eq!(ci.registry.as_deref(), Some("ghcr.io/acme/shop"));
        assert_eq!(ci.base, Some(("origin/main".to_owned(), "GITHUB_BASE_REF")));
        assert_eq!(ci.reference.as_deref(), Some("fix/price"));
    }

    #[test]
    fn gitlab_does_not_take_zeros_for_a_commit() {
        let job =
            [("CI_JOB_ID", "1"), ("CI_PROJECT_ID", "2"), ("CI_REGISTRY_IMAGE", "registry.example/acme/shop")];
        let zeros = [("CI_COMMIT_BEFORE_SHA", "0000000000000000000000000000000000000000")];
        let ci = read(&[job.as_slice(), &zeros].concat());
        assert_eq!((ci.host, ci.base), (Host::GitLab, None));
        let ci = read(&[job.as_slice(), &[("CI_COMMIT_BEFORE_SHA", "0a")]].concat());
        assert_eq!(ci.base, Some(("0a".to_owned(), "CI_COMMIT_BEFORE_SHA")));
        assert_eq!(ci.registry.as_deref(), Some("registry.example/acme/shop"));
    }

    #[test]
    fn secrets_are_known_by_the_names_of_their_variables() {
        let variables = [
            ("GITHUB_TOKEN", "ghs_hunter2"),
            ("npm_token", "npm_hunter2"),
            ("PASSWORD", "short"),
            ("DEPLOY_KEY", "-----BEGIN\nhunter2hunter2\n"),
            ("AWS_SECRET_ACCESS_KEY", "aws_hunter2"),
            ("COMPAT", "none of a secret"),
            ("HOME", "/root/home"),
        ];
        let found = secrets(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        assert_eq!(
            found.iter().map(Secret::reveal).collect::<Vec<_>>(),
            ["ghs_hunter2", "npm_hunter2", "-----BEGIN", "hunter2hunter2", "aws_hunter2"]
        );
    }

    #[test]
    fn a_token_never_prints() {
        let ci = read(&[("GITHUB_ACTIONS", "true"), ("GITHUB_TOKEN", "ghs_hunter2")]);
        assert!(!format!("{ci:?}").contains("hunter2"));
    }
}
