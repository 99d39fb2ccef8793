//! BuildKit, through `buildctl` or `docker buildx`: the same daemon, the same build, other words for it.

use super::context::{DOCKERFILE, Staged, stage};
use super::dockerfile::pinned;
use super::engine::Engine;
use super::{BuildError, Order};
use crate::event::Events;
use crate::exec::{self, ExecError, Program};
use crate::image::Digest;
use crate::inputs::{self, Reading, SYNTAX};
use crate::layout::{Descriptor, Layout};
use std::path::Path;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

/// How buildx ends where the daemon had a fault of its own or had no room (gRPC `Internal` and `ResourceExhausted`).
/// `buildctl` ends with 1, whatever it was (BuildKit 0.33, `cmd/buildctl/main.go`).
const WORTH_ANOTHER_TRY: [i32; 2] = [100, 102];

/// Builds the image and takes it as a layout.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    engine: Engine,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let staged = stage(order)?;
    let subject = order.subject();
    let reading = inputs::dockerfile_reading(order.root, order.component, order.platform);
    let metadata = NamedTempFile::new_in(staged.beside())
        .map_err(|source| BuildError::Prepare { path: staged.beside(), source })?;
    let command = || match engine {
        Engine::Buildx => buildx(order, &reading, &staged, metadata.path()),
        _ => buildctl(order, &reading, &staged, metadata.path()),
    };
    let on_stdout = |line: &str| events.output(subject.as_str(), line);
    let first = exec::stream(events, cancel, &subject, &command(), on_stdout).await;
    if first.as_ref().is_err_and(is_worth_another_try) {
        events.warn(format!("build {subject}: BuildKit had a fault of its own; trying once more"));
        super::empty(order.out)?;
        let second = exec::stream(events, cancel, &subject, &command(), on_stdout).await;
        second.map_err(|source| match is_worth_another_try(&source) {
            true => BuildError::Unwell { source },
            false => source.into(),
        })?;
    } else {
        first?;
    }
    taken(order, &said(metadata.path())?)
}

fn is_worth_another_try(error: &ExecError) -> bool {
    let code = if let ExecError::Failed { status, .. } = error { status.code() } else { None };
    code.is_some_and(|code| WORTH_ANOTHER_TRY.contains(&code))
}

fn buildctl(order: &Order<'_>, reading: &Reading, staged: &Staged, metadata: &Path) -> Program {
    let places = Places {
        context: &staged.context().display().to_string(),
        dockerfile: &staged.beside().display().to_string(),
        output: &output(order.out),
        metadata: &metadata.display().to_string(),
    };
    Program::new("buildctl", order.root).args(arguments(order, reading, &places))
}

/// Where `buildctl` finds things and leaves them, on whatever machine it runs.
pub(super) struct Places<'a> {
    /// What the Dockerfile copies from.
    pub(super) context: &'a str,
    /// The folder with the Dockerfile.
    pub(super) dockerfile: &'a str,
    /// The value of `--output`.
    pub(super) output: &'a str,
    /// The file in which it says what it has made.
    pub(super) metadata: &'a str,
}

/// What `buildctl` is told to do: the same wherever it runs, so that the image is the same.
pub(super) fn arguments(order: &Order<'_>, reading: &Reading, places: &Places<'_>) -> Vec<String> {
    let Places { context, dockerfile, output, metadata } = places;
    let mut arguments = ["build", "--progress=plain", "--frontend=dockerfile.v0"].map(str::to_owned).to_vec();
    let mut option = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    option("--local", format!("context={context}"));
    option("--local", format!("dockerfile={dockerfile}"));
    option("--opt", format!("filename={DOCKERFILE}"));
    option("--opt", format!("platform={}", order.platform));
    option("--output", (*output).to_owned());
    option("--metadata-file", (*metadata).to_owned());
    for (key, value) in build_args(order) {
        option("--opt", format!("build-arg:{key}={value}"));
    }
    if let Some(stage) = &order.component.recipe.target {
        option("--opt", format!("target={stage}"));
    }
    for (name, image) in pinned(order, reading) {
        option("--opt", format!("context:{}=docker-image://{image}", familiar(name)));
    }
    arguments
}

