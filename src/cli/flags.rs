//! The flags, in groups that the verbs share, and what they mean to a run.

use crate::ci::Ci;
use crate::commands::{self, Context, plan::Emit, plan::Shape};
use crate::component::Rules;
use crate::pipeline::Settings;
use crate::plan::Selection;
use crate::platform::Platform;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ValueEnum};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct Global {
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
pub(super) struct Planning {
    /// Explain decisions by what changed since this commit or ref
    #[arg(long, env = "HEPHY_BASE", value_name = "REF")]
    base: Option<String>,
    /// The same for the last commit in common with this ref
    #[arg(long, env = "HEPHY_SINCE", value_name = "REF", conflicts_with = "base")]
    since: Option<String>,
    /// Build every leg, also those whose image exists
    #[arg(long, env = "HEPHY_ALL", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    all: bool,
    /// Plan these components and no others
    #[arg(long, env = "HEPHY_ONLY", value_name = "COMPONENT", value_delimiter = ',')]
    only: Vec<String>,
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
    /// Trust the certificates in this file (PEM) when speaking to a registry, beside the system's
    #[arg(long, env = "HEPHY_REGISTRY_CA", value_name = "FILE")]
    registry_ca: Option<PathBuf>,
    /// How long a registry may say nothing, for example 60s
    #[arg(long, env = "HEPHY_REGISTRY_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    registry_timeout: Option<Duration>,
    #[command(flatten)]
    describing: Describing,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Tags, labels, annotations")]
struct Describing {
    /// Rules for tags, a line each, as for docker/metadata-action
    #[arg(long, env = "HEPHY_TAGS", value_name = "RULES")]
    tags: Vec<String>,
    /// What holds for all tags: latest, prefix, suffix
    #[arg(long, env = "HEPHY_FLAVOR", value_name = "RULES")]
    flavor: Vec<String>,
    /// Labels beside the standard ones, KEY=VALUE in each line
    #[arg(long, env = "HEPHY_LABELS", value_name = "LINES")]
    labels: Vec<String>,
    /// Annotations beside the standard ones, KEY=VALUE in each line
    #[arg(long, env = "HEPHY_ANNOTATIONS", value_name = "LINES")]
    annotations: Vec<String>,
    /// The images, as for docker/metadata-action: all get the same; of several components, what their images are below
    #[arg(long, env = "HEPHY_IMAGES", value_name = "LINES", conflicts_with = "registry")]
    images: Vec<String>,
}

/// What `hephy plan` is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
pub(super) struct Asking {
    /// The form of the plan on stdout
    #[arg(long, env = "HEPHY_EMIT", value_enum, default_value = "text")]
    emit: Emit,
    /// Write the plan to this file too, for --plan of the jobs that follow
    #[arg(long, env = "HEPHY_OUTPUT", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say which components read this path and why, or what this component reads
    #[arg(long, env = "HEPHY_EXPLAIN", value_name = "PATH|COMPONENT")]
    pub(super) explain: Option<String>,
    /// Print this saved plan again, without git and registry
    #[arg(long, env = "HEPHY_REPLAY", value_name = "FILE")]
    pub(super) replay: Option<PathBuf>,
    /// Fail unless the image of every leg of the plan has been pushed
    #[arg(long, env = "HEPHY_VERIFY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(super) verify: bool,
    /// With --verify: what GitHub says about the jobs of the workflow, toJSON(needs)
    #[arg(long, env = "HEPHY_RESULTS", value_name = "JSON")]
    results: Option<String>,
    /// With --results: jobs that this run of the workflow leaves out on purpose
    #[arg(long, env = "HEPHY_MAY_SKIP", value_name = "JOB", value_delimiter = ',')]
    may_skip: Vec<String>,
    /// Write what the names of base images mean today to hephy.lock, for `base-images: pin`
    #[arg(long, env = "HEPHY_UPDATE_PINS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(super) update_pins: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Push")]
pub(super) struct Joining {
    /// Let an image lose platforms that the one before it had
    #[arg(long, env = "HEPHY_DROP_PLATFORMS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    drop_platforms: bool,
}

impl Joining {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { drop_platforms: self.drop_platforms, ..settings }
    }
}

impl Asking {
    /// What the gate is told.
    pub(super) fn add_to(&self, settings: Settings) -> Settings {
        Settings { results: self.results.clone(), may_skip: self.may_skip.clone(), ..settings }
    }

    /// How the plan is handed on; both forges say in the environment where to.
    pub(super) fn shape(&self) -> Shape {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Shape {
            emit: self.emit,
            output: self.output.clone(),
            github_output: output_file(),
            job: variable("CI_JOB_NAME").and_then(|name| name.into_string().ok()),
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct Platforms {
    /// Leave out the legs of other platforms, for example linux/arm64
    #[arg(long, env = "HEPHY_PLATFORM", value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Platform>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct Selecting {
    /// Leave out other components
    #[arg(env = "HEPHY_COMPONENT", value_delimiter = ',')]
    component: Vec<String>,
    #[command(flatten)]
    platforms: Platforms,
    /// Leave out other legs; the name of a job of the matrix, or a key
    #[arg(long, env = "HEPHY_LEG", value_name = "NAME", value_delimiter = ',')]
    leg: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Deploy")]
pub(super) struct Deploying {
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
pub(super) struct Rendering {
    /// Write the pinned manifests to .hephy/release and deploy nothing
    #[arg(long, env = "HEPHY_NO_DEPLOY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_deploy: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Wait")]
pub(super) struct Waiting {
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

impl Global {
    pub(super) fn context(self) -> Context {
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
        let github_output = output_file();
        Context {
            directory: self.directory,
            config: self.config,
            style,
            ci,
            report: self.report,
            github_output,
        }
    }
}

impl Planning {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings {
            base: self.base,
            since: self.since,
            all: self.all,
            only: self.only.iter().map(|name| name.trim().to_owned()).collect(),
            plan: self.plan,
            registry: self.registry,
            layout: self.layout,
            insecure_registries: self.insecure_registry,
            registry_ca: self.registry_ca,
            registry_timeout: self.registry_timeout,
            rules: Rules {
                tags: self.describing.tags,
                flavor: self.describing.flavor,
                labels: self.describing.labels,
                annotations: self.describing.annotations,
            },
            images: self.describing.images,
            ..settings
        }
    }
}

impl Platforms {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { selection: Selection { platforms: self.platform, ..settings.selection }, ..settings }
    }
}

impl Selecting {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        let settings = self.platforms.add_to(settings);
        let selection = Selection { components: self.component, legs: self.leg, ..settings.selection };
        Settings { selection, ..settings }
    }
}

impl Deploying {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
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
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { no_deploy: self.no_deploy, ..settings }
    }
}

impl Waiting {
    pub(super) fn add_to(self, settings: Settings) -> Settings {
        Settings { no_wait: self.no_wait, timeout: self.timeout, settle: self.settle, ..settings }
    }
}

/// The file that takes the outputs of a GitHub step.
fn output_file() -> Option<PathBuf> {
    std::env::var_os("GITHUB_OUTPUT").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Reads `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.ok_or_else(|| "write it like `10m` or `90s`".to_owned())
}
