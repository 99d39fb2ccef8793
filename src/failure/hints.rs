//! What the user can do about an error, in words that can be copied.

use super::Failure;
use super::words::of_words;
use crate::attestation::SbomError;
use crate::backends::BuildError;
use crate::cluster::ClusterError;
use crate::exec::ExecError;
use crate::exit::ExitCode;
use crate::inputs::{InputsError, SettingsError};
use crate::registry::RegistryError;
use crate::release::ReleaseError;

/// A program that is missing is the machine's fault, one that was stopped is nobody's.
pub(super) fn of_exec(failure: Failure, error: &ExecError) -> Failure {
    match error {
        ExecError::Missing { program } => failure.hint(format!("install {program}, or put it on PATH")),
        ExecError::Cancelled { .. } => Failure { code: ExitCode::Terminated, ..failure },
        ExecError::Failed { program, last_lines, .. } => match of_words(last_lines) {
            Some(hint) => failure.hint(hint),
            None => Failure { program: Some(program.clone()), ..failure },
        },
        ExecError::Start { .. } | ExecError::Read { .. } => failure,
    }
}

/// In the container of a job the repository often belongs to another user; git refuses it, and says how to allow it.
pub(super) fn of_git(failure: Failure, error: &ExecError) -> Failure {
    let lines = if let ExecError::Failed { last_lines, .. } = error { last_lines.as_slice() } else { &[] };
    let remedy =
        lines.iter().map(|line| line.trim()).find(|line| line.starts_with("git config --global --add"));
    match remedy {
        Some(command) => Failure { evidence: vec![], ..failure }.hint(format!("run `{command}`")),
        None => of_exec(failure, error),
    }
}

pub(super) fn of_inputs(error: &InputsError) -> Vec<String> {
    let hint = match error {
        InputsError::Outside { .. } => "move it into the repository, or depend on a released version",
        InputsError::Submodule { .. } => "run `git submodule update --init --recursive`",
        InputsError::NotForBackend { .. } => "remove it from hephy.yaml, or say it in the definition itself",
        InputsError::NoDockerfile { .. } => "remove `inputs` from hephy.yaml",
        InputsError::NoModule { .. } => "run `go mod init`, or name another `backend`",
        InputsError::KoFile { source: SettingsError::Foreign(_), .. } => {
            "give it a value in hephy.yaml: `build-args: {NAME: value}`, and write `{{.Env.NAME}}`"
        }
        InputsError::KoFile { source: SettingsError::Moving(_), .. } => {
            "take it out: an image is reused as long as nothing changes that it is made of"
        }
        _ => return vec![],
    };
    vec![hint.to_owned()]
}

pub(super) fn of_sbom(error: &SbomError) -> String {
    match error {
        SbomError::Read { .. } => "make it before hephy runs, or correct `sbom` in hephy.yaml".to_owned(),
        SbomError::Json { .. } | SbomError::Unknown { .. } => {
            "write it as JSON of CycloneDX (`bomFormat`) or SPDX (`spdxVersion`, or the `@context` of SPDX 3)".to_owned()
        }
        SbomError::NoPlatform { platform } => {
            format!("add `{platform}: FILE.json` to `sbom` in hephy.yaml")
        }
        SbomError::NoList { .. } => {
            "name a document of your own in hephy.yaml: `sbom: FILE.json`, or remove `sbom: required`".to_owned()
        }
        SbomError::Silent => {
            "build the program with `cargo auditable build`, or with Go 1.18 or newer; or name a document of your own in hephy.yaml: `sbom: FILE.json`".to_owned()
        }
    }
}

pub(super) fn of_build(error: &BuildError) -> Vec<String> {
    of_program(error).or_else(|| of_engine(error)).into_iter().collect()
}

/// What helps where a program, the files beside it or another tool is missing.
fn of_program(error: &BuildError) -> Option<String> {
    Some(match error {
        BuildError::NoTarget { target, .. } => format!("run `rustup target add {target}`"),
        BuildError::NoTriple { .. } => {
            "name other `platforms`, or another `backend`, in hephy.yaml".to_owned()
        }
        BuildError::NoBinary => "add a `src/main.rs`, or name another folder in hephy.yaml".to_owned(),
        BuildError::SeveralBinaries { names } => {
            let first = names.first().map_or("NAME", String::as_str);
            format!("say which in hephy.yaml: `bin: {first}`, or all: `bins: [{}]`", names.join(", "))
        }
        BuildError::NoProgram { platform } => {
            format!("add `prebuilt: {{{platform}: path/to/program}}` to hephy.yaml")
        }
        BuildError::ProgramMissing { .. } => {
            "build it before hephy runs; a prebuilt program is somebody else's work".to_owned()
        }
        BuildError::NoAsset { .. } => {
            "make it before hephy runs, or correct `assets` in hephy.yaml".to_owned()
        }
        BuildError::OtherMachine { platform, .. } => {
            format!("build it for {platform}, or name the right file under `prebuilt` in hephy.yaml")
        }
        BuildError::NoLoader { .. } => {
            "link it statically, or name an image that has the loader: `base: IMAGE` in hephy.yaml".to_owned()
        }
        BuildError::MissingChart { .. } => {
            "run `helm dependency build` in the chart's folder before hephy runs".to_owned()
        }
        BuildError::NoBuilder => {
            "write `[io.buildpacks]` and below it `builder = \"IMAGE\"` into `project.toml`".to_owned()
        }
        BuildError::TooOld { .. } => "install a newer one, or put it first on PATH".to_owned(),
        BuildError::NoStart { .. } => "name the program in the folder: `bin: NAME` in hephy.yaml".to_owned(),
        _ => return None,
    })
}

