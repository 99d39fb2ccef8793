//! The CI system: what the environment and the event file say about this run, read once at the start.

mod bitbucket;
mod builder;
mod github;
mod gitlab;
mod logins;
mod subject;
mod trigger;

pub(crate) use builder::Builder;
pub(crate) use subject::{About, Sources, Subject};
pub(crate) use trigger::{PullRequest, Push, Source, Trigger};

use crate::platform::Platform;
use crate::secret::Secret;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Who called hephy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    GitHub,
    GitLab,
    /// Forgejo or Gitea: GitHub's variables, and a registry of its own.
    Forgejo,
    Bitbucket,
    /// Some other CI system, known only by `CI`.
    Other,
    Laptop,
}

/// What the environment says. Everything here is a hint or a default: flags and `hephy.yaml` come first.
#[derive(Clone, Debug)]
pub(crate) struct Ci {
    pub(crate) host: Host,
    pub(crate) trigger: Trigger,
    pub(crate) default_branch: Option<String>,
    /// The branch or tag that runs; a checkout in CI has a detached HEAD and cannot tell.
    pub(crate) reference: Option<String>,
    /// What tags and labels are made from.
    pub(crate) sources: Sources,
    /// Who says what an image was made from.
    pub(crate) builder: Builder,
    /// The repository that images go to by default.
    pub(crate) registry: Option<String>,
    /// The user and token with which the CI system itself may push to its own registry.
    pub(crate) registry_login: Option<RegistryLogin>,
    /// The files in which Docker and Podman keep logins, whether they are there or not; the first one that knows a host counts.
    pub(crate) login_files: Vec<PathBuf>,
    /// The file that takes variables for the steps after this one, unless the user wants none.
    pub(crate) variables_file: Option<PathBuf>,
    /// `SOURCE_DATE_EPOCH`: the time that images say they were made at.
    pub(crate) source_date: Option<String>,
    /// `KUBECONFIG` is set, or there is a `~/.kube/config`.
    pub(crate) has_kubeconfig: bool,
    pub(crate) in_cluster: bool,
    pub(crate) cargo_home: Option<PathBuf>,
    /// Names of variables that would change what Cargo builds although no file says so.
    pub(crate) build_variables: Vec<String>,
    /// Texts that must never be shown, whoever prints them.
    pub(crate) secrets: Vec<Secret>,
    /// What the user should know about what was read.
    pub(crate) warnings: Vec<String>,
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
/// GitHub sends no more than 25 MB.
const LARGEST_EVENT: u64 = 32 << 20;

/// Reads a variable; an empty one counts as absent, as in every CI system.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Ci {
    /// Reads the environment of this process.
    pub(crate) fn from_environment() -> Self {
        let lookup = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let event = lookup("GITHUB_EVENT_PATH").map(|path| read_event(Path::new(&path)));
        let mut ci = match event {
            None => Self::read(&lookup, None),
            Some(Ok(text)) => Self::read(&lookup, Some(&text)),
            Some(Err(error)) => {
                let warning = format!("the event file of this run cannot be read: {error}");
                let ci = Self::read(&lookup, None);
                Self { warnings: [ci.warnings, vec![warning]].concat(), ..ci }
            }
        };
        let home = std::env::home_dir();
        let is_default_there = || home.as_ref().is_some_and(|home| home.join(".kube/config").exists());
        ci.has_kubeconfig = ci.has_kubeconfig || is_default_there();
        ci.login_files = logins::files(&lookup, home.as_deref(), rustix::process::getuid().as_raw());
        ci.cargo_home = ci.cargo_home.or_else(|| home.map(|home| home.join(".cargo")));
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        ci.build_variables = names.filter(|name| changes_a_build(name)).collect();
        ci.secrets = secrets(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        ci
    }

    fn read(lookup: Lookup<'_>, event: Option<&str>) -> Self {
        let blank = Self {
            host: Host::Laptop,
            trigger: Trigger::Unknown,
            default_branch: None,
            reference: None,
            // The names are those of docker/metadata-action, which people have in their workflows.
            sources: Sources {
                short_commit: lookup("DOCKER_METADATA_SHORT_SHA_LENGTH").and_then(|text| text.parse().ok()),
                annotation_levels: lookup("DOCKER_METADATA_ANNOTATIONS_LEVELS"),
                ..Sources::default()
            },
            builder: Builder::default(),
            registry: None,
            registry_login: None,
            login_files: vec![],
            variables_file: variables_file(lookup),
            source_date: lookup("SOURCE_DATE_EPOCH"),
            has_kubeconfig: lookup("KUBECONFIG").is_some(),
            in_cluster: lookup("KUBERNETES_SERVICE_HOST").is_some(),
            cargo_home: lookup("CARGO_HOME").map(PathBuf::from),
            build_variables: vec![],
            secrets: vec![],
            warnings: vec![],
        };
        // GITLAB_CI is not asked: local runners of GitLab pipelines set it to `false`.
        match () {
            () if lookup("GITHUB_ACTIONS").is_some() => github::read(lookup, event, blank),
            () if lookup("CI_JOB_ID").is_some() && lookup("CI_PROJECT_ID").is_some() => {
                gitlab::read(lookup, blank)
            }
            () if lookup("BITBUCKET_BUILD_NUMBER").is_some() => bitbucket::read(lookup, blank),
            () if lookup("CI").is_some_and(|value| value != "false") => Self { host: Host::Other, ..blank },
            () => blank,
        }
    }
}

/// As for docker/metadata-action, whose variables they are, `DOCKER_METADATA_SET_OUTPUT_ENV=false` wants none.
fn variables_file(lookup: Lookup<'_>) -> Option<PathBuf> {
    let is_wanted = lookup("DOCKER_METADATA_SET_OUTPUT_ENV").is_none_or(|word| word != "false");
    lookup("GITHUB_ENV").filter(|_| is_wanted).map(PathBuf::from)
}

fn read_event(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_file() {
        file.take(LARGEST_EVENT + 1).read_to_string(&mut text)?;
    }
    match text.len() as u64 {
        0 => Err(std::io::Error::other("it is empty or no file")),
        length if length > LARGEST_EVENT => Err(std::io::Error::other("it is larger than 32 MiB")),
        _ => Ok(text),
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
impl Ci {
    fn of_variables(variables: &[(&str, &str)]) -> Self {
        Self::of_event(variables, None)
    }

    fn of_event(variables: &[(&str, &str)], event: Option<&str>) -> Self {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Self::read(&|name| lookup(name).map(|(_, value)| (*value).to_owned()), event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Ci {
        Ci::of_variables(variables)
    }

    #[test]
    fn a_laptop_knows_nothing() {
        let ci = read(&[]);
        assert_eq!((ci.host, ci.trigger), (Host::Laptop, Trigger::Unknown));
        assert_eq!((ci.default_branch, ci.registry, ci.reference), (None, None, None));
    }

    #[test]
    fn an_event_file_is_read_up_to_a_bound() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("event.json");
        assert!(read_event(&path).is_err());
        assert!(read_event(folder.path()).is_err());
        std::fs::write(&path, "{}").expect("write the file");
        assert_eq!(read_event(&path).expect("it is there"), "{}");
        std::fs::File::create(&path).and_then(|file| file.set_len(LARGEST_EVENT + 1)).expect("grow the file");
        assert!(read_event(&path).is_err());
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
