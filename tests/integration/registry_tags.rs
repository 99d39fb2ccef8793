//! Tags: none moves before everything can be read, all of a run move together, and back if one cannot.

mod requests;

use crate::support::faulty::{Asked, Fault, Faulty, answer, once};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::{LOGIN, logged_in, was_logged_in, without_secrets};
use crate::support::registry::{self, Registry};
use crate::support::{Hephy, Output, Repository};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The tags of each component, beside that of the commit.
const TAGS: [&str; 3] = ["next", "stable", "v1"];

/// Two components for these platforms, with the tags above.
fn shop(platforms: &[&str]) -> Repository {
    let repository = Repository::empty();
    let programs: Vec<String> =
        platforms.iter().map(|platform| format!("linux/{platform}: {platform}")).collect();
    let component =
        |name: &str| format!("  {name}: {{path: {name}, bin: run, prebuilt: {{{}}}}}\n", programs.join(", "));
    let components = component("one") + &component("two");
    repository
        .write("hephy.yaml", &format!("tags: [type=sha, {}]\ncomponents:\n{components}", TAGS.join(", ")));
    change(&repository, platforms, "first");
    repository
}

fn change(repository: &Repository, platforms: &[&str], text: &str) {
    for name in ["one", "two"] {
        for platform in platforms {
            repository.write(&format!("{name}/{platform}/run"), &format!("{name} {platform} {text}"));
        }
    }
    repository.commit(text);
}

/// `hephy up` to the registry at `address`, with a login in case that it wants one.
fn up(repository: &Repository, address: &str) -> Hephy {
    logged_in(repository, address, &["up", "--registry", &format!("{address}/shop")])
}

/// The same through a proxy that wants the login. It ends with this code, and the login shows nowhere.
#[track_caller]
fn through(proxy: &Faulty, repository: &Repository, code: i32) -> Output {
    quiet(proxy, repository, up(repository, &proxy.address.to_string()).run().exits(code))
}

/// The output of a run that has logged in, and whose login shows nowhere.
#[track_caller]
fn quiet(proxy: &Faulty, repository: &Repository, output: Output) -> Output {
    was_logged_in(proxy, &output);
    without_secrets(repository, output)
}

/// A proxy in front of the registry that wants a login with every request.
fn guarded(registry: &str, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Faulty {
    Faulty::guarded(registry, LOGIN, rule)
}

/// Where every tag of both components points.
fn digests(address: &str) -> Vec<Option<String>> {
    let of_one = |name: &'static str| {
        TAGS.iter().map(move |tag| registry::digest(&format!("{address}/shop/{name}"), tag))
    };
    ["one", "two"].into_iter().flat_map(of_one).collect()
}

/// What `hephy up` says that it has made, a digest for each component.
fn made(output: &Output) -> Vec<Option<String>> {
    let digest = |line: &str| line.rsplit('@').next().map(str::to_owned);
    output.stdout.lines().flat_map(|line| vec![digest(line); TAGS.len()]).collect()
}

fn is_tag(asked: &Asked) -> bool {
    asked.is("PUT", "/manifests/")
        && !asked.path.contains("/manifests/in-")
        && !asked.path.contains("sha256:")
}

#[test]
fn no_tag_moves_before_the_indexes_of_all_can_be_read() {
    // Given a registry that takes the index of the second component and never has it,
    let (registry, repository) = (Registry::start(), shop(&["amd64", "arm64"]));
    let indexes = Mutex::new(BTreeSet::new());
    let proxy = guarded(registry.address(), move |asked| {
        let mut indexes = indexes.lock().expect("rules do not panic");
        let is_index = asked.header("content-type").is_some_and(|kind| kind.contains("image.index"));
        if is_index && asked.is("PUT", "/shop/two/") {
            indexes.insert(asked.path.clone());
        }
        if asked.method == "HEAD" && indexes.contains(&asked.path) { answer(404, "", "") } else { None }
    });
    // when both are pushed, then no tag of the first one has moved either.
    let output = through(&proxy, &repository, 75).says("took it and does not have it");
    assert!(proxy.count("PUT", "/shop/two/manifests/sha256:") > 0, "{output}");
    assert_eq!(proxy.asked().iter().filter(|asked| is_tag(asked)).count(), 0, "{output}");
    for name in ["one", "two"] {
        let tags = registry.tags(&format!("shop/{name}"));
        assert!(tags.len() == 2 && tags.iter().all(|tag| tag.starts_with("in-")), "{tags:?}");
    }
    // The next run has only the tags to move.
    let output = up(&repository, registry.address()).run().exits(0);
    assert_eq!(digests(registry.address()), made(&output));
}

