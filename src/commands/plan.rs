//! `hephy plan`: what would be built, and why.

use super::{Context, mask, perform, perform_anywhere};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::mask::Mask;
use crate::pipeline::{self, Explained, Settings};
use crate::plan::{self, Plan};
use crate::report::{self, Handover};
use std::path::{Path, PathBuf};

/// The shape of the plan on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Emit {
    /// A table for people
    #[default]
    Text,
    /// A file for `--plan`
    Json,
    /// The matrix of a GitHub workflow; outputs go to GITHUB_OUTPUT
    Github,
    /// A child pipeline for GitLab
    Gitlab,
}

/// How the plan is handed on.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) emit: Emit,
    /// The file that the plan itself goes to.
    pub(crate) output: Option<PathBuf>,
    /// The file that takes the outputs of a GitHub step.
    pub(crate) github_output: Option<PathBuf>,
    /// The GitLab job that this is.
    pub(crate) job: Option<String>,
}

/// Makes the plan and prints it.
pub(crate) async fn plan(context: Context, settings: Settings, shape: Shape) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.narrow(pipeline::plan(run).await?);
        print(&plan, &shape, &mask(run))?;
        summary.plan = Some(plan);
        Ok(String::new())
    })
    .await
}

/// Prints a saved plan again. It asks neither git nor a registry, and needs no repository.
pub(crate) fn replay(context: Context, settings: &Settings, file: &Path, shape: &Shape) -> ExitCode {
    perform_anywhere(context, |mask, summary| {
        let plan = settings.selection.narrow(pipeline::read_plan(file)?);
        print(&plan, shape, mask)?;
        summary.plan = Some(plan);
        Ok(String::new())
    })
}

/// Says who reads a path, or what a component reads.
pub(crate) async fn explain(context: Context, settings: Settings, subject: &str) -> ExitCode {
    perform(context, settings, async |run, _| {
        let Explained { explanation, tried } = pipeline::explain(run, subject).await?;
        super::print(&mask(run).lines(&report::explanation_text(subject, &explanation, &tried)))?;
        Ok(String::new())
    })
    .await
}

/// Writes down what the names of base images mean today.
pub(crate) async fn update_pins(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, _| {
        let changed = pipeline::update_pins(run).await?;
        super::print(&mask(run).lines(&changed.iter().map(|line| format!("{line}\n")).collect::<String>()))?;
        Ok(match changed.len() {
            0 => "nothing to do: every base image is what its pin says".to_owned(),
            _ => "the pins are in `hephy.lock`: commit it".to_owned(),
        })
    })
    .await
}

/// Compares the plan with what was really pushed.
pub(crate) async fn verify(context: Context, settings: Settings) -> ExitCode {
    perform(context, settings, async |run, summary| {
        let plan = run.settings.selection.narrow(pipeline::plan(run).await?);
        summary.plan = Some(plan.clone());
        pipeline::verify(run, &plan).await
    })
    .await
}

fn print(plan: &Plan, shape: &Shape, mask: &Mask) -> Result<(), Failure> {
    let text = match shape.emit {
        Emit::Text => mask.lines(&report::plan_text(plan)),
        Emit::Json => plan::to_json(plan),
        Emit::Github => github(plan, shape)?,
        Emit::Gitlab => {
            let file = shape.output.as_ref().map(|path| path.display().to_string());
            let job = shape.job.clone().unwrap_or_else(|| "plan".to_owned());
            report::gitlab_pipeline(plan, &Handover { plan: file, job }).map_err(|error| {
                let failure = Failure::new(ExitCode::Usage, format!("write the pipeline: {error}"));
                failure.hint("plan the platforms in several jobs with `--platform`")
            })?
        }
    };
    if let Some(path) = &shape.output {
        write(path, &plan::to_json(plan))?;
    }
    super::print(&text)?;
    Ok(())
}

fn github(plan: &Plan, shape: &Shape) -> Result<String, Failure> {
    let matrix = report::github_matrix(plan).map_err(|error| {
        let failure = Failure::new(ExitCode::Usage, format!("write the matrix: {error}"));
        failure.hint("plan the platforms in several jobs with `--platform`")
    })?;
    if let Some(file) = &shape.github_output {
        report::append(file, &matrix.outputs()).map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("write the outputs to `{}`: {error}", file.display()))
        })?;
    }
    Ok(format!("{}\n", matrix.json))
}

/// Writes the plan into a folder that may be new: a fresh clone has no `.hephy`.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder.map_or(Ok(()), pipeline::create_folder).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| {
        let failure = Failure::new(ExitCode::Usage, format!("write the plan `{}`: {error}", path.display()));
        failure.hint("name a file that can be written with `--output`")
    })
}
