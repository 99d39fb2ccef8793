//! What a person at a terminal sees and does: lines that are redrawn, and Ctrl-C.

use crate::support::pushing::Pushing;
use crate::support::{Output, Repository, stand_in};
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_terminal_is_redrawn_and_a_log_only_grows() {
    // Given the same run twice, once into a log and once on a terminal,
    let log = Repository::app().hephy(["up"]).run().exits(0);
    let terminal = Repository::app().hephy(["up"]).env("TERM", "xterm").on_terminal().exits(0);
    // then the log has a line for what began, and no control sequence,
    assert!(log.stderr.contains("► build  app") && !log.stderr.contains('\u{1b}'), "{log}");
    // and the terminal has what ended, in colour, and what began only for as long as it went on.
    let shown = &terminal.stdout;
    assert!(shown.contains("build  app") && shown.contains("\u{1b}[") && shown.contains("✔"), "{terminal}");
    assert!(!shown.lines().any(|line| line.starts_with("► build")), "{terminal}");
}

#[test]
fn a_terminal_shows_blobs_while_they_move_and_a_log_the_image() {
    // Given a registry that takes its time for a large layer,
    let slowly = || {
        Pushing::of(20_000_000, |asked| {
            if asked.method == "PUT" && asked.length() > 1_000_000 {
                std::thread::sleep(Duration::from_secs(1));
            }
            None
        })
    };
    // when it is pushed into a log, then there is a line for the image when it begins and one when it has arrived;
    let push = slowly();
    let log = push.succeeds_with(push.built());
    let lines: Vec<&str> = log.stderr.lines().filter(|line| line.contains("push   app (")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("2 blobs, 15.") && lines[1].contains("2 of 2 blobs sent"), "{log}");
    // on a terminal the blob has one too, for as long as it moves.
    let push = slowly();
    let terminal = push.built().env("TERM", "xterm").on_terminal().exits(0);
    let bar = |line: &str| line.contains(" MB of 15.") && line.contains('█');
    assert!(terminal.stdout.split(['\n', '\r']).any(bar), "{terminal}");
}

#[test]
fn a_build_is_interrupted_kindly() {
    // Given a builder that would take a minute,
    let repository = Repository::empty();
    repository.write("web/Dockerfile", "FROM scratch\nCOPY page /\n").write("web/page", "").commit("Web");
    let tools = repository.beside("tools");
    std::fs::create_dir(&tools).expect("create the folder");
    let (builder, started) = (tools.join("buildah"), tools.join("started"));
    let script =
        format!("[ \"$1\" != --version ] || exit 0\necho $$ > '{}'\nexec sleep 60", started.display());
    stand_in(&builder, &script);
    let path = std::env::var("PATH").expect("a path");
    let hephy = repository.hephy(["up"]).env("PATH", format!("{}:{path}", tools.display())).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !started.exists() {
        assert!(Instant::now() < deadline, "the builder never started");
        std::thread::sleep(Duration::from_millis(20));
    }
    // when hephy gets the signal of Ctrl-C,
    let interrupted = Instant::now();
    let kill = Command::new("kill").args(["-s", "INT", &hephy.id().to_string()]).status();
    assert!(kill.expect("kill starts").success());
    let output = Output::of(hephy).exits(130);
    // then it ends soon, says so, and leaves no builder behind.
    assert!(interrupted.elapsed() < Duration::from_secs(10), "it took {:?}", interrupted.elapsed());
    assert!(output.error().contains("cancelled"), "{output}");
    let builder = std::fs::read_to_string(&started).expect("its number");
    assert!(
        !std::path::Path::new("/proc").join(builder.trim()).join("exe").exists(),
        "the builder still runs"
    );
}
