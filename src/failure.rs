//! Failures: where every error becomes an exit code, a first line that says it all, and what to do about it.

mod hints;
mod words;
mod jobs;

use crate::attestation::SbomError;
use crate::backends::{BuildError, ChooseError};
use crate::cluster::ClusterError;
use crate::config::ConfigError;
use crate::deploy::DeployError;
use crate::exec::ExecError;
use crate::exit::ExitCode;
use crate::git::GitError;
use crate::health::{HealthError, Outcome, Report};
use crate::inputs::InputsError;
use crate::metadata::RuleError;
use crate::plan::{GateError, PlanError, SelectError};
use crate::registry::{DownloadError, RegistryError};
use crate::release::ReleaseError;
use crate::store::StoreError;
use std::error::Error;

/// Why a run ended without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ExitCode,
    /// One line: what failed and why.
    pub(crate) headline: String,
    /// What the user can do.
    pub(crate) hints: Vec<String>,
    /// What shows it: an excerpt, events, the last lines of a program.
    pub(crate) evidence: Vec<String>,
}

impl Failure {
    /// A failure that no other error stands behind.
    pub(crate) fn new(code: ExitCode, headline: impl Into<String>) -> Self {
        Self { code, headline: headline.into(), hints: vec![], evidence: vec![] }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what was being done when it failed.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.headline = format!("{what}: {}", self.headline);
        self
    }

    /// The whole chain of an error in one line: every part says only what it adds.
    fn of(code: ExitCode, error: &dyn Error) -> Self {
        // Some libraries quote what they read below their first line, and that may be a kubeconfig with its token.
        let first_line = |error: &dyn Error| error.to_string().lines().next().unwrap_or_default().to_owned();
        let mut headline = first_line(error);
        let mut source = error.source();
        while let Some(cause) = source {
            let text = first_line(cause);
            // Libraries repeat their causes; saying them twice helps nobody.
            if !headline.contains(&text) {
                headline = format!("{headline}: {text}");
            }
            source = cause.source();
        }
        Self::new(code, headline)
    }

    /// Adds the last words of a program that failed, the one that says why to the first line.
    fn words_of(self, error: &ExecError) -> Self {
        let ExecError::Failed { program, last_lines, .. } = error else { return self };
        let is_reason = |line: &&String| {
            let text = line.trim_start().to_ascii_lowercase();
            // Docker's client has no word in front of what it ends with.
            let is_last = program == "docker" && last_lines.last() == Some(line);
            text.starts_with("error") || text.starts_with("fatal") || is_last
        };
        let Some(reason) = last_lines.iter().find(is_reason).map(|line| line.trim()) else {
            return Self { evidence: last_lines.clone(), ..self };
        };
        let evidence = if last_lines.len() > 1 { last_lines.clone() } else { vec![] };
        Self { headline: format!("{}: {reason}", self.headline), evidence, ..self }
    }

