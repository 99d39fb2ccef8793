//! The jobs of a forge: a leg that must be built, with its name and the machine it is built on.

use crate::ci::Host;
use crate::component::Leg;
use crate::matrix;
use crate::plan::{Action, Plan};

/// What a job needs to know.
pub(super) struct Job {
    pub(super) leg: Leg,
    pub(super) name: String,
    pub(super) key: String,
    pub(super) runners: Vec<String>,
}

/// The jobs, in the order of the plan. Labels that nobody configured are those of the forge.
pub(super) fn jobs(plan: &Plan, host: Host) -> Vec<Job> {
    let legs = plan.components.iter().flat_map(|planned| planned.legs.iter().map(move |leg| (planned, leg)));
    let to_build = legs.filter(|(_, leg)| leg.action == Action::Build);
    to_build
        .map(|(planned, planned_leg)| {
            let leg = planned.leg(planned_leg);
            let runners = match planned_leg.runners.as_slice() {
                [] => matrix::default_runners(host, &leg.platform),
                configured => configured.to_vec(),
            };
            Job { name: leg.job(), key: planned_leg.key.to_string(), runners, leg }
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use crate::component::{Backend, Component};
    use crate::git::Commit;
    use crate::image::Digest;
    use crate::plan::{Action, Base, Plan, Planned, PlannedLeg, Reason, Target};
    use crate::platform::Platform;

    /// A plan of so many components, each with one leg to build.
    pub(in crate::report) fn plan(count: usize) -> Plan {
        let planned = |number: usize| {
            let name = format!("app-{number:03}");
            Planned {
                base_images: std::collections::BTreeMap::new(),
                component: Component::new(name.parse().expect("a name"), name.as_str(), "hephy.yaml:1"),
                backend: Backend::Buildah,
                backend_reason: "`Dockerfile`".to_owned(),
                image: format!("example.com/shop/{name}").parse().expect("a repository"),
                tags: vec![],
                labels: std::collections::BTreeMap::new(),
                annotations: std::collections::BTreeMap::new(),
                levels: Default::default(),
                further: vec![],
                reason: Reason::NoImage,
                legs: vec![PlannedLeg {
                    platform: Platform::new("linux", "arm64"),
                    input_digest: Digest::of(name.as_bytes()),
                    key: "in-0-linux-arm64".parse().expect("a tag"),
                    runners: vec![],
                    action: Action::Build,
                }],
            }
        };
        Plan {
            commit: Commit { id: "0123456789abcdef".to_owned(), time: 17, branch: None, dirty: false },
            base: Base {
                reference: None,
                commit: None,
                kind: crate::detect::base::Kind::Nothing,
                confidence: crate::detect::base::Confidence::Nothing,
                reason: "the first commit".to_owned(),
            },
            target: Target::Registry,
            components: (0..count).map(planned).collect(),
            manifests: vec![],
        }
    }
}
