//! `--emit github`: the legs that must be built as a matrix, and the outputs of the job that planned them.

use super::legs::{Job, jobs};
use crate::ci::Host;
use crate::plan::Plan;
use serde::Serialize;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

/// How many jobs a matrix may have.
const MOST_JOBS: usize = 256;
/// How many bytes the outputs of a job may have; they are counted as UTF-16.
const MOST_BYTES: usize = 1 << 20;

/// The matrix, and what a workflow must know before it may use it: one without jobs is an error there.
#[derive(Debug)]
pub(crate) struct Matrix {
    /// `{"include":[...]}`: legs, or groups of legs where there are too many for one matrix.
    pub(crate) json: String,
    count: usize,
    nested: bool,
    fail_fast: bool,
}

/// Why a plan cannot be handed over as outputs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MatrixError {
    TooManyBytes { bytes: usize },
    TooManyLegs { count: usize },
}

impl std::fmt::Display for MatrixError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooManyBytes { bytes } => {
                write!(formatter, "the matrix needs {bytes} bytes of output, and GitHub keeps {MOST_BYTES}")
            }
            Self::TooManyLegs { count } => {
                write!(formatter, "{count} legs are more than a matrix of matrices holds")
            }
        }
    }
}

#[derive(Serialize)]
struct Include<T> {
    include: Vec<T>,
}

#[derive(Serialize)]
struct LegFile {
    component: String,
    platform: String,
    runner: Runner,
    key: String,
    name: String,
}

/// `runs-on` takes one label or a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Runner {
    One(String),
    All(Vec<String>),
}

#[derive(Serialize)]
struct GroupFile {
    name: String,
    matrix: Include<LegFile>,
}

/// The matrix of the legs that must be built.
pub(crate) fn matrix(plan: &Plan) -> Result<Matrix, MatrixError> {
    let jobs = jobs(plan, Host::GitHub);
    let (count, nested) = (jobs.len(), jobs.len() > MOST_JOBS);
    if count > MOST_JOBS * MOST_JOBS {
        return Err(MatrixError::TooManyLegs { count });
    }
    let fail_fast = plan
        .components
        .iter()
        .filter(|planned| planned.is_built())
        .all(|planned| planned.component.fail_fast);
    let mut legs = jobs.into_iter().map(leg).collect::<Vec<_>>();
    let json = if nested {
        let mut groups = vec![];
        while !legs.is_empty() {
            let rest = legs.split_off(legs.len().min(MOST_JOBS));
            let first = groups.len() * MOST_JOBS + 1;
            let name = format!("legs {first} to {}", first + legs.len() - 1);
            groups.push(GroupFile { name, matrix: Include { include: legs } });
            legs = rest;
        }
        serde_json::to_string(&Include { include: groups })
    } else {
        serde_json::to_string(&Include { include: legs })
    };
    let matrix = Matrix { json: json.expect("strings and lists always serialise"), count, nested, fail_fast };
    let bytes: usize =
        matrix.values().iter().map(|(name, value)| 2 * (name.len() + value.encode_utf16().count())).sum();
    if bytes > MOST_BYTES { Err(MatrixError::TooManyBytes { bytes }) } else { Ok(matrix) }
}

fn leg(job: Job) -> LegFile {
    let mut labels = job.runners;
    let runner = if labels.len() == 1 { Runner::One(labels.remove(0)) } else { Runner::All(labels) };
    LegFile {
        component: job.leg.component.to_string(),
        platform: job.leg.platform.to_string(),
        runner,
        key: job.key,
        name: job.name,
    }
}

