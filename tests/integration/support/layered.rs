//! Layouts with any layers: what a build left, made over.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// Puts `layers`, which may be any files, in place of the layers of the only image of the layout in `folder`.
pub(crate) fn make_over(folder: &Path, layers: &[PathBuf]) {
    let mut index = read(&folder.join("index.json"));
    let image = &mut index["manifests"][0];
    let mut manifest = read(&blob(folder, text(&image["digest"])));
    let digests: Vec<(String, u64)> = layers.iter().map(|layer| keep_file(folder, layer)).collect();
    let mut config = read(&blob(folder, text(&manifest["config"]["digest"])));
    config["rootfs"]["diff_ids"] = digests.iter().map(|(digest, _)| json!(digest)).collect();
    config["history"] = json!([]);
    let (digest, size) = keep(folder, &config);
    manifest["config"]["digest"] = json!(digest);
    manifest["config"]["size"] = json!(size);
    let layer = |(digest, size): &(String, u64)| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size});
    manifest["layers"] = digests.iter().map(layer).collect();
    let (digest, size) = keep(folder, &manifest);
    image["digest"] = json!(digest);
    image["size"] = json!(size);
    std::fs::write(folder.join("index.json"), index.to_string()).expect("write the index");
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file of the layout")).expect("JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn blob(folder: &Path, digest: &str) -> PathBuf {
    folder.join("blobs").join(digest.replace(':', "/"))
}

/// Writes a document into the layout. Returns its digest and size.
fn keep(folder: &Path, document: &Value) -> (String, u64) {
    let bytes = document.to_string();
    let digest = digest(Sha256::digest(&bytes).as_slice());
    std::fs::write(blob(folder, &digest), &bytes).expect("write the blob");
    (digest, bytes.len() as u64)
}

/// The same with a file, which is linked: it may be large.
fn keep_file(folder: &Path, path: &Path) -> (String, u64) {
    let mut file = std::fs::File::open(path).expect("the layer");
    let mut hasher = Sha256::new();
    let size = copy_into(&mut file, &mut hasher);
    let digest = digest(hasher.finalize().as_slice());
    std::fs::hard_link(path, blob(folder, &digest)).expect("link the layer");
    (digest, size)
}

fn copy_into(file: &mut std::fs::File, hasher: &mut Sha256) -> u64 {
    use std::io::Read as _;
    let (mut piece, mut size) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut piece).expect("read the layer") {
            0 => return size,
            length => hasher.update(&piece[..length]),
        }
        size = file.metadata().map_or(size, |about| about.len());
    }
}

fn digest(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
