//! Many blobs and large ones: how many go at once, how few when the registry is busy, and how much memory it takes.

use crate::support::faulty::{Asked, Fault};
use crate::support::pushing::{Pushing, layers};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Whether it sends the bytes of a layer: a config is shorter.
fn is_upload(asked: &Asked) -> bool {
    asked.is("PUT", "/blobs/uploads/") && asked.length() > 10_000
}

#[test]
fn layers_go_side_by_side() {
    // Given a registry that does nothing before it has got the head of a fourth layer,
    let push = Pushing::through(|asked| is_upload(asked).then(|| Fault::Together(4, Box::new(None))));
    // when sixteen layers are pushed, then several go at once, and no more than eight.
    push.succeeds_with(push.with_layers(&layers(&push, 16, 20_000)));
    let most = push.proxy.most_at_once();
    assert!((4..=8).contains(&most), "{most}");
}

#[test]
fn a_busy_registry_gets_fewer_at_once() {
    // Given a registry that takes its time, and refuses uploads at first, however often they come back,
    let refused = AtomicUsize::new(0);
    let push = Pushing::through(move |asked| {
        if !is_upload(asked) {
            return None;
        }
        let is_early = refused.fetch_add(1, Ordering::SeqCst) < REFUSED;
        Some(if is_early { busy() } else { Fault::Wait(Duration::from_millis(500)) })
    });
    // when sixteen layers are pushed, then far fewer go at once, until it has been well for longer.
    push.succeeds_with(push.with_layers(&layers(&push, 16, 20_000)));
    let most = push.proxy.most_at_once();
    assert!((1..=5).contains(&most), "{most}");
}

/// Eight go at once, then four, then two.
const REFUSED: usize = 8 + 4 + 2;

fn busy() -> Fault {
    Fault::Answer(429, "Retry-After: 1\r\n".to_owned(), String::new())
}

#[test]
fn a_large_layer_needs_little_memory() {
    // Given an image with a layer of 300 MB,
    let push = Pushing::through(|_| None);
    let layer = push.repository.beside("large");
    std::fs::File::create(&layer).and_then(|file| file.set_len(300_000_000)).expect("a sparse file");
    let mut hephy = push.with_layers(&[layer]).start();
    // when it is pushed, then the run never has more than 64 MiB in memory.
    let status = format!("/proc/{}/status", hephy.id());
    let mut peak = 0;
    while hephy.try_wait().expect("it was started").is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    crate::support::Output::of(hephy).exits(0);
    assert!((1_000..64 << 10).contains(&peak), "{peak} KiB");
    assert!(push.proxy.asked().iter().any(|asked| asked.length() == 300_000_000));
}
