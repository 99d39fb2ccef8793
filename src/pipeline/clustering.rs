//! Legs that a cluster builds: which those are, where it is, and what its Jobs look like before there are any.

use super::{Run, foreign};
use crate::backends::Order;
use crate::cluster::{Cluster, Source};
use crate::component::Backend;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::jobs::{self, Engine, Handover, JobError, Site};
use crate::plan::{Action, Plan, Planned, Target};
use crate::registry::{Registry, is_loopback};

/// A label holds no more.
const LONGEST_LABEL: usize = 63;

/// A cluster that builds, and what it needs for it.
pub(super) struct Away {
    cluster: Cluster,
    run: String,
    /// For kaniko; `None` where nothing is pushed.
    registry: Option<Registry>,
}

/// Who builds in the cluster for `backend`; `None` if it is built here.
pub(super) fn engine(run: &Run, backend: Backend) -> Option<Engine> {
    match backend {
        Backend::Kaniko => Some(Engine::Kaniko),
        Backend::Dockerfile | Backend::Buildkit if run.config.builder.is_in_cluster => Some(Engine::Buildkit),
        _ => None,
    }
}

/// Connects to the cluster if one of `planned` is built there, and refuses what cannot be.
pub(super) async fn reach(run: &Run, plan: &Plan, planned: &[&Planned]) -> Result<Option<Away>, Failure> {
    let away: Vec<&Planned> =
        planned.iter().copied().filter(|planned| engine(run, planned.backend).is_some()).collect();
    if away.is_empty() {
        return Ok(None);
    }
    ensure_own(run)?;
    let mut registry = None;
    for planned in away.into_iter().filter(|planned| planned.backend == Backend::Kaniko) {
        ensure_kaniko(run, plan, planned)?;
        registry = Some(run.registry()?);
    }
    let connect = async {
        let namespace = run.config.builder.namespace.as_deref();
        Ok(Cluster::connect(&source(run), namespace).await.map_err(JobError::from)?)
    };
    let cluster = run.unless_cancelled(connect).await;
    let cluster = cluster.map_err(|failure| failure.during("build in the cluster"))?;
    Ok(Some(Away { cluster, run: label(run, plan), registry }))
}

/// The cluster that `builder` names, else the one that flags and environment do. Where a release goes is another question.
fn source(run: &Run) -> Source {
    let path = run.settings.kubeconfig.clone();
    let context = run.config.builder.context.clone().or_else(|| run.settings.context.clone());
    let is_inside = run.ci.in_cluster && !run.ci.has_kubeconfig && path.is_none() && context.is_none();
    if is_inside { Source::InCluster } else { Source::Kubeconfig { path, context } }
}

/// kaniko can only push, and takes what it needs for that with it.
fn ensure_kaniko(run: &Run, plan: &Plan, planned: &Planned) -> Result<(), Failure> {
    let refused = |problem: &str, hint: &str| {
        let headline = format!("build {} with kaniko: {problem}", planned.component.name);
        Err(Failure::new(ExitCode::Usage, headline).hint(hint))
    };
    if run.config.builder.kaniko.is_none() {
        let hint = "name one in hephy.yaml: `builder: {kaniko: REPOSITORY@sha256:..., secret: NAME}`";
        return refused("`builder` names no image of it, and nobody publishes one", hint);
    }
    if plan.target != Target::Registry {
        let hint = "name a registry with `--registry`, or another `backend`";
        return refused("it can only push, and these images stay in a layout folder", hint);
    }
    if let Some(host) = planned.image.host.as_deref().filter(|host| is_loopback(host)) {
        let problem = format!("it pushes from the cluster, where `{host}` is another machine");
        return refused(&problem, "name a registry that the cluster can reach with `--registry`");
    }
    Ok(())
}

