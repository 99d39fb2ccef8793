use super::*;

mod compared;
mod generated;
mod types;
