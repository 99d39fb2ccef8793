//! Registries that answer otherwise than the reference one does.

use super::{app, digests, images_of, made, up};
use crate::support::attached::kinds;
use crate::support::faulty::{Fault, Faulty, answer};
use crate::support::registry::Registry;

#[test]
fn what_a_registry_lists_itself_is_copied_page_by_page() {
    // Given a source that lists what is attached to an image itself, on two pages, and keeps no list under a tag,
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let plain = registries[0].image("acme/app");
    let output = up(&repository, [&*plain]).run().exits(0);
    let index = made(&output)[0].clone().expect("a digest");
    let lists: Vec<(String, String)> = images_of(&plain, &index)
        .into_iter()
        .map(|image| {
            let list = registries[0].manifest_of_kind(
                "acme/app",
                &image.replace(':', "-"),
                "application/vnd.oci.image.index.v1+json",
            );
            (image, list.to_string())
        })
        .collect();
    let proxy = Faulty::start(registries[0].address(), move |asked| {
        if asked.path.contains("/manifests/sha256-") {
            return answer(404, "", "");
        }
        let (_, rest) = asked.path.split_once("/referrers/")?;
        let list = lists.iter().find(|(image, _)| rest.starts_with(image.as_str())).map(|(_, list)| list);
        match (rest.contains("page=2"), list) {
            (true, Some(list)) => answer(200, "", list),
            _ => answer(
                200,
                &format!("Link: <{}?page=2>; rel=\"next\"\r\n", asked.path),
                r#"{"manifests":[]}"#,
            ),
        }
    });
    // when the image is copied from there, then all of it is found in the other registry.
    let further = registries[1].image("acme/app");
    let output = up(&repository, [&*proxy.image("acme/app"), &*further]).run().exits(0);
    for image in images_of(&further, &index) {
        assert_eq!(kinds(&format!("{further}@{image}")), ["application/vnd.cyclonedx+json"], "{output}");
    }
}

#[test]
fn a_repository_that_is_hidden_before_its_first_push_is_pushed_to() {
    // Given a registry that answers 403 for what is not there yet,
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let proxy = Faulty::start(registries[1].address(), |asked| {
        (asked.is("HEAD", "/manifests/") && asked.time <= 6)
            .then(|| Fault::Answer(403, String::new(), String::new()))
    });
    let first = registries[0].image("acme/app");
    let output = up(&repository, [&*first, &*proxy.image("acme/app")]).run().exits(0);
    assert_eq!(digests(&repository, &registries[1].image("acme/app")), made(&output));
}