    /// The failure as lines for people.
    pub(crate) fn text(&self) -> String {
        let hints = self.hints.iter().map(|hint| format!("hint: {hint}"));
        let evidence = self.evidence.iter().map(|line| format!("  {line}"));
        [format!("error: {}", self.headline)]
            .into_iter()
            .chain(hints)
            .chain(evidence)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The failure that ended a wait; `None` if the release is healthy.
    pub(crate) fn of_outcome(outcome: Outcome) -> Option<Self> {
        let (code, verdict, reports) = match outcome {
            Outcome::Healthy { .. } => return None,
            Outcome::Failed(reports) => (ExitCode::Unhealthy, "is not healthy", reports),
            Outcome::TimedOut(reports) => (ExitCode::TimedOut, "was not healthy in time", reports),
            Outcome::AwaitingPromotion(reports) => {
                (ExitCode::AwaitingPromotion, "waits for a person", reports)
            }
            Outcome::Superseded(reports) => (ExitCode::Superseded, "was superseded", reports),
        };
        let causes: Vec<String> = reports
            .iter()
            .map(|report| format!("{} {verdict}: {}", report.object, report.sentence))
            .collect();
        let failure = Self::new(code, causes.join("; "));
        let hints = hints::of_outcome(code, &failure.headline);
        let evidence = reports.iter().flat_map(evidence).collect();
        Some(Self { hints, evidence, ..failure })
    }
}

/// What shows why a workload is not healthy: its events, then the last words of its containers.
fn evidence(report: &Report) -> Vec<String> {
    let events = report.evidence.iter().map(|event| format!("event {event}"));
    let logs = report.logs.iter().flat_map(|log| {
        let title = format!("last lines of {}:", log.subject);
        [title].into_iter().chain(log.lines.iter().map(|line| format!("  │ {line}")))
    });
    events.chain(logs).collect()
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        match error {
            ConfigError::At { excerpt, hint, .. } => Self {
                evidence: excerpt.lines().map(str::to_owned).collect(),
                hints: hint.into_iter().collect(),
                ..failure
            },
            ConfigError::UnknownComponent { hint, .. } => {
                Self { hints: hint.into_iter().collect(), ..failure }
            }
            ConfigError::Unclear { .. } => failure.hint("say it in hephy.yaml, for each of them"),
            ConfigError::Disagree { .. } => failure.hint("say it in one place only, or the same in both"),
            ConfigError::SameName { .. } => failure.hint("name them apart under `components` in hephy.yaml"),
            ConfigError::Name { .. } => failure.hint("name it under `components` in hephy.yaml"),
            ConfigError::OtherName { .. } => failure.hint("rename it, or name it with `--config`"),
            ConfigError::Read { .. } | ConfigError::Walk { .. } => failure,
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        match error {
            GitError::NoRepository { .. } => {
                failure.hint("run `git init`, or name the repository with `--directory`")
            }
            GitError::Empty { .. } => failure.hint("commit something first: what hephy builds is a commit"),
            GitError::Base { source, .. } | GitError::Fetch { source, .. } => {
                failure.words_of(&source).hint("fetch it, or name another with `--base`")
            }
            GitError::OptionLikeBase { .. }
            | GitError::FetchTooSlow { .. }
            | GitError::Unfetchable { .. }
            | GitError::NoMergeBase { .. }
            | GitError::NoAncestor { .. } => failure,
            GitError::Git { source, .. } => hints::of_git(failure.words_of(&source), &source),
            GitError::Output { .. } => Self { code: ExitCode::Unexpected, ..failure },
        }
    }
}

impl From<InputsError> for Failure {
    fn from(error: InputsError) -> Self {
        let failure = Self { hints: hints::of_inputs(&error), ..Self::of(ExitCode::Usage, &error) };
        match error {
            InputsError::Cargo { source, .. } | InputsError::Go { source, .. } => {
                hints::of_exec(failure.words_of(&source), &source)
            }
            InputsError::Packages { source, .. } => {
                failure.words_of(&source).hint("run with `--attest none` for an image without an SBOM")
            }
            _ => failure,
        }
    }
}

impl From<ChooseError> for Failure {
    fn from(error: ChooseError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        match error {
            ChooseError::Several { first: (first, _), second: (second, _), .. } => {
                failure.hint(format!("say which: `backend: {first}` or `backend: {second}` in hephy.yaml"))
            }
            ChooseError::Two { component, first: (first, _), second: (second, _) } => failure.hint(format!(
                "list both in hephy.yaml with this `path`: `{component}: {{backend: {second}}}`, and one of another name \
                 with `backend: {first}`"
            )),
            ChooseError::Unclear { names, .. } => failure.hint(format!(
                "name it in hephy.yaml: `dockerfile: {}`",
                names.first().map_or("NAME", String::as_str)
            )),
            ChooseError::Unsupported { .. } => {
                failure.hint("add a Dockerfile, or name a `backend` or `prebuilt` programs in hephy.yaml")
            }
            ChooseError::None { .. } => failure.hint(
                "add a Dockerfile, a Cargo.toml or a Go program, or name `prebuilt` programs in hephy.yaml",
            ),
        }
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self::of(ExitCode::Usage, &error).hint("docs/tags.md has every rule and expression")
    }
}

impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error).during("read `--results`");
        match error {
            GateError::UnknownJob { .. } => failure.hint("`--may-skip` names jobs that the gate `needs`"),
            GateError::Json(_) | GateError::NoJob => {
                failure.hint("write `HEPHY_RESULTS: ${{ toJSON(needs) }}`")
            }
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::of(ExitCode::Usage, &error).hint("write a new one with `hephy plan --emit json`")
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        let failure = Self::of(ExitCode::Usage, &error);
        let (SelectError::Component { known, .. }
        | SelectError::Leg { known, .. }
        | SelectError::Nothing { known }) = error;
        if known.is_empty() { failure } else { failure.hint(format!("the plan has {}", known.join(", "))) }
    }
}