/// Publishes, changes everything, and pushes again through a proxy with this rule. Returns where tags pointed before.
fn second_push(
    registry: &str,
    rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static,
) -> (Repository, Faulty, Vec<Option<String>>) {
    let repository = shop(&["amd64"]);
    let output = up(&repository, registry).run().exits(0);
    let before = digests(registry);
    assert_eq!(before, made(&output));
    change(&repository, &["amd64"], "second");
    (repository, guarded(registry, rule), before)
}

#[test]
fn tags_that_moved_go_back_when_another_cannot() {
    // Given images whose tags move to new ones, except one tag of the second component, for a long time,
    let registry = Guarded::start(Generation::Third, Door::Open, false);
    let rule =
        |asked: &Asked| if asked.is("PUT", "/two/manifests/next") { answer(503, "", "") } else { None };
    let (repository, proxy, before) = second_push(&registry.address, rule);
    // when they are pushed, then all others have moved and are put back, and the tag of the commit is deleted.
    let output = through(&proxy, &repository, 75);
    assert!(output.error().contains("tag ") && output.error().contains("/shop/two:next"), "{output}");
    assert!(output.error().ends_with("; every tag points where it did before"), "{output}");
    assert_eq!(digests(&registry.address), before, "{output}");
    let commit = format!("sha-{}", &repository.id("HEAD")[..7]);
    assert_eq!(registry::digest(&format!("{}/shop/one", registry.address), &commit), None, "{output}");
    let written: Vec<String> = proxy.asked().into_iter().filter(is_tag).map(|asked| asked.path).collect();
    assert_eq!(written.iter().filter(|path| path.ends_with("/one/manifests/v1")).count(), 2, "{written:?}");
    let old =
        |digest: &Option<String>| digest.as_ref().map(|digest| digest[..19].to_owned()).expect("a digest");
    let output = output.says(&format!("/shop/one:v1` points at {}, as before", old(&before[2])));
    output.says(&format!("/shop/one:{commit}` does not exist, as before"));
    // A later run moves them all.
    let output = up(&repository, &registry.address).run().exits(0);
    assert_eq!(digests(&registry.address), made(&output));
}

#[test]
fn what_cannot_be_put_back_is_said() {
    // Given a registry that deletes no tag,
    let registry = Registry::start();
    let rule =
        |asked: &Asked| if asked.is("PUT", "/two/manifests/next") { answer(503, "", "") } else { None };
    let (repository, proxy, before) = second_push(registry.address(), rule);
    let output = through(&proxy, &repository, 75);
    // then the tags of the commit stay, and nothing else.
    assert!(output.error().ends_with("; 2 of 8 tags could not be put back"), "{output}");
    let commit = format!("sha-{}", &repository.id("HEAD")[..7]);
    assert_eq!(digests(registry.address()), before, "{output}");
    let new = registry::digest(&registry.image("shop/one"), &commit).expect("the tag of the commit");
    let text = format!(
        "/shop/one:{commit}` points at {}, which is the new image, and did not exist before",
        &new[..19]
    );
    output.says(&text).says("DIGEST_INVALID");
}

#[test]
fn a_new_tag_of_an_old_image_is_not_deleted() {
    // Given published images, and a commit that changes none of them,
    let registry = Guarded::start(Generation::Third, Door::Open, false);
    let repository = shop(&["amd64"]);
    up(&repository, &registry.address).run().exits(0);
    let before = digests(&registry.address);
    repository.write("README.md", "more").commit("Write documentation");
    // when the tag of the commit cannot be set on one of them,
    let proxy = guarded(&registry.address, |asked| {
        if asked.is("PUT", "/two/manifests/sha-") { answer(503, "", "") } else { None }
    });
    let output = through(&proxy, &repository, 75);
    // then that of the other stays: a registry may delete with a tag what older tags point at.
    assert!(output.error().ends_with("; 1 of 2 tags could not be put back"), "{output}");
    let commit = format!("sha-{}", &repository.id("HEAD")[..7]);
    assert_eq!(registry::digest(&format!("{}/shop/one", registry.address), &commit), before[0]);
    assert_eq!(digests(&registry.address), before);
    assert_eq!(proxy.count("DELETE", ""), 0);
    output
        .says("and did not exist before: it is not deleted, because a registry may delete the image with it");
}

#[test]
fn a_tag_that_may_not_change_is_said_with_where_it_points() {
    for (status, code, message) in [
        (
            400,
            "TAG_INVALID",
            "The image tag 'v1' already exists in the 'shop/two' repository and cannot be overwritten because the \
             repository is immutable.",
        ),
        (400, "FAILED_PRECONDITION", "The repository has enabled tag immutability"),
        (412, "PRECONDITION", "Failed to process request due to 'shop/two:v1' configured as immutable."),
        (403, "DENIED", "insufficient permission to push a protected tag"),
    ] {
        let registry = Guarded::start(Generation::Third, Door::Open, false);
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        let rule = move |asked: &Asked| {
            if asked.is("PUT", "/two/manifests/v1") { answer(status, "", &body) } else { None }
        };
        let (repository, proxy, before) = second_push(&registry.address, rule);
        let output = through(&proxy, &repository, 4);
        let expected = format!("lets nobody change this tag: {code}: {message}");
        assert!(output.error().contains("/shop/two:v1") && output.error().contains(&expected), "{output}");
        assert_eq!(digests(&registry.address), before, "{output}");
        let old = before[5].as_ref().expect("a digest");
        let output = output.says(&format!("/shop/two:v1` points at {}, as before", &old[..19]));
        output.says("hint: give the image a new tag");
    }
}

