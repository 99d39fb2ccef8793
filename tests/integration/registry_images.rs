//! Several images of one component: the further repositories get the very same image, all tags move together, and what is
//! there costs next to nothing.

mod odd;
mod shapes;

use crate::support::attached::kinds;
use crate::support::faulty::{Asked, Faulty, answer};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::{LOGIN, OTHER_LOGIN, logged_in, noise, was_logged_in, without_secrets};
use crate::support::registry::{Registry, digest};
use crate::support::{Hephy, Output, Repository};
use std::collections::BTreeSet;
use std::process::Command;

const DOCUMENT: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}"#;

/// An app for two platforms with an SBOM of its own, tagged `main`, `v1` and with its commit.
fn app() -> Repository {
    let repository = Repository::app();
    let programs = "{linux/amd64: run, linux/arm64: run-arm64}";
    let text = format!(
        "tags: ['type=ref,event=branch', v1, type=sha]\n\
         components: {{app: {{path: app, bin: run, sbom: sbom.cdx.json, prebuilt: {programs}}}}}\n"
    );
    repository.write("hephy.yaml", &text);
    repository.write("app/sbom.cdx.json", DOCUMENT);
    change(&repository, "first");
    repository
}

/// Other programs, too large for one piece.
fn change(repository: &Repository, text: &str) {
    for (number, name) in ["run", "run-arm64"].into_iter().enumerate() {
        let program = format!("{text}\n{}", noise(300_000, number as u64 + 3));
        repository.write(&format!("app/{name}"), &program);
    }
    repository.commit(text);
}

/// hephy, about to push to these images, with a login for the last one in case that its registry wants it.
fn up<'a>(repository: &Repository, images: impl IntoIterator<Item = &'a str>) -> Hephy {
    let lines: Vec<&str> = images.into_iter().collect();
    let (address, _) = lines.last().and_then(|image| image.split_once('/')).expect("a host");
    logged_in(repository, address, &["up", "--no-deploy"]).env("HEPHY_IMAGES", lines.join("\n"))
}

/// The same to two images of which the second is behind a proxy that wants the login, which must not show.
#[track_caller]
fn through(proxy: &Faulty, repository: &Repository, first: &str, code: i32) -> Output {
    let output = up(repository, [first, &proxy.image("acme/app")]).run().exits(code);
    was_logged_in(proxy, &output);
    without_secrets(repository, output)
}

fn tags(repository: &Repository) -> [String; 3] {
    ["main".to_owned(), "v1".to_owned(), format!("sha-{}", &repository.id("HEAD")[..7])]
}

/// Where each tag of an image points.
fn digests(repository: &Repository, image: &str) -> Vec<Option<String>> {
    tags(repository).iter().map(|tag| digest(image, tag)).collect()
}

/// The digest that hephy has printed, once for each tag.
fn made(output: &Output) -> Vec<Option<String>> {
    let digest = output.stdout.trim().rsplit('@').next().expect("a digest").to_owned();
    vec![Some(digest); 3]
}

/// The digests of an index's images.
fn images_of(image: &str, digest: &str) -> Vec<String> {
    let (address, name) = image.split_once('/').expect("a host");
    let url = format!("http://{address}/v2/{name}/manifests/{digest}");
    let kind = "Accept: application/vnd.oci.image.index.v1+json";
    let output = Command::new("curl").args(["--silent", "--header", kind, &url]).output();
    let index: serde_json::Value =
        serde_json::from_slice(&output.expect("curl starts").stdout).expect("an index");
    let images = index["manifests"].as_array().expect("images").iter();
    images.map(|image| image["digest"].as_str().expect("a digest").to_owned()).collect()
}

/// Requests that carry bytes of blobs.
fn sent(proxy: &Faulty) -> u64 {
    let is_blob = |asked: &&Asked| asked.path.contains("/blobs/uploads/");
    proxy.asked().iter().filter(is_blob).map(Asked::length).sum()
}