impl From<SbomError> for Failure {
    fn from(error: SbomError) -> Self {
        let code = if matches!(error, SbomError::Silent) { ExitCode::Build } else { ExitCode::Usage };
        Self::of(code, &error).hint(hints::of_sbom(&error))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let failure = Self::of(ExitCode::Build, &error);
        match error {
            BuildError::Inputs(error) => error.into(),
            BuildError::Exec(source) => hints::of_exec(failure.words_of(&source), &source),
            BuildError::Unwell { source } => Self { code: ExitCode::Infrastructure, ..failure }
                .words_of(&source)
                .hint("run again later; what the daemon wrote into its own log says more"),
            error => Self { hints: hints::of_build(&error), ..failure },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::of(ExitCode::Registry, &error);
        match error {
            StoreError::Registry(error) => error.into(),
            StoreError::Download(error) => error.into(),
            StoreError::NotBuilt { .. } => Self { code: ExitCode::Usage, ..failure }
                .hint("run `hephy build` and `hephy push` with the same plan first"),
            StoreError::Layout(_)
            | StoreError::Image(_)
            | StoreError::Manifest { .. }
            | StoreError::Index { .. } => failure,
        }
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Registry(error) => error.into(),
            DownloadError::Layout(error) => StoreError::from(error).into(),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let code = match error {
            RegistryError::Unreachable { .. }
            | RegistryError::Silent { .. }
            | RegistryError::Unwell { .. }
            | RegistryError::Unreadable { .. } => ExitCode::Infrastructure,
            RegistryError::NoHost { .. } | RegistryError::Certificates { .. } => ExitCode::Usage,
            _ => ExitCode::Registry,
        };
        let failure = Self { hints: hints::of_registry(&error), ..Self::of(code, &error) };
        match &error {
            // The layers in between say "client error (Connect)" and the like, which helps nobody.
            RegistryError::Unreachable { source, .. } | RegistryError::Untrusted { source, .. } => {
                Self { headline: format!("{error}: {}", innermost(source)), ..failure }
            }
            _ => failure,
        }
    }
}

impl From<ReleaseError> for Failure {
    fn from(error: ReleaseError) -> Self {
        Self { hints: hints::of_release(&error), ..Self::of(ExitCode::Usage, &error) }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self { hints: hints::of_cluster(&error), ..Self::of(hints::code_of_cluster(&error), &error) }
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        let failure = Self::of(ExitCode::Cluster, &error);
        match error {
            DeployError::MissingNamespace { .. } => {
                failure.hint("create it, or run with `--create-namespace`")
            }
            DeployError::Conflict { .. } => {
                failure.hint("run with `--take-ownership`, or remove the field from the manifest")
            }
            DeployError::UnknownKind { .. } => {
                failure.hint("install what defines it (a CRD) before this release")
            }
            DeployError::Apply { source, .. } | DeployError::Prepare { source } => {
                Self { code: hints::code_of_cluster(&source), hints: hints::of_cluster(&source), ..failure }
            }
        }
    }
}

impl From<HealthError> for Failure {
    fn from(error: HealthError) -> Self {
        let failure = Self::of(ExitCode::Cluster, &error);
        match error {
            HealthError::Watch { source, .. } | HealthError::Find { source, .. } => {
                Self { code: hints::code_of_cluster(&source), hints: hints::of_cluster(&source), ..failure }
            }
            HealthError::Look { source } => Self::from(*source),
            HealthError::Read { .. } => failure,
            HealthError::Missing { .. } => failure.hint("run `hephy deploy` with the same plan first"),
            HealthError::OtherImage { .. } | HealthError::OtherSpec { .. } => {
                Self { code: ExitCode::Superseded, ..failure }.hint(
                    "another release was deployed since, or this one was not deployed: run `hephy deploy`",
                )
            }
        }
    }
}

/// The cause that all others only pass on.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_the_whole_cause_and_repeats_nothing() {
        let source = std::io::Error::other("disk on fire");
        let error = ConfigError::Read { file: "hephy.yaml".into(), source };
        let text = Failure::from(error).during("plan").text();
        assert_eq!(text, "error: plan: read `hephy.yaml`: disk on fire");
    }

    #[test]
    fn a_failed_wait_names_everything_that_failed() {
        let report = |object: &str, sentence: &str| Report {
            object: object.to_owned(),
            sentence: sentence.to_owned(),
            evidence: vec!["BackOff: restarting".to_owned()],
            logs: vec![],
        };
        let outcome = Outcome::Failed(vec![
            report("Deployment/api", "it crashed"),
            report("Deployment/web", "no image"),
        ]);
        let failure = Failure::of_outcome(outcome).expect("a failure");
        assert_eq!(failure.code, ExitCode::Unhealthy);
        assert_eq!(
            failure.headline,
            "Deployment/api is not healthy: it crashed; Deployment/web is not healthy: no image"
        );
        assert_eq!(failure.evidence, ["event BackOff: restarting", "event BackOff: restarting"]);
        assert_eq!(Failure::of_outcome(Outcome::Healthy { idle: vec![] }), None);
    }
}