impl Matrix {
    fn values(&self) -> [(&'static str, String); 5] {
        [
            ("matrix", self.json.clone()),
            ("any", (self.count > 0).to_string()),
            ("count", self.count.to_string()),
            ("nested", self.nested.to_string()),
            ("fail-fast", self.fail_fast.to_string()),
        ]
    }

    /// The lines for the file that `GITHUB_OUTPUT` names.
    pub(crate) fn outputs(&self) -> String {
        heredocs(&self.values().map(|(name, value)| (name.to_owned(), value)))
    }
}

/// Values in the form of the files that `GITHUB_OUTPUT` and `GITHUB_ENV` name. No value contains the delimiter, by chance or
/// on purpose: with it, the name of a branch could set any variable of the steps that follow.
pub(super) fn heredocs(values: &[(String, String)]) -> String {
    let random = || RandomState::new().hash_one(());
    let mut delimiters = std::iter::repeat_with(|| format!("hephy-{:016x}{:016x}", random(), random()));
    let is_unused = |delimiter: &String| values.iter().all(|(_, value)| !value.contains(delimiter.as_str()));
    let delimiter = delimiters.find(is_unused).expect("the row has no end");
    let line = |(name, value): &(String, String)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n");
    values.iter().map(line).collect()
}

/// Adds lines to the file that the runner named, below what others have written, whose last line may have no end.
pub(crate) fn append(file: &Path, lines: &str) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(file)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let end = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{end}{lines}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::legs::tests::plan;
    use super::*;
    use serde_json::Value;

    fn read(matrix: &Matrix) -> Value {
        serde_json::from_str(&matrix.json).expect("JSON")
    }

    #[test]
    fn lines_are_added_below_what_others_wrote() {
        for (before, expected) in [("", "b=2\n"), ("a=1\n", "a=1\nb=2\n"), ("a=1", "a=1\nb=2\n")] {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), before).expect("write");
            append(file.path(), "b=2\n").expect("append");
            assert_eq!(std::fs::read_to_string(file.path()).expect("read"), expected, "{before:?}");
        }
    }

    #[test]
    fn a_leg_has_all_that_its_job_needs() {
        let matrix = matrix(&plan(1)).expect("a matrix");
        assert_eq!(
            matrix.json,
            r#"{"include":[{"component":"app-000","platform":"linux/arm64","runner":"ubuntu-24.04-arm","key":"in-0-linux-arm64","name":"app-000-linux-arm64"}]}"#
        );
        let outputs = matrix.outputs();
        let delimiter =
            outputs.lines().next().and_then(|line| line.strip_prefix("matrix<<")).expect("a heredoc");
        assert_eq!(outputs.matches(delimiter).count(), 10);
        for value in
            ["any<<D\ntrue\nD\n", "count<<D\n1\nD\n", "nested<<D\nfalse\nD\n", "fail-fast<<D\ntrue\nD\n"]
        {
            assert!(outputs.contains(&value.replace('D', delimiter)), "{value} in {outputs}");
        }
        assert_ne!(outputs, matrix.outputs());
    }

    #[test]
    fn several_labels_are_a_list() {
        let mut plan = plan(1);
        plan.components[0].legs[0].runners = vec!["self-hosted".to_owned(), "arm".to_owned()];
        let matrix = matrix(&plan).expect("a matrix");
        assert_eq!(read(&matrix)["include"][0]["runner"], serde_json::json!(["self-hosted", "arm"]));
    }

    #[test]
    fn an_empty_plan_can_be_guarded() {
        let matrix = matrix(&plan(0)).expect("a matrix");
        assert_eq!(matrix.json, r#"{"include":[]}"#);
        assert!(matrix.outputs().contains("\nfalse\n"));
    }

    #[test]
    fn too_many_legs_are_split_into_matrices() {
        for (count, groups) in [(256, 0), (257, 2), (600, 3)] {
            let matrix = matrix(&plan(count)).expect("a matrix");
            let include = read(&matrix)["include"].as_array().expect("a list").clone();
            assert_eq!(matrix.nested, groups > 0, "{count}");
            if groups > 0 {
                assert_eq!(include.len(), groups);
                let sizes =
                    include.iter().map(|group| group["matrix"]["include"].as_array().map_or(0, Vec::len));
                assert_eq!(sizes.clone().sum::<usize>(), count);
                assert!(sizes.max() <= Some(256));
            } else {
                assert_eq!(include.len(), count);
            }
        }
    }

    #[test]
    fn more_than_github_keeps_is_an_error() {
        assert!(matches!(matrix(&plan(6000)), Err(MatrixError::TooManyBytes { .. })));
        assert_eq!(matrix(&plan(65_537)).expect_err("too many"), MatrixError::TooManyLegs { count: 65_537 });
    }
}
