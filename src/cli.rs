//! The command line: flags, their names in the environment, and which verb they start.

use crate::ci::Ci;
use crate::commands::{self, Context, plan::Emit};
use crate::exit::ExitCode;
use crate::pipeline::Settings;
use clap::builder::{FalseyValueParser, Resettable};
use clap::{
    Arg, ArgAction, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};
use std::io::IsTerminal as _;
use std::path::PathBuf;
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
        deploying: Deploying,
        #[command(flatten)]
        rendering: Rendering,
        #[command(flatten)]
        waiting: Waiting,
        /// Print what would happen and touch nothing
        #[arg(long, help_heading = "Options", env = "HEPHY_DRY_RUN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
        dry_run: bool,
    },
    /// Decide which components are built for which platforms, and say why
    #[command(after_help = "\
Examples:
  hephy plan                           a table of decisions with their reasons
  hephy plan --base v1.2.0             explain them by what changed since v1.2.0
  hephy plan --emit json > plan.json   for build, push, deploy and wait --plan plan.json")]
    Plan {
        #[command(flatten)]
        planning: Planning,
        /// The form of the plan on stdout
        #[arg(long, env = "HEPHY_EMIT", value_enum, default_value = "text", help_heading = "Plan")]
        emit: Emit,
    },
    /// Build the legs of the plan and leave OCI layouts
    #[command(after_help = "\
Examples:
  hephy build                                build what has no image yet
  hephy build --plan plan.json               build what this plan says
  hephy build --registry ghcr.io/acme/shop   look there for images that need no build")]
    Build {
        #[command(flatten)]
        planning: Planning,
    },
    /// Push what was built by digest, join platforms, move tags last
    #[command(after_help = "\
Examples:
  hephy push --registry ghcr.io/acme/shop   publish what `hephy build` left
  hephy push --plan plan.json               publish what this plan says
  hephy push --layout /tmp/images           publish into an OCI layout folder")]
    Push {
        #[command(flatten)]
        planning: Planning,
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

#[derive(Debug, Args)]
struct Global {
    /// Work in the repository that this folder is in
    #[arg(
        short = 'C',
        long,
        global = true,
        env = "HEPHY_DIRECTORY",
        value_name = "DIR",
        default_value = "."
    )]
    directory: PathBuf,
    /// Read this file instead of hephy.yaml
    #[arg(long, global = true, env = "HEPHY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to use colour; NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, global = true, env = "HEPHY_COLOR", value_enum, default_value = "auto")]
    color: Color,
    /// Write the run as JSON to this file
    #[arg(long, global = true, env = "HEPHY_REPORT", value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
struct Planning {
    /// Explain decisions by what changed since this commit or ref
    #[arg(long, env = "HEPHY_BASE", value_name = "REF")]
    base: Option<String>,
    /// Use this plan instead of making one
    #[arg(long, env = "HEPHY_PLAN", value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Push images below this repository, for example ghcr.io/acme/shop
    #[arg(long, env = "HEPHY_REGISTRY", value_name = "REPOSITORY")]
    registry: Option<String>,
    /// Put images into this OCI layout folder instead of a registry
    #[arg(long, env = "HEPHY_LAYOUT", value_name = "DIR", conflicts_with = "registry")]
    layout: Option<PathBuf>,
    /// Speak plain HTTP to this registry; loopback needs no permission
    #[arg(long, env = "HEPHY_INSECURE_REGISTRY", value_name = "HOST", value_delimiter = ',')]
    insecure_registry: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Deploy")]
struct Deploying {
    /// Deploy to this environment of hephy.yaml
    #[arg(long, env = "HEPHY_ENVIRONMENT", value_name = "NAME")]
    environment: Option<String>,
    /// The namespace of objects that name none
    #[arg(long, env = "HEPHY_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// Create the namespace if it does not exist
    #[arg(long, env = "HEPHY_CREATE_NAMESPACE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    create_namespace: bool,
    /// Use this kubeconfig; KUBECONFIG and ~/.kube/config come after it
    #[arg(long, env = "HEPHY_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig
    #[arg(long, env = "HEPHY_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// Take fields over that another field manager owns
    #[arg(long, env = "HEPHY_TAKE_OWNERSHIP", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    take_ownership: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Deploy")]
struct Rendering {
    /// Write the pinned manifests to .hephy/release and deploy nothing
    #[arg(long, env = "HEPHY_NO_DEPLOY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_deploy: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Wait")]
struct Waiting {
    /// Apply and do not look whether the release becomes healthy
    #[arg(long, env = "HEPHY_NO_WAIT", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_wait: bool,
    /// How long to wait, for example 10m
    #[arg(long, env = "HEPHY_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// How long a workload without a readiness probe must look ready, for example 5s
    #[arg(long, env = "HEPHY_SETTLE", value_name = "DURATION", value_parser = duration)]
    settle: Option<Duration>,
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

async fn start(cli: Cli) -> ExitCode {
    let context = cli.global.context();
    let settings = Settings::default();
    match cli.verb {
        Verb::Up { planning, deploying, rendering, waiting, dry_run } => {
            let settings = waiting.add_to(rendering.add_to(deploying.add_to(planning.add_to(settings))));
            match dry_run {
                true => commands::up::dry_run(context, settings).await,
                false => commands::up::up(context, settings).await,
            }
        }
        Verb::Plan { planning, emit } => commands::plan::plan(context, planning.add_to(settings), emit).await,
        Verb::Build { planning } => commands::build::build(context, planning.add_to(settings)).await,
        Verb::Push { planning } => commands::push::push(context, planning.add_to(settings)).await,
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

impl Global {
    fn context(self) -> Context {
        let ci = Ci::from_environment();
        let is_set =
            |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let colour = match self.color {
            Color::Always => Some(true),
            Color::Never => Some(false),
            Color::Auto if is_set("NO_COLOR") => Some(false),
            Color::Auto if is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE") => Some(true),
            Color::Auto => None,
        };
        let style = commands::style(colour, std::io::stderr().is_terminal(), &ci);
        Context { directory: self.directory, config: self.config, style, ci, report: self.report }
    }
}

impl Planning {
    fn add_to(self, settings: Settings) -> Settings {
        Settings {
            base: self.base,
            plan: self.plan,
            registry: self.registry,
            layout: self.layout,
            insecure_registries: self.insecure_registry,
            ..settings
        }
    }
}

impl Deploying {
    fn add_to(self, settings: Settings) -> Settings {
        Settings {
            environment: self.environment,
            namespace: self.namespace,
            create_namespace: self.create_namespace,
            kubeconfig: self.kubeconfig,
            context: self.context,
            take_ownership: self.take_ownership,
            ..settings
        }
    }
}

impl Rendering {
    fn add_to(self, settings: Settings) -> Settings {
        Settings { no_deploy: self.no_deploy, ..settings }
    }
}

impl Waiting {
    fn add_to(self, settings: Settings) -> Settings {
        Settings { no_wait: self.no_wait, timeout: self.timeout, settle: self.settle, ..settings }
    }
}

/// Reads `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.ok_or_else(|| "write it like `10m` or `90s`".to_owned())
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