/// Refuses code that may be anybody's, wherever its image would go: `builder` is its own word, and names the secrets, the
/// service account, the namespace and the rights of the pod.
fn ensure_own(run: &Run) -> Result<(), Failure> {
    let Some(why) = foreign::why_foreign(run) else { return Ok(()) };
    let headline =
        format!("build in the cluster: {why}, and its `builder` would choose the rights of the pod");
    Err(Failure::new(ExitCode::Usage, headline).hint(
        "build it on the runner: `builder: {in: here}` in hephy.yaml, and a `backend` other than `kaniko`; or after the \
         merge",
    ))
}

/// What the Jobs of this run have in common: the run of the CI system, else the commit.
fn label(run: &Run, plan: &Plan) -> String {
    let address = run.ci.builder.invocation.as_deref().and_then(|address| address.split_once("://"));
    as_label(address.map_or(&plan.commit.id, |(_, address)| address))
}

/// The end of `text`, in the letters that a label may have.
fn as_label(text: &str) -> String {
    let safe: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let end = &safe[safe.len().saturating_sub(LONGEST_LABEL)..];
    end.trim_matches('-').to_owned()
}

impl Away {
    fn site<'a>(&'a self, run: &'a Run) -> Site<'a> {
        Site { cluster: &self.cluster, builder: &run.config.builder, run: &self.run }
    }

    /// Builds one leg.
    pub(super) async fn build(
        &self,
        run: &Run,
        stop: &tokio_util::sync::CancellationToken,
        engine: Engine,
        planned: &Planned,
        order: &Order<'_>,
    ) -> Result<crate::backends::Built, Failure> {
        let bases = planned.base_images.values().filter_map(|image| image.repository.host.as_deref());
        for host in bases.filter(|host| is_loopback(host)) {
            run.events.warn(format!(
                "build {}: its base image is on `{host}` of this machine, and in the cluster that is another one",
                order.subject()
            ));
        }
        let insecure = &run.settings.insecure_registries;
        let handover = self.registry.as_ref().filter(|_| engine == Engine::Kaniko);
        let handover = handover.map(|registry| Handover { registry, repository: &planned.image, insecure });
        Ok(jobs::build(&run.events, stop, &self.site(run), engine, order, handover.as_ref()).await?)
    }
}

/// The Jobs that a build of the plan would make, as YAML; nothing if there are none.
pub(super) fn preview(run: &Run, plan: &Plan) -> Result<String, Failure> {
    let builder = &run.config.builder;
    let away: Vec<_> = plan
        .components
        .iter()
        .filter_map(|planned| Some((planned, engine(run, planned.backend)?)))
        .filter(|(planned, _)| planned.is_built())
        .collect();
    if away.is_empty() {
        return Ok(String::new());
    }
    ensure_own(run)?;
    let (registry, label) = (run.registry()?, label(run, plan));
    let mut works = vec![];
    for (planned, engine) in away {
        if engine == Engine::Kaniko {
            ensure_kaniko(run, plan, planned)?;
        }
        for leg in planned.legs.iter().filter(|leg| leg.action == Action::Build) {
            let order = Order {
                root: &run.root,
                component: &planned.component,
                platform: &leg.platform,
                out: &run.root,
                key: &leg.key,
                epoch: plan.commit.time,
                cargo_home: None,
                foreign: &[],
                base_images: &planned.base_images,
                base: None,
                is_watched: false,
                engine: None,
                listener: &drop,
            };
            let insecure = &run.settings.insecure_registries;
            let handover = Handover { registry: &registry, repository: &planned.image, insecure };
            works.push(jobs::foreseen(builder, &label, engine, &order, &handover));
        }
    }
    jobs::yaml(&works, builder.namespace.as_deref())
        .map_err(|error| Failure::new(ExitCode::Unexpected, format!("write the Jobs as YAML: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_run_becomes_a_label() {
        for (text, expected) in [
            (
                "github.com/acme/shop/actions/runs/7/attempts/2",
                "github-com-acme-shop-actions-runs-7-attempts-2",
            ),
            ("0123456789abcdef", "0123456789abcdef"),
        ] {
            assert_eq!(as_label(text), expected);
        }
        let long = format!("{}/runs/7", "a".repeat(80));
        assert_eq!(as_label(&long).len(), 63);
        assert_eq!(as_label("ü/7"), "7");
    }
}
