//! Selection: the part of a plan that one call is about. What is not selected stays in the plan, so that whoever joins
//! the legs still knows about all of them.

use super::{Action, Plan, Planned, PlannedLeg};
use crate::platform::Platform;

/// What the user picked. An empty list picks everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) components: Vec<String>,
    pub(crate) platforms: Vec<Platform>,
    /// Names of jobs, or keys.
    pub(crate) legs: Vec<String>,
}

/// Why a selection does not fit a plan. A selection of nothing would be a green job that did nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectError {
    #[error("select `{name}`: the plan has no such component")]
    Component { name: String, known: Vec<String> },
    #[error("select `{name}`: the plan has no such leg")]
    Leg { name: String, known: Vec<String> },
    #[error("select legs: no leg of the plan is of a component, a platform and a name that were asked for")]
    Nothing { known: Vec<String> },
}

impl Selection {
    /// Whether everything is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.components.is_empty() && self.platforms.is_empty() && self.legs.is_empty()
    }

    /// The plan with every leg left out that is not selected, which must leave some.
    pub(crate) fn of(&self, plan: Plan) -> Result<Plan, SelectError> {
        if self.is_everything() {
            return Ok(plan);
        }
        let names = || plan.components.iter().map(|planned| planned.component.name.to_string());
        let jobs = || {
            plan.components.iter().flat_map(|planned| planned.legs.iter().map(|leg| planned.leg(leg).job()))
        };
        if let Some(name) = self.components.iter().find(|name| names().all(|known| known != **name)) {
            return Err(SelectError::Component { name: name.clone(), known: names().collect() });
        }
        let is_leg = |name: &str| {
            plan.components
                .iter()
                .flat_map(|planned| planned.legs.iter().map(move |leg| (planned, leg)))
                .any(|(planned, leg)| is_called(planned, leg, name))
        };
        if let Some(name) = self.legs.iter().find(|name| !is_leg(name)) {
            return Err(SelectError::Leg { name: name.clone(), known: jobs().collect() });
        }
        let known = jobs().collect();
        let selected = self.narrow(plan);
        let is_left =
            |planned: &Planned| planned.legs.iter().any(|leg| !matches!(leg.action, Action::Skip(_)));
        if selected.components.iter().any(is_left) {
            Ok(selected)
        } else {
            Err(SelectError::Nothing { known })
        }
    }

    /// The plan with every leg left out that is not selected, which may leave none.
    pub(crate) fn narrow(&self, mut plan: Plan) -> Plan {
        for planned in &mut plan.components {
            let reasons: Vec<_> = planned.legs.iter().map(|leg| self.reason_against(planned, leg)).collect();
            for (leg, reason) in planned.legs.iter_mut().zip(reasons) {
                if let Some(reason) = reason {
                    leg.action = Action::Skip(reason);
                }
            }
        }
        plan
    }

    fn reason_against(&self, planned: &Planned, leg: &PlannedLeg) -> Option<String> {
        let asked = |names: &[String]| names.join("`, `");
        let platforms: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
        let is_component = |name: &String| name == planned.component.name.as_str();
        match () {
            () if !self.components.is_empty() && !self.components.iter().any(is_component) => {
                Some(format!("only `{}` was asked for", asked(&self.components)))
            }
            // What is the same on every platform belongs to each of them.
            () if !self.platforms.is_empty()
                && !self.platforms.contains(&leg.platform)
                && !leg.platform.is_any() =>
            {
                Some(format!("`--platform` asks for `{}` only", asked(&platforms)))
            }
            () if !self.legs.is_empty() && !self.legs.iter().any(|name| is_called(planned, leg, name)) => {
                Some(format!("`--leg` asks for `{}` only", asked(&self.legs)))
            }
            () => None,
        }
    }
}

fn is_called(planned: &Planned, leg: &PlannedLeg, name: &str) -> bool {
    planned.leg(leg).job() == name || leg.key.as_str() == name
}
