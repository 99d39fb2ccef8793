//! The ladder of uploads: every registry gets a blob in the way that it takes, and is asked as little as possible.

use crate::support::faulty::{Asked, Fault, answer};
use crate::support::pushing::{Pushing, each, is_layer};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

const UPLOAD: &str = "/blobs/uploads/";

/// Whether a request sends more bytes than `limit`.
fn is_longer(asked: &Asked, limit: u64) -> bool {
    asked.path.contains(UPLOAD) && asked.most() > limit
}

#[test]
fn a_push_asks_for_what_it_must_and_no_more() {
    let push = Pushing::of(40_000, |_| None);
    push.succeeds();
    // Is it there: under its key (for the plan) and by its digest; two blobs begun and sent; the
    // manifest put and read back; the tag looked for and put.
    let methods = |from: usize| -> Vec<String> {
        push.proxy.asked()[from..].iter().map(|asked| asked.method.clone()).collect()
    };
    let mut cold = methods(0);
    cold.sort();
    assert_eq!(cold, ["HEAD", "HEAD", "HEAD", "HEAD", "POST", "POST", "PUT", "PUT", "PUT", "PUT"]);
    // When nothing has changed, then two questions are enough.
    push.succeeds();
    assert_eq!(methods(cold.len()), ["HEAD", "HEAD"]);
}

#[test]
fn what_a_registry_has_is_mounted_and_not_sent() {
    let push = Pushing::of(400_000, |_| None);
    push.repository.write("hephy.yaml", TWINS).commit("Two of them");
    push.without_secrets(push.hephy().run().exits(0));
    push.registry.read_back(&format!("shop/one:sha-{}", push.repository.short_id()));
    push.registry.read_back(&format!("shop/two:sha-{}", push.repository.short_id()));
    // The layer of both is sent once: the other repository mounts it. Each has a config of its own.
    let asked = push.proxy.asked();
    assert_eq!(asked.iter().filter(|asked| is_layer(asked)).count(), 1, "{asked:?}");
    assert_eq!(push.proxy.count("PUT", UPLOAD), 3, "{asked:?}");
}

/// Two components with the same program.
const TWINS: &str = "\
components:
  one: {path: app, prebuilt: {linux/amd64: run}}
  two: {path: app, prebuilt: {linux/amd64: run}}
";

#[test]
fn a_registry_that_does_not_mount_gets_the_blob() {
    each([401, 405, 500], |status| {
        let push = Pushing::of(400_000, move |asked| {
            let is_mount = asked.is("POST", "mount=") && (status != 500 || asked.time == 1);
            if is_mount { answer(status, "", "") } else { None }
        });
        push.repository.write("hephy.yaml", TWINS).commit("Two of them");
        push.without_secrets(push.hephy().run().exits(0));
        push.registry.read_back(&format!("shop/one:sha-{}", push.repository.short_id()));
        push.registry.read_back(&format!("shop/two:sha-{}", push.repository.short_id()));
    });
}

#[test]
fn a_registry_without_self_mounts_is_asked_for_large_blobs() {
    // Given a registry that has a blob and begins an upload all the same,
    let push = Pushing::of(8_000_000, |asked| asked.is("POST", "mount=").then_some(Fault::Plain));
    push.succeeds_with(push.built());
    let before = push.sent();
    push.registry.forget_manifests("shop/app");
    // when its manifest is gone and the image is pushed again,
    push.succeeds_with(push.built());
    // then the layer is found by a question of its own.
    assert!(push.sent() - before < 1_000_000, "{:?}", push.proxy.asked());
}

#[test]
fn a_registry_without_monolithic_uploads_gets_a_patch() {
    each([404, 405, 411, 416], |status| {
        let push = Pushing::of(400_000, move |asked| {
            if asked.method == "PUT" && is_longer(asked, 0) { answer(status, "", "") } else { None }
        });
        push.succeeds();
        let patches: Vec<_> =
            push.proxy.asked().into_iter().filter(|asked| asked.method == "PATCH").collect();
        assert_eq!(patches.len(), 2, "{status}");
        assert!(patches.iter().all(|patch| patch.header("content-range").is_none()), "{status}");
    });
}

/// At most so many blobs are under way before the first of them has arrived.
const AT_ONCE: usize = 8;

/// So many files of this size, each of one byte again and again.
fn plain_layers(push: &Pushing, count: u8, size: usize) -> Vec<PathBuf> {
    let layer = |number: u8| {
        let path = push.repository.beside(&format!("plain-{number}"));
        std::fs::write(&path, vec![number; size]).expect("write the layer");
        path
    };
    (1..=count).map(layer).collect()
}

#[test]
fn what_a_registry_does_not_take_is_remembered() {
    // Given a registry without monolithic uploads and an image of many layers,
    let push = Pushing::of(40_000, |asked| {
        if asked.method == "PUT" && is_longer(asked, 0) { answer(405, "", "") } else { None }
    });
    push.succeeds_with(push.with_layers(&plain_layers(&push, 24, 1000)));
    // then it refuses no more than were under way before it took the first patch.
    assert_eq!(push.proxy.count("PATCH", UPLOAD), 25);
    assert!((1..=AT_ONCE).contains(&push.proxy.hits()), "{}", push.proxy.hits());
}

#[test]
fn a_registry_that_refuses_mounts_is_not_asked_for_every_blob() {
    let push =
        Pushing::of(40_000, |asked| if asked.is("POST", "mount=") { answer(405, "", "") } else { None });
    push.succeeds_with(push.with_layers(&plain_layers(&push, 24, 1000)));
    assert!((1..=AT_ONCE).contains(&push.proxy.hits()), "{}", push.proxy.hits());
}

