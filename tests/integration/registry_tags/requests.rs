//! How many requests tags take.

use super::{TAGS, digests, guarded, is_tag, made, shop, through, up};
use crate::support::Output;
use crate::support::faulty::{Asked, Fault, answer};
use crate::support::registry::Registry;
use std::collections::BTreeSet;

#[test]
fn a_tag_that_points_at_the_image_already_costs_no_request_more() {
    let registry = Registry::start();
    let repository = shop(&["amd64"]);
    up(&repository, registry.address()).run().exits(0);
    // Given one tag of eight that points elsewhere,
    registry.publish("shop/two:stable", "#!/bin/sh\n# other\n");
    let proxy = guarded(registry.address(), |_| None);
    // when nothing else is to do, then that one is written, and the others are looked at.
    let output = through(&proxy, &repository, 0);
    let written: Vec<Asked> = proxy.asked().into_iter().filter(|asked| asked.method == "PUT").collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0].path.ends_with("/two/manifests/stable"), "{written:?}");
    // Two keys, eight tags, and the manifest that gets the tag: read and written.
    assert_eq!(proxy.count("HEAD", ""), 2 + 8, "{:?}", proxy.asked());
    assert_eq!(proxy.count("GET", "/manifests/"), 1, "{:?}", proxy.asked());
    assert_eq!(digests(registry.address()), made(&output));
}

#[test]
fn what_looking_at_joined_images_costs() {
    let (registry, repository) = (Registry::start(), shop(&["amd64", "arm64"]));
    let first = up(&repository, registry.address()).run().exits(0);
    // Given images for two platforms that are there with all their tags,
    let count = || {
        let proxy = guarded(registry.address(), |_| None);
        let output = through(&proxy, &repository, 0);
        let digests = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| Some(line.rsplit_once('@')?.1.to_owned())).collect()
        };
        assert_eq!(digests(&output.stdout), digests(&first.stdout), "{output}");
        ["HEAD", "GET", "PUT", "POST"].map(|method| proxy.count(method, ""))
    };
    // then a run asks for each of two keys and four tags, and reads the index; of both components.
    assert_eq!(count(), [2 * (2 + 4), 2, 0, 0]);
    // An index that somebody else made of the same images is not taken for ours.
    registry.rewrite_index(&format!("shop/one:{}", TAGS[0]));
    assert_eq!(count(), [2 * (2 + 4) + 1, 2 + 2, 1, 0], "two manifests are read, and one tag is moved back");
}

#[test]
fn several_tags_go_in_one_request_where_the_registry_says_that_it_took_them() {
    // Given a registry that says so of all but one tag, and another one that has no word for it,
    let (registry, repository) = (Registry::start(), shop(&["amd64"]));
    let saying = guarded(registry.address(), |asked| {
        let (_, query) = asked.path.split_once('?').filter(|_| asked.is("PUT", "/manifests/sha256:"))?;
        let tags: Vec<&str> = query.split('&').filter_map(|pair| pair.strip_prefix("tag=")).collect();
        let all = tags.iter().filter(|tag| **tag != "v1").copied().collect::<Vec<_>>().join("\r\nOCI-Tag: ");
        Some(Fault::With("OCI-Tag", all))
    });
    through(&saying, &repository, 0);
    // then that one tag of each component has a request of its own;
    let alone: Vec<String> = saying.asked().into_iter().filter(is_tag).map(|asked| asked.path).collect();
    let alone: BTreeSet<&str> = alone.iter().map(String::as_str).collect();
    assert_eq!(alone, ["/v2/shop/one/manifests/v1", "/v2/shop/two/manifests/v1"].into());
    assert_eq!(saying.count("PUT", "?tag="), 2);
    // the other one is asked once, and gets eight requests.
    let silent = guarded(registry.address(), |_| None);
    let output = through(&silent, &repository, 0);
    assert_eq!((silent.count("PUT", "?tag="), digests(registry.address())), (1, made(&output)));
    assert_eq!(silent.asked().iter().filter(|asked| is_tag(asked)).count(), 6, "{:?}", silent.asked());
}

#[test]
fn a_registry_that_chokes_on_several_tags_gets_each_alone() {
    let (registry, repository) = (Registry::start(), shop(&["amd64"]));
    let proxy =
        guarded(
            registry.address(),
            |asked| if asked.is("PUT", "?tag=") { answer(500, "", "") } else { None },
        );
    let output = through(&proxy, &repository, 0);
    // What has moved is said in the order of the plan, whichever was first.
    let said = |name: &str| output.stderr.find(&format!("{name}  {}", &digest_of(&output, name)[..19]));
    assert!(said("one").is_some() && said("one") < said("two"), "{output}");
    assert_eq!(digests(registry.address()), made(&output));
}

#[test]
fn fewer_tags_go_in_one_request_when_the_address_is_too_long() {
    let (registry, repository) = (Registry::start(), shop(&["amd64"]));
    let proxy = guarded(registry.address(), |asked| {
        if asked.path.matches("tag=").count() > 1 { answer(414, "", "") } else { None }
    });
    let output = through(&proxy, &repository, 0);
    assert_eq!(digests(registry.address()), made(&output));
    // Four tags, then two, which the second component may try as well, then each alone.
    assert!((2..=3).contains(&proxy.count("PUT", "?tag=")), "{:?}", proxy.asked());
}

/// The digest that hephy has printed for a component.
fn digest_of<'a>(output: &'a Output, name: &str) -> &'a str {
    let line = output.stdout.lines().find(|line| line.contains(&format!("/{name}@")));
    line.and_then(|line| line.rsplit('@').next()).expect("a digest")
}
