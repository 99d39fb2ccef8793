//! The command line: flags, their names in the environment, and which verb they start.

mod global;
mod planning;
mod asking;
mod attesting;
mod joining;
mod selecting;
mod deploying;
mod previewing;

use crate::commands;
use crate::exit::ExitCode;
use crate::pipeline::Settings;
use asking::Asking;
use attesting::Attesting;
use clap::builder::Resettable;
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use deploying::{Deploying, Rendering, Waiting};
use global::Global;
use joining::Joining;
use planning::Planning;
use previewing::Previewing;
use selecting::{Platforms, Selecting};
use std::time::Duration;

/// Find what changed, build it, push it by digest, deploy it, and wait until it is really healthy
#[derive(Debug, Parser)]
#[command(name = "hephy", version, max_term_width = 120, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

const AFTER_HELP: &str = "\
Examples:
  hephy up                             build, push, deploy and wait, as far as it is configured
  hephy up --dry-run                   show what would happen and touch nothing
  hephy plan --emit json > plan.json   decide here, and build elsewhere with --plan plan.json

Every flag has a name in the environment: --no-deploy is HEPHY_NO_DEPLOY=true.
Exit codes: docs/exit-codes.md.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build what changed, push it, deploy it, and wait until it is healthy
    #[command(after_help = "\
Examples:
  hephy up                                on a laptop: everything stays below .hephy
  hephy up --registry ghcr.io/acme/shop   push there, and deploy if a cluster is configured
  hephy up --dry-run --base origin/main   say what each stage would do and why")]
    Up {
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        attesting: Attesting,
        #[command(flatten)]
        joining: Joining,
        #[command(flatten)]
        deploying: Deploying,
        #[command(flatten)]
        rendering: Rendering,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        previewing: Previewing,
    },
    /// Decide which components are built for which platforms, and say why
    #[command(after_help = "\
Examples:
  hephy plan --emit json > plan.json        for build, push, deploy and wait --plan plan.json
  hephy plan --explain services/api         which components read this path, and why
  hephy plan --verify --plan plan.json      fail unless every leg has been pushed")]
    Plan {
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        asking: Asking,
        #[command(flatten)]
        platforms: Platforms,
    },
    /// Build the legs of the plan and leave OCI layouts
    #[command(after_help = "\
Examples:
  hephy build                                   build what has no image yet
  hephy build --plan plan.json                  build what this plan says
  hephy build api worker --platform arm64       build these legs and no others")]
    Build {
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        attesting: Attesting,
        #[command(flatten)]
        selecting: Selecting,
        #[command(flatten)]
        previewing: Previewing,
    },
    /// Push what was built by digest, join platforms, move tags last
    #[command(after_help = "\
Examples:
  hephy push --registry ghcr.io/acme/shop              publish what `hephy build` left
  hephy push --plan plan.json                          publish what this plan says
  hephy push --plan plan.json --leg api-linux-amd64    push one leg; move no tag")]
    Push {
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        joining: Joining,
        #[command(flatten)]
        selecting: Selecting,
        #[command(flatten)]
        previewing: Previewing,
    },
    /// Apply the manifests with the plan's images pinned by digest
    #[command(after_help = "\
Examples:
  hephy deploy --plan plan.json                      deploy the images that this plan names
  hephy deploy --namespace shop --create-namespace   into a namespace that may be new
  hephy deploy --environment staging                 to an environment of hephy.yaml")]
    Deploy {
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        deploying: Deploying,
        #[command(flatten)]
        rendering: Rendering,
    },
    /// Wait until the plan's images are live and healthy, or say why they are not
    #[command(after_help = "\
Examples:
  hephy wait --plan plan.json                     prove that this plan's images run
  hephy wait --timeout 20m                        be more patient
  hephy wait --environment staging --settle 30s   look longer where there is no readiness probe")]
    Wait {
        #[command(flatten)]
        planning: Planning,
        #[command(flatten)]
        deploying: Deploying,
        #[command(flatten)]
        waiting: Waiting,
    },
}

/// Reads the command line, runs its verb, and returns how the process ends.
pub(crate) fn run() -> ExitCode {
    let matches = forget_empty(Cli::command()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let printed = error.print();
            let is_help = !error.use_stderr() && printed.is_ok();
            return if is_help { ExitCode::Done } else { ExitCode::Usage };
        }
    };
    // One provider for Kubernetes and registries: with two and none installed, rustls panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(start(cli)),
        Err(_) => ExitCode::Unexpected,
    }
}

/// CI systems set a variable to nothing where no input was given, so an empty one counts as not set.
fn forget_empty(command: Command) -> Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let forget = |arg: Arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg };
    command.mut_args(forget).mut_subcommands(forget_empty)
}

/// Reads `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.ok_or_else(|| "write it like `10m` or `90s`".to_owned())
}

async fn start(cli: Cli) -> ExitCode {
    let context = cli.global.context();
    let settings = Settings::default();
    match cli.verb {
        Verb::Up { planning, attesting, joining, deploying, rendering, waiting, previewing } => {
            let settings = attesting.add_to(joining.add_to(settings));
            let settings = waiting.add_to(rendering.add_to(deploying.add_to(planning.add_to(settings))));
            match previewing.dry_run {
                true => commands::up::dry_run(context, settings).await,
                false => commands::up::up(context, settings).await,
            }
        }
        Verb::Plan { planning, asking, platforms } => {
            let settings = asking.add_to(platforms.add_to(planning.add_to(settings)));
            let shape = asking.shape();
            match (asking.explain, asking.replay) {
                (Some(subject), _) => commands::plan::explain(context, settings, &subject).await,
                (_, Some(file)) => commands::plan::replay(context, &settings, &file, &shape),
                _ if asking.update_pins => commands::plan::update_pins(context, settings).await,
                _ if asking.verify => commands::plan::verify(context, settings).await,
                _ => commands::plan::plan(context, settings, shape).await,
            }
        }
        Verb::Build { planning, attesting, selecting, previewing } => {
            let settings = selecting.add_to(planning.add_to(attesting.add_to(settings)));
            match previewing.dry_run {
                true => commands::build::dry_run(context, settings).await,
                false => commands::build::build(context, settings).await,
            }
        }
        Verb::Push { planning, joining, selecting, previewing } => {
            let settings = selecting.add_to(joining.add_to(planning.add_to(settings)));
            match previewing.dry_run {
                true => commands::push::dry_run(context, settings).await,
                false => commands::push::push(context, settings).await,
            }
        }
        Verb::Deploy { planning, deploying, rendering } => {
            let settings = rendering.add_to(deploying.add_to(planning.add_to(settings)));
            commands::deploy::deploy(context, settings).await
        }
        Verb::Wait { planning, deploying, waiting } => {
            let settings = waiting.add_to(deploying.add_to(planning.add_to(settings)));
            commands::wait::wait(context, settings).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_name_in_the_environment() {
        for verb in Cli::command().get_subcommands() {
            for flag in
                verb.get_arguments().filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version"))
            {
                let expected = format!("HEPHY_{}", flag.get_id().as_str().to_uppercase());
                assert_eq!(flag.get_env().map(|name| name.to_string_lossy().into_owned()), Some(expected));
            }
        }
    }
}