fn two_repositories_on_one_registry(generation: Generation) {
    // Given an image with documents about it, and two repositories for it on one registry,
    let (registry, repository) = (Guarded::start(generation, Door::Open, false), app());
    let proxy = Faulty::start(&registry.address, |_| None);
    let [first, second] = ["acme/one", "other/two"].map(|name| proxy.image(name));
    // when it is pushed, then the second has the very same image with all its tags,
    let output = up(&repository, [&*first, &*second]).run().exits(0).says("mounted from `acme/one`");
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    assert!(output.stdout.starts_with(&format!("{first}@")), "{output}");
    let direct = |name: &str| format!("{}/{name}", registry.address);
    for image in [direct("acme/one"), direct("other/two")] {
        assert_eq!(digests(&repository, &image), made(&output), "{image}");
        // what is attached to each of its images is there too,
        let index = made(&output)[0].clone().expect("a digest");
        for platform in images_of(&image, &index) {
            let documents = kinds(&format!("{image}@{platform}"));
            assert_eq!(documents, ["application/vnd.cyclonedx+json"], "{image}");
        }
    }
    registry.read_back("other/two:v1");
    // and no blob moved for it.
    let uploads = |asked: &Asked| asked.length() > 0 && asked.is("PUT", "/other/two/blobs/");
    assert_eq!(proxy.asked().iter().filter(|asked| uploads(asked)).count(), 0, "{:?}", proxy.asked());
    assert_eq!(proxy.count("GET", "/blobs/"), 0);
    // No leg is handed over in the second repository.
    let tags = direct_tags(&registry.address, "other/two");
    assert!(tags.iter().all(|tag| !tag.starts_with("in-")), "{tags:?}");
}

fn direct_tags(address: &str, name: &str) -> Vec<String> {
    let url = format!("http://{address}/v2/{name}/tags/list");
    let output = Command::new("curl").args(["--silent", &url]).output().expect("curl starts");
    let body: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    tags.iter().map(|tag| tag.as_str().expect("a tag").to_owned()).collect()
}

#[test]
fn a_second_repository_on_distribution_2_gets_the_same_image() {
    two_repositories_on_one_registry(Generation::Second);
}

#[test]
fn a_second_repository_on_distribution_3_gets_the_same_image() {
    two_repositories_on_one_registry(Generation::Third);
}

