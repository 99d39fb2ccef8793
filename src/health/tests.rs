//! Tests of the verdict: given objects as a cluster shows them, when time passes, then what hephy says.

mod drifts;
mod rollouts;
mod trouble;
mod verdicts;
mod world;
