//! `hephy plan --explain`: who reads a path, and what a component reads.

use super::Run;
use super::planning;
use super::preparing::{Survey, matcher, survey};
use crate::backends::Tried;
use crate::component::{Name, ProgramBase};
use crate::detect::{self, Explanation, Reader};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::git::File;
use crate::inputs;
use crate::layout;
use bstr::{BStr, ByteSlice as _};
use std::collections::BTreeSet;

/// What there is to say about a path or a component.
pub(crate) struct Explained {
    pub(crate) explanation: Explanation,
    /// The rules that chose the backend of the component; none for a path.
    pub(crate) tried: Vec<Tried>,
}

/// Explains `subject`: the inputs of the component of this name, else who reads the path.
pub(crate) async fn explain(run: &Run, subject: &str) -> Result<Explained, Failure> {
    run.unless_cancelled(look(run, subject)).await.map_err(|failure| failure.during("explain"))
}

async fn look(run: &Run, subject: &str) -> Result<Explained, Failure> {
    let checkout = run.checkout().await?;
    let mut files = inputs::working_files(&checkout)?.to_vec();
    let surveys = survey(run, &checkout, run.config.components.iter().collect()).await?;
    let mut readers = vec![];
    for Survey { component, reads, .. } in &surveys {
        let matcher = matcher(run, component, reads)?;
        let is_read = |path: &BStr| matcher.rule(path, None).is_some();
        files.extend(inputs::ignored_files(&checkout, reads, &is_read)?);
        readers.push(Reader { name: component.name.clone(), matcher, needs: component.needs.clone() });
    }
    files.sort();
    files.dedup();
    let ignore = detect::ignore_globs(&run.config.ignore).map_err(unreadable)?;
    if let Some(reader) = readers.iter().find(|reader| reader.name.as_str() == subject) {
        let is_read = |file: &&File| reader.matcher.rule(file.path.as_bstr(), None).is_some();
        let inputs: Vec<&File> = files.iter().filter(is_read).collect();
        let survey = surveys.iter().find(|survey| survey.component.name == reader.name);
        let explanation = Explanation {
            beside: survey.map(|survey| beside(run, survey)).unwrap_or_default(),
            decision: decision(run, &reader.name).await,
            ..detect::inputs(reader, &inputs)
        };
        let tried = survey.map(|survey| survey.choice.tried.clone()).unwrap_or_default();
        return Ok(Explained { explanation, tried });
    }
    let path = path_from_root(run, subject)?;
    let at_or_below = |file: &&File| inputs::is_at_or_below(&file.path, path.as_bytes());
    let asked: Vec<&File> = files.iter().filter(at_or_below).collect();
    let explanation = detect::explain(&readers, &ignore, path.as_bytes().as_bstr(), &asked);
    Ok(Explained { explanation, tried: vec![] })
}

/// The inputs that are no files: base images and tools.
fn beside(run: &Run, survey: &Survey<'_>) -> Vec<String> {
    let image = |name: &String| match run.config.pins.get(name) {
        Some(digest) => format!("built on `{name}`, pinned to {digest}"),
        None => format!("built on `{name}`"),
    };
    let names: BTreeSet<&String> = survey.reads.images.iter().map(|image| &image.name).collect();
    let tools = survey.reads.tools.iter().map(|tool| format!("built with `{}`", tool.trim()));
    let is_static = survey.component.recipe.base == ProgramBase::Static;
    let own = is_static.then(|| format!("built on hephy's own `static`, {}", layout::static_base_digest()));
    names.into_iter().map(image).chain(own).chain(tools).collect()
}

/// What a plan decides about the component. That it cannot be made is no reason to explain nothing.
async fn decision(run: &Run, name: &Name) -> Option<String> {
    match planning::plan(run).await {
        Ok(plan) => {
            let planned = plan.components.iter().find(|planned| planned.component.name == *name)?;
            let what = if planned.is_built() { "to build" } else { "to reuse" };
            Some(format!("{what}: {}", planned.reason))
        }
        Err(failure) => {
            run.events.warn(format!("it is not known what is decided: {}", failure.headline));
            None
        }
    }
}

fn unreadable(error: globset::Error) -> Failure {
    Failure::new(ExitCode::Usage, error.to_string())
}

/// The path as git names it: from the root, without `.`.
fn path_from_root(run: &Run, subject: &str) -> Result<String, Failure> {
    let absolute = std::path::Path::new(subject).strip_prefix(&run.root).ok().and_then(|path| path.to_str());
    let path = match absolute {
        Some(path) => inputs::below("", path),
        None if subject.starts_with('/') || subject.split('/').any(|part| part == "..") => {
            let failure = Failure::new(ExitCode::Usage, format!("`{subject}` is not in the repository"));
            return Err(failure.hint("name a path from the repository's root, or a component"));
        }
        None => inputs::below("", subject),
    };
    Ok(path)
}
