//! The programs that push, as they are: each pushes, reads back what it pushed, and leaves a layout that skopeo reads.

use super::wire::Client;
use super::{Place, capture, names};
use crate::capture::Captured;
use crate::exec::{self, Program};
use crate::image::Digest;
use crate::layout::{self, Descriptor, Layout, assemble};
use crate::platform::Platform;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client as OciClient, Reference};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is pushed: an index of two images in a layout, each with a layer that comes in many pieces.
struct Source {
    folder: TempDir,
    index: Descriptor,
}

impl Source {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(&folder.path().join("source")).expect("create the layout");
        let images = ["amd64", "arm64"].map(|architecture| {
            let program = folder.path().join(architecture);
            std::fs::write(&program, noise(architecture, 3 << 20)).expect("write");
            let platform = Platform::new("linux", architecture);
            let image = layout::Program {
                sources: std::slice::from_ref(&program),
                start: "run",
                platform: &platform,
                created: 17,
                assets: &[],
                user: None,
                on: layout::On::Nothing,
                listener: &drop,
            };
            let image = assemble(&layout, &image).expect("an image");
            (platform, image)
        });
        let index = layout::index(&images, std::collections::BTreeMap::new()).expect("an index");
        let index = layout.write(&index, layout::IMAGE_INDEX).expect("write");
        layout.refer(&[("v1".to_owned(), index.clone())]).expect("refer");
        Self { folder, index }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("source")
    }
}

/// Bytes that do not compress, the same at every run.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 64);
    let mut block = Digest::of(seed.as_bytes());
    while bytes.len() < length {
        block = Digest::of(block.hex().as_bytes());
        bytes.extend(block.hex().as_bytes().chunks(2).map(|pair| pair[0].wrapping_mul(31) ^ pair[1]));
    }
    bytes
}

/// Runs a program in `folder`, which is also its home.
async fn run(folder: &Path, program: impl Into<std::ffi::OsString>, arguments: &[&str]) -> String {
    let program = Program::new(program, folder).args(arguments).env("HOME", folder);
    let output = exec::capture(&program).await.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    String::from_utf8(output).expect("UTF-8")
}

/// The program `name` of `tests/tools`, built if it is not there yet.
async fn tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Program::new(root.join("tests/tools/run"), root).arg(name);
    let folder = exec::capture(&program).await.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    Path::new(String::from_utf8(folder).expect("UTF-8").trim()).join(name)
}

/// Lets the captured tags point at their images, and compares what skopeo then reads from the layout with `digest`.
async fn assert_captured(place: &Place, captured: &[Captured], digest: &str) {
    let [one] = captured else { panic!("{captured:?}") };
    assert_eq!(one.manifest.digest, digest);
    let name = format!("{}:{}", one.name, one.tag);
    place.layout().refer(&[(name.clone(), one.manifest.clone())]).expect("refer");
    let copy = place.folder.path().join("copy");
    let (from, to) =
        (format!("oci:{}:{name}", place.path().display()), format!("oci:{}:copy", copy.display()));
    run(place.folder.path(), "skopeo", &["copy", "--quiet", "--all", "--preserve-digests", &from, &to]).await;
    // skopeo has checked every blob, and has kept every byte of the manifest.
    let copied = Layout::at(&copy).reference("copy").expect("a layout").expect("the copy");
    assert_eq!(copied.digest, digest);
}

fn image(client: &Client, name: &str) -> String {
    format!("{}/{}/{name}", client.address, client.secret)
}

#[tokio::test]
async fn skopeo_pushes_and_reads_back() {
    let (place, source) = (Place::new(), Source::new());
    let from = format!("oci:{}:v1", source.path().display());
    let back = format!("oci:{}:back", source.folder.path().join("back").display());
    let (inspected, captured) = capture(&place, async |client| {
        let to = format!("docker://{}", image(&client, "team/app:v1"));
        let skopeo = async |arguments: &[&str]| run(source.folder.path(), "skopeo", arguments).await;
        skopeo(&["copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false", &from, &to])
            .await;
        skopeo(&["copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", &to, &back])
            .await;
        skopeo(&["inspect", "--tls-verify=false", "--override-arch", "arm64", &to]).await
    })
    .await;
    assert!(inspected.contains("\"Architecture\": \"arm64\"") && inspected.contains("\"v1\""), "{inspected}");
    let read = Layout::at(&source.folder.path().join("back")).reference("back").expect("a layout");
    assert_eq!(read.expect("the image").digest, source.index.digest);
    assert_eq!(names(&captured), ["team/app:v1"]);
    assert_captured(&place, &captured, &source.index.digest).await;
}

