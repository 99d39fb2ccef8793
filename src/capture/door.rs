//! Connections that can be ended all at once. The server gives each a task of its own; when the door closes, whatever
//! such a task reads or writes next fails, and the task ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// A listener whose connections end with its [`Closing`].
pub(super) struct Door {
    listener: TcpListener,
    closed: CancellationToken,
    /// Nothing is sent: as long as somebody could send, somebody is there.
    presence: mpsc::Sender<()>,
}

/// The end of all connections of a [`Door`], at the latest when this is dropped.
pub(super) struct Closing {
    guard: DropGuard,
    all_gone: mpsc::Receiver<()>,
}

/// A connection that came through the door.
pub(super) struct Connection {
    stream: TcpStream,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    _presence: mpsc::Sender<()>,
}

impl Door {
    /// A door for the connections to `listener`.
    pub(super) fn new(listener: TcpListener) -> (Self, Closing) {
        let closed = CancellationToken::new();
        let (presence, all_gone) = mpsc::channel(1);
        let closing = Closing { guard: closed.clone().drop_guard(), all_gone };
        (Self { listener, closed, presence }, closing)
    }
}

impl Closing {
    /// Ends every connection and returns when the last is gone. The door itself must have been dropped before.
    pub(super) async fn close(mut self) {
        drop(self.guard);
        while self.all_gone.recv().await.is_some() {}
    }
}

impl axum::serve::Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Axum's own way of accepting waits a little when there are too many open files, and goes on.
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        let closed = Box::pin(self.closed.clone().cancelled_owned());
        (Connection { stream, closed, _presence: self.presence.clone() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// The stream, unless the door is closed; `context` is woken when it closes.
    fn open(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.closed.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.open(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.open(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
