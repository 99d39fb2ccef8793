//! The cluster that a release goes to: which one is meant, and the connection there.

use super::{Run, foreign};
use crate::cluster::{Cluster, Source};
use crate::config::Environment;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::plan::{Plan, Target};
use crate::release::Release;
use std::fmt;

/// Where the release goes.
pub(super) struct Destination {
    source: Source,
    namespace: Option<String>,
}

/// As a preview names it.
impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.source {
            Source::InCluster => "this pod's cluster".to_owned(),
            Source::Kubeconfig { path, context } => {
                let context = context
                    .as_ref()
                    .map_or("the current context".to_owned(), |context| format!("context `{context}`"));
                format!(
                    "{context} of {}",
                    path.as_ref().map_or("the kubeconfig".to_owned(), |path| format!("`{}`", path.display()))
                )
            }
        };
        let namespace =
            self.namespace.as_ref().map_or("its namespace".to_owned(), |name| format!("namespace `{name}`"));
        write!(formatter, "{namespace} in {place}")
    }
}

/// The cluster that flags, environment and `hephy.yaml` name; `None` if none is configured or none is wanted.
pub(super) fn find(run: &Run) -> Result<Option<Destination>, Failure> {
    let settings = &run.settings;
    let environment = environment(run)?;
    let context = settings.context.clone().or(environment.context);
    let source = match settings.kubeconfig.clone() {
        _ if settings.no_deploy => return Ok(None),
        // Without a flag the path stays open: `KUBECONFIG` may list several files, which are then merged.
        path if path.is_some() || context.is_some() || run.ci.has_kubeconfig => {
            Source::Kubeconfig { path, context }
        }
        _ if run.ci.in_cluster => Source::InCluster,
        _ => return Ok(None),
    };
    Ok(Some(Destination { source, namespace: settings.namespace.clone().or(environment.namespace) }))
}

/// The environment that is named; without a name the only one there is, or none.
fn environment(run: &Run) -> Result<Environment, Failure> {
    let environments = &run.config.environments;
    let names = || environments.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match &run.settings.environment {
        Some(name) => environments.get(name).cloned().ok_or_else(|| {
            let failure = Failure::new(
                ExitCode::Usage,
                format!("deploy to `{name}`: hephy.yaml has no such environment"),
            );
            failure.hint(if environments.is_empty() {
                "add it under `environments`".to_owned()
            } else {
                format!("it has {}", names())
            })
        }),
        None if environments.len() > 1 && !run.settings.no_deploy => {
            let failure =
                Failure::new(ExitCode::Usage, format!("choose an environment: hephy.yaml has {}", names()));
            Err(failure.hint("name one with `--environment`, or run with `--no-deploy`"))
        }
        None => Ok(environments.values().next().cloned().unwrap_or_default()),
    }
}

/// Connects to the cluster, if there is something to deploy and somewhere to deploy it to. Foreign code may name any
/// registry, one on this machine too, and still gets into no cluster but one of the job's own.
pub(super) async fn reach(
    run: &Run,
    plan: &Plan,
    release: Option<&Release>,
    destination: Option<&Destination>,
) -> Result<Option<Cluster>, Failure> {
    let Some((destination, _)) = destination.zip(release) else { return Ok(None) };
    let connect =
        async { Ok(Cluster::connect(&destination.source, destination.namespace.as_deref()).await?) };
    let cluster = run.unless_cancelled(connect).await.map_err(|failure| failure.during("deploy"))?;
    if let Some(why) = foreign::why_foreign(run).filter(|_| !cluster.is_here()) {
        let problem =
            format!("deploy to {}: {why}, and the code of others is not deployed", cluster.server());
        return Err(
            Failure::new(ExitCode::Usage, problem).hint("run it with `--no-deploy`, or after the merge")
        );
    }
    if plan.target != Target::Registry {
        let problem = "deploy: the images stay in a layout folder, and no cluster can pull from there";
        let hint = "name a registry with `--registry`, or run with `--no-deploy`";
        return Err(Failure::new(ExitCode::Usage, problem).hint(hint));
    }
    Ok(Some(cluster))
}
