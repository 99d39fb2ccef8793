//! The `spin` backend: a Spin application. Spin writes no layout and can only push, under a tag, so it pushes to a capture
//! registry. What it makes is one manifest for every machine, and no index.

use super::tool::Tool;
use super::{BuildError, Order};
use crate::capture::{Capture, Captured};
use crate::event::Events;
use crate::exec::{self, Program};
use crate::image::Digest;
use crate::layout::{Descriptor, Layout};
use tokio_util::sync::CancellationToken;

pub(super) const TOOLS: [Tool; 1] = [
    // The command line is that of 4.0; which version first knew all of it is not known here, and an older one says itself
    // what it does not know.
    Tool { program: "spin", ask: &["--version"], least: "2.0" },
];

/// The annotation that Spin fills with the time of the clock if nobody says otherwise; nothing else in what it pushes
/// depends on the run.
const CREATED: &str = "org.opencontainers.image.created";

/// Builds the application and takes over what Spin pushes.
pub(super) async fn build(
    events: &Events,
    cancel: &CancellationToken,
    order: &Order<'_>,
) -> Result<Descriptor, BuildError> {
    let subject = order.subject();
    let build = spin(order).arg("build");
    exec::stream(events, cancel, &subject, &build, |line| events.output(subject.as_str(), line)).await?;
    let layout = Layout::create(order.out)?;
    let capture = Capture::open(layout.clone()).await?;
    let image = format!("{}:{}", capture.repository(order.component.name.as_str()), order.key);
    let push = async {
        let mut said = None;
        let on_stdout = |line: &str| {
            events.output(subject.as_str(), line);
            said = digest_in(line).or(said.take());
        };
        exec::stream(events, cancel, &subject, &push_command(order, &image), on_stdout).await?;
        Ok::<_, BuildError>(said)
    };
    let (said, captured) = capture.during(push).await?;
    let manifest = pushed(order, captured, said.as_ref())?;
    Ok(order.finish(&layout, manifest)?)
}

fn spin(order: &Order<'_>) -> Program {
    let program = Program::new("spin", &order.folder()).env("SOURCE_DATE_EPOCH", order.epoch.to_string());
    order.foreign.iter().fold(program, Program::env_remove)
}

fn push_command(order: &Order<'_>, image: &str) -> Program {
    let created = jiff::Timestamp::from_second(order.epoch.cast_signed()).unwrap_or_default();
    spin(order)
        .args(["registry", "push", "--insecure", "--annotation", &format!("{CREATED}={created}"), image])
        // A proxy would be asked for this machine's own address. Downloads use HTTPS and its proxy.
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
}

/// The manifest that came under the name that Spin was given, if it is the one that Spin says it pushed: whoever reads the
/// list of processes knows that name too.
fn pushed(
    order: &Order<'_>,
    captured: Vec<Captured>,
    said: Option<&Digest>,
) -> Result<Descriptor, BuildError> {
    let is_ours = |one: &Captured| one.name == order.component.name.as_str() && one.tag == *order.key;
    let none = BuildError::NoImage { tool: "spin" };
    let manifest = captured.into_iter().find(is_ours).ok_or(none)?.manifest;
    match said {
        Some(said) if said.to_string() == manifest.digest => Ok(manifest),
        said => Err(BuildError::OtherImage {
            tool: "spin",
            said: said.map_or_else(|| "no digest".to_owned(), ToString::to_string),
            found: manifest.digest,
        }),
    }
}

/// The digest in a line such as `Pushed with digest sha256:...`.
fn digest_in(line: &str) -> Option<Digest> {
    line.split_whitespace().find_map(|word| word.trim_end_matches(['.', ',']).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_read_from_what_spin_says() {
        let digest = Digest::of(b"");
        for (line, expected) in [
            (format!("Pushed with digest {digest}"), Some(&digest)),
            (format!("Pushed with digest {digest}."), Some(&digest)),
            ("Pushed; the registry did not return the digest".to_owned(), None),
            ("Pushing app to the Registry..".to_owned(), None),
        ] {
            assert_eq!(digest_in(&line).as_ref(), expected, "{line}");
        }
    }
}
