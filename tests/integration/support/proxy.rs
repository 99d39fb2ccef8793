//! A TCP proxy whose open connections can fall silent, as behind a firewall that forgets them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections made before the last [`Proxy::silence`] pass nothing on, and nobody is told.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    epoch: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy in front of `target`, on a loopback port of its own. It ends with the test process.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let epoch = Arc::new(AtomicUsize::new(0));
        let known = Arc::clone(&epoch);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(target) else { continue };
                let born = known.load(Ordering::SeqCst);
                for (from, to) in [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))] {
                    let (from, to) = (from.expect("a socket"), to.expect("a socket"));
                    let epoch = Arc::clone(&known);
                    std::thread::spawn(move || pass_on(from, to, &epoch, born));
                }
            }
        });
        Self { address, epoch }
    }

    /// From now on, the connections that are open pass nothing on. New ones work.
    pub(crate) fn silence(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, epoch: &AtomicUsize, born: usize) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if epoch.load(Ordering::SeqCst) == born && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
