//! Programs that fail, stay, are stopped, and are heard.

use super::*;
use crate::event::Event;
use std::time::Instant;

fn shell(script: &str) -> Program {
    Program::new("sh", Path::new("/")).arg("-c").arg(script)
}

#[tokio::test]
async fn output_is_captured_and_a_failure_carries_the_last_lines() {
    assert_eq!(capture(&shell("printf hello")).await.expect("runs"), b"hello");
    let error = capture(&shell("echo one >&2; echo two >&2; exit 3")).await.expect_err("fails");
    let ExecError::Failed { status, last_lines, .. } = error else { panic!("{error}") };
    assert_eq!(status.code(), Some(3));
    assert_eq!(last_lines, ["one", "two"]);
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = capture(&Program::new("no-such-program", Path::new("/"))).await.expect_err("missing");
    assert!(matches!(error, ExecError::Missing { program } if program == "no-such-program"));
}

#[tokio::test]
async fn what_a_program_leaves_running_is_not_waited_for() {
    let (events, _listener) = Events::channel();
    let program = shell("sleep 60 & echo done");
    let started = Instant::now();
    let mut lines = vec![];
    let on_stdout = |line: &str| lines.push(line.to_owned());
    stream(&events, &CancellationToken::new(), "test", &program, on_stdout).await.expect("runs");
    assert_eq!(lines, ["done"]);
    assert!(started.elapsed() < LAST_WORDS * 5);
}

#[tokio::test]
async fn a_cancelled_program_is_stopped_with_its_children() {
    // Given a program whose child would run for a minute,
    let (events, _listener) = Events::channel();
    let cancel = CancellationToken::new();
    let program = shell("echo started; sleep 60 & wait");
    let started = Instant::now();
    // when the run is cancelled as soon as it has started,
    let result = stream(&events, &cancel, "test", &program, |_| cancel.cancel()).await;
    // then it ends at once, and says so.
    assert!(matches!(result, Err(ExecError::Cancelled { .. })));
    assert!(started.elapsed() < GRACE);
}

/// Whether a process of this id still does something; one that has ended stays in the list until somebody asks for its end.
fn is_running(id: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
    state.is_ok_and(|text| !text.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_cancelled_program_may_tidy_up() {
    // Given a program that leaves a note when it is asked to end, and its child, which would run for a minute,
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (events, _listener) = Events::channel();
    let cancel = CancellationToken::new();
    let script = "sleep 60 & trap 'echo tidied > note; exit' TERM; echo $!; wait";
    let program = Program::new("sh", folder.path()).arg("-c").arg(script);
    // when the run is cancelled,
    let mut child = String::new();
    let on_stdout = |line: &str| {
        child = line.to_owned();
        cancel.cancel();
    };
    let result = stream(&events, &cancel, "test", &program, on_stdout).await;
    // then the note is there, and the child is not.
    assert!(matches!(result, Err(ExecError::Cancelled { .. })));
    let note = std::fs::read_to_string(folder.path().join("note"));
    assert_eq!(note.expect("a note"), "tidied\n");
    let started = Instant::now();
    while is_running(&child) {
        assert!(started.elapsed() < GRACE, "{child} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_program_says_is_heard_while_it_runs() {
    // Given a program that goes on only when somebody has heard it,
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (events, listener) = Events::channel();
    let heard = folder.path().join("heard");
    let hearing = std::thread::spawn(move || {
        let event = listener.recv_timeout(GRACE);
        std::fs::write(heard, "").expect("write the file");
        event
    });
    let script = "echo working >&2; until [ -e heard ]; do sleep 0.05; done";
    let program = Program::new("sh", folder.path()).arg("-c").arg(script);
    // when it runs, then its line comes before its end.
    stream(&events, &CancellationToken::new(), "test", &program, |_| ()).await.expect("runs");
    let expected = Event::Output { subject: "test".to_owned(), line: "working".to_owned() };
    assert_eq!(hearing.join().expect("a thread"), Ok(expected));
}
