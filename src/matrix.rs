//! The matrix: which legs a component has, the key under which a leg is handed over, and the machines it is built on.

use crate::ci::Host;
use crate::component::{Backend, Component, Leg};
use crate::image::{Digest, ImageError, Tag};
use crate::platform::Platform;
use std::collections::BTreeMap;

/// The legs of `component`, in a stable order. A chart and a Spin application are the same on every platform and have
/// one. Without platforms of its own a component is built for those of its finished programs, else for `host`.
pub(crate) fn legs(component: &Component, backend: Backend, host: &Platform) -> Vec<Leg> {
    let mut platforms = match component.platforms.as_slice() {
        _ if backend == Backend::Helm => vec![Platform::any()],
        _ if backend == Backend::Spin => vec![Platform::new("wasi", "wasm")],
        [] if component.recipe.prebuilt.is_empty() => vec![host.clone()],
        [] => component.recipe.prebuilt.keys().cloned().collect(),
        named => named.to_vec(),
    };
    platforms.sort();
    platforms.dedup();
    platforms.into_iter().map(|platform| Leg { component: component.name.clone(), platform }).collect()
}

/// The tag under which a leg is pushed and found again. It depends on nothing but what was built, so whoever holds
/// the plan can derive it and the registry itself is the hand-over medium (ARCHITECTURE.md, "Contracts").
pub(crate) fn key(input_digest: &Digest, platform: &Platform) -> Result<Tag, ImageError> {
    format!("in-{}-{}", &input_digest.hex()[..32], platform.dashed()).parse()
}

/// The runner labels that the configuration names for `platform`: those of the most specific prefix, else of `default`,
/// else none.
pub(crate) fn runners(configured: &BTreeMap<String, Vec<String>>, platform: &Platform) -> Vec<String> {
    let fitting = configured.iter().filter(|(prefix, _)| platform.is_in(prefix));
    // Every prefix of one platform is a prefix of the longer ones.
    let best = fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, labels)| labels);
    best.or_else(|| configured.get("default")).cloned().unwrap_or_default()
}

/// The runner labels for a leg that none are configured for. arm64 has machines of its own on both forges, which build
/// many times faster than an emulator; everything else is built where most tools are at home.
pub(crate) fn default_runners(host: Host, platform: &Platform) -> Vec<String> {
    let is_arm64 = platform.architecture == "arm64";
    let label = match host {
        Host::GitHub if is_arm64 => "ubuntu-24.04-arm",
        Host::GitHub => "ubuntu-24.04",
        Host::GitLab if is_arm64 => "saas-linux-small-arm64",
        Host::GitLab => "saas-linux-small-amd64",
        Host::Forgejo | Host::Bitbucket | Host::Other | Host::Laptop => return vec![],
    };
    vec![label.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Recipe;

    fn component(platforms: &[&str], prebuilt: &[&str]) -> Component {
        let parse = |text: &&str| text.parse::<Platform>().expect("a platform");
        let programs = prebuilt.iter().map(|text| (parse(text), format!("dist/{text}"))).collect();
        Component {
            platforms: platforms.iter().map(parse).collect(),
            recipe: Recipe { prebuilt: programs, ..Recipe::default() },
            ..Component::new("api".parse().expect("a name"), "api", "hephy.yaml:1")
        }
    }

    #[test]
    fn a_component_has_a_leg_for_each_platform() {
        let host = Platform::new("linux", "amd64");
        for (platforms, prebuilt, expected) in [
            (&[][..], &[][..], &["api (linux/amd64)"][..]),
            (&["arm64", "amd64", "x86_64"], &[], &["api (linux/amd64)", "api (linux/arm64)"]),
            (&[], &["arm64", "amd64"], &["api (linux/amd64)", "api (linux/arm64)"]),
            (&["arm64"], &["arm64", "amd64"], &["api (linux/arm64)"]),
        ] {
            let legs: Vec<String> = legs(&component(platforms, prebuilt), Backend::Prebuilt, &host)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(legs, expected);
        }
    }

    #[test]
    fn what_is_the_same_everywhere_has_one_leg() {
        let host = Platform::new("linux", "amd64");
        for (backend, expected) in [(Backend::Helm, "api (any)"), (Backend::Spin, "api (wasi/wasm)")] {
            let legs = legs(&component(&[], &[]), backend, &host);
            assert_eq!(legs.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn the_most_specific_prefix_names_the_runner() {
        let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let configured: BTreeMap<String, Vec<String>> = [
            ("default", labels(&["any"])),
            ("linux", labels(&["small"])),
            ("linux/arm", labels(&["pi"])),
            ("linux/arm/v7", labels(&["pi", "seven"])),
            ("linux/arm64", labels(&["big"])),
        ]
        .map(|(prefix, labels)| (prefix.to_owned(), labels))
        .into();
        for (platform, expected) in [
            ("linux/amd64", &["small"][..]),
            ("linux/arm64", &["big"]),
            ("linux/arm/v6", &["pi"]),
            ("linux/arm/v7", &["pi", "seven"]),
            ("wasi/wasm", &["any"]),
        ] {
            let platform = platform.parse().expect(platform);
            assert_eq!(runners(&configured, &platform), expected, "{platform}");
        }
        assert_eq!(runners(&BTreeMap::new(), &Platform::new("linux", "amd64")), [""; 0]);
    }

    #[test]
    fn arm64_has_machines_of_its_own() {
        for (host, platform, expected) in [
            (Host::GitHub, "linux/amd64", &["ubuntu-24.04"][..]),
            (Host::GitHub, "linux/arm64", &["ubuntu-24.04-arm"]),
            (Host::GitLab, "linux/arm64", &["saas-linux-small-arm64"]),
            (Host::GitLab, "wasi/wasm", &["saas-linux-small-amd64"]),
            (Host::Laptop, "linux/arm64", &[]),
        ] {
            assert_eq!(default_runners(host, &platform.parse().expect(platform)), expected);
        }
    }

    #[test]
    fn the_key_is_a_tag() {
        let key = key(&Digest::of(b""), &"linux/arm/v7".parse().expect("a platform")).expect("a tag");
        assert_eq!(key.as_str(), "in-e3b0c44298fc1c149afbf4c8996fb924-linux-arm-v7");
        let key = super::key(&Digest::of(b""), &Platform::any()).expect("a tag");
        assert_eq!(key.as_str(), "in-e3b0c44298fc1c149afbf4c8996fb924-any");
    }
}