#[test]
fn a_registry_that_begins_uploads_of_what_it_has_is_not_asked_to_mount_again() {
    // Given a registry that has large layers and begins an upload for a mount all the same,
    let push = Pushing::of(40_000, |asked| asked.is("POST", "mount=").then_some(Fault::Plain));
    let layers = plain_layers(&push, 16, DEAR);
    push.succeeds_with(push.with_layers(&layers));
    push.registry.forget_manifests("shop/app");
    let before = push.proxy.count("POST", "mount=");
    // when the image is pushed again, then every layer is looked for, and few are asked to be mounted.
    let sent = push.sent();
    push.succeeds_with(push.with_layers(&layers));
    let mounts = push.proxy.count("POST", "mount=") - before;
    assert!((1..=AT_ONCE).contains(&mounts), "{mounts}");
    assert!(push.sent() - sent < 100_000);
}

/// A blob of so many bytes is worth a question before it is sent.
const DEAR: usize = 4_300_000;

#[test]
fn a_registry_that_mounts_what_it_has_is_not_asked_for_large_blobs() {
    // Given a registry that has one of many large layers, and mounts it,
    let push = Pushing::of(40_000, |_| None);
    let layers = plain_layers(&push, 24, DEAR);
    // which is the one that is sent first: blobs go in the order of their digests,
    let digest = |layer: &&PathBuf| Sha256::digest(std::fs::read(layer).expect("a layer"));
    let first = layers.iter().min_by_key(digest).expect("layers").clone();
    push.succeeds_with(push.with_layers(&[first]));
    push.registry.forget_manifests("shop/app");
    let before = push.proxy.count("HEAD", "/blobs/");
    // when all are pushed, then it is asked only for those that were under way before that was known.
    push.succeeds_with(push.with_layers(&layers));
    let questions = push.proxy.count("HEAD", "/blobs/") - before;
    assert!(questions <= AT_ONCE, "{questions}");
}

#[test]
fn a_limit_on_the_size_of_requests_is_kept() {
    each([(5 << 20, 413), (5 << 20, 416), (1 << 20, 413)], |(limit, status)| {
        let push =
            Pushing::of(
                14_000_000,
                move |asked| {
                    if is_longer(asked, limit) { answer(status, "", "") } else { None }
                },
            );
        push.succeeds();
        let patches = push.proxy.asked().into_iter().filter(|asked| asked.method == "PATCH");
        let arrived: u64 = patches.map(|patch| patch.length()).filter(|length| *length <= limit).sum();
        assert!((10_000_000..12_000_000).contains(&arrived), "{limit} {status}: {arrived}");
    });
}

#[test]
fn a_chunk_is_as_long_as_the_registry_wants_it() {
    let push = Pushing::of(14_000_000, |asked| match asked.method.as_str() {
        "PUT" if is_longer(asked, 1 << 20) => answer(413, "", ""),
        "POST" => Some(Fault::With("OCI-Chunk-Min-Length", (6 << 20).to_string())),
        _ => None,
    });
    push.succeeds_with(push.built());
    let patches = push.proxy.asked().into_iter().filter(|asked| asked.method == "PATCH");
    assert_eq!(patches.map(|patch| patch.length()).next(), Some(6 << 20));
}

#[test]
fn a_limit_that_nothing_fits_is_a_refusal() {
    let push = Pushing::of(400_000, |asked| if is_longer(asked, 1000) { answer(413, "", "") } else { None });
    push.fails(4).says("answered 413");
}

#[test]
fn a_deleted_image_is_pushed_again() {
    let push = Pushing::through(|_| None);
    push.succeeds();
    push.registry.forget_manifests("shop/app");
    assert_eq!(push.registry.tags("shop/app"), Vec::<String>::new());
    push.succeeds();
}

#[test]
fn a_blob_that_is_gone_is_sent_again_when_the_registry_says_so() {
    // Given an image whose tags and layer are gone and whose manifest is still there,
    let push = Pushing::of(400_000, |_| None);
    push.succeeds();
    push.registry.forget_blobs("shop/app");
    push.repository.write("README", "more").commit("Another commit");
    push.without_secrets(push.hephy().args(["--all"]).run().exits(0));
    // when it is built and pushed again, then it is whole.
    push.registry.read_back(&format!("shop/app:sha-{}", push.repository.short_id()));
}

#[test]
fn a_damaged_layer_never_arrives() {
    let push = Pushing::of(400_000, |_| None);
    // Given an image that was built, and a disk that has changed a byte of its layer since,
    let registry = push.proxy.image("shop");
    let plan = ["--plan", "plan.json"];
    push.logged_in(&["plan", "--registry", &registry, "--output", "plan.json"]).run().exits(0);
    push.repository.hephy(["build"]).args(plan).run().exits(0);
    let blobs = push.repository.path().join(".hephy/build/app/linux-amd64/blobs/sha256");
    let blobs = blobs.read_dir().expect("blobs").map(|blob| blob.expect("a blob").path());
    let layer = blobs.max_by_key(|blob| blob.metadata().expect("a file").len()).expect("a layer");
    let mut bytes = std::fs::read(&layer).expect("read the layer");
    bytes[1000] ^= 1;
    std::fs::write(&layer, bytes).expect("change the layer");
    // when it is pushed, then it is refused here and not by the registry.
    push.fails_with(push.logged_in(&["push"]).args(plan), 4).says("its content has changed");
}
