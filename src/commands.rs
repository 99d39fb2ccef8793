//! The verbs, one file each, and what they share: a run that is started, told about, and ended with an exit code.

pub(crate) mod build;
pub(crate) mod deploy;
pub(crate) mod plan;
pub(crate) mod push;
pub(crate) mod up;
pub(crate) mod wait;

use crate::ci::{Ci, Host};
use crate::event::Stage;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::mask::Mask;
use crate::pipeline::{self, Configured, Ending, Run, Settings};
use crate::plan::{Action, Plan, Target};
use crate::report::{self, LegSummary, Reporter, Style, Summary, What};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What every verb needs: where to work, and how to talk about it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) directory: PathBuf,
    pub(crate) config: Option<PathBuf>,
    pub(crate) style: Style,
    pub(crate) ci: Ci,
    /// Where the JSON report goes.
    pub(crate) report: Option<PathBuf>,
    /// The file that takes the outputs of a GitHub step.
    pub(crate) github_output: Option<PathBuf>,
}

/// Runs `work` from the configuration to the last line. It gets the run and a summary to fill in, and returns the
/// sentence that ends the run.
pub(crate) async fn perform(
    context: Context,
    settings: Settings,
    work: impl AsyncFnOnce(&Run, &mut Summary) -> Result<String, Failure>,
) -> ExitCode {
    let started = Instant::now();
    let mask = Mask::new(context.ci.secrets.clone());
    let (events, reporter) = Reporter::start(context.style, mask.clone());
    let cancel = CancellationToken::new();
    let signal = tokio::spawn(cancel_on_signal(cancel.clone()));
    let mut summary = Summary::default();
    let place = ensure_report_has_a_place(context.report.as_deref());
    let report = context.report.clone().filter(|_| place.is_ok());
    let configured = match place {
        Ok(()) => configured(&context, &cancel).await,
        Err(failure) => Err(failure),
    };
    let result = match configured {
        Ok(configured) => {
            context.ci.warnings.iter().for_each(|warning| events.warn(warning.as_str()));
            let run = Run::new(events, cancel.clone(), context.ci, settings, configured);
            work(&run, &mut summary).await
        }
        Err(failure) => {
            drop(events);
            Err(failure)
        }
    };
    // All senders are gone by now, so every line of the run stands above its end.
    reporter.finish();
    summary.duration = started.elapsed();
    let interrupted = if cancel.is_cancelled() { signal.await.ok() } else { None };
    // Work that cannot be interrupted may have gone on to its end; the run was cancelled all the same.
    let result = if interrupted.is_some() { result.and_then(|_| Err(pipeline::cancelled())) } else { result };
    let result = result.map_err(|failure| Failure { code: interrupted.unwrap_or(failure.code), ..failure });
    end(&summary, result, &mask, report)
}

async fn configured(context: &Context, cancel: &CancellationToken) -> Result<Configured, Failure> {
    let default_branch = context.ci.default_branch.as_deref();
    let configuring = pipeline::configure(&context.directory, context.config.as_deref(), default_branch);
    cancel.run_until_cancelled(configuring).await.unwrap_or_else(|| Err(pipeline::cancelled()))
}

/// Runs `work`, which needs no repository.
pub(crate) fn perform_anywhere(
    context: Context,
    work: impl FnOnce(&Mask, &mut Summary) -> Result<String, Failure>,
) -> ExitCode {
    let started = Instant::now();
    let mask = Mask::new(context.ci.secrets.clone());
    let mut summary = Summary::default();
    let place = ensure_report_has_a_place(context.report.as_deref());
    let report = context.report.filter(|_| place.is_ok());
    let result = place.and_then(|()| work(&mask, &mut summary));
    summary.duration = started.elapsed();
    end(&summary, result, &mask, report)
}

/// A report that cannot be written should be known before a release is live.
fn ensure_report_has_a_place(report: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = report else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let problem = match () {
        () if path.is_dir() => "it is a folder".to_owned(),
        () if !folder.is_dir() => format!("the folder `{}` does not exist", folder.display()),
        () => return Ok(()),
    };
    let headline = format!("write the report `{}`: {problem}", path.display());
    Err(Failure::new(ExitCode::Usage, headline).hint("name a file in a folder that exists with `--report`"))
}

/// The mask for what a verb prints itself: paths and names come from the repository, which may be anybody's.
fn mask(run: &Run) -> Mask {
    Mask::new(run.ci.secrets.clone())
}

/// Waits for SIGINT or SIGTERM, cancels the run, and says with which code it then ends.
async fn cancel_on_signal(cancel: CancellationToken) -> ExitCode {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return ExitCode::Unexpected };
    let code = tokio::select! {
        _ = tokio::signal::ctrl_c() => ExitCode::Interrupted,
        _ = terminate.recv() => ExitCode::Terminated,
    };
    cancel.cancel();
    code
}

fn end(summary: &Summary, result: Result<String, Failure>, mask: &Mask, report: Option<PathBuf>) -> ExitCode {
    if let Some(table) = report::table(summary) {
        report::say(&table);
    }
    let (mut code, sentence) = match result {
        Ok(sentence) => (ExitCode::Done, format!("{sentence}{}", left_out(summary))),
        Err(failure) => (failure.code, failure.text()),
    };
    let sentence = mask.lines(&sentence);
    if let Some(path) = report {
        let first_line = sentence.lines().next().unwrap_or_default();
        if let Err(error) = std::fs::write(&path, report::to_json(summary, code, first_line)) {
            report::say(&format!("error: write the report `{}`: {error}", path.display()));
            // A failed run keeps its own code; a green one must not hide that its report is missing.
            code = if code == ExitCode::Done { ExitCode::Usage } else { code };
        }
    }
    if !sentence.is_empty() {
        report::say(&sentence);
    }
    code
}

