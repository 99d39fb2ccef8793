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
mod plan;

// Do.
mod layout;
mod backends;
mod registry;
mod store;

fn main() -> std::process::ExitCode {
    let _ = event::Events::channel();
    exit::ExitCode::Done.into()
}