#[tokio::test]
async fn crane_pushes_and_reads_back() {
    let (place, source, crane) = (Place::new(), Source::new(), tool("crane").await);
    let from = source.path().display().to_string();
    let (digest, captured) = capture(&place, async |client| {
        let to = image(&client, "app:v1");
        let crane = async |arguments: &[&str]| run(source.folder.path(), &crane, arguments).await;
        crane(&["push", &from, &to]).await;
        // It pulls every layer and compares each digest and size.
        crane(&["validate", "--remote", &to]).await;
        assert_eq!(crane(&["ls", &image(&client, "app")]).await, "v1\n");
        crane(&["copy", &to, &image(&client, "other/app:v2")]).await;
        crane(&["delete", &image(&client, "other/app:v2")]).await;
        crane(&["digest", &to]).await
    })
    .await;
    assert_eq!(digest.trim(), source.index.digest);
    assert_captured(&place, &captured, &source.index.digest).await;
}

#[tokio::test]
async fn helm_pushes_and_reads_back() {
    let (place, source, helm) = (Place::new(), tempfile::tempdir().expect("a folder"), tool("helm").await);
    let folder = source.path();
    std::fs::create_dir_all(folder.join("chart/templates")).expect("create");
    std::fs::write(folder.join("chart/Chart.yaml"), "apiVersion: v2\nname: shop\nversion: 1.2.3+4\n")
        .expect("write");
    let ((), captured) = capture(&place, async |client| {
        let helm = async |arguments: &[&str]| run(folder, &helm, arguments).await;
        helm(&["package", "chart"]).await;
        let to = format!("oci://{}/{}", client.address, client.secret);
        helm(&["push", "--plain-http", "shop-1.2.3+4.tgz", &to]).await;
        let chart = format!("{to}/shop");
        helm(&["pull", "--plain-http", &chart, "--version", "1.2.3+4", "--destination", "chart"]).await;
    })
    .await;
    assert_eq!(names(&captured), ["shop:1.2.3_4"]);
    let package = std::fs::read(folder.join("shop-1.2.3+4.tgz")).expect("the package");
    assert_eq!(std::fs::read(folder.join("chart/shop-1.2.3+4.tgz")).expect("pulled"), package);
    // The package is the layer.
    let layout = place.layout();
    let manifest = layout.read(&captured[0].manifest.digest().expect("a digest")).expect("the manifest");
    let parts = layout::children(&manifest).expect("a manifest");
    assert_eq!(parts[1].digest, Digest::of(&package).to_string());
    let digest = captured[0].manifest.digest.clone();
    assert_captured(&place, &captured, &digest).await;
}

#[tokio::test]
async fn oci_client_pushes_in_both_of_its_ways_and_reads_back() {
    // Its HTTP client wants a TLS provider, also where there is no TLS; another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for use_monolithic_push in [true, false] {
        let place = Place::new();
        let (layer, config) = (noise("layer", 5 << 20), br#"{"architecture":"wasm","os":"wasip1"}"#);
        let (manifest, captured) = capture(&place, async |client| {
            let reference: Reference = image(&client, "app:v1").parse().expect("a reference");
            let settings = ClientConfig {
                protocol: ClientProtocol::Http,
                use_monolithic_push,
                ..ClientConfig::default()
            };
            let oci = OciClient::new(settings);
            let layers = vec![ImageLayer::new(layer.clone(), "application/wasm".to_owned(), None)];
            let config = Config::oci_v1(config.to_vec(), None);
            let manifest = OciImageManifest::build(&layers, &config, None);
            let auth = RegistryAuth::Anonymous;
            oci.push(&reference, &layers, config, &auth, Some(manifest)).await.expect("pushed");
            let pulled = oci.pull(&reference, &auth, vec!["application/wasm"]).await.expect("pulled");
            assert_eq!(pulled.layers[0].data, layer);
            let tags = oci.list_tags(&reference, &auth, None, None).await.expect("tags");
            assert_eq!(tags.tags, ["v1"]);
            pulled.digest.expect("a digest")
        })
        .await;
        assert_captured(&place, &captured, &manifest).await;
    }
}
