//! The capture registry: a registry inside hephy, through which a tool that can only push leaves a layout.
//!
//! It listens on a random port of 127.0.0.1, speaks the push and pull parts of the distribution spec, and lives exactly
//! as long as the work it was opened for. Blobs and manifests go to the layout as they come; tags are only remembered,
//! and are handed over when the work has succeeded and everything they need is there.
//!
//! Every user of a machine can reach its loopback address. So the names of all repositories begin with a secret word,
//! and without it the registry holds nothing and takes nothing. A login would hide more, because a name shows in the list
//! of processes; but tools look for logins in different files, and a file of ours in place of the user's would take away
//! those that the tool needs for its own downloads. What somebody slips in after reading that list has another digest
//! than the tool reports, and a backend compares the two.

mod answer;
mod blobs;
mod catalog;
mod door;
mod manifests;
mod route;
mod server;
mod uploads;

#[cfg(test)]
mod tests;

use crate::image::{Digest, Repository, Tag};
use crate::layout::{Contents, Descriptor, Layout, LayoutError};
use door::Door;
use server::Server;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

/// A capture registry that is open. It serves while [`Capture::during`] runs.
pub(crate) struct Capture {
    server: Arc<Server>,
    listener: TcpListener,
    address: SocketAddr,
}

/// A tag that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    /// The name of the repository, without the secret.
    pub(crate) name: String,
    pub(crate) tag: Tag,
    /// The manifest, which is in the layout with all that belongs to it.
    pub(crate) manifest: Descriptor,
}

/// Why nothing was captured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    #[error("open a registry on 127.0.0.1 for the tool to push to")]
    Open { source: io::Error },
    #[error("make up a secret name")]
    Secret { source: getrandom::Error },
    #[error("take over the image `{image}`: the tool did not push its part {digest}")]
    Incomplete { image: String, digest: String },
    #[error("take over the image `{image}`: its manifest {digest} is none")]
    Manifest { image: String, digest: Digest, source: serde_json::Error },
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Capture {
    /// Opens a registry whose contents go to `layout`. It answers when [`Capture::during`] is awaited.
    pub(crate) async fn open(layout: Layout) -> Result<Self, CaptureError> {
        let fault = |source| CaptureError::Open { source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        Ok(Self { server: Arc::new(Server::new(layout, secret()?)), listener, address })
    }

    /// The repository that a tool is told to push `name` to.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        Repository { host: Some(self.address.to_string()), path: format!("{}/{name}", self.server.secret()) }
    }

    /// Serves until `work` ends, and returns what it returns with all tags that were pushed meanwhile. Afterwards, and
    /// also when this future is dropped, the port is closed and no connection is left. If `work` fails, or a pushed image
    /// is not whole, there are no tags.
    pub(crate) async fn during<T, E: From<CaptureError>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, Vec<Captured>), E> {
        let (door, closing) = Door::new(self.listener);
        let serving = async {
            // It never ends by itself.
            let _ = axum::serve(door, server::router(Arc::clone(&self.server))).await;
            std::future::pending::<T>().await
        };
        let done = tokio::select! {
            done = work => done,
            done = serving => Ok(done),
        };
        closing.close().await;
        self.server.give_up_uploads().await;
        Ok((done?, captured(&self.server)?))
    }
}

/// Every tag, if its image is whole.
fn captured(server: &Server) -> Result<Vec<Captured>, CaptureError> {
    let catalog = server.catalog();
    let mut found = vec![];
    for (path, tag, manifest) in catalog.tagged() {
        let name = path.strip_prefix(server.secret()).unwrap_or(path).trim_start_matches('/').to_owned();
        ensure_whole(server.layout(), &format!("{name}:{tag}"), &manifest)?;
        found.push(Captured { name, tag: tag.clone(), manifest });
    }
    Ok(found)
}

/// A manifest is refused while a part of it is missing, but a client may delete that part later.
fn ensure_whole(layout: &Layout, image: &str, manifest: &Descriptor) -> Result<(), CaptureError> {
    let missing =
        |part: &Descriptor| CaptureError::Incomplete { image: image.to_owned(), digest: part.digest.clone() };
    let digest = manifest.digest().map_err(|_| missing(manifest))?;
    if !layout.holds(&digest, manifest.size) {
        return Err(missing(manifest));
    }
    let contents = Contents::read(&layout.read(&digest)?).map_err(|source| CaptureError::Manifest {
        image: image.to_owned(),
        digest: digest.clone(),
        source,
    })?;
    for blob in contents.blobs() {
        let digest = blob.digest().map_err(|_| missing(blob))?;
        layout.holds(&digest, blob.size).then_some(()).ok_or_else(|| missing(blob))?;
    }
    contents.manifests().try_for_each(|manifest| ensure_whole(layout, image, manifest))
}

/// A word that nobody guesses: 128 bits of the system's randomness, in letters that a name may have.
fn secret() -> Result<String, CaptureError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|source| CaptureError::Secret { source })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
