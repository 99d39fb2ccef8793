use super::*;
use crate::component::{Backend, Component};
use crate::detect::base::{Confidence, Kind};
use crate::event::Stage;
use crate::exit::ExitCode;
use crate::git::Commit;
use crate::plan::{Action, Base, Found, Planned, PlannedLeg, Reason, Target};
use insta::assert_snapshot;

fn planned(name: &str, reason: Reason, legs: &[(&str, bool)]) -> Planned {
    let leg = |(platform, is_found): &(&str, bool)| PlannedLeg {
        runners: vec![],
        platform: platform.parse().expect("a platform"),
        input_digest: Digest::of(name.as_bytes()),
        key: "in-0".parse().expect("a tag"),
        action: match is_found {
            true => Action::Reuse(Found { digest: Digest::of(b"old"), size: 7, media_type: "x".to_owned() }),
            false => Action::Build,
        },
    };
    let component = Component::new(name.parse().expect("a name"), name, "hephy.yaml:2");
    Planned {
        base_images: std::collections::BTreeMap::new(),
        component,
        backend: Backend::Prebuilt,
        backend_reason: "`prebuilt` at hephy.yaml:2".to_owned(),
        image: format!("ghcr.io/acme/shop/{name}").parse().expect("a repository"),
        tags: vec!["sha-0123456789ab".parse().expect("a tag")],
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        levels: Default::default(),
        further: vec![],
        reason,
        legs: legs.iter().map(leg).collect(),
    }
}

fn plan(components: Vec<Planned>) -> Plan {
    let id = "0123456789abcdef0123456789abcdef01234567".to_owned();
    Plan {
        commit: Commit { id, time: 17, branch: Some("main".to_owned()), dirty: false },
        base: Base {
            commit: None,
            reference: Some("origin/main".to_owned()),
            kind: Kind::DefaultBranch,
            confidence: Confidence::Likely,
            reason: "the default branch".to_owned(),
        },
        target: Target::Registry,
        components,
        manifests: vec![],
    }
}

fn two_components() -> Plan {
    let changed = Reason::Changed { path: "api/run".to_owned(), why: "it is read".to_owned(), others: 0 };
    let api = planned("api", changed, &[("linux/amd64", true), ("linux/arm64", false)]);
    plan(vec![api, planned("web", Reason::Unchanged, &[("linux/amd64", true)])])
}

fn leg(component: &str, platform: &str) -> Leg {
    Leg { component: component.parse().expect("a name"), platform: platform.parse().expect("a platform") }
}

/// A run of [`two_components`] in which one leg was reused, one pushed, and one was not reached.
fn summary() -> Summary {
    let legs = [
        (leg("api", "linux/amd64"), What::Reused, Some(Digest::of(b"old")), 0),
        (leg("api", "linux/arm64"), What::Pushed, Some(Digest::of(b"new")), 1_250),
    ];
    let legs = legs.map(|(leg, what, digest, milliseconds)| {
        (leg, LegSummary { what, digest, duration: Duration::from_millis(milliseconds) })
    });
    let api = "ghcr.io/acme/shop/api".parse().expect("a repository");
    Summary {
        plan: Some(two_components()),
        legs: legs.into(),
        images: vec![ImageSummary {
            component: "api".parse().expect("a name"),
            image: Image { repository: api, digest: Digest::of(b"index") },
            tags: vec!["sha-0123456789ab".parse().expect("a tag")],
        }],
        undeployed: vec![],
        objects: vec![ObjectSummary { object: "Deployment/api".to_owned(), change: "created".to_owned() }],
        duration: Duration::from_secs(3),
    }
}

