//! The gate: what the results of a workflow's jobs say about a plan. A job that was skipped counts as passed for a forge;
//! here it is a fault, unless the plan had nothing for it to do.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Why the results cannot be judged. A gate that judges nothing would always be green.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error("it is not `toJSON(needs)`: a mapping of jobs to their results")]
    Json(#[source] serde_json::Error),
    #[error("it names no job")]
    NoJob,
    #[error("it has no job `{name}` that could be skipped")]
    UnknownJob { name: String },
}

/// A job as GitHub's `needs` context has it.
#[derive(Deserialize)]
struct JobResult {
    result: String,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
}

/// The jobs that did not do what was planned, a sentence for each. `may_skip` are jobs that the workflow itself leaves
/// out of this run. The plan had nothing to build if `has_work` says so, else if the job that made it gave `any=false` as
/// its output.
pub(crate) fn faults_of_jobs(
    results: &str,
    may_skip: &[String],
    has_work: Option<bool>,
) -> Result<Vec<String>, GateError> {
    let jobs: BTreeMap<String, JobResult> = serde_json::from_str(results).map_err(GateError::Json)?;
    if jobs.is_empty() {
        return Err(GateError::NoJob);
    }
    if let Some(name) = may_skip.iter().find(|name| !jobs.contains_key(*name)) {
        return Err(GateError::UnknownJob { name: name.clone() });
    }
    let said = |text: &str| jobs.values().any(|job| job.outputs.get("any").is_some_and(|any| any == text));
    let is_idle = match has_work {
        Some(has_work) => !has_work,
        None => said("false") && !said("true"),
    };
    let fault = |(name, job): (&String, &JobResult)| match job.result.as_str() {
        "success" => None,
        "skipped" if may_skip.contains(name) => None,
        // The job that made the plan cannot be left out because of it.
        "skipped" if is_idle && !job.outputs.contains_key("any") => None,
        "skipped" if is_idle => Some(format!("job `{name}`: it was skipped, and it makes the plan")),
        "skipped" => Some(format!("job `{name}`: it was skipped, although the plan has something to build")),
        "failure" => Some(format!("job `{name}`: it failed")),
        "cancelled" => Some(format!("job `{name}`: it was cancelled")),
        other => Some(format!("job `{name}`: its result is `{other}`")),
    };
    Ok(jobs.iter().filter_map(fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(results: &str, may_skip: &[&str], has_work: Option<bool>) -> Result<Vec<String>, String> {
        let may_skip: Vec<String> = may_skip.iter().map(|name| (*name).to_owned()).collect();
        faults_of_jobs(results, &may_skip, has_work).map_err(|error| error.to_string())
    }

    /// The results of a job that made a plan and of one that built it.
    fn needs(any: &str, plan: &str, build: &str) -> String {
        let outputs = format!(r#"{{"any": "{any}", "count": "3"}}"#);
        format!(
            r#"{{"plan": {{"result": "{plan}", "outputs": {outputs}}}, "build": {{"result": "{build}", "outputs": {{}}}}}}"#
        )
    }

    #[test]
    fn only_success_passes_and_a_skip_that_the_plan_wanted() {
        for (any, plan, build, expected) in [
            ("true", "success", "success", &[][..]),
            ("false", "success", "success", &[]),
            ("false", "success", "skipped", &[]),
            (
                "true",
                "success",
                "skipped",
                &["job `build`: it was skipped, although the plan has something to build"],
            ),
            (
                "",
                "success",
                "skipped",
                &["job `build`: it was skipped, although the plan has something to build"],
            ),
            ("true", "success", "failure", &["job `build`: it failed"]),
            ("true", "success", "cancelled", &["job `build`: it was cancelled"]),
            ("false", "success", "neutral", &["job `build`: its result is `neutral`"]),
            (
                "true",
                "failure",
                "skipped",
                &[
                    "job `build`: it was skipped, although the plan has something to build",
                    "job `plan`: it failed",
                ],
            ),
            ("false", "skipped", "skipped", &["job `plan`: it was skipped, and it makes the plan"]),
        ] {
            assert_eq!(
                judge(&needs(any, plan, build), &[], None).expect("results"),
                expected,
                "{any} {plan} {build}"
            );
        }
    }

    #[test]
    fn a_plan_that_is_at_hand_says_whether_there_was_work() {
        let skipped = needs("false", "success", "skipped");
        assert_eq!(judge(&skipped, &[], Some(true)).expect("results").len(), 1);
        assert_eq!(judge(&needs("true", "success", "skipped"), &[], Some(false)), Ok(vec![]));
    }

    #[test]
    fn a_workflow_may_leave_a_job_out_by_name() {
        let results =
            r#"{"plan": {"result": "success", "outputs": {"any": "true"}}, "deploy": {"result": "skipped"}}"#;
        assert_eq!(judge(results, &["deploy"], None), Ok(vec![]));
        assert_eq!(judge(results, &[], None).expect("results").len(), 1);
        let failed = results.replace("skipped", "failure");
        assert_eq!(judge(&failed, &["deploy"], None), Ok(vec!["job `deploy`: it failed".to_owned()]));
        assert!(judge(results, &["publish"], None).expect_err("no such job").contains("`publish`"));
    }

    #[test]
    fn what_judges_nothing_is_an_error() {
        for results in
            ["{}", "[]", "", "null", r#"{"a": {}}"#, r#"{"a": "success"}"#, r#"{"a": {"result": 1}}"#]
        {
            assert!(judge(results, &[], None).is_err(), "{results}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_results_make_it_panic(text in ".{0,100}", result in ".{0,20}") {
            let _ = judge(&text, &[], None);
            let results = serde_json::json!({"plan": {"result": result, "outputs": {"any": text}}}).to_string();
            let faults = judge(&results, &[], None).expect("results");
            proptest::prop_assert_eq!(faults.is_empty(), result == "success");
        }
    }
}