fn buildx(order: &Order<'_>, reading: &Reading, staged: &Staged, metadata: &Path) -> Program {
    let mut program = Program::new("docker", order.root)
        .args(["buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false"])
        .args(["--platform", &order.platform.to_string()])
        .arg("--file")
        .arg(staged.beside().join(DOCKERFILE))
        .arg("--output")
        .arg(output(order.out))
        .arg("--metadata-file")
        .arg(metadata);
    for (key, value) in build_args(order) {
        program = program.args(["--build-arg", &format!("{key}={value}")]);
    }
    if let Some(stage) = &order.component.recipe.target {
        program = program.args(["--target", stage]);
    }
    for (name, image) in pinned(order, reading) {
        program = program.args(["--build-context", &format!("{}=docker-image://{image}", familiar(name))]);
    }
    program.arg(staged.context())
}

/// A folder instead of an archive; media types that do not depend on the version; no file younger than the commit. The
/// value is a line of CSV, in which a path may have commas if it is quoted.
fn output(out: &Path) -> String {
    let place = out.display().to_string().replace('"', "\"\"");
    format!("type=oci,\"dest={place}\",tar=false,{FORM}")
}

/// Of the same form as an archive on stdout.
pub(super) fn output_on_stdout() -> String {
    format!("type=oci,{FORM}")
}

const FORM: &str = "oci-mediatypes=true,rewrite-timestamp=true";

/// The arguments of the component, and the only time that the build gets, unless the user gives it another. An argument
/// that names a frontend names the one that the plan saw.
pub(super) fn build_args<'a>(order: &'a Order<'_>) -> impl Iterator<Item = (&'a str, String)> {
    let pinned = |value: &str| {
        let (name, more) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        let image = order.base_images.get(name).map(|image| format!("{image} {more}").trim_end().to_owned());
        image.unwrap_or_else(|| value.to_owned())
    };
    let own =
        order.component.recipe.build_args.iter().map(move |(key, value)| {
            (key.as_str(), if key == SYNTAX { pinned(value) } else { value.clone() })
        });
    [("SOURCE_DATE_EPOCH", order.epoch.to_string())].into_iter().chain(own)
}

/// A name as BuildKit looks it up: without Docker's defaults.
fn familiar(name: &str) -> &str {
    let name =
        ["docker.io/", "index.docker.io/"].iter().find_map(|host| name.strip_prefix(host)).unwrap_or(name);
    let name = name.strip_prefix("library/").filter(|rest| !rest.contains('/')).unwrap_or(name);
    name.strip_suffix(":latest").unwrap_or(name)
}

/// The digest of the image in the file that BuildKit wrote about its work.
fn said(metadata: &Path) -> Result<Digest, BuildError> {
    let fault = |source| BuildError::Read { path: metadata.to_owned(), source };
    said_in(&std::fs::read(metadata).map_err(fault)?)
}

/// The same in the content of the file.
pub(super) fn said_in(metadata: &[u8]) -> Result<Digest, BuildError> {
    let said: serde_json::Value = serde_json::from_slice(metadata).unwrap_or_default();
    let digest = said["containerimage.digest"].as_str().and_then(|digest| digest.parse().ok());
    digest.ok_or(BuildError::NoImage { tool: "BuildKit" })
}

/// The image in the layout, called by the key of the leg and by nothing else. BuildKit may wrap it into an index.
pub(super) fn taken(order: &Order<'_>, said: &Digest) -> Result<Descriptor, BuildError> {
    let layout = Layout::at(order.out);
    let made = layout.only()?.ok_or(BuildError::NoImage { tool: "BuildKit" })?;
    if made.digest != said.to_string() {
        return Err(BuildError::OtherImage { tool: "BuildKit", said: said.to_string(), found: made.digest });
    }
    layout.forget()?;
    Ok(order.finish(&layout, Descriptor::new(&made.media_type, said, made.size))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_the_defaults_of_docker() {
        for (name, expected) in [
            ("alpine", "alpine"),
            ("alpine:latest", "alpine"),
            ("docker.io/library/alpine:3.19", "alpine:3.19"),
            ("library/alpine", "alpine"),
            ("index.docker.io/grafana/loki:3", "grafana/loki:3"),
            ("127.0.0.1:5000/library/base:latest", "127.0.0.1:5000/library/base"),
            ("ghcr.io/acme/base:1", "ghcr.io/acme/base:1"),
        ] {
            assert_eq!(familiar(name), expected, "{name}");
        }
    }

    #[test]
    fn a_path_with_a_comma_is_one_field() {
        assert_eq!(
            output(Path::new("/a, \"b\"")),
            "type=oci,\"dest=/a, \"\"b\"\"\",tar=false,oci-mediatypes=true,rewrite-timestamp=true"
        );
    }
}