/// One `repository@digest` a line: what a shell can go on with.
fn print_images(summary: &Summary) -> Result<(), Failure> {
    print(&summary.images.iter().map(|image| format!("{}\n", image.image)).collect::<String>())
}

/// Hands tags, labels and annotations to the steps after this one, where there are such: as outputs and as variables.
fn hand_over(run: &Run, github_output: Option<&Path>, plan: &Plan) -> Result<(), Failure> {
    let append = |what: &str, file: &Path, lines: &str| {
        report::append(file, lines).map_err(|error| {
            Failure::new(ExitCode::Unexpected, format!("write the {what} to `{}`: {error}", file.display()))
        })
    };
    if let Some(file) = github_output {
        append("outputs", file, &report::metadata_outputs(plan))?;
    }
    match &run.ci.variables_file {
        Some(file) => append("variables", file, &report::metadata_variables(plan)),
        None => Ok(()),
    }
}

/// What a dry run says on stdout: a line for each step, then the Jobs that a cluster would get, as YAML.
fn print_preview(run: &Run, plan: &Plan, steps: &[(Stage, String)]) -> Result<(), Failure> {
    let jobs = pipeline::preview_jobs(run, plan)?;
    print(&mask(run).lines(&format!("{}{jobs}", report::preview_text(steps))))
}

/// What would become of each leg.
fn foresee(plan: &Plan, summary: &mut Summary) {
    for planned in &plan.components {
        for leg in &planned.legs {
            let (what, digest) = match &leg.action {
                Action::Build => (What::WouldBuild, None),
                Action::Reuse(found) => (What::Reused, Some(found.digest.clone())),
                Action::Skip(_) => continue,
            };
            summary.legs.insert(planned.leg(leg), LegSummary { what, digest, duration: Duration::ZERO });
        }
    }
}

/// Writes data to stdout.
fn print(text: &str) -> Result<(), Failure> {
    report::data(text)
        .map_err(|error| Failure::new(ExitCode::Unexpected, format!("write to stdout: {error}")))
}

/// How the terminal is used: `colour` is the flag's word, the rest is what the environment says.
pub(crate) fn style(colour: Option<bool>, is_terminal: bool, ci: &Ci) -> Style {
    let in_ci = ci.host != Host::Laptop;
    // CI logs show colour although they are no terminals; some runners give a terminal that nobody watches.
    Style { colour: colour.unwrap_or(is_terminal || in_ci), live: is_terminal && !in_ci }
}

/// The last line of a run that did not fail.
fn sentence(ending: &Ending) -> String {
    match ending {
        Ending::Healthy { server, changed: true, idle } => {
            format!("healthy: the release is live on {server}{}", except(idle))
        }
        Ending::Healthy { server, changed: false, idle } => {
            format!(
                "nothing to do: the release was already live on {server}, and it is healthy{}",
                except(idle)
            )
        }
        Ending::Idle { server, deployed: true, idle } => format!("applied to {server}: {}", wants_none(idle)),
        Ending::Idle { server, deployed: false, idle } => {
            format!("nothing to wait for on {server}: {}", wants_none(idle))
        }
        Ending::Applied { server } => format!("applied to {server}; nobody has looked whether it is healthy"),
        Ending::NothingToProve { server } => {
            format!("applied to {server}; nothing in it can be healthy or unhealthy")
        }
        Ending::AllThere { server } => {
            format!(
                "nothing to wait for: all is there on {server}; nothing in it can be healthy or unhealthy"
            )
        }
        Ending::Rendered { folder, why, target } => {
            format!("nothing was deployed: {why}; {}", by_hand(folder, target))
        }
        Ending::PartPublished => {
            "published; `--only` plans a part of the release, and a part is not deployed".to_owned()
        }
        Ending::Withheld { why } => format!("built, and neither pushed nor deployed: {why}"),
        Ending::Published { changed: true } => "published; there are no manifests to deploy".to_owned(),
        Ending::Nothing => {
            "nothing to do: no component was found; add a Dockerfile, or name components in hephy.yaml"
                .to_owned()
        }
        Ending::Published { changed: false } => "nothing to do: every image exists".to_owned(),
    }
}

/// What the end of a green run must not hide.
fn left_out(summary: &Summary) -> String {
    match summary.undeployed.as_slice() {
        [] => String::new(),
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; not deployed, because no manifest names it: {}", names.join(", "))
        }
    }
}

/// A release of which a part does not run must not sound as if all of it did.
fn except(idle: &[String]) -> String {
    if idle.is_empty() { String::new() } else { format!("; {} of it", wants_none(idle)) }
}

fn wants_none(idle: &[String]) -> String {
    let verb = if idle.len() == 1 { "wants" } else { "want" };
    format!("{} {verb} 0 replicas, so nothing runs", idle.join(", "))
}

/// How to apply manifests that hephy only wrote.
fn by_hand(folder: &Path, target: &Target) -> String {
    let apply = format!("apply the manifests with `kubectl apply --filename {}`", folder.display());
    match target {
        Target::Registry => apply,
        Target::Layout(layout) => format!(
            "the images are in `{}`, where no cluster can pull them: run again with `--registry`, then {apply}",
            layout.display()
        ),
    }
}
