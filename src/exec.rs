//! Running programs: the only place that starts a process, passes on its lines, and stops it kindly.

use crate::event::Events;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// How long a program may take to end after SIGTERM before SIGKILL follows.
const GRACE: Duration = Duration::from_secs(8);
/// How long the output of a program is read after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many of its last lines are kept for the error message.
const KEPT_LINES: usize = 20;
/// A line is cut here: a build tool that prints a binary must not fill the memory.
const LONGEST_LINE: u64 = 64 * 1024;

/// A program to run: no shell is involved, so arguments need no quoting and cannot inject anything.
#[derive(Debug)]
pub(crate) struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecError {
    #[error("find the program `{program}`")]
    Missing { program: String },
    #[error("start `{program}`")]
    Start { program: String, source: std::io::Error },
    #[error("read the output of `{program}`")]
    Read { program: String, source: std::io::Error },
    #[error("run `{program}`: {status}")]
    Failed { program: String, status: ExitStatus, last_lines: Vec<String> },
    #[error("stop `{program}` because the run was cancelled")]
    Cancelled { program: String },
}

impl Program {
    /// `name`, to be run in `directory`.
    pub(crate) fn new(name: impl Into<OsString>, directory: &Path) -> Self {
        Self {
            name: name.into(),
            arguments: vec![],
            directory: directory.to_owned(),
            environment: vec![],
            removed: vec![],
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Keeps a variable of hephy's environment from the program, which may still get one of its own.
    pub(crate) fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.removed.push(name.into());
        self
    }

    fn printed(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn spawn(&self, output: Stdio) -> Result<Child, ExecError> {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments).current_dir(&self.directory);
        self.removed.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // A group of its own, so that a stop reaches what the program started too.
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound if self.directory.is_dir() => {
                ExecError::Missing { program: self.printed() }
            }
            _ => ExecError::Start { program: self.printed(), source },
        })
    }
}

/// Runs `program` to its end and returns what it wrote to stdout. Its stderr becomes part of the error if it fails.
pub(crate) async fn capture(program: &Program) -> Result<Vec<u8>, ExecError> {
    let child = program.spawn(Stdio::piped())?;
    let printed = program.printed();
    let output = child
        .wait_with_output()
        .await
        .map_err(|source| ExecError::Read { program: printed.clone(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut last_lines = LastLines::default();
    String::from_utf8_lossy(&output.stderr).lines().for_each(|line| last_lines.keep(line));
    Err(ExecError::Failed { program: printed, status: output.status, last_lines: last_lines.into() })
}

/// What a program said last, as much of it as an error message holds.
#[derive(Default)]
pub(crate) struct LastLines(VecDeque<String>);

impl LastLines {
    pub(crate) fn keep(&mut self, line: &str) {
        if self.0.len() == KEPT_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }
}

impl From<LastLines> for Vec<String> {
    fn from(lines: LastLines) -> Self {
        lines.0.into()
    }
}

/// Runs `program`, passes its stderr on as events of `subject`, and gives each line of its stdout to `on_stdout`.
/// Stops it when `cancel` fires: SIGTERM to its process group first, SIGKILL after a grace.
pub(crate) async fn stream(
    events: &Events,
    cancel: &CancellationToken,
    subject: &str,
    program: &Program,
    mut on_stdout: impl FnMut(&str),
) -> Result<(), ExecError> {
    let mut child = program.spawn(Stdio::piped())?;
    let printed = program.printed();
    let mut last_lines = LastLines::default();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = async {
        tokio::try_join!(
            each_line(stdout, &mut on_stdout),
            each_line(stderr, |line| {
                events.output(subject, line);
                last_lines.keep(line);
            })
        )
    };
    let work = async {
        tokio::pin!(reading);
        tokio::select! {
            read = &mut reading => (read, child.wait().await),
            // What the program left running may hold its output open for ever.
            status = child.wait() => {
                let read = tokio::time::timeout(LAST_WORDS, &mut reading).await;
                (read.unwrap_or(Ok(((), ()))), status)
            }
        }
    };
    let Some((read, status)) = cancel.run_until_cancelled(work).await else {
        stop(&mut child).await;
        return Err(ExecError::Cancelled { program: printed });
    };
    let fault = |source| ExecError::Read { program: printed.clone(), source };
    read.map_err(fault)?;
    let status = status.map_err(fault)?;
    match status.success() {
        true => Ok(()),
        false => Err(ExecError::Failed { program: printed, status, last_lines: last_lines.into() }),
    }
}

/// Calls `on_line` for each line, without its line end. A line longer than [`LONGEST_LINE`] comes in pieces.
pub(crate) async fn each_line(
    stream: Option<impl AsyncRead + Unpin>,
    mut on_line: impl FnMut(&str),
) -> std::io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    let mut reader = BufReader::new(stream);
    let mut line = vec![];
    while (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await? > 0 {
        on_line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
    Ok(())
}

async fn stop(child: &mut Child) {
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    signal(Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        signal(Signal::KILL);
        let _ = child.wait().await;
    }
}

#[cfg(test)]
mod tests;