#[test]
fn a_plan_as_a_table() {
    assert_snapshot!(plan_text(&two_components()), @r#"
    commit 0123456789ab on `main`; compared with `origin/main` (the default branch); images go to a registry
    ┌─────────────────────────────────────────────────────────────────────────────────┐
    │ component   platform      decision   backend    why                             │
    ╞═════════════════════════════════════════════════════════════════════════════════╡
    │ api         linux/amd64   reuse      prebuilt   an image of these inputs exists │
    │ api         linux/arm64   build      prebuilt   `api/run` changed: it is read   │
    │ web         linux/amd64   reuse      prebuilt   an image of these inputs exists │
    └─────────────────────────────────────────────────────────────────────────────────┘
    api is tagged sha-0123456789ab
    web is tagged sha-0123456789ab
    "#);
}

#[test]
fn a_plan_of_nothing_says_what_to_do() {
    let mut plan = plan(vec![]);
    plan.commit = Commit { branch: None, dirty: true, ..plan.commit };
    plan.base = Base {
        commit: None,
        reference: None,
        kind: Kind::Nothing,
        confidence: Confidence::Nothing,
        reason: "the first commit".to_owned(),
    };
    plan.target = Target::Layout(".hephy/oci".into());
    assert_snapshot!(plan_text(&plan), @r#"
    commit 0123456789ab, with changes that are not committed; compared with nothing (the first commit); images go to the layout `.hephy/oci`
    no components: add a Dockerfile, or name components in hephy.yaml
    "#);
}

#[test]
fn a_preview_is_a_line_for_each_step() {
    let steps = [(Stage::Build, "api (linux/arm64)".to_owned()), (Stage::Deploy, "nothing".to_owned())];
    assert_snapshot!(preview_text(&steps), @r#"
    build   api (linux/arm64)
    deploy  nothing
    "#);
}

#[test]
fn a_run_as_a_table() {
    assert_snapshot!(table(&summary()).expect("a table"), @r#"
    ┌──────────────────────────────────────────────────────────────────────┐
    │ component   platform      what happened   digest                time │
    ╞══════════════════════════════════════════════════════════════════════╡
    │ api         linux/amd64   reused          sha256:cba06b5736fa   0.0s │
    │ api         linux/arm64   built, pushed   sha256:11507a0e2f5e   1.2s │
    └──────────────────────────────────────────────────────────────────────┘
    "#);
    assert_eq!(table(&Summary::default()), None);
}

#[test]
fn a_run_as_json() {
    let mut summary = summary();
    summary.plan = Some(plan(two_components().components.into_iter().take(1).collect()));
    assert_snapshot!(to_json(&summary, ExitCode::Unhealthy, "error: Deployment/api is not healthy"), @r#"
    {
      "schema": "hephy.report/1",
      "outcome": "error: Deployment/api is not healthy",
      "exit_code": 6,
      "seconds": 3.0,
      "commit": "0123456789abcdef0123456789abcdef01234567",
      "dirty": false,
      "components": [
        {
          "name": "api",
          "image": "ghcr.io/acme/shop/api",
          "digest": "sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6",
          "tags": [
            "sha-0123456789ab"
          ],
          "backend": "prebuilt",
          "reason": "`api/run` changed: it is read",
          "legs": [
            {
              "platform": "linux/amd64",
              "input_digest": "sha256:14c2529eb4498c5d1ffd6915d05bf58a91bdda796af59f41d480d11c099d0479",
              "what": "reused",
              "digest": "sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4",
              "seconds": 0.0
            },
            {
              "platform": "linux/arm64",
              "input_digest": "sha256:14c2529eb4498c5d1ffd6915d05bf58a91bdda796af59f41d480d11c099d0479",
              "what": "built, pushed",
              "digest": "sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437",
              "seconds": 1.25
            }
          ]
        }
      ],
      "objects": [
        {
          "object": "Deployment/api",
          "change": "created"
        }
      ]
    }
    "#);
}

#[test]
fn a_run_that_failed_before_it_had_a_plan_as_json() {
    assert_snapshot!(to_json(&Summary::default(), ExitCode::Usage, "error: find a git repository"), @r#"
    {
      "schema": "hephy.report/1",
      "outcome": "error: find a git repository",
      "exit_code": 2,
      "seconds": 0.0,
      "commit": null,
      "dirty": null,
      "components": [],
      "objects": []
    }
    "#);
}
