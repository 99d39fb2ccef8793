//! What is attached to an image in a registry, as oci-client finds it.

use crate::support::{Output, path_with};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The digest of the only image that a run printed.
pub(crate) fn digest(output: &Output) -> String {
    output.stdout.trim().rsplit('@').next().expect("a digest").to_owned()
}

/// What oci-client finds attached to an image: kinds, annotations, and the document itself.
pub(crate) fn attached(image: &str) -> Vec<(String, Value, Value)> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let configuration = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    let client = oci_client::Client::new(configuration);
    let image: oci_client::Reference = image.parse().expect("a name");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        client
            .auth(&image, &RegistryAuth::Anonymous, oci_client::RegistryOperation::Pull)
            .await
            .expect("it is open");
        let index = client.pull_referrers(&image, None).await.expect("a list");
        let mut found = vec![];
        for entry in index.manifests {
            let place = image.clone_with_digest(entry.digest.clone());
            let login = RegistryAuth::Anonymous;
            let (manifest, _) =
                client.pull_manifest_raw(&place, &login, &[&entry.media_type]).await.expect("it");
            let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
            assert_eq!(manifest["subject"]["digest"], image.digest().expect("a digest"));
            assert_eq!(manifest["artifactType"], entry.artifact_type.clone().expect("a kind"));
            let layer = manifest["layers"][0]["digest"].as_str().expect("a layer");
            let mut document = vec![];
            client.pull_blob(&place, layer, &mut document).await.expect("the document");
            let document = serde_json::from_slice(&document).expect("JSON");
            found.push((
                entry.artifact_type.expect("a kind"),
                serde_json::to_value(entry.annotations).expect("JSON"),
                document,
            ));
        }
        found.sort_by_key(|(kind, ..)| kind.clone());
        found
    })
}

/// The kinds of what is attached to an image.
pub(crate) fn kinds(image: &str) -> Vec<String> {
    attached(image).into_iter().map(|(kind, ..)| kind).collect()
}

/// Fails the test unless the published schema of CycloneDX accepts the document, in CycloneDX's own library.
#[track_caller]
pub(crate) fn ensure_valid(sbom: &Value) {
    let tools = path_with(&["cyclonedx-library"]);
    let programs = std::env::split_paths(&tools).next().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/cyclonedx-library/validate.cjs");
    let mut node = Command::new("node")
        .arg(script)
        // The library has no programs; it lies beside the folder for them.
        .env("NODE_PATH", programs.parent().expect("a folder"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts");
    node.stdin.take().expect("a pipe").write_all(sbom.to_string().as_bytes()).expect("write");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "{sbom}\n{}", String::from_utf8_lossy(&output.stderr));
}
