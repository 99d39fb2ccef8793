//! Layers that are sent while they are still being compressed (docs/reliability.md): a head start that may fail.

use crate::support::faulty::{Asked, Fault, once};
use crate::support::pushing::{Pushing, each};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const UPLOAD: &str = "/blobs/uploads/";
/// What takes long to compress, in bytes.
const LARGE: usize = 40_000_000;
/// What is left of it is more.
const COMPRESSED: u64 = 29_000_000;

/// Whether it sends a layer while it is made.
fn is_stream(asked: &Asked) -> bool {
    asked.is("PATCH", UPLOAD) && asked.is_chunked()
}

/// Whether it sends a large layer that is whole.
fn is_whole(asked: &Asked) -> bool {
    asked.path.contains(UPLOAD) && asked.length() > 1_000_000
}

/// Whether the layout of the leg has a blob as large as the layer.
fn has_layer(repository: &Path) -> bool {
    let blobs = repository.join(".hephy/build/app/linux-amd64/blobs/sha256").read_dir();
    blobs
        .into_iter()
        .flatten()
        .flatten()
        .any(|blob| blob.metadata().is_ok_and(|blob| blob.len() > COMPRESSED))
}

#[test]
fn a_large_layer_is_sent_while_it_is_compressed() {
    // Given a program that takes long to compress,
    let repository: Arc<OnceLock<PathBuf>> = Arc::default();
    let was_whole: Arc<Mutex<Vec<bool>>> = Arc::default();
    let (folder, seen) = (Arc::clone(&repository), Arc::clone(&was_whole));
    let push = Pushing::of(LARGE, move |asked| {
        if is_stream(asked) {
            seen.lock().expect("nobody panics").push(folder.get().is_some_and(|folder| has_layer(folder)));
        }
        None
    });
    repository.set(push.repository.path().to_owned()).expect("once");
    // when it is built and pushed in one go,
    let output = push.succeeds();
    // then its layer begins to move before it is whole,
    assert_eq!(*was_whole.lock().expect("nobody panics"), [false], "{output}");
    // nothing says how long it will be, and it is sent once;
    let asked = push.proxy.asked();
    let stream = asked.iter().find(|asked| is_stream(asked)).expect("a stream");
    assert_eq!((stream.header("content-length"), stream.header("content-range")), (None, None));
    assert_eq!(asked.iter().filter(|asked| is_whole(asked)).count(), 0, "{asked:?}");
    assert!(push.proxy.streamed() > COMPRESSED, "{}", push.proxy.streamed());
    assert!(output.stderr.contains("2 of 2 blobs sent"), "{output}");
    // and the next run finds all of it.
    push.succeeds();
    let methods: Vec<String> =
        push.proxy.asked()[asked.len()..].iter().map(|asked| asked.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "HEAD"]);
}

#[test]
fn a_head_start_that_fails_costs_nothing_but_time() {
    let refused = |status: u16| Fault::Answer(status, String::new(), String::new());
    let faults = [404, 405, 411, 413, 416, 429, 500, 503].map(refused).into_iter().chain([
        Fault::ResetAtOnce,
        Fault::ResetAtFirstByte,
        Fault::ResetInBody,
        Fault::LoseAnswer,
        Fault::ResetInAnswer,
        Fault::Without("location"),
    ]);
    each(faults, |fault| {
        // Given a registry that does not take, or loses, what is still being made,
        let of_stream = fault.clone();
        let push = Pushing::of(LARGE / 4, move |asked| is_stream(asked).then(|| of_stream.clone()));
        // when it is pushed, then the layer is sent once more when it is whole,
        let output = push.succeeds();
        let asked = push.proxy.asked();
        assert_eq!(asked.iter().filter(|asked| is_stream(asked)).count(), 1, "{fault:?} {output}");
        assert_eq!(asked.iter().filter(|asked| is_whole(asked)).count(), 1, "{fault:?} {output}");
        // and what had been begun is given up.
        assert_eq!(push.proxy.count("DELETE", UPLOAD), 1, "{fault:?} {output}");
    });
}

#[test]
fn a_registry_that_stops_reading_is_not_waited_for_long() {
    let push = Pushing::of(LARGE, once(is_stream, Fault::Stall));
    push.succeeds_with(push.hephy().args(["--registry-timeout", "2s"]));
    assert_eq!(push.proxy.asked().iter().filter(|asked| is_whole(asked)).count(), 1);
}

#[test]
fn a_registry_that_stored_something_else_is_not_believed() {
    // Given a registry that says of a layer which was sent along that it stored another one,
    let other = format!("sha256:{}", "0".repeat(64));
    let ends = |asked: &Asked| asked.is("PUT", UPLOAD) && asked.header("content-length") == Some("0");
    let push = Pushing::of(LARGE / 4, once(ends, Fault::With("Docker-Content-Digest", other)));
    // when it is pushed, then the layer is asked for, or sent once more.
    push.succeeds();
    assert_eq!(push.proxy.hits(), 1);
}

#[test]
fn what_changes_while_it_is_sent_gets_no_name() {
    // Given a program that is edited while its layer is on its way, so that it is as long as before, or shorter,
    let one_byte = |program: &Path| {
        let file = std::fs::File::options().write(true).open(program).expect("open");
        file.write_all_at(b"!", 7).expect("write");
    };
    let all = |program: &Path| std::fs::write(program, "another one").expect("write");
    type Edit = fn(&Path);
    let edits: [(Edit, i32, &str); 2] =
        [(one_byte, 2, "changed while it was built"), (all, 3, "it got shorter while it was read")];
    each(edits, |(edit, code, problem)| {
        let program: Arc<OnceLock<PathBuf>> = Arc::default();
        let path = Arc::clone(&program);
        let push = Pushing::of(LARGE, move |asked| {
            if is_stream(asked) {
                edit(path.get().expect("it is set"));
            }
            None
        });
        program.set(push.repository.path().join("app/run")).expect("once");
        // when it is pushed, then it is refused, and nothing in the registry leads to the layer.
        push.fails(code).says(problem);
        assert_eq!(push.proxy.count("PUT", "/manifests/"), 0);
    });
}

#[test]
fn what_the_registry_turns_out_to_have_is_not_sent_to_the_end() {
    // Given a registry that has a layer and lost its manifest, and reads slowly,
    let push = Pushing::of(LARGE, |asked| {
        (is_stream(asked) && asked.time > 1).then_some(Fault::Wait(Duration::from_secs(8)))
    });
    push.succeeds();
    let before = push.proxy.streamed();
    push.registry.forget_manifests("shop/app");
    // when the image is built and pushed again, then the rest of the layer stays here.
    push.succeeds();
    assert!(push.proxy.streamed() - before < COMPRESSED, "{}", push.proxy.streamed() - before);
    assert_eq!(push.proxy.asked().iter().filter(|asked| is_whole(asked)).count(), 0);
}

#[test]
fn a_build_alone_sends_nothing() {
    let push = Pushing::of(LARGE / 4, |_| None);
    push.built();
    assert_eq!(push.proxy.count("POST", ""), 0);
}
