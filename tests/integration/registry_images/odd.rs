//! Registries that answer otherwise than the reference one does.

use super::{app, digests, images_of, made, through, up};
use crate::support::attached::kinds;
use crate::support::faulty::{Fault, Faulty, answer};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::LOGIN;
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
    let proxy = Faulty::guarded(registries[1].address(), LOGIN, |asked| {
        (asked.is("HEAD", "/manifests/") && asked.time <= 6)
            .then(|| Fault::Answer(403, String::new(), String::new()))
    });
    let output = through(&proxy, &repository, &registries[0].image("acme/app"), 0);
    assert_eq!(digests(&repository, &registries[1].image("acme/app")), made(&output));
}

#[test]
fn a_token_covers_both_repositories_of_a_mount() {
    // Given a registry with TLS that wants a token for each repository, in two generations,
    for generation in [Generation::Second, Generation::Third] {
        let (registry, repository) = (Guarded::start(generation, Door::Token, true), app());
        let logins = repository.beside("logins");
        std::fs::create_dir_all(&logins).expect("create the folder");
        let login = LOGIN.trim_start_matches("Basic ");
        let text = format!(r#"{{"auths":{{"{}":{{"auth":"{login}"}}}}}}"#, registry.address);
        std::fs::write(logins.join("config.json"), text).expect("write the login");
        let images = ["acme/one", "other/two"].map(|name| format!("{}/{name}", registry.address));
        // when two of them get an image, then the blobs are mounted, and the second one is whole.
        let up = || {
            let up = up(&repository, images.iter().map(String::as_str)).env("DOCKER_CONFIG", &logins);
            up.env("HEPHY_REGISTRY_CA", registry.authority()).run().exits(0)
        };
        let first = up().says("to `").says("mounted from `acme/one`");
        registry.read_back("other/two:v1");
        assert_eq!(registry.manifest("other/two:v1"), registry.manifest("acme/one:v1"));
        assert_eq!(up().stdout, first.stdout);
    }
}
