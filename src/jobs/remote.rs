//! Programs in a pod: files go to their stdin, bytes come from their stdout, and their lines become events. It takes
//! version 5 of the protocol (Kubernetes 1.30), which alone can say that a stdin has ended.

use super::JobError;
use super::object::Object;
use super::spec::CONTAINER;
use crate::backends::BuildError;
use crate::event::Events;
use crate::exec::{self, LastLines};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams, AttachedProcess, LogParams};
use std::fs::File;
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

/// How much is under way at once; more than kube's default of 1 KiB, with which an image takes hours.
const BUFFER: usize = 1 << 20;

/// How a program in a pod ended.
pub(super) struct End {
    /// `None` if the connection ended before it, or if it could not be started.
    pub(super) code: Option<i32>,
    /// What the kubelet said where it gave no code.
    pub(super) problem: Option<String>,
    pub(super) last_lines: Vec<String>,
}

/// A pod whose container runs.
pub(super) struct Remote<'a> {
    pub(super) object: &'a Object,
    pub(super) pod: &'a str,
}

impl Remote<'_> {
    /// Runs `command` with `stdin`, and writes what it says on stdout into `stdout`.
    pub(super) async fn run(
        &self,
        events: &Events,
        command: &[String],
        stdin: Option<File>,
        stdout: Option<&File>,
    ) -> Result<End, JobError> {
        let parameters = parameters(stdin.is_some(), true);
        let what = format!("run `{}` in pod `{}`", command.first().map_or("", String::as_str), self.pod);
        let pods = self.pods();
        let process = self.object.cluster.ask(&what, pods.exec(self.pod, command, &parameters)).await?;
        self.accompany(events, process, stdin, stdout).await
    }

    /// Feeds the program that the container runs, and passes on all that it says, from its first line to its last.
    pub(super) async fn feed(&self, events: &Events, stdin: File) -> Result<(), JobError> {
        let cluster = &self.object.cluster;
        let pods = self.pods();
        let following =
            LogParams { container: Some(CONTAINER.to_owned()), follow: true, ..LogParams::default() };
        let what = format!("follow the logs of pod `{}`", self.pod);
        let lines = cluster.ask(&what, pods.log_stream(self.pod, &following)).await?;
        let what = format!("attach to pod `{}`", self.pod);
        let only_stdin = AttachParams { stderr: false, ..parameters(true, false) };
        let mut process = cluster.ask(&what, pods.attach(self.pod, &only_stdin)).await?;
        let writer = process.stdin();
        let subject = self.object.subject.as_str();
        let passing_on = async {
            let _ = exec::each_line(Some(lines.compat()), |line| events.output(subject, line)).await;
            Ok(())
        };
        tokio::try_join!(send(Some(stdin), writer), passing_on).map(drop)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.object.cluster.client(), &self.object.namespace)
    }

    /// All streams move at once: one that stands still would stop the others. A fault of this machine ends them all.
    async fn accompany(
        &self,
        events: &Events,
        mut process: AttachedProcess,
        stdin: Option<File>,
        stdout: Option<&File>,
    ) -> Result<End, JobError> {
        let fault = |source| JobError::Write { source };
        let stdout = stdout.map(File::try_clone).transpose().map_err(fault)?;
        let mut last_lines = LastLines::default();
        let subject = self.object.subject.as_str();
        let mut on_line = |line: &str| {
            events.output(subject, line);
            last_lines.keep(line);
        };
        let status = process.take_status();
        let (writer, output, errors) = (process.stdin(), process.stdout(), process.stderr());
        let ((), (), (), status) = tokio::try_join!(
            send(stdin, writer),
            async { take(output, stdout, events, subject).await.map_err(fault) },
            async {
                let _ = exec::each_line(errors, &mut on_line).await;
                Ok(())
            },
            async {
                Ok(match status {
                    Some(status) => status.await,
                    None => None,
                })
            }
        )?;
        let code = status.as_ref().and_then(code);
        let problem = status.filter(|_| code.is_none()).and_then(|status| status.message);
        Ok(End { code, problem, last_lines: last_lines.into() })
    }
}

/// Sends a file and says that it has ended. A program that ends before that says itself why; a file that cannot be read
/// is an error, because the program would take its beginning for all of it.
async fn send(file: Option<File>, writer: Option<impl AsyncWrite + Unpin>) -> Result<(), JobError> {
    let (Some(file), Some(mut writer)) = (file, writer) else { return Ok(()) };
    let fault = |source| BuildError::Read { path: PathBuf::from("the copy of the context"), source };
    let mut file = tokio::fs::File::from_std(file);
    let mut piece = vec![0; BUFFER];
    loop {
        let length = file.read(&mut piece).await.map_err(fault)?;
        if length == 0 {
            break;
        }
        if writer.write_all(&piece[..length]).await.is_err() {
            return Ok(());
        }
    }
    let _ = writer.shutdown().await;
    Ok(())
}

/// Bytes into a file where there is one; else lines for people.
async fn take(
    output: Option<impl AsyncRead + Unpin>,
    file: Option<File>,
    events: &Events,
    subject: &str,
) -> std::io::Result<()> {
    match (output, file) {
        (Some(mut output), Some(file)) => {
            let mut file = tokio::fs::File::from_std(file);
            tokio::io::copy(&mut output, &mut file).await?;
            file.flush().await
        }
        (output, _) => exec::each_line(output, |line| events.output(subject, line)).await,
    }
}

fn parameters(stdin: bool, stdout: bool) -> AttachParams {
    AttachParams {
        container: Some(CONTAINER.to_owned()),
        stdin,
        stdout,
        stderr: true,
        tty: false,
        max_stdin_buf_size: Some(BUFFER),
        max_stdout_buf_size: Some(BUFFER),
        max_stderr_buf_size: Some(BUFFER),
    }
}

/// How the program ended, as the kubelet tells it.
fn code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    code.and_then(|cause| cause.message.as_ref()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_file_gets_there_whole_or_the_build_fails() {
        let bytes = vec![7; BUFFER + 1];
        let whole = || {
            let mut file = tempfile::tempfile().expect("a temporary file");
            std::io::Write::write_all(&mut file, &bytes).expect("write it");
            std::io::Seek::rewind(&mut file).expect("rewind it");
            Some(file)
        };
        let mut received = vec![];
        send(whole(), Some(&mut received)).await.expect("sent");
        assert!(received == bytes);
        // A program that has ended takes nothing more.
        let (writer, reader) = tokio::io::duplex(16);
        drop(reader);
        send(whole(), Some(writer)).await.expect("its own matter");
        // A folder can be opened like a file, and not be read.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let unreadable = File::open(folder.path()).expect("open it");
        let error = send(Some(unreadable), Some(&mut vec![])).await.expect_err("not read");
        assert_eq!(error.to_string(), "read `the copy of the context`");
    }

    #[test]
    fn the_kubelet_says_how_a_program_ended() {
        let exit = |code: &str| json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": code}]}});
        for (status, expected) in [
            (json!({"status": "Success"}), Some(0)),
            (exit("7"), Some(7)),
            (exit("x"), None),
            (json!({"status": "Failure", "reason": "InternalError", "message": "not found"}), None),
            (json!({}), None),
        ] {
            let read: Status = serde_json::from_value(status.clone()).expect("a status");
            assert_eq!(code(&read), expected, "{status}");
        }
    }
}
