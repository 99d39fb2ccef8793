//! Where requests lead: reading that is sent on, mounts that are refused, lists that others change, images that are deleted.

use crate::support::faulty::{Asked, Fault, Faulty, answer, once};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::{ISSUED, LOGIN, PASSWORD, Pushing, each};
use crate::support::registry::Registry;
use crate::support::{Repository, prebuilt};

const UPLOAD: &str = "/blobs/uploads/";

#[test]
fn no_login_follows_a_download_to_another_host() {
    // Given a base image at a registry that wants a login and gives its blobs from another server,
    each([302, 307], |status| {
        let registry = Registry::start();
        registry.publish("base:1", "base");
        let store = Faulty::start(registry.address(), |_| None);
        let place = store.address;
        let front = Faulty::guarded(registry.address(), LOGIN, move |asked| {
            let headers = format!("Location: http://{place}{}?signature={ISSUED}1\r\n", asked.path);
            if asked.is("GET", "/blobs/") { answer(status, &headers, "") } else { None }
        });
        let push = Pushing::through(|_| None);
        let base = front.image("base:1");
        let text =
            format!("components: {{app: {{path: app, base: '{base}', prebuilt: {{linux/amd64: run}}}}}}\n");
        push.repository.write("hephy.yaml", &text).commit("Put it on a base");
        let login = |host: &dyn std::fmt::Display| {
            format!(r#""{host}":{{"auth":"{}"}}"#, LOGIN.trim_start_matches("Basic "))
        };
        let logins = push.logins(&format!(
            r#"{{"auths":{{{},{},{}}}}}"#,
            login(&front.address),
            login(&store.address),
            login(&push.proxy.address)
        ));
        // when an image is made on it, then the layers come from there, and even a login for that server stays here.
        let hephy = push.repository.hephy(["up", "--registry", &push.proxy.image("shop")]);
        push.succeeds_with(hephy.env("DOCKER_CONFIG", logins));
        let asked = store.asked();
        assert!(asked.iter().any(|asked| asked.is("GET", "/blobs/")), "{status} {asked:?}");
        assert!(asked.iter().all(|asked| asked.header("authorization").is_none()), "{asked:?}");
    });
}

/// Components that share one layer.
fn with_siblings(push: &Pushing, count: usize) {
    let mut text = String::from("components:\n");
    for number in 0..count {
        text.push_str(&format!("  part-{number}: {{path: app, prebuilt: {{linux/amd64: run}}}}\n"));
    }
    push.repository.write("hephy.yaml", &text).commit("Several of them");
}

/// Whether it asks for a blob of another repository.
fn is_foreign_mount(asked: &Asked) -> bool {
    let own = asked.path.split('/').nth(3).unwrap_or_default();
    asked.is("POST", "mount=") && !asked.path.ends_with(&format!("from=shop%2F{own}"))
}

#[test]
fn a_registry_that_refuses_to_mount_is_asked_about_two_repositories() {
    each([401, 403, 405], |status| {
        let push = Pushing::of(
            400_000,
            move |asked| {
                if is_foreign_mount(asked) { answer(status, "", "") } else { None }
            },
        );
        with_siblings(&push, 4);
        push.without_secrets(push.hephy().run().exits(0));
        for number in 0..4 {
            push.registry.read_back(&format!("shop/part-{number}:sha-{}", push.repository.short_id()));
        }
        let asked = push.proxy.asked();
        let mounts = asked.iter().filter(|asked| is_foreign_mount(asked)).count();
        assert_eq!(mounts, 2, "{status}");
        // The layer was sent to each.
        assert_eq!(
            asked.iter().filter(|asked| asked.is("PUT", UPLOAD) && asked.length() > 100_000).count(),
            4
        );
    });
}

#[test]
fn a_mount_for_which_the_token_is_not_enough_gets_another_one() {
    // Given a registry with tokens that wants one which may read the other repository too,
    let push = Pushing::open(400_000, |asked| {
        let host = asked.header("host").unwrap_or_default();
        let challenge = |scopes: &str| {
            let realm = format!("realm=\"http://{host}/token\",service=\"s\",scope=\"{scopes}\"");
            answer(401, &format!("WWW-Authenticate: Bearer {realm}\r\n"), "")
        };
        if asked.path.starts_with("/token") {
            let both = asked.path.matches("scope=").count() + asked.path.matches("+repository").count() > 1;
            let kind = if both { "both" } else { "one" };
            return answer(
                200,
                "",
                &format!(r#"{{"token":"{ISSUED}{kind}-{}","expires_in":300}}"#, asked.time),
            );
        }
        let header = asked.header("authorization").unwrap_or_default();
        let own = format!("repository:shop/{}:pull,push", asked.path.split('/').nth(3).unwrap_or_default());
        let from = asked.path.split("from=shop%2F").nth(1).unwrap_or_default();
        match header.strip_prefix("Bearer ") {
            Some(token) if token.starts_with(&format!("{ISSUED}both")) => None,
            Some(_) if !is_foreign_mount(asked) => None,
            Some(_) => challenge(&format!("{own} repository:shop/{from}:pull")),
            None => challenge(&own),
        }
    });
    with_siblings(&push, 2);
    // when two images share a layer, then it is mounted.
    push.without_secrets(push.hephy().run().exits(0));
    let asked = push.proxy.asked();
    let mounts = asked.iter().filter(|asked| is_foreign_mount(asked) && !asked.is_hit).count();
    assert_eq!(mounts, 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|asked| asked.is("PUT", UPLOAD) && asked.length() > 100_000).count(), 1);
}

#[test]
fn a_list_that_somebody_else_changes_is_read_and_written_again() {
    // Given a list of attached documents that can be compared, and somebody who changes it just then,
    let list = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let is_list = |asked: &Asked| asked.path.contains("/manifests/sha256-");
    let first = once(
        move |asked| asked.method == "GET" && is_list(asked),
        Fault::Answer(200, "ETag: \"before\"\r\n".to_owned(), list.to_owned()),
    );
    let push = Pushing::through(move |asked| match asked.header("if-match") {
        Some(_) => answer(412, "", ""),
        None => first(asked),
    });
    // when a document is attached,
    push.succeeds_with(push.hephy().args(["--attest", "all"]));
    // then the first try was meant for the list that was read, and the second one for the new one.
    let asked = push.proxy.asked();
    let writes = asked.iter().filter(|asked| asked.method == "PUT" && is_list(asked));
    let writes: Vec<Option<&str>> = writes.map(|asked| asked.header("if-match")).collect();
    assert_eq!(writes, [Some("\"before\""), None]);
    let list = push.registry.tags("shop/app").into_iter().find(|tag| tag.starts_with("sha256-"));
    push.registry.read_back(&format!("shop/app:{}", list.expect("a list")));
}

#[test]
fn documents_are_attached_behind_tokens_and_tls() {
    each([Generation::Second, Generation::Third], |generation| {
        let registry = Guarded::start(generation, Door::Token, true);
        let repository = Repository::empty();
        repository.write("app/run", "#!/bin/sh\n").write("hephy.yaml", &prebuilt("linux/amd64: run"));
        repository.commit("Add the app");
        let output = registry.hephy(&repository, "up").args(["--attest", "all"]).run().exits(0);
        assert!(!output.stderr.contains(PASSWORD) && !output.stdout.contains(PASSWORD), "{output}");
        let digest = output.stdout.trim().rsplit('@').next().expect("a digest").to_owned();
        let list = registry.manifest(&format!("shop/app:{}", digest.replace(':', "-")));
        assert_eq!(list["manifests"].as_array().map(Vec::len), Some(1), "{list}");
        let document = list["manifests"][0]["digest"].as_str().expect("a digest");
        let document = registry.manifest(&format!("shop/app@{document}"));
        assert_eq!(document["subject"]["digest"], digest.as_str());
    });
}

#[test]
fn an_image_that_was_deleted_over_the_api_is_made_whole_again() {
    let push = Pushing::of(400_000, |_| None);
    let output = push.succeeds();
    // Given an image that somebody deleted as the registry lets them: by its digest, and its layer with it,
    let digest = output.stdout.trim().rsplit('@').next().expect("a digest").to_owned();
    let manifest = push.registry.manifest("shop/app", &digest);
    let layer = manifest["layers"][0]["digest"].as_str().expect("a layer");
    push.registry.delete(&format!("shop/app/manifests/{digest}"));
    push.registry.delete(&format!("shop/app/blobs/{layer}"));
    assert_eq!(push.registry.tags("shop/app"), Vec::<String>::new());
    let before = push.sent();
    // when the same commit is pushed again, then all of it is there.
    push.succeeds();
    assert!(push.sent() - before > 300_000, "the layer was sent again");
}
