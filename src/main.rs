//! hephy: find what changed, build it, push it by digest, deploy it, and wait until it is really healthy.
//!
//! The modules below are in the order in which data flows. It is the reading order for a newcomer and the only
//! direction of imports: a module may import only what stands above it (`tests/integration/architecture.rs`).

// Words: plain data.
mod exit;
mod secret;
mod platform;
mod image;
mod component;
mod event;

// Tools: run a program, pass on its lines, stop it kindly.
mod exec;

// Facts: what were we told, where are we.
mod config;
mod ci;
mod git;
mod inputs;

// Decide: data in, data and reasons out.
mod detect;
mod matrix;
mod metadata;
mod plan;
mod attestation;

// Do: build, publish, deploy, and find out whether it is healthy.
mod layout;
mod capture;
mod backends;
mod registry;
mod store;
mod cluster;
mod release;
mod deploy;
mod logs;
mod health;
mod jobs;

// Tell: events become text.
mod mask;
mod report;

// Story: the line above, read aloud; one file per verb.
mod failure;
mod pipeline;
mod commands;
mod cli;

fn main() -> std::process::ExitCode {
    cli::run().into()
}