#[test]
fn another_image_under_a_key_that_may_not_change_is_said() {
    // Given a registry with immutable tags, in which other content is under the key of a leg,
    let registry = Registry::start();
    let repository = shop(&["amd64"]);
    up(&repository, registry.address()).run().exits(0);
    let key = registry.tags("shop/one").into_iter().find(|tag| tag.starts_with("in-")).expect("a key");
    registry.publish(&format!("shop/one:{key}"), "#!/bin/sh\n# other\n");
    let body = r#"{"errors":[{"code":"TAG_INVALID","message":"it cannot be overwritten because the repository is immutable"}]}"#;
    let proxy = guarded(registry.address(), move |asked| {
        if asked.is("PUT", "/one/manifests/in-") { answer(400, "", body) } else { None }
    });
    // when it is built again, then the failure says what to do.
    let output = up(&repository, &proxy.address.to_string()).args(["--all"]).run().exits(4);
    let output = quiet(&proxy, &repository, output);
    assert!(output.error().contains(&format!("/shop/one:{key}")), "{output}");
    output.says("lets nobody change this tag").says("run without `--all` to use that");
}

#[test]
fn the_same_image_under_a_key_that_may_not_change_is_no_fault() {
    // Given a registry with immutable tags, to which another run pushes the same image while this one builds it,
    let registry = Registry::start();
    let repository = shop(&["amd64"]);
    up(&repository, registry.address()).run().exits(0);
    let body = r#"{"errors":[{"code":"TAG_INVALID","message":"it cannot be overwritten because the repository is immutable"}]}"#;
    let not_yet = Fault::Answer(404, String::new(), String::new());
    let not_yet = once(|asked| asked.is("HEAD", "/one/manifests/in-"), not_yet);
    let proxy = Faulty::start(registry.address(), move |asked| match asked.is("PUT", "/manifests/in-") {
        true => answer(400, "", body),
        false => not_yet(asked),
    });
    // when it is pushed, then it is there.
    up(&repository, &proxy.address.to_string()).run().exits(0);
    assert_eq!(proxy.hits(), 2, "{:?}", proxy.asked());
}

#[test]
fn a_run_that_is_killed_between_tags_is_finished_by_the_next() {
    // Given a run that is killed when some of its tags have moved,
    let registry = Registry::start();
    let rule = |asked: &Asked| asked.is("PUT", "/two/manifests/next").then_some(Fault::Stall);
    let (repository, proxy, before) = second_push(registry.address(), rule);
    let mut run = up(&repository, &proxy.address.to_string()).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while proxy.asked().iter().filter(|asked| is_tag(asked)).count() < 8
        || digests(registry.address()).iter().zip(&before).filter(|(now, before)| now != before).count() < 5
    {
        assert!(Instant::now() < deadline, "the tags never moved: {:?}", proxy.asked());
        std::thread::sleep(Duration::from_millis(50));
    }
    run.kill().and_then(|()| run.wait()).expect("kill it");
    // when it is run again, then only what is missing is written.
    let proxy = guarded(registry.address(), |_| None);
    let output = through(&proxy, &repository, 0);
    let written: Vec<String> =
        proxy.asked().into_iter().filter(|asked| asked.method == "PUT").map(|asked| asked.path).collect();
    assert_eq!(written, ["/v2/shop/two/manifests/next"]);
    assert_eq!(digests(registry.address()), made(&output));
}

#[test]
fn a_run_that_is_told_to_stop_leaves_no_tags_half_moved() {
    let registry = Guarded::start(Generation::Third, Door::Open, false);
    let rule = |asked: &Asked| asked.is("PUT", "/two/manifests/next").then_some(Fault::Stall);
    let (repository, proxy, before) = second_push(&registry.address, rule);
    let run = up(&repository, &proxy.address.to_string()).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while proxy.count("PUT", "/two/manifests/next") == 0 {
        assert!(Instant::now() < deadline, "the tags never moved: {:?}", proxy.asked());
        std::thread::sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill").args(["-s", "TERM", &run.id().to_string()]).status();
    assert!(kill.expect("kill starts").success());
    let output = quiet(&proxy, &repository, Output::of(run).exits(143));
    assert!(
        output.error().contains("the run was cancelled; every tag points where it did before"),
        "{output}"
    );
    assert_eq!(digests(&registry.address), before, "{output}");
}
