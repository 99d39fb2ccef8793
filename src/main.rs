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

// Do.
mod cluster;
mod release;
mod deploy;
mod logs;
mod health;

fn main() -> std::process::ExitCode {
    let _ = event::Events::channel();
    exit::ExitCode::Done.into()
}