#[test]
fn each_of_two_registries_gets_its_own_login() {
    // Given two registries with different logins,
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let own = Faulty::guarded(registries[0].address(), LOGIN, |_| None);
    let other = Faulty::guarded(registries[1].address(), OTHER_LOGIN, |_| None);
    let [first, second, third] = [own.image("acme/app"), other.image("acme/app"), other.image("acme/again")];
    let logins = repository.beside("both-logins");
    std::fs::create_dir_all(&logins).expect("create the folder");
    let auth = |proxy: &Faulty, login: &str| {
        format!(r#""{}":{{"auth":"{}"}}"#, proxy.address, login.trim_start_matches("Basic "))
    };
    let text = format!(r#"{{"auths":{{{},{}}}}}"#, auth(&own, LOGIN), auth(&other, OTHER_LOGIN));
    std::fs::write(logins.join("config.json"), text).expect("write the logins");
    // when the image goes to both, and twice to one, then each blob passes once from one to the other,
    let output = up(&repository, [&*first, &*second, &*third]).env("DOCKER_CONFIG", &logins).run().exits(0);
    let output = output.says(&format!("copied from `{}`", own.address)).says("mounted from `acme/");
    let read: Vec<Asked> = own.asked().into_iter().filter(|asked| asked.is("GET", "/blobs/")).collect();
    let distinct: BTreeSet<&str> = read.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(read.len(), distinct.len(), "{read:?}");
    for registry in &registries {
        assert_eq!(digests(&repository, &registry.image("acme/app")), made(&output), "{output}");
        registry.read_back("acme/app:v1");
    }
    assert_eq!(digests(&repository, &registries[1].image("acme/again")), made(&output), "{output}");
    assert!(sent(&other) > 400_000, "{:?}", other.asked());
    // and each heard its own login only.
    for (proxy, foreign) in [(&own, OTHER_LOGIN), (&other, LOGIN)] {
        let is_foreign = |asked: &Asked| asked.header("authorization") == Some(foreign);
        assert!(!proxy.asked().iter().any(is_foreign), "{:?}", proxy.asked());
    }
}

#[test]
fn what_is_there_costs_a_look_at_each_tag() {
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let images = |proxies: &[Faulty; 2]| proxies.each_ref().map(|proxy| proxy.image("acme/app"));
    let open = || registries.each_ref().map(|registry| Faulty::start(registry.address(), |_| None));
    let counts = |proxy: &Faulty| ["HEAD", "GET", "PUT", "POST"].map(|method| proxy.count(method, ""));
    let run = |proxies: &[Faulty; 2]| {
        let [first, second] = images(proxies);
        up(&repository, [&*first, &*second]).run().exits(0)
    };
    let first = run(&open());
    // Given an image that both have, when it is pushed again, then the other one is asked for each of three tags.
    let proxies = open();
    assert_eq!(made(&run(&proxies)), made(&first));
    assert_eq!(counts(&proxies[0]), [2 + 3, 1, 0, 0]);
    assert_eq!(counts(&proxies[1]), [3, 0, 0, 0], "{:?}", proxies[1].asked());
    // One tag that somebody moved there is moved back, and nothing is copied.
    registries[1].publish("acme/app:v1", "#!/bin/sh\n# other\n");
    let proxies = open();
    let output = run(&proxies);
    assert_eq!(counts(&proxies[1]), [3, 0, 1, 0], "{:?}", proxies[1].asked());
    assert_eq!(digests(&repository, &registries[1].image("acme/app")), made(&output));
    // A repository that lost its manifests and tags gets them again, and the blobs that are left do not move.
    registries[1].forget_manifests("acme/app");
    let proxies = open();
    let output = run(&proxies);
    assert_eq!(sent(&proxies[1]), 0, "{:?}", proxies[1].asked());
    assert_eq!(digests(&repository, &registries[1].image("acme/app")), made(&output));
    registries[1].read_back("acme/app:v1");
}

#[test]
fn a_tag_that_one_repository_refuses_moves_in_none() {
    // Given an image with tags in two registries, and a new one,
    let registries = [(); 2].map(|()| Guarded::start(Generation::Third, Door::Open, false));
    let repository = app();
    let images = registries.each_ref().map(|registry| format!("{}/acme/app", registry.address));
    up(&repository, images.iter().map(String::as_str)).run().exits(0);
    let old = tags(&repository);
    let point = || images.each_ref().map(|image| old.each_ref().map(|tag| digest(image, tag)));
    let before = point();
    // when the second registry refuses one of its tags, for a while or for good,
    let immutable = r#"{"errors":[{"code":"TAG_INVALID","message":"it cannot be overwritten because the repository is immutable"}]}"#;
    for (status, body, code) in [(503, "", 75), (400, immutable, 4)] {
        change(&repository, &format!("refused with {status}"));
        let rule = move |asked: &Asked| {
            if asked.is("PUT", "/acme/app/manifests/v1") { answer(status, "", body) } else { None }
        };
        let proxy = Faulty::guarded(&registries[1].address, LOGIN, rule);
        let further = proxy.image("acme/app");
        let output = through(&proxy, &repository, &images[0], code);
        // then all tags of both point where they did.
        assert!(output.error().contains(&format!("{further}:v1")), "{output}");
        assert!(output.error().ends_with("; every tag points where it did before"), "{output}");
        assert_eq!(point(), before, "{output}");
        let new = &tags(&repository)[2];
        assert!(images.iter().all(|image| digest(image, new).is_none()), "{output}");
        output
            .says(&format!("`{further}:main` points at "))
            .says(&format!("`{}:main` points at ", images[0]));
    }
    // The next run moves them all.
    let output = up(&repository, images.iter().map(String::as_str)).run().exits(0);
    for image in &images {
        assert_eq!(digests(&repository, image), made(&output));
    }
}

#[test]
fn no_tag_moves_before_every_repository_has_the_image() {
    // Given a second registry that is not well when it gets manifests, or loses one,
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let first = registries[0].image("acme/app");
    for is_lost in [false, true] {
        let rule = move |asked: &Asked| match is_lost {
            false if asked.is("PUT", "/manifests/sha256:") => answer(503, "", ""),
            true if asked.is("HEAD", "/manifests/sha256:") => answer(404, "", ""),
            _ => None,
        };
        let proxy = Faulty::guarded(registries[1].address(), LOGIN, rule);
        let output = through(&proxy, &repository, &first, 75);
        // then no tag points at it anywhere.
        for registry in &registries {
            assert_eq!(digests(&repository, &registry.image("acme/app")), [None, None, None], "{output}");
        }
    }
    // The next run has only the rest to do.
    let proxy = Faulty::guarded(registries[1].address(), LOGIN, |_| None);
    let output = through(&proxy, &repository, &first, 0);
    assert_eq!(sent(&proxy), 0, "{:?}", proxy.asked());
    for registry in &registries {
        assert_eq!(digests(&repository, &registry.image("acme/app")), made(&output));
    }
}

#[test]
fn a_further_repository_loses_no_platform() {
    // Given a tag of the second registry that has two platforms, and a component that has one of them now,
    let (registries, repository) = ([Registry::start(), Registry::start()], app());
    let images = registries.each_ref().map(|registry| registry.image("acme/app"));
    let before = made(&up(&repository, [&*images[1]]).run().exits(0))[1].clone();
    let text = "tags: [v1]\ncomponents: {app: {path: app, bin: run, prebuilt: {linux/amd64: run}}}\n";
    repository.write("hephy.yaml", text).commit("Drop a platform");
    // when it is pushed to both, then no tag moves in any.
    let output = up(&repository, [&*images[0], &*images[1]]).run().exits(2);
    let expected = format!("`{}:v1` has linux/arm64, and the plan does not", images[1]);
    assert!(output.error().contains(&expected), "{output}");
    assert_eq!(images.each_ref().map(|image| digest(image, "v1")), [None, before]);
}
