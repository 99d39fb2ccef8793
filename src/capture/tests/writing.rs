//! The endpoints of the distribution spec that write, in their order, each with what it answers to right and to wrong
//! requests.

use super::wire::Request;
use super::{Place, capture, names};

#[tokio::test]
async fn end_4a_and_6_take_a_blob_in_two_requests() {
    capture(&Place::new(), async |client| {
        client
            .talk(&[
                (
                    ("POST", "app/blobs/uploads/", &[], ""),
                    "202 location=/v2/{SECRET}/app/blobs/uploads/1 range=0-0",
                ),
                (("PUT", "app/blobs/uploads/1", &[], "hello"), "400 DIGEST_INVALID"),
                (("PUT", "app/blobs/uploads/1?digest=x", &[], "hello"), "400 DIGEST_INVALID"),
                (
                    ("PUT", "app/blobs/uploads/1?digest={HELLO}", &[], "hello"),
                    "201 docker-content-digest={HELLO} location=/v2/{SECRET}/app/blobs/{HELLO}",
                ),
                // It has ended, and there never was one of that name elsewhere.
                (("PUT", "app/blobs/uploads/1?digest={HELLO}", &[], "hello"), "404 BLOB_UPLOAD_UNKNOWN"),
                (
                    ("POST", "app/blobs/uploads", &[], ""),
                    "202 location=/v2/{SECRET}/app/blobs/uploads/2 range=0-0",
                ),
                (("PUT", "other/blobs/uploads/2?digest={HELLO}", &[], "hello"), "404 BLOB_UPLOAD_UNKNOWN"),
                // Wrong content ends an upload.
                (("PUT", "app/blobs/uploads/2?digest={CONFIG}", &[], "hello"), "400 DIGEST_INVALID"),
                (("GET", "app/blobs/uploads/2", &[], ""), "404 BLOB_UPLOAD_UNKNOWN"),
                (("HEAD", "app/blobs/{CONFIG}", &[], ""), "404"),
                (("PUT", "app/blobs/uploads/../../x?digest={HELLO}", &[], "hello"), "404 UNSUPPORTED"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn end_4b_takes_a_blob_in_one_request() {
    capture(&Place::new(), async |client| {
        let created = "201 docker-content-digest={HELLO} location=/v2/{SECRET}/app/blobs/{HELLO}";
        client
            .talk(&[
                (("POST", "app/blobs/uploads/?digest={HELLO}", &[], "hello"), created),
                (
                    (
                        "POST",
                        "app/blobs/uploads/?digest={HELLO}",
                        &[("Transfer-Encoding", "chunked")],
                        "hello",
                    ),
                    created,
                ),
                (("POST", "app/blobs/uploads/?digest={CONFIG}", &[], "hello"), "400 DIGEST_INVALID"),
                (("POST", "app/blobs/uploads/?digest=sha512:00", &[], "hello"), "400 DIGEST_INVALID"),
                (("HEAD", "app/blobs/{CONFIG}", &[], ""), "404"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn end_5_6_and_13_take_a_blob_in_chunks() {
    capture(&Place::new(), async |client| {
        let range = |text| [("Content-Range", text)];
        let at = |end| format!("202 location=/v2/{{SECRET}}/app/blobs/uploads/1 range=0-{end}");
        let out_of_order = "416 BLOB_UPLOAD_INVALID location=/v2/{SECRET}/app/blobs/uploads/1 range=0-2";
        client
            .talk(&[
                (("POST", "app/blobs/uploads/", &[], ""), &at(0)),
                // A chunk that says where it belongs, one that does not, and the last one with the digest.
                (("PATCH", "app/blobs/uploads/1", &range("0-1"), "he"), &at(1)),
                (("PATCH", "app/blobs/uploads/1", &[("Transfer-Encoding", "chunked")], "l"), &at(2)),
                (
                    ("GET", "app/blobs/uploads/1", &[], ""),
                    "204 location=/v2/{SECRET}/app/blobs/uploads/1 range=0-2",
                ),
                (("PATCH", "app/blobs/uploads/1", &range("0-1"), "he"), out_of_order),
                (("PATCH", "app/blobs/uploads/1", &range("4-4"), "o"), out_of_order),
                (("PUT", "app/blobs/uploads/1?digest={HELLO}", &range("4-4"), "o"), out_of_order),
                (("PATCH", "app/blobs/uploads/1", &range("3-9"), "l"), "400 SIZE_INVALID"),
                (("PATCH", "app/blobs/uploads/1", &range("x"), "l"), "400 BLOB_UPLOAD_INVALID"),
                (("PATCH", "app/blobs/uploads/1", &range("3-1"), "l"), "400 BLOB_UPLOAD_INVALID"),
                (("PATCH", "app/blobs/uploads/1", &range("3-18446744073709551615"), "l"), "400 SIZE_INVALID"),
                (("PATCH", "app/blobs/uploads/1", &range("3-3"), "l"), &at(3)),
                (
                    ("PUT", "app/blobs/uploads/1?digest={HELLO}", &range("4-4"), "o"),
                    "201 docker-content-digest={HELLO} location=/v2/{SECRET}/app/blobs/{HELLO}",
                ),
                (("PATCH", "app/blobs/uploads/1", &[], "x"), "404 BLOB_UPLOAD_UNKNOWN"),
                (("GET", "app/blobs/uploads/1", &[], ""), "404 BLOB_UPLOAD_UNKNOWN"),
                (("GET", "app/blobs/uploads/%2e%2e", &[], ""), "404 BLOB_UPLOAD_UNKNOWN"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn end_5_ends_an_upload_whose_chunk_has_another_length_than_it_says() {
    capture(&Place::new(), async |client| {
        let headers = [("Content-Range", "0-9"), ("Transfer-Encoding", "chunked")];
        client
            .talk(&[
                (
                    ("POST", "app/blobs/uploads/", &[], ""),
                    "202 location=/v2/{SECRET}/app/blobs/uploads/1 range=0-0",
                ),
                (("PATCH", "app/blobs/uploads/1", &headers, "he"), "400 SIZE_INVALID"),
                (("GET", "app/blobs/uploads/1", &[], ""), "404 BLOB_UPLOAD_UNKNOWN"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_upload_is_cancelled() {
    capture(&Place::new(), async |client| {
        client
            .talk(&[
                (
                    ("POST", "app/blobs/uploads/", &[], ""),
                    "202 location=/v2/{SECRET}/app/blobs/uploads/1 range=0-0",
                ),
                (("DELETE", "app/blobs/uploads/1", &[], ""), "204"),
                (("DELETE", "app/blobs/uploads/1", &[], ""), "404 BLOB_UPLOAD_UNKNOWN"),
                (("PATCH", "app/blobs/uploads/1", &[], "x"), "404 BLOB_UPLOAD_UNKNOWN"),
            ])
            .await;
    })
    .await;
}

fn put<'a>(
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
    expected: &'a str,
) -> (Request<'a>, &'a str) {
    (("PUT", path, headers, body), expected)
}

#[tokio::test]
async fn end_7_takes_manifests() {
    let (_, captured) = capture(&Place::new(), async |client| {
        let image: &[(&str, &str)] = &[("Content-Type", "{image}")];
        let stored = "201 docker-content-digest={MANIFEST} location=/v2/{SECRET}/app/manifests/{MANIFEST}";
        // A manifest comes after its parts.
        client.talk(&[put("app/manifests/v1", image, "MANIFEST", "404 MANIFEST_BLOB_UNKNOWN")]).await;
        client.push_blobs("app", &["CONFIG", "HELLO"]).await;
        let long = format!("{{\"schemaVersion\": 2}}{}", " ".repeat(4 * 1024 * 1024));
        client
            .talk(&[
                put("app/manifests/{INDEX}", &[], "INDEX", "404 MANIFEST_BLOB_UNKNOWN"),
                put("app/manifests/v1", image, "MANIFEST", stored),
                put("app/manifests/v2", &[], "MANIFEST", stored),
                put("app/manifests/{MANIFEST}", &[("Content-Type", "{image}; charset=utf-8")], "MANIFEST", stored),
                put(
                    "app/manifests/{MANIFEST}?tag=v3&tag=v4",
                    image,
                    "MANIFEST",
                    "201 docker-content-digest={MANIFEST} location=/v2/{SECRET}/app/manifests/{MANIFEST} oci-tag=v3 oci-tag=v4",
                ),
                put(
                    "app/manifests/all",
                    &[("Content-Type", "{index}")],
                    "INDEX",
                    "201 docker-content-digest={INDEX} location=/v2/{SECRET}/app/manifests/{INDEX}",
                ),
                put(
                    "app/manifests/{SBOM}",
                    image,
                    "SBOM",
                    "201 docker-content-digest={SBOM} location=/v2/{SECRET}/app/manifests/{SBOM} oci-subject={MANIFEST}",
                ),
                // Only a manifest that is named by its digest takes tags beside its name, and only one that is taken.
                put("app/manifests/v1?tag=v5", image, "MANIFEST", stored),
                put("app/manifests/{HELLO}?tag=v5", image, "MANIFEST", "400 DIGEST_INVALID"),
                put("other/manifests/{MANIFEST}?tag=v5", image, "MANIFEST", "404 MANIFEST_BLOB_UNKNOWN"),
                put("app/manifests/{MANIFEST}?tag=v5&tag=..", image, "MANIFEST", "400 MANIFEST_INVALID"),
                put("app/manifests/{MANIFEST}?tag=..", image, "MANIFEST", "400 MANIFEST_INVALID"),
                put("app/manifests/{HELLO}", image, "MANIFEST", "400 DIGEST_INVALID"),
                put("app/manifests/-", image, "MANIFEST", "400 MANIFEST_INVALID"),
                put("app/manifests/x", image, "hello", "400 MANIFEST_INVALID"),
                put("app/manifests/x", image, "{\"schemaVersion\": 1}", "400 MANIFEST_INVALID"),
                put("app/manifests/x", &[], "{\"schemaVersion\": 2}", "400 MANIFEST_INVALID"),
                put("app/manifests/x", &[("Content-Type", "{index}")], "MANIFEST", "400 MANIFEST_INVALID"),
                put("app/manifests/x", image, "TWO", "400 MANIFEST_INVALID"),
                put("app/manifests/x", image, "WRONG", "400 MANIFEST_INVALID"),
                put("app/manifests/x", image, &long, "413 MANIFEST_INVALID"),
                put("other/manifests/x", image, "MANIFEST", "404 MANIFEST_BLOB_UNKNOWN"),
            ])
            .await;
    })
    .await;
    assert_eq!(names(&captured), ["app:all", "app:v1", "app:v2", "app:v3", "app:v4"]);
}

#[tokio::test]
async fn end_9_deletes_tags_and_manifests() {
    let place = Place::new();
    let (_, captured) = capture(&place, async |client| {
        for tag in ["v1", "v2"] {
            client.push_image("app", tag).await;
        }
        client.push_image("other", "v1").await;
        client
            .talk(&[
                (("DELETE", "app/manifests/v1", &[], ""), "202"),
                (("DELETE", "app/manifests/v1", &[], ""), "404 MANIFEST_UNKNOWN"),
                (("HEAD", "app/manifests/v1", &[], ""), "404"),
                // Its manifest is there by its digest and its other tag, until it is deleted itself.
                (("DELETE", "app/manifests/{MANIFEST}", &[], ""), "202"),
                (("GET", "app/manifests/v2", &[], ""), "404 MANIFEST_UNKNOWN"),
                (("GET", "app/manifests/{MANIFEST}", &[], ""), "404 MANIFEST_UNKNOWN"),
                (("DELETE", "app/manifests/{MANIFEST}", &[], ""), "404 MANIFEST_UNKNOWN"),
                (("DELETE", "nowhere/manifests/v1", &[], ""), "404 MANIFEST_UNKNOWN"),
            ])
            .await;
    })
    .await;
    // What the other repository holds is still whole.
    assert_eq!(names(&captured), ["other:v1"]);
}

#[tokio::test]
async fn end_10_deletes_blobs() {
    let place = Place::new();
    capture(&place, async |client| {
        for repository in ["app", "other"] {
            client.push_blobs(repository, &["HELLO"]).await;
        }
        client
            .talk(&[
                (("DELETE", "app/blobs/{HELLO}", &[], ""), "202"),
                (("DELETE", "app/blobs/{HELLO}", &[], ""), "404 BLOB_UNKNOWN"),
                (("HEAD", "app/blobs/{HELLO}", &[], ""), "404"),
                (("DELETE", "nowhere/blobs/{HELLO}", &[], ""), "404 BLOB_UNKNOWN"),
            ])
            .await;
        let line = client.line(("GET", "other/blobs/{HELLO}", &[], "")).await;
        assert!(line.ends_with("| hello"), "{line}");
        client.talk(&[(("DELETE", "other/blobs/{HELLO}", &[], ""), "202")]).await;
    })
    .await;
    let blobs = place.path().join("blobs/sha256").read_dir().expect("the blobs").count();
    assert_eq!(blobs, 0);
}

fn post<'a>(path: &'a str, expected: &'a str) -> (Request<'a>, &'a str) {
    (("POST", path, &[], ""), expected)
}

#[tokio::test]
async fn end_11_mounts_blobs() {
    capture(&Place::new(), async |client| {
        client.push_blobs("app", &["HELLO"]).await;
        let mounted = |name: &str| {
            format!("201 docker-content-digest={{HELLO}} location=/v2/{{SECRET}}/{name}/blobs/{{HELLO}}")
        };
        let begun = |id| format!("202 location=/v2/{{SECRET}}/new/blobs/uploads/{id} range=0-0");
        client
            .talk(&[
                post("new/blobs/uploads/?mount={HELLO}&from={SECRET}/app", &mounted("new")),
                post("any/blobs/uploads/?mount={HELLO}", &mounted("any")),
                // What cannot be mounted must be uploaded.
                post("new/blobs/uploads/?mount={HELLO}&from={SECRET}/nowhere", &begun(2)),
                post("new/blobs/uploads/?mount={CONFIG}&from={SECRET}/app", &begun(3)),
                post("new/blobs/uploads/?mount=../x&from=../y", &begun(4)),
            ])
            .await;
        let line = client.line(("GET", "new/blobs/{HELLO}", &[], "")).await;
        assert!(line.ends_with("| hello"), "{line}");
    })
    .await;
}
