//! The decision itself: a leg is built unless the target holds an image of its input digest.

use super::{Action, Base, Cause, Found, Plan, Planned, PlannedLeg, Reason, Target};
use crate::component::{Backend, Component};
use crate::detect::Touched;
use crate::git::Commit;
use crate::image::{Digest, Image, Repository, Tag};
use crate::metadata::Metadata;
use crate::platform::Platform;
use std::collections::BTreeMap;

/// What is known of a component before the decision.
pub(crate) struct Candidate {
    pub(crate) component: Component,
    pub(crate) backend: Backend,
    pub(crate) backend_reason: String,
    pub(crate) image: Repository,
    /// The repositories that get the same image.
    pub(crate) further: Vec<Repository>,
    pub(crate) legs: Vec<CandidateLeg>,
    /// The user wants it built, whatever the target holds.
    pub(crate) is_asked: bool,
    /// The changes since the base that this component reads.
    pub(crate) touched: Vec<Touched>,
    /// The images that it is built on, by the names that its definition has for them.
    pub(crate) base_images: BTreeMap<String, Image>,
    /// The version that it has of its own, as a chart has; its users look for it by this tag.
    pub(crate) version: Option<Tag>,
    /// A base image of which nobody knows what it is now.
    pub(crate) unknown_base: Option<String>,
    pub(crate) metadata: Metadata,
    /// What explains a missing image where no change does.
    pub(crate) causes: Vec<Cause>,
}

/// What is known of a leg before the decision.
pub(crate) struct CandidateLeg {
    pub(crate) platform: Platform,
    pub(crate) input_digest: Digest,
    pub(crate) key: Tag,
    pub(crate) runners: Vec<String>,
    /// What the target holds under the key.
    pub(crate) found: Option<Found>,
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
    let planned = |candidate| planned(candidate, &base, commit.dirty);
    let components = candidates.into_iter().map(planned).collect();
    Plan { components, commit, base, target, manifests }
}

fn planned(candidate: Candidate, base: &Base, is_dirty: bool) -> Planned {
    // A version is what was committed under it.
    let version = candidate.version.filter(|_| !is_dirty);
    let legs: Vec<PlannedLeg> = candidate.legs.into_iter().map(leg).collect();
    let must_build = legs.iter().any(|leg| leg.action == Action::Build);
    let others = candidate.touched.len().saturating_sub(1);
    let reason = match (candidate.unknown_base, candidate.touched.first(), &base.reference) {
        (_, Some(first), Some(base)) if !must_build => {
            Reason::BuiltBefore { base: base.clone(), path: first.path.to_string(), others }
        }
        _ if !must_build => Reason::Unchanged,
        _ if candidate.is_asked => Reason::All,
        (Some(image), ..) => Reason::BaseUnknown { image },
        (_, Some(first), _) => {
            Reason::Changed { path: first.path.to_string(), why: first.why.clone(), others }
        }
        (_, None, Some(base)) => Reason::HintMiss { base: base.clone(), causes: candidate.causes },
        (_, None, None) => Reason::NoImage,
    };
    Planned {
        component: candidate.component,
        backend: candidate.backend,
        backend_reason: candidate.backend_reason,
        image: candidate.image,
        further: candidate.further,
        tags: candidate.metadata.tags.into_iter().chain(version).collect(),
        labels: candidate.metadata.labels,
        annotations: candidate.metadata.annotations,
        levels: candidate.metadata.levels,
        reason,
        legs,
        base_images: candidate.base_images,
    }
}

fn leg(candidate: CandidateLeg) -> PlannedLeg {
    let CandidateLeg { platform, input_digest, key, runners, found } = candidate;
    let action = found.map_or(Action::Build, Action::Reuse);
    PlannedLeg { platform, input_digest, key, runners, action }
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
            further: vec![],
            legs: vec![CandidateLeg {
                platform: Platform::new("linux", "amd64"),
                input_digest: digest,
                key: "in-0".parse().expect("a tag"),
                runners: vec![],
                found,
            }],
            is_asked: false,
            touched: touched.collect(),
            base_images: BTreeMap::new(),
            version: None,
            unknown_base: None,
            metadata: Metadata::default(),
            causes: vec![Cause::EarlierBuild],
        }
    }

    fn decided(found: bool, touched: &[&str], base: Option<&str>) -> Plan {
        let commit = Commit { id: "0123456789abcdef".to_owned(), time: 17, branch: None, dirty: false };
        let base = Base {
            reference: base.map(str::to_owned),
            commit: None,
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
                "no file it reads changed since `main`, and still no image of its inputs exists: an earlier build may \
                 have failed or not run",
            ),
            (false, &["a"], Some("main"), true, "`a` changed: it is read"),
            (false, &["a", "b", "c"], Some("main"), true, "`a` changed: it is read (and 2 more changes)"),
            (
                true,
                &["a", "b"],
                Some("main"),
                false,
                "an image of these inputs exists, although `a` changed since `main` (and 1 more change): this was built \
                 before",
            ),
            (true, &[], Some("main"), false, "an image of these inputs exists"),
            (true, &[], None, false, "an image of these inputs exists"),
        ] {
            let plan = decided(found, touched, base);
            assert_eq!(plan.components[0].is_built(), built);
            assert_eq!(plan.components[0].reason.to_string(), reason);
        }
    }

    #[test]
    fn causes_explain_what_files_do_not() {
        let image =
            Image { repository: "docker.io/a".parse().expect("a repository"), digest: Digest::of(b"") };
        let reason = |unknown: Option<&str>, touched: &[&str]| {
            let mut candidate = candidate(false, touched);
            candidate.base_images.insert("a:1".to_owned(), image.clone());
            candidate.unknown_base = unknown.map(str::to_owned);
            candidate.causes =
                vec![Cause::BaseImages(vec!["a:1".to_owned()]), Cause::Tools(vec!["rustc 1".to_owned()])];
            let base = Base {
                commit: None,
                reference: Some("main".to_owned()),
                kind: Kind::Asked,
                confidence: Confidence::Exact,
                reason: "given".to_owned(),
            };
            planned(candidate, &base, false).reason.to_string()
        };
        assert_eq!(
            reason(None, &[]),
            "no file it reads changed since `main`, and still no image of its inputs exists: `a:1` may be another image \
             now, or `rustc 1` may be another version"
        );
        assert_eq!(reason(None, &["x"]), "`x` changed: it is read");
        assert_eq!(reason(Some("b"), &["x"]), "nothing proves that its base image `b` is the same");
    }
}
