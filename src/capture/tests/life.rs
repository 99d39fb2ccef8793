//! When a capture registry begins and ends, who may use it, and what it hands over.

use super::wire::{Client, send};
use super::{Place, capture, names};
use crate::capture::{CaptureError, Captured};
use crate::image::Digest;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn tags_are_handed_over_at_the_end_and_the_layout_has_everything_else() {
    let place = Place::new();
    let ((), captured) = capture(&place, async |client| {
        client.push_image("app", "v1").await;
        client.push_image("team/app", "v1").await;
    })
    .await;
    // The secret is in no name, and nothing points at the images yet.
    assert_eq!(names(&captured), ["app:v1", "team/app:v1"]);
    assert!(!place.path().join("index.json").exists());
    let manifest = captured[0].manifest.digest().expect("a digest");
    assert_eq!(Digest::of(&place.layout().read(&manifest).expect("the manifest")), manifest);
}

#[tokio::test]
async fn without_the_secret_there_is_nothing() {
    let place = Place::new();
    let ((), captured) = capture(&place, async |client| {
        client.push_image("app", "v1").await;
        for name in ["app", "0123456789abcdef0123456789abcdef/app", &client.secret] {
            for (method, path) in [
                ("GET", "tags/list"),
                ("GET", "manifests/v1"),
                ("PUT", "manifests/v1"),
                ("POST", "blobs/uploads/"),
                ("GET", "referrers/sha256:0000000000000000000000000000000000000000000000000000000000000000"),
            ] {
                let target = format!("/v2/{name}/{path}");
                let answer = send(&client.address, method, &target, &[], b"{}").await.expect("an answer");
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(answer.status, 404, "{method} {target}");
                assert!(body.contains("NAME_UNKNOWN"), "{method} {target}: {body}");
            }
        }
    })
    .await;
    assert_eq!(names(&captured), ["app:v1"]);
}

#[tokio::test]
async fn it_ends_with_the_work() {
    let place = Place::new();
    // Given a client that keeps its connection, and another in the middle of an upload,
    let (mut streams, _) = capture(&place, async |client| {
        let mut idle = TcpStream::connect(&client.address).await.expect("it listens");
        idle.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("send");
        idle.read_u8().await.expect("an answer");
        [idle, half_sent(&client).await]
    })
    .await;
    // when the work is done, then both connections have ended,
    for stream in &mut streams {
        let _ = stream.read_to_end(&mut vec![]).await;
        let address = stream.peer_addr().ok();
        // nobody listens any more,
        if let Some(address) = address {
            assert!(TcpStream::connect(address).await.is_err());
        }
    }
    // and of the half blob nothing is left.
    assert_eq!(entries(&place.path()), ["blobs", "oci-layout"]);
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let place = Place::new();
    let capture = place.open().await;
    let client = Client::of(&capture);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // Given a run that is cancelled while a client is in the middle of an upload,
    let work = async {
        let _ = sender.send(half_sent(&client).await);
        std::future::pending::<Result<(), CaptureError>>().await
    };
    let mut stream = tokio::select! {
        _ = capture.during(work) => panic!("the work never ends"),
        stream = receiver => stream.expect("a connection"),
    };
    // when its future is gone, then the connection ends, the port is closed, and the half blob goes away.
    let _ = stream.read_to_end(&mut vec![]).await;
    assert!(TcpStream::connect(&client.address).await.is_err());
    while entries(&place.path()).len() > 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn work_that_fails_leaves_no_tags() {
    let place = Place::new();
    let capture = place.open().await;
    let client = Client::of(&capture);
    let work = async {
        client.push_image("app", "v1").await;
        Err::<(), _>(CaptureError::Open { source: std::io::Error::other("the tool failed") })
    };
    let error = capture.during(work).await.expect_err("the work failed");
    assert!(matches!(error, CaptureError::Open { .. }), "{error}");
    assert!(!place.path().join("index.json").exists());
}

#[tokio::test]
async fn an_image_with_a_hole_is_not_handed_over() {
    for (part, named) in [("blobs/{HELLO}", "HELLO"), ("manifests/{MANIFEST}", "MANIFEST")] {
        // Given an index with an image, of which one part is deleted again,
        let place = Place::new();
        let capture = place.open().await;
        let client = Client::of(&capture);
        let work = async {
            client.push_image("app", "v1").await;
            client.line(("PUT", "app/manifests/all", &[], "INDEX")).await;
            let line = client.line(("DELETE", &format!("app/{part}"), &[], "")).await;
            assert_eq!(line, "202");
            Ok::<(), CaptureError>(())
        };
        // when the work is done, then it is an error that names the image and the part.
        let result: Result<((), Vec<Captured>), CaptureError> = capture.during(work).await;
        let missing = Digest::of(client.content(named).expect("known").as_bytes());
        let expected = format!("take over the image `app:all`: the tool did not push its part {missing}");
        assert_eq!(result.expect_err("a hole").to_string(), expected);
    }
}

#[tokio::test]
async fn an_upload_that_broke_off_goes_on_where_it_was() {
    let place = Place::new();
    capture(&place, async |client| {
        drop(half_sent(&client).await);
        let start = "204 location=/v2/{SECRET}/app/blobs/uploads/1 range=0-1";
        // The broken connection is noticed at some time; until then the upload is busy, and the question waits.
        client.talk(&[(("GET", "app/blobs/uploads/1", &[], ""), start)]).await;
        let rest = [("Content-Range", "2-4")];
        let line = client.line(("PUT", "app/blobs/uploads/1?digest={HELLO}", &rest, "llo")).await;
        assert!(line.starts_with("201 "), "{line}");
    })
    .await;
}

/// A connection on which two of five bytes of an upload have been sent, and taken.
async fn half_sent(client: &Client) -> TcpStream {
    let line = client.line(("POST", "app/blobs/uploads/", &[], "")).await;
    assert!(line.starts_with("202 "), "{line}");
    let mut stream = TcpStream::connect(&client.address).await.expect("it listens");
    let target = format!("/v2/{}/app/blobs/uploads/1", client.secret);
    // The server asks for the body, so it is about to read it.
    let head =
        format!("PATCH {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("send");
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"he").await.expect("send");
    stream
}

fn entries(folder: &Path) -> Vec<String> {
    let names = folder.read_dir().expect("the layout").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
