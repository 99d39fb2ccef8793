//! Asks the engines of this machine whether they can build a Dockerfile.

use super::engine::{self, Answer, Engine};
use crate::component::Backend;
use crate::exec::{self, ExecError, Program};
use futures::future::join_all;
use std::path::Path;
use std::time::Duration;

/// A daemon that says nothing for this long is one that does not build.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the engines say that may build for one of `backends`, all asked at once.
pub(crate) async fn ask(root: &Path, backends: &[Backend]) -> Vec<(Engine, Answer)> {
    let mut engines: Vec<Engine> = vec![];
    for engine in backends.iter().flat_map(|backend| Engine::of(*backend)) {
        if !engines.contains(engine) {
            engines.push(*engine);
        }
    }
    join_all(engines.into_iter().map(|engine| async move { (engine, one(root, engine).await) })).await
}

async fn one(root: &Path, engine: Engine) -> Answer {
    let program = match engine {
        Engine::Buildctl => {
            Program::new("buildctl", root).args(["debug", "workers", "--format", "{{json .}}"])
        }
        // A builder that sleeps is woken up: it would be for the build as well.
        Engine::Buildx => Program::new("docker", root).args(["buildx", "inspect", "--bootstrap"]),
        Engine::Buildah => Program::new("buildah", root).arg("--version"),
    };
    let output = match tokio::time::timeout(PATIENCE, exec::capture(&program)).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output).into_owned(),
        Ok(Err(error)) => return Answer::Unfit(why(&error)),
        Err(_) => return Answer::Unfit(format!("it said nothing for {} s", PATIENCE.as_secs())),
    };
    match engine {
        Engine::Buildctl => engine::read_workers(&output),
        Engine::Buildx => engine::read_builder(&output),
        Engine::Buildah => engine::read_buildah(&output),
    }
}

/// Why it did not answer, in a line.
fn why(error: &ExecError) -> String {
    match error {
        ExecError::Missing { .. } => "it is not installed".to_owned(),
        ExecError::Failed { last_lines, .. } => {
            let said = last_lines.iter().map(|line| line.trim()).find(|line| !line.is_empty());
            said.map_or_else(|| "it failed without a word".to_owned(), |line| format!("it says `{line}`"))
        }
        error => error.to_string(),
    }
}
