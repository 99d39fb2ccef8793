//! The decision itself: a leg is built unless the target holds an image of its input digest.

use super::{Action, Base, Found, Plan, Planned, PlannedLeg, Reason, Target};
use crate::component::{Backend, Component};
use crate::detect::Touched;
use crate::git::Commit;
use crate::image::{Digest, Repository, Tag};
use crate::platform::Platform;

/// What is known of a component before the decision.
pub(crate) struct Candidate {
    pub(crate) component: Component,
    pub(crate) backend: Backend,
    pub(crate) backend_reason: String,
    pub(crate) image: Repository,
    /// What the target holds under the leg's key.
    pub(crate) legs: Vec<(Platform, Digest, Tag, Option<Found>)>,
    /// The user wants it built, whatever the target holds.
    pub(crate) is_asked: bool,
    /// The changes since the base that this component reads.
    pub(crate) touched: Vec<Touched>,
}

/// Decides every leg. The difference to the base explains a decision and never makes one: on the default branch of a
/// laptop it is empty, and a first run must still build everything.
pub(crate) fn decide(
    commit: Commit,
    base: Base,
    target: Target,
    candidates: Vec<Candidate>,
    manifests: Vec<String>,
) -> Plan {
    let tag = commit_tag(&commit);
    let planned = |candidate| planned(candidate, &base, tag.as_ref());
    let components = candidates.into_iter().map(planned).collect();
    Plan { components, commit, base, target, manifests }
}

fn planned(candidate: Candidate, base: &Base, tag: Option<&Tag>) -> Planned {
    let legs: Vec<PlannedLeg> = candidate.legs.into_iter().map(leg).collect();
    let must_build = legs.iter().any(|leg| leg.action == Action::Build);
    let reason = match candidate.touched.first() {
        _ if !must_build => Reason::Unchanged,
        _ if candidate.is_asked => Reason::All,
        Some(first) => Reason::Changed {
            path: first.path.to_string(),
            why: first.why.clone(),
            others: candidate.touched.len() - 1,
        },
        None => Reason::NoImage { base: base.reference.clone() },
    };
    Planned {
        component: candidate.component,
        backend: candidate.backend,
        backend_reason: candidate.backend_reason,
        image: candidate.image,
        tags: tag.into_iter().cloned().collect(),
        reason,
        legs,
    }
}

fn leg((platform, input_digest, key, found): (Platform, Digest, Tag, Option<Found>)) -> PlannedLeg {
    let action = found.map_or(Action::Build, Action::Reuse);
    PlannedLeg { platform, input_digest, key, action }
}

/// The tag of a commit. A working tree that differs from its commit must never carry the commit's own tag.
fn commit_tag(commit: &Commit) -> Option<Tag> {
    let short = commit.id.get(..12)?;
    let suffix = if commit.dirty { "-dirty" } else { "" };
    format!("sha-{short}{suffix}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::base::{Confidence, Kind};

    fn candidate(found: bool, touched: &[&str]) -> Candidate {
        let component = Component::new("api".parse().expect("a name"), "api", "hephy.yaml:1");
        let digest = Digest::of(b"inputs");
        let found = found.then(|| Found {
            digest: Digest::of(b"image"),
            size: 7,
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        });
        let touched =
            touched.iter().map(|path| Touched { path: (*path).into(), why: "it is read".to_owned() });
        Candidate {
            component,
            backend: Backend::Cargo,
            backend_reason: "`Cargo.toml`".to_owned(),
            image: "shop/api".parse().expect("a repository"),
            legs: vec![(Platform::new("linux", "amd64"), digest, "in-0".parse().expect("a tag"), found)],
            is_asked: false,
            touched: touched.collect(),
        }
    }

    fn decided(found: bool, touched: &[&str], base: Option<&str>, dirty: bool) -> Plan {
        let commit = Commit { id: "0123456789abcdef".to_owned(), time: 17, branch: None, dirty };
        let base = Base {
            reference: base.map(str::to_owned),
            kind: Kind::Asked,
            confidence: Confidence::Exact,
            reason: "given".to_owned(),
        };
        decide(commit, base, Target::Registry, vec![candidate(found, touched)], vec![])
    }

    #[test]
    fn only_an_existing_image_prevents_a_build() {
        for (found, touched, base, built, reason) in [
            (false, &[][..], None, true, "no image of these inputs exists yet"),
            (
                false,
                &[],
                Some("main"),
                true,
                "no image of these inputs exists yet, although nothing it reads changed since `main`",
            ),
            (false, &["a"], Some("main"), true, "`a` changed: it is read"),
            (false, &["a", "b", "c"], Some("main"), true, "`a` changed: it is read (and 2 more changes)"),
            (true, &["a"], Some("main"), false, "an image of these inputs exists"),
            (true, &[], None, false, "an image of these inputs exists"),
        ] {
            let plan = decided(found, touched, base, false);
            assert_eq!(plan.components[0].is_built(), built);
            assert_eq!(plan.components[0].reason.to_string(), reason);
        }
    }

    #[test]
    fn a_dirty_tree_is_marked() {
        assert_eq!(decided(true, &[], None, false).components[0].tags[0].as_str(), "sha-0123456789ab");
        assert_eq!(decided(true, &[], None, true).components[0].tags[0].as_str(), "sha-0123456789ab-dirty");
    }
}
