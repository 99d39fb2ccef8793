//! Failures: where every error becomes an exit code, a first line that says it all, and what to do about it.

mod hints;
mod again;
mod words;
mod facts;
mod decisions;
mod builds;
mod jobs;
mod registries;
mod releases;

use crate::exec::ExecError;
use crate::exit::ExitCode;
use crate::health::{Outcome, Report};
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
    /// The program that failed, where nobody knows what helps against its words.
    pub(crate) program: Option<String>,
}

impl Failure {
    /// A failure that no other error stands behind.
    pub(crate) fn new(code: ExitCode, headline: impl Into<String>) -> Self {
        Self { code, headline: headline.into(), hints: vec![], evidence: vec![], program: None }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;

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
