mod compared;
mod generated;
mod types;
