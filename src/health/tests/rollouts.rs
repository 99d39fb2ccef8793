//! Properties of the verdict over whole rollouts: no false green on the way, no false red from the past.

use super::world::{World, bad_pod, crashing_pod, pod, set, world};
use crate::health::verdict::Verdict;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A rolling update in progress. The status is what the controller last wrote, which may be long ago.
#[derive(Clone)]
struct Rollout {
    wanted: usize,
    surge: usize,
    is_old_broken: bool,
    old: usize,
    /// For each new pod, whether it is ready.
    new: Vec<bool>,
    has_replica_set: bool,
    status: Value,
}

/// What may happen next. What is impossible at the moment is skipped.
#[derive(Clone, Copy, Debug)]
enum Move {
    CreateReplicaSet,
    AddPod,
    PodBecomesReady(usize),
    PodBecomesUnready(usize),
    RemoveOldPod,
    WriteStatus,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        Just(Move::CreateReplicaSet),
        Just(Move::AddPod),
        (0..4_usize).prop_map(Move::PodBecomesReady),
        (0..4_usize).prop_map(Move::PodBecomesUnready),
        Just(Move::RemoveOldPod),
        Just(Move::WriteStatus),
        Just(Move::WriteStatus),
    ];
    proptest::collection::vec(one, 0..60)
}

impl Rollout {
    fn start(wanted: usize, surge: usize, is_old_broken: bool) -> Self {
        let status = json!({
            "observedGeneration": 1,
            "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted,
            "conditions": complete(),
        });
        Self { wanted, surge, is_old_broken, old: wanted, new: Vec::new(), has_replica_set: false, status }
    }

    fn make(&mut self, next: Move) {
        match next {
            Move::CreateReplicaSet => self.has_replica_set = true,
            Move::AddPod => {
                let fits =
                    self.new.len() < self.wanted && self.old + self.new.len() < self.wanted + self.surge;
                if self.has_replica_set && fits {
                    self.new.push(false);
                }
            }
            Move::PodBecomesReady(index) => self.turn(index, true),
            Move::PodBecomesUnready(index) => self.turn(index, false),
            Move::RemoveOldPod => {
                let ready = self.new.iter().filter(|ready| **ready).count();
                if self.old > 0 && self.old + ready > self.wanted - usize::from(self.surge == 0) {
                    self.old -= 1;
                }
            }
            Move::WriteStatus => self.status = self.true_status(),
        }
    }

    fn turn(&mut self, index: usize, is_ready: bool) {
        if let Some(pod) = self.new.get_mut(index) {
            *pod = is_ready;
        }
    }

    /// Brings the rollout to its end.
    fn finish(&mut self) {
        self.has_replica_set = true;
        self.new = vec![true; self.wanted];
        self.old = 0;
        self.make(Move::WriteStatus);
    }

    fn is_finished(&self) -> bool {
        self.old == 0 && self.new == vec![true; self.wanted]
    }

    /// The status the Deployment controller writes when it looks now.
    fn true_status(&self) -> Value {
        if !self.has_replica_set {
            return self.status.clone();
        }
        let new_ready = self.new.iter().filter(|ready| **ready).count();
        let old_ready = if self.is_old_broken { 0 } else { self.old };
        let conditions = if self.is_finished() {
            complete()
        } else {
            json!([
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
            ])
        };
        json!({
            "observedGeneration": 2,
            "replicas": self.old + self.new.len(), "updatedReplicas": self.new.len(),
            "readyReplicas": old_ready + new_ready, "availableReplicas": old_ready + new_ready,
            "conditions": conditions,
        })
    }

    /// What the watches show, in the memory of `before`.
    fn show(&self, mut before: World) -> World {
        let mut shown =
            world().with("/spec/replicas", json!(self.wanted)).with("/status", self.status.clone());
        let revision = if self.has_replica_set { "2" } else { "1" };
        shown = shown.with("/metadata/annotations", json!({"deployment.kubernetes.io/revision": revision}));
        before.deployment = shown.deployment;
        let sets = shown.replica_sets.expect("both ReplicaSets");
        before.replica_sets = Some(sets[..1 + usize::from(self.has_replica_set)].to_vec());
        let old = (0..self.old).map(|index| self.old_pod(index));
        let new = self.new.iter().enumerate().map(|(index, is_ready)| new_pod(index, *is_ready));
        before.pods = Some(old.chain(new).collect());
        before
    }

    fn old_pod(&self, index: usize) -> Value {
        let name = format!("api-old-{index}");
        let mut one = if self.is_old_broken { crashing_pod(&name, 99, 1) } else { pod("old", &name) };
        set(&mut one, "/metadata/ownerReferences/0/uid", json!("old"));
        one
    }
}

fn complete() -> Value {
    json!([
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ])
}

fn new_pod(index: usize, is_ready: bool) -> Value {
    let name = format!("api-new-{index}");
    if is_ready { pod("new", &name) } else { bad_pod(&name, 0, json!({"running": {}}), json!({})) }
}

/// Takes the Deployment, the ReplicaSets or the pods of `later` over into `shown`.
fn take_over(shown: &mut World, later: &World, kind: usize) {
    match kind {
        0 => shown.deployment = later.deployment.clone(),
        1 => shown.replica_sets = later.replica_sets.clone(),
        _ => shown.pods = later.pods.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_prefix_of_a_rollout_is_ready_and_none_has_failed(
        wanted in 1..4_usize, surge in 0..3_usize, is_old_broken: bool, moves in moves(),
    ) {
        let mut rollout = Rollout::start(wanted, surge, is_old_broken);
        let mut shown = rollout.show(world());
        for (second, next) in (0..).zip(moves) {
            rollout.make(next);
            shown = rollout.show(shown);
            match shown.judge(second).verdict {
                Verdict::Ready { .. } => prop_assert!(rollout.is_finished(), "ready after {next:?}"),
                Verdict::Waiting { .. } => {}
                verdict => prop_assert!(false, "{verdict:?} after {next:?}"),
            }
        }
        rollout.finish();
        shown = rollout.show(shown);
        prop_assert_eq!(shown.says(1_000), format!("ready: {wanted} of {wanted} pods ready"));
    }

    /// Watches of different kinds are not in step: each kind may lag behind the others by any number of changes.
    #[test]
    fn the_order_between_kinds_does_not_matter(
        wanted in 1..4_usize, moves in moves(), lags in proptest::collection::vec(0..3_usize, 0..200),
    ) {
        let mut rollout = Rollout::start(wanted, 1, false);
        let mut timeline = vec![rollout.show(world())];
        let mut first_finish = usize::MAX;
        for next in moves {
            rollout.make(next);
            if rollout.is_finished() {
                first_finish = first_finish.min(timeline.len());
            }
            timeline.push(rollout.show(world()));
        }
        rollout.finish();
        first_finish = first_finish.min(timeline.len());
        timeline.push(rollout.show(world()));
        let last = timeline.len() - 1;
        let mut at = [0; 3];
        let mut shown = timeline[0].clone();
        for (second, kind) in (0..).zip(lags) {
            at[kind] = (at[kind] + 1).min(last);
            take_over(&mut shown, &timeline[at[kind]], kind);
            let verdict = shown.judge(second).verdict;
            let is_early = at[0] < first_finish && matches!(verdict, Verdict::Ready { .. });
            prop_assert!(!is_early && !matches!(verdict, Verdict::Failed { .. }), "{verdict:?}");
        }
        (0..3).for_each(|kind| take_over(&mut shown, &timeline[last], kind));
        prop_assert_eq!(shown.says(1_000), format!("ready: {wanted} of {wanted} pods ready"));
    }
}
