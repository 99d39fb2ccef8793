//! The endpoints of the distribution spec that read, in their order, each with what it answers to right and to wrong
//! requests.

use super::wire::send;
use super::{Place, capture};

const UNKNOWN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

#[tokio::test]
async fn end_1_says_that_this_is_a_registry() {
    capture(&Place::new(), async |client| {
        for (method, path, status) in [
            ("GET", "/v2/", 200),
            ("GET", "/v2", 200),
            ("HEAD", "/v2/", 200),
            ("POST", "/v2/", 405),
            ("GET", "/", 404),
        ] {
            let answer = send(&client.address, method, path, &[], b"").await.expect("an answer");
            assert_eq!(answer.status, status, "{method} {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn end_2_reads_blobs() {
    capture(&Place::new(), async |client| {
        client.push_blobs("app", &["HELLO", "EMPTY"]).await;
        let (unknown, range) = (format!("app/blobs/{UNKNOWN}"), |text| [("Range", text)]);
        let about = "accept-ranges=bytes content-length=5 content-type=application/octet-stream docker-content-digest={HELLO}";
        let empty = "200 accept-ranges=bytes content-type=application/octet-stream docker-content-digest={EMPTY}";
        let part = "206 accept-ranges=bytes content-length=3 content-range=bytes 1-3/5 content-type=application/octet-stream docker-content-digest={HELLO} | ell";
        client
            .talk(&[
                (("GET", "app/blobs/{HELLO}", &[], ""), &format!("200 {about} | hello")),
                (("HEAD", "app/blobs/{HELLO}", &[], ""), &format!("200 {about}")),
                (("GET", "app/blobs/{EMPTY}", &[], ""), empty),
                (("GET", "app/blobs/{HELLO}", &range("bytes=1-3"), ""), part),
                (("GET", "app/blobs/{HELLO}", &range("bytes=5-"), ""), "416 SIZE_INVALID content-range=bytes */5"),
                (("GET", &unknown, &[], ""), "404 BLOB_UNKNOWN"),
                (("HEAD", &unknown, &[], ""), "404"),
                (("GET", "other/blobs/{HELLO}", &[], ""), "404 BLOB_UNKNOWN"),
                (("GET", "app/blobs/sha256:..", &[], ""), "400 DIGEST_INVALID"),
                (("GET", "App/blobs/{HELLO}", &[], ""), "400 NAME_INVALID"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn end_3_reads_manifests() {
    capture(&Place::new(), async |client| {
        client.push_image("app", "v1").await;
        let size = client.content("MANIFEST").expect("known").len();
        let about =
            format!("200 content-length={size} content-type={{image}} docker-content-digest={{MANIFEST}}");
        let unknown = format!("app/manifests/{UNKNOWN}");
        for path in ["app/manifests/v1", "app/manifests/{MANIFEST}"] {
            let line = client.line(("GET", path, &[("Accept", "{image}")], "")).await;
            assert!(line.starts_with(&format!("{about} | {{")), "{line}");
            client.talk(&[(("HEAD", path, &[], ""), &about)]).await;
        }
        client
            .talk(&[
                (("GET", "app/manifests/v2", &[], ""), "404 MANIFEST_UNKNOWN"),
                (("HEAD", "app/manifests/v2", &[], ""), "404"),
                (("GET", &unknown, &[], ""), "404 MANIFEST_UNKNOWN"),
                (("GET", "other/manifests/v1", &[], ""), "404 MANIFEST_UNKNOWN"),
                // A blob is no manifest, whatever its content.
                (("GET", "app/manifests/{HELLO}", &[], ""), "404 MANIFEST_UNKNOWN"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn end_8_lists_tags() {
    capture(&Place::new(), async |client| {
        for tag in ["b", "a", "C"] {
            client.push_image("app", tag).await;
        }
        let page = |tags: &str, more: &str| {
            let body = format!("{{\"name\":\"{{SECRET}}/app\",\"tags\":[{tags}]}}");
            let length = body.len() - "{SECRET}".len() + client.secret.len();
            format!("200 content-length={length} content-type=application/json{more} | {body}")
        };
        let next = " link=</v2/{SECRET}/app/tags/list?n=2&last=a>; rel=\"next\"";
        client
            .talk(&[
                (("GET", "app/tags/list", &[], ""), &page("\"C\",\"a\",\"b\"", "")),
                (("GET", "app/tags/list?n=2", &[], ""), &page("\"C\",\"a\"", next)),
                (("GET", "app/tags/list?n=2&last=a", &[], ""), &page("\"b\"", "")),
                (("GET", "app/tags/list?n=0", &[], ""), &page("", "")),
                (("GET", "app/tags/list?n=x", &[], ""), "400 UNSUPPORTED"),
                (("GET", "other/tags/list", &[], ""), "404 NAME_UNKNOWN"),
                (("PUT", "app/tags/list", &[], ""), "405 UNSUPPORTED"),
            ])
            .await;
    })
    .await;
}

#[tokio::test]
async fn end_12_lists_referrers() {
    capture(&Place::new(), async |client| {
        client.push_image("app", "v1").await;
        let none = r#"{"manifests":[],"mediaType":"{index}","schemaVersion":2}"#;
        let body = |line: String| line.split_once(" | ").map(|(_, body)| body.to_owned()).expect("a body");
        assert_eq!(body(client.line(("GET", "app/referrers/{MANIFEST}", &[], "")).await), none);
        // Nothing was ever pushed there, which is no reason for a 404.
        assert_eq!(body(client.line(("GET", "nowhere/referrers/{MANIFEST}", &[], "")).await), none);
        for name in ["SBOM", "NOTE"] {
            client.line(("PUT", &format!("app/manifests/{{{name}}}"), &[], name)).await;
        }
        let size = |name| client.content(name).expect("known").len();
        let sbom = format!(
            r#"{{"annotations":{{"by":"me"}},"artifactType":"a/sbom","digest":"{{SBOM}}","mediaType":"{{image}}","size":{}}}"#,
            size("SBOM")
        );
        let note = format!(
            r#"{{"artifactType":"application/vnd.oci.image.config.v1+json","digest":"{{NOTE}}","mediaType":"{{image}}","size":{}}}"#,
            size("NOTE")
        );
        let all = client.line(("GET", "app/referrers/{MANIFEST}", &[], "")).await;
        assert!(all.contains(&sbom) && all.contains(&note) && all.contains("content-type={index}"), "{all}");
        assert!(!all.contains("oci-filters-applied"), "{all}");
        let some = client.line(("GET", "app/referrers/{MANIFEST}?artifactType=a/sbom", &[], "")).await;
        assert!(some.contains("oci-filters-applied=artifactType"), "{some}");
        assert_eq!(body(some), none.replace("[]", &format!("[{sbom}]")));
        client.talk(&[(("GET", "app/referrers/v1", &[], ""), "400 DIGEST_INVALID")]).await;
    })
    .await;
}
