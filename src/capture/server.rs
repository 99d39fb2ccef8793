//! The state of a capture registry, and which endpoint answers a request.

use super::answer::{Code, Refusal, answer};
use super::catalog::Catalog;
use super::route::{self, Place};
use super::uploads::Uploads;
use super::{blobs, manifests, uploads};
use crate::layout::Layout;
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use futures::StreamExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the clients of a capture registry share.
pub(super) struct Server {
    layout: Layout,
    secret: String,
    catalog: Mutex<Catalog>,
    uploads: Mutex<Uploads>,
}

/// A request whose place is known.
pub(super) struct Call<'a> {
    pub(super) server: &'a Server,
    /// The repository.
    pub(super) name: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a [(String, String)],
}

/// The body of a request, as it comes.
pub(super) type Incoming = BodyDataStream;

impl Server {
    /// A registry without contents. The names of its repositories begin with `secret` and a slash.
    pub(super) fn new(layout: Layout, secret: String) -> Self {
        Self { layout, secret, catalog: Mutex::default(), uploads: Mutex::default() }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is written any more and throws away what was not finished.
    pub(super) async fn give_up_uploads(&self) {
        let left = std::mem::take(&mut *self.uploads());
        left.give_up().await;
    }

    fn is_own(&self, name: &str) -> bool {
        name.strip_prefix(&self.secret).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Call<'_> {
    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters(name).next()
    }

    /// All values of a query parameter.
    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The registry as a service.
pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v2", any(version))
        .route("/v2/", any(version))
        .route("/v2/{*path}", any(respond))
        .with_state(server)
}

/// end-1: this is a registry.
async fn version(method: Method) -> Response {
    match method {
        Method::GET | Method::HEAD => answer(StatusCode::OK)
            .header(HeaderName::from_static("docker-distribution-api-version"), "registry/2.0")
            .header(axum::http::header::CONTENT_TYPE, "application/json")
            .body("{}"),
        _ => no_such_method().into_response(),
    }
}

async fn respond(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let result = match (path, query) {
        (Ok(path), Ok(query)) => dispatch(&server, &path, &query, &head, &mut body).await,
        _ => Err(Refusal::new(Code::NameInvalid, "the address is not UTF-8")),
    };
    result.unwrap_or_else(|refusal| refusal.into_response())
}

async fn dispatch(
    server: &Server,
    path: &str,
    query: &[(String, String)],
    head: &Parts,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    let place = route::place(path)?;
    let name = place.name().unwrap_or_default();
    if !server.is_own(name) {
        drain(body).await;
        return Err(Refusal::new(Code::NameUnknown, "this registry has no such repository"));
    }
    let call = Call { server, name, headers: &head.headers, query };
    let result = serve(&call, &place, &head.method, body).await;
    if result.is_err() {
        drain(body).await;
    }
    result
}

/// One line for each endpoint.
async fn serve(
    call: &Call<'_>,
    place: &Place,
    method: &Method,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    match (place, method) {
        (Place::Blob { digest, .. }, &Method::GET) => blobs::read(call, digest).await,
        (Place::Blob { digest, .. }, &Method::HEAD) => blobs::look(call, digest),
        (Place::Blob { digest, .. }, &Method::DELETE) => blobs::delete(call, digest),
        (Place::Uploads { .. }, &Method::POST) => uploads::open(call, body).await,
        (Place::Upload { id, .. }, &Method::GET) => uploads::status(call, id).await,
        (Place::Upload { id, .. }, &Method::PATCH) => uploads::go_on(call, id, body).await,
        (Place::Upload { id, .. }, &Method::PUT) => uploads::finish(call, id, body).await,
        (Place::Upload { id, .. }, &Method::DELETE) => uploads::cancel(call, id),
        (Place::Manifest { reference, .. }, &Method::GET | &Method::HEAD) => {
            manifests::read(call, reference, method == Method::HEAD)
        }
        (Place::Manifest { reference, .. }, &Method::PUT) => manifests::put(call, reference, body).await,
        (Place::Manifest { reference, .. }, &Method::DELETE) => manifests::delete(call, reference),
        (Place::Tags { .. }, &Method::GET) => manifests::tags(call),
        (Place::Referrers { digest, .. }, &Method::GET) => manifests::referrers(call, digest),
        _ => Err(no_such_method()),
    }
}

fn no_such_method() -> Refusal {
    Refusal::new(Code::Unsupported, "the distribution spec has no such method here")
}

/// Reads what is left of a body. A client that is still sending when the connection closes may never see the answer.
async fn drain(body: &mut Incoming) {
    while body.next().await.is_some_and(|piece| piece.is_ok()) {}
}
