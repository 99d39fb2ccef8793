//! The matrix: which legs a component has, and the key under which a leg is handed over.

use crate::component::{Component, Leg};
use crate::image::{Digest, ImageError, Tag};
use crate::platform::Platform;

/// The legs of `component`, in a stable order. Without platforms of its own it is built for those of its finished
/// programs, else for `host`.
pub(crate) fn legs(component: &Component, host: &Platform) -> Vec<Leg> {
    let mut platforms = match component.platforms.as_slice() {
        [] if component.recipe.prebuilt.is_empty() => vec![host.clone()],
        [] => component.recipe.prebuilt.keys().cloned().collect(),
        named => named.to_vec(),
    };
    platforms.sort();
    platforms.dedup();
    platforms.into_iter().map(|platform| Leg { component: component.name.clone(), platform }).collect()
}

/// The tag under which a leg is pushed and found again. It depends on nothing but what was built, so whoever holds
/// the plan can derive it and the registry itself is the hand-over medium (DESIGN.md section 6).
pub(crate) fn key(input_digest: &Digest, platform: &Platform) -> Result<Tag, ImageError> {
    format!("in-{}-{}", &input_digest.hex()[..32], platform.dashed()).parse()
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
            let legs: Vec<String> =
                legs(&component(platforms, prebuilt), &host).iter().map(ToString::to_string).collect();
            assert_eq!(legs, expected);
        }
    }

    #[test]
    fn the_key_is_a_tag() {
        let key = key(&Digest::of(b""), &"linux/arm/v7".parse().expect("a platform")).expect("a tag");
        assert_eq!(key.as_str(), "in-e3b0c44298fc1c149afbf4c8996fb924-linux-arm-v7");
    }
}