/// What helps where a Dockerfile cannot be built, or was not built as the plan says.
fn of_engine(error: &BuildError) -> Option<String> {
    Some(match error {
        BuildError::Unseen { .. } => {
            "say what it reads in hephy.yaml: `watch: [\"path/of/the/component/**\"]`, or copy the whole folder".to_owned()
        }
        BuildError::OtherImage { .. } => {
            "run again; if it happens again, another user of this machine pushes while the tool does".to_owned()
        }
        BuildError::NoEngine { lacking: Some(platform), .. } => {
            format!(
                "build it on a runner of {platform}, install an emulator (`qemu-user-static`), or write \
                 `FROM --platform=$BUILDPLATFORM` and let the compiler do it"
            )
        }
        BuildError::Unpinned { .. } => {
            "give a stage another name than an image has, mount no image in `RUN`, or use another engine: `backend: buildkit`"
                .to_owned()
        }
        BuildError::NoEngine { tried, .. } => of_words(tried).map(str::to_owned).unwrap_or_else(|| {
            "install `buildah`, or start a BuildKit builder: `docker buildx create --use`, or `BUILDKIT_HOST` for `buildctl`"
                .to_owned()
        }),
        _ => return None,
    })
}

pub(super) fn of_registry(error: &RegistryError) -> Vec<String> {
    let hint = match error {
        RegistryError::Unauthorised { host, .. } | RegistryError::Login { host, .. } => {
            format!("run `docker login {host}`, or check what the token may do")
        }
        RegistryError::Unreachable { host, .. } => {
            format!("check the address; if `{host}` speaks plain HTTP, run with `--insecure-registry {host}`")
        }
        RegistryError::Unwell { .. } | RegistryError::Silent { .. } | RegistryError::Unreadable { .. } => {
            "run again later".to_owned()
        }
        RegistryError::Untrusted { host, .. } => {
            format!("name the certificate authority of `{host}` with `--registry-ca FILE`")
        }
        RegistryError::Certificates { .. } => {
            "name a file with `-----BEGIN CERTIFICATE-----` in it with `--registry-ca`".to_owned()
        }
        RegistryError::Immutable { tag, .. } if tag.starts_with("in-") => {
            "an image of the same inputs is there under hephy's own name for it, and it is another one: run without `--all` \
             to use that, or let the registry make an exception for tags that begin with `in-`"
                .to_owned()
        }
        RegistryError::Immutable { .. } => {
            "give the image a new tag (`tags` in hephy.yaml; a version that was released stays), or let the registry make \
             an exception for tags that move, such as branches and `latest`"
                .to_owned()
        }
        RegistryError::NoHost { .. } => "write the registry's host: `ghcr.io/OWNER/REPOSITORY`".to_owned(),
        _ => return vec![],
    };
    vec![hint]
}

pub(super) fn of_release(error: &ReleaseError) -> Vec<String> {
    let hint = match error {
        ReleaseError::Ambiguous { component, found, .. } => {
            format!(
                "write `image: {component}` in the manifest, or set `components.{component}.image` to `{found}`'s repository"
            )
        }
        ReleaseError::Unprovable { .. } => "run with `--no-wait` and look after it yourself".to_owned(),
        _ => return vec![],
    };
    vec![hint]
}

pub(super) fn of_cluster(error: &ClusterError) -> Vec<String> {
    let hint = match error {
        ClusterError::Unreachable { .. } => {
            "check the cluster's address and the network, or run with `--no-deploy`"
        }
        ClusterError::Kubeconfig { .. } => {
            "name another with `--kubeconfig` or `KUBECONFIG`, or run with `--no-deploy`"
        }
        ClusterError::Unauthorised { .. } => "log in to the cluster again",
        ClusterError::UnknownContext { .. } => "list them with `kubectl config get-contexts`",
        ClusterError::Refused { status: 403, .. } => {
            "give this identity the right, or use another with `--context`"
        }
        _ => return vec![],
    };
    vec![hint.to_owned()]
}

/// Trouble with the kubeconfig is the user's, a cluster that does not answer is nobody's, a refusal is the cluster's.
pub(super) fn code_of_cluster(error: &ClusterError) -> ExitCode {
    match error {
        ClusterError::Kubeconfig { .. }
        | ClusterError::UnknownContext { .. }
        | ClusterError::ServiceAccount { .. }
        | ClusterError::Connection { .. } => ExitCode::Usage,
        error if error.is_transient() => ExitCode::Infrastructure,
        _ => ExitCode::Cluster,
    }
}

pub(super) fn of_outcome(code: ExitCode, headline: &str) -> Vec<String> {
    let hint = match code {
        ExitCode::TimedOut => "wait longer with `--timeout 20m`, or look at what is missing",
        ExitCode::AwaitingPromotion => "go on with `kubectl rollout resume`",
        ExitCode::Superseded => {
            "a newer release has its own run; after a change by hand, run `hephy up` again"
        }
        _ if headline.contains("pull") => {
            "check that the image is in the registry and that the cluster may pull it; `hephy push` sends what is missing"
        }
        _ => "the last lines below are its own words; the objects are left as they are",
    };
    vec![hint.to_owned()]
}
