//! Requests that nobody should send, in any order: the registry answers each, writes nowhere but in its layout, and
//! keeps a blob under no other name than its digest.

use super::wire::{Client, send};
use super::{Place, capture};
use crate::image::Digest;
use proptest::prelude::*;
use proptest::sample::select;
use std::path::Path;

/// A request before the registry is known.
#[derive(Clone, Debug)]
struct Strange {
    method: &'static str,
    has_secret: bool,
    path: String,
    header: Option<(&'static str, String)>,
    body: Vec<u8>,
}

/// Contents of which some are asked for by their digests, so that many requests succeed.
const BODIES: [&[u8]; 5] = [
    b"",
    b"{}",
    b"hello",
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}}"#,
];

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => select(BODIES.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
    ]
}

fn digest() -> impl Strategy<Value = String> {
    let known = select(BODIES.to_vec()).prop_map(|content| Digest::of(content).to_string());
    let wrong =
        select(vec!["sha256:../../../../x", "sha512:00", "", "sha256:", "..", "%2e%2e", "sha256:%00"]);
    prop_oneof![4 => known, 1 => wrong.prop_map(str::to_owned)]
}

fn name() -> impl Strategy<Value = String> {
    let names = vec![
        "a",
        "a",
        "a",
        "b/c",
        "blobs/uploads",
        "..",
        "../..",
        "%2e%2e%2f%2e%2e",
        "A",
        "",
        ".",
        "a/./b",
        "\\",
        "%00",
        "%ff",
    ];
    select(names).prop_map(str::to_owned)
}

fn word() -> impl Strategy<Value = String> {
    let known = select(vec!["v1", "v1", "1", "2", "3", "..", "%2e%2e", "index.json", "a%2fb", "-", "%ff"]);
    prop_oneof![6 => known.prop_map(str::to_owned), 1 => "[!-~]{0,12}".prop_map(|text| text.replace(['?', '#'], "_"))]
}

fn path() -> impl Strategy<Value = String> {
    let query = prop_oneof![
        Just(String::new()),
        digest().prop_map(|digest| format!("?digest={digest}")),
        digest().prop_map(|digest| format!("?mount={digest}&from=../a")),
        word().prop_map(|tag| format!("?tag={tag}&n={tag}&last={tag}")),
    ];
    (name(), digest(), word(), query, 0..7).prop_map(|(name, digest, word, query, kind)| match kind {
        0 => format!("{name}/blobs/{digest}{query}"),
        1 => format!("{name}/blobs/uploads/{query}"),
        2 => format!("{name}/blobs/uploads/{word}{query}"),
        3 => format!("{name}/manifests/{word}{query}"),
        4 => format!("{name}/manifests/{digest}{query}"),
        5 => format!("{name}/tags/list{query}"),
        _ => format!("{name}/referrers/{digest}{query}"),
    })
}

fn header() -> impl Strategy<Value = Option<(&'static str, String)>> {
    let bound =
        || select(vec!["0", "1", "4", "5", "", "-1", "x", "18446744073709551615", "18446744073709551616"]);
    let range = (bound(), bound()).prop_map(|(start, end)| format!("{start}-{end}"));
    prop_oneof![
        4 => Just(None),
        2 => range.clone().prop_map(|range| Some(("Content-Range", range))),
        1 => range.prop_map(|range| Some(("Range", format!("bytes={range}")))),
        1 => "[ -~]{0,20}".prop_map(|text| Some(("Content-Type", text))),
        1 => Just(Some(("Transfer-Encoding", "chunked".to_owned()))),
    ]
}

fn strange() -> impl Strategy<Value = Strange> {
    let method =
        select(vec!["GET", "HEAD", "POST", "POST", "PUT", "PUT", "PUT", "PATCH", "PATCH", "DELETE", "TRACE"]);
    (method, proptest::bool::weighted(0.9), path(), header(), content()).prop_map(
        |(method, has_secret, path, header, body)| Strange { method, has_secret, path, header, body },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_does_harm(requests in proptest::collection::vec(strange(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let place = Place::new();
        // A capture with a hole is an error that is tested elsewhere; here the answers and the files count.
        let statuses = runtime.block_on(async {
            let opened = place.open().await;
            let client = Client::of(&opened);
            let mut statuses = vec![];
            let work = async {
                for request in &requests {
                    statuses.push(answer(&client, request).await);
                }
                Ok::<(), crate::capture::CaptureError>(())
            };
            let _ = opened.during(work).await;
            statuses
        });
        for (status, request) in statuses.iter().zip(&requests) {
            // A task that panics ends the connection without an answer.
            let is_answer = status.is_some_and(|status| (200..500).contains(&status));
            prop_assert!(is_answer, "{:?} to {:?}", status, request);
        }
        prop_assert_eq!(strays(&place), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_requests_of_this_test_do_store_things() {
    // Given two of the requests that may be drawn, then they are no nonsense.
    let place = Place::new();
    capture(&place, async |client| {
        for (path, body) in [("a/blobs/uploads/?digest=", BODIES[1]), ("a/manifests/", BODIES[4])] {
            let method = if path.contains("blobs") { "POST" } else { "PUT" };
            let path = format!("{path}{}", Digest::of(body));
            let request = Strange { method, has_secret: true, path, header: None, body: body.to_vec() };
            assert_eq!(answer(&client, &request).await, Some(201));
        }
    })
    .await;
    assert_eq!(strays(&place), Vec::<String>::new());
    // And what is in the wrong place is seen.
    for path in ["beside", "layout/inside", "layout/blobs/sha256/x"] {
        let path = place.folder.path().join(path);
        std::fs::write(&path, "stray").expect("write");
        assert_eq!(strays(&place), [path.display().to_string()]);
        std::fs::remove_file(&path).expect("remove");
    }
}

async fn answer(client: &Client, request: &Strange) -> Option<u16> {
    let secret = if request.has_secret { &*client.secret } else { "0123" };
    let target = format!("/v2/{secret}/{}", request.path);
    let headers: Vec<(&str, &str)> =
        request.header.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send(&client.address, request.method, &target, &headers, &request.body).await.map(|answer| answer.status)
}

/// Every file that is neither a blob under its own digest nor the version of the layout.
fn strays(place: &Place) -> Vec<String> {
    let root = place.folder.path();
    let mut found: Vec<_> =
        files(root).into_iter().filter(|path| !belongs(&root.join("layout"), path)).collect();
    found.sort();
    found
}

fn belongs(layout: &Path, path: &str) -> bool {
    let path = Path::new(path);
    let is_blob = || {
        let digest = Digest::of(&std::fs::read(path).expect("a file"));
        path == layout.join("blobs/sha256").join(digest.hex())
    };
    path == layout.join("oci-layout") || is_blob()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] })
        .collect()
}
