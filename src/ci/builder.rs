//! Who builds, as the CI system names it: what provenance says (SLSA, `builder.id` and `invocationId`).

use super::Lookup;

/// A builder and one of its runs, as addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Builder {
    /// Whoever trusts provenance trusts this one.
    pub(crate) id: Option<String>,
    pub(crate) invocation: Option<String>,
}

/// The workflow and the run of GitHub Actions, and of what speaks its variables.
pub(super) fn of_github(lookup: Lookup<'_>) -> Builder {
    let at_server = |path: String| lookup("GITHUB_SERVER_URL").map(|server| format!("{server}/{path}"));
    let run = lookup("GITHUB_REPOSITORY").zip(lookup("GITHUB_RUN_ID")).map(|(repository, run)| {
        let attempt = lookup("GITHUB_RUN_ATTEMPT").unwrap_or_else(|| "1".to_owned());
        format!("{repository}/actions/runs/{run}/attempts/{attempt}")
    });
    Builder { id: lookup("GITHUB_WORKFLOW_REF").and_then(at_server), invocation: run.and_then(at_server) }
}

/// The runner and the job of GitLab.
pub(super) fn of_gitlab(lookup: Lookup<'_>) -> Builder {
    let runner = lookup("CI_PROJECT_URL").zip(lookup("CI_RUNNER_ID"));
    Builder {
        id: runner.map(|(project, runner)| format!("{project}/-/runners/{runner}")),
        invocation: lookup("CI_JOB_URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::Ci;

    #[test]
    fn ci_systems_say_who_builds() {
        let known =
            |id: &str, run: &str| Builder { id: Some(id.to_owned()), invocation: Some(run.to_owned()) };
        for (variables, expected) in [
            (&[][..], Builder::default()),
            (
                &[
                    ("GITHUB_ACTIONS", "true"),
                    ("GITHUB_SERVER_URL", "https://github.com"),
                    ("GITHUB_REPOSITORY", "Acme/shop"),
                    ("GITHUB_RUN_ID", "7"),
                    ("GITHUB_RUN_ATTEMPT", "2"),
                    ("GITHUB_WORKFLOW_REF", "Acme/shop/.github/workflows/ci.yml@refs/heads/main"),
                ],
                known(
                    "https://github.com/Acme/shop/.github/workflows/ci.yml@refs/heads/main",
                    "https://github.com/Acme/shop/actions/runs/7/attempts/2",
                ),
            ),
            (
                &[
                    ("CI_JOB_ID", "1"),
                    ("CI_PROJECT_ID", "2"),
                    ("CI_PROJECT_URL", "https://gitlab.com/acme/shop"),
                    ("CI_RUNNER_ID", "3"),
                    ("CI_JOB_URL", "https://gitlab.com/acme/shop/-/jobs/1"),
                ],
                known("https://gitlab.com/acme/shop/-/runners/3", "https://gitlab.com/acme/shop/-/jobs/1"),
            ),
        ] {
            assert_eq!(Ci::of_variables(variables).builder, expected, "{variables:?}");
        }
    }
}
