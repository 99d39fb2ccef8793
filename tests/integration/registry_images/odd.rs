//! Registries that answer otherwise than the reference one does.

use super::{DOCUMENT, app, change, digests, images_of, made, tags, through, up};
use crate::support::attached::kinds;
use crate::support::faulty::{Asked, Fault, Faulty, answer};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::LOGIN;
use crate::support::registry::{Registry, digest};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Mutex;

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

/// Answers 403 to the first question for each manifest, as one that limits or hides does.
fn hiding_at_first() -> impl Fn(&Asked) -> Option<Fault> + Send + 'static {
    let seen = Mutex::new(BTreeSet::new());
    move |asked: &Asked| {
        let is_first =
            asked.is("HEAD", "/manifests/") && seen.lock().expect("no panic").insert(asked.path.clone());
        is_first.then(|| Fault::Answer(403, String::new(), String::new()))
    }
}

#[test]
fn what_a_registry_hides_for_a_moment_is_not_taken_for_absent() {
    // Given tags in two registries, of which the second hides at first what it has,
    let registries = [(); 2].map(|()| Guarded::start(Generation::Third, Door::Open, false));
    let (repository, images) =
        (app(), registries.each_ref().map(|registry| format!("{}/acme/app", registry.address)));
    up(&repository, images.iter().map(String::as_str)).run().exits(0);
    let before = images.each_ref().map(|image| digests(&repository, image));
    let old = tags(&repository);
    change(&repository, "second");
    // when the first one refuses a tag,
    let hiding = Faulty::start(&registries[1].address, hiding_at_first());
    let refusing = Faulty::start(&registries[0].address, |asked| {
        if asked.is("PUT", "/manifests/v1") { answer(503, "", "") } else { None }
    });
    let output = up(&repository, [&*refusing.image("acme/app"), &*hiding.image("acme/app")]).run().exits(75);
    // then no tag is deleted that was there.
    let point = images.each_ref().map(|image| old.each_ref().map(|tag| digest(image, tag)).to_vec());
    assert_eq!(point, before, "{output}");
    // Whether the image was there before, nobody knows for sure, so the new tag stays, and that is said.
    assert!(output.error().ends_with("; 1 of 6 tags could not be put back"), "{output}");
    // And when it would lose a platform there, then it is refused.
    let text = "tags: [v1]\ncomponents: {app: {path: app, bin: run, prebuilt: {linux/amd64: run}}}\n";
    repository.write("hephy.yaml", text).commit("Drop a platform");
    let hiding = Faulty::start(&registries[1].address, hiding_at_first());
    let fresh = format!("{}/acme/fresh", registries[0].address);
    let output = up(&repository, [&*fresh, &*hiding.image("acme/app")]).run().exits(2);
    assert!(output.error().contains("has linux/arm64, and the plan does not"), "{output}");
}

#[test]
fn a_document_that_lost_a_part_stops_nobody() {
    // Given a source that lists a document of somebody's whose content is gone,
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let plain = registries[0].image("acme/app");
    up(&repository, [&*plain]).run().exits(0);
    let digits: String = Sha256::digest(DOCUMENT).iter().map(|byte| format!("{byte:02x}")).collect();
    let document = format!("/blobs/sha256:{digits}");
    let proxy = Faulty::start(registries[0].address(), move |asked| {
        if asked.is("GET", &document) {
            answer(404, "", r#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#)
        } else {
            None
        }
    });
    // when the image, of which nothing has to be built, is copied from there,
    repository.git(["rm", "--quiet", "-r", "k8s"]);
    repository.commit("Deploy it elsewhere");
    let further = registries[1].image("acme/app");
    let run = || up(&repository, [&*proxy.image("acme/app"), &*further]).run().exits(0);
    let output = run();
    // then the document is left out, and both are said.
    assert!(proxy.hits() > 0, "{output}");
    let output = output.says("is not copied: a part of it is gone");
    assert_eq!(digests(&repository, &further), made(&output));
    assert!(output.stderr.contains("published; there are no manifests"), "{output}");
    assert!(run().stderr.contains("nothing to do: every image exists"));
}
