use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write as _;

/// The time of the commit, and one after it.
const EPOCH: u64 = 1_700_000_000;
const LATER: u64 = EPOCH + 100;

fn tar_of(files: &[(&str, &[u8], u64)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(vec![]);
    for (name, bytes, mtime) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o640);
        header.set_mtime(*mtime);
        header.set_size(bytes.len() as u64);
        // As it stands there, with whatever it begins.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).expect("append");
    }
    tar.into_inner().expect("a tar")
}

fn config_of(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({
        "architecture": "arm64", "os": "linux", "created": "2026-11-21T16:39:54.785364398Z", "later": [1.5],
        "container": "a", "container_config": {"Hostname": "a"}, "docker_version": "20.10.24",
        "config": {"Hostname": "", "Tty": false, "Image": "sha256:1", "Cmd": ["/run"], "Labels": null, "Shell": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": [{"created": "2020-01-01T00:00:00Z"}, {"created": "2026-11-21T16:39:54Z", "created_by": "x"}],
    });
    config.to_string().into_bytes()
}

/// The layout that is made of an archive of these files, and its manifest; `base` is a layer of the base image.
fn taken(
    files: &[(&str, &[u8], u64)],
    base: &[u8],
) -> Result<(Layout, tempfile::TempDir, Value), LayoutError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("image.tar");
    std::fs::write(&file, tar_of(files)).expect("write the archive");
    let layout = Layout::create(&folder.path().join("layout")).expect("create");
    let base = BTreeSet::from([Digest::of(base)]);
    let taken = take(&layout, &Archive { file: &file, epoch: EPOCH, base: &base })?;
    assert_eq!(taken.platform, ("linux".to_owned(), "arm64".to_owned()));
    let manifest = layout.read(&taken.manifest.digest().expect("a digest")).expect("read");
    Ok((layout, folder, serde_json::from_slice(&manifest).expect("JSON")))
}

fn blob(layout: &Layout, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().expect("a digest").parse().expect("a digest");
    layout.read(&digest).expect("read")
}

/// What the layers hold, uncompressed.
fn layers(layout: &Layout, manifest: &Value) -> Vec<Vec<u8>> {
    let layers = manifest["layers"].as_array().expect("layers");
    let unpacked = |layer| {
        let mut tar = vec![];
        MultiGzDecoder::new(blob(layout, layer).as_slice()).read_to_end(&mut tar).expect("gzip");
        tar
    };
    layers.iter().map(unpacked).collect()
}

fn list(config: &str, layers: &[&str]) -> Vec<u8> {
    json!([{"Config": config, "RepoTags": null, "Layers": layers}]).to_string().into_bytes()
}

#[test]
fn an_archive_of_either_kind_becomes_the_same_image() {
    // Given a layer of a base and one of the build, both with a file that is younger than the commit,
    let base = tar_of(&[("base", b"b", LATER)]);
    let own = tar_of(&[("old", b"o", EPOCH - 1), ("new", b"n", LATER)]);
    let config = config_of(&[&base, &own, &own]);
    // in the archive of an old Docker, where a layer that is there already is a link,
    let listed = list("c.json", &["1/layer.tar", "./2/layer.tar", "2/layer.tar"]);
    let old: &[(&str, &[u8], u64)] = &[
        ("1/layer.tar", &base, 0),
        ("2/layer.tar", &own, 0),
        ("c.json", &config, 0),
        ("manifest.json", &listed, 0),
    ];
    // and in that of a new one, where layers may be compressed,
    let mut gzip = GzEncoder::new(vec![], Compression::fast());
    gzip.write_all(&own).expect("compress");
    let gzip = gzip.finish().expect("gzip");
    let places = ["blobs/sha256/b", "blobs/sha256/o", "blobs/sha256/o"];
    let listed = list("blobs/sha256/c", &places);
    let new: &[(&str, &[u8], u64)] = &[
        ("blobs/sha256/c", &config, 0),
        ("blobs/sha256/b", &base, 0),
        ("blobs/sha256/o", &gzip, 0),
        ("index.json", b"{}", 0),
        ("manifest.json", &listed, 0),
        ("oci-layout", b"{}", 0),
    ];
    // when they are taken,
    let (layout, _folder, manifest) = taken(old, &base).expect("taken");
    let (_, _other, same) = taken(new, &base).expect("taken");
    // then the images are equal: the base as it was, and nothing else younger than the commit;
    assert_eq!(manifest, same);
    let limited = tar_of(&[("old", b"o", EPOCH - 1), ("new", b"n", EPOCH)]);
    assert_eq!(layers(&layout, &manifest), [base.clone(), limited.clone(), limited.clone()]);
    // the config has lost the machine and has the digests of what is there now.
    let config: Value = serde_json::from_slice(&blob(&layout, &manifest["config"])).expect("JSON");
    let ids = [&base, &limited, &limited].map(|layer| Digest::of(layer).to_string());
    assert_eq!(
        config,
        json!({
            "architecture": "arm64", "os": "linux", "created": "2023-11-14T22:13:20Z", "later": [1.5],
            "config": {"Cmd": ["/run"], "Shell": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": ids},
            "history": [{"created": "2020-01-01T00:00:00Z"}, {"created": "2023-11-14T22:13:20Z", "created_by": "x"}],
        })
    );
    assert!(
        manifest["layers"].as_array().expect("layers").iter().all(|layer| layer["mediaType"] == LAYER_GZIP)
    );
}

#[test]
fn what_an_archive_should_not_have_is_refused() {
    let layer = tar_of(&[("a", b"a", 0)]);
    let config = config_of(&[&layer]);
    let check = |files: &[(&str, &[u8], u64)], expected: &str| {
        let error = taken(files, b"").expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let listed = list("c", &["l"]);
    check(&[], "the archive does not have it");
    check(&[("manifest.json", b"[]", 0)], "it lists not one image");
    check(&[("manifest.json", b"no", 0)], "understand `manifest.json`");
    check(&[("manifest.json", &listed, 0), ("c", &config, 0)], "add `l` to an image: the archive does not");
    check(
        &[("manifest.json", &listed, 0), ("c", &config, 0), ("l", b"other", 0)],
        "read `l`: its content has another digest",
    );
    check(
        &[("manifest.json", &list("c", &["l", "l"]), 0), ("c", &config, 0), ("l", &layer, 0)],
        "not one digest for each layer",
    );
    check(
        &[("manifest.json", &listed, 0), ("c", &config, 0), ("l", &[0x28, 0xb5, 0x2f, 0xfd, 0], 0)],
        "compressed with zstd",
    );
}

#[test]
fn names_of_an_archive_are_no_paths_of_this_disk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "x").expect("write");
    let listed = list(&secret.display().to_string(), &["../../../etc/passwd"]);
    let error = taken(&[("manifest.json", &listed, 0)], b"").expect_err("refused");
    assert!(error.to_string().contains("the archive does not have it"), "{error}");
    // A name that leaves the archive is one in it.
    let layer = tar_of(&[("a", b"a", 0)]);
    let config = config_of(&[&layer]);
    let listed = list("/c", &["../../l"]);
    let files: &[(&str, &[u8], u64)] =
        &[("manifest.json", &listed, 0), ("../c", &config, 0), ("/x/../l", &layer, 0)];
    assert!(taken(files, b"").is_ok());
}

#[test]
fn links_lead_to_files_of_the_archive_and_not_in_circles() {
    let layer = tar_of(&[("a", b"a", 0)]);
    let config = config_of(&[&layer, &layer]);
    for (target, is_there) in [("../1/layer.tar", true), ("/1/layer.tar", true), ("../2/layer.tar", false)] {
        let mut tar = tar::Builder::new(vec![]);
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).expect("append");
        };
        add("manifest.json", &list("c", &["1/layer.tar", "2/layer.tar"]));
        add("c", &config);
        add("1/layer.tar", &layer);
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "2/layer.tar", target).expect("append");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("image.tar");
        std::fs::write(&file, tar.into_inner().expect("a tar")).expect("write");
        let layout = Layout::create(&folder.path().join("layout")).expect("create");
        let taken = take(&layout, &Archive { file: &file, epoch: EPOCH, base: &BTreeSet::new() });
        assert_eq!(taken.is_ok(), is_there, "{target}");
    }
}

#[test]
fn a_layer_with_unusual_headers_stays_as_it_is() {
    for key in ["mtime", "size", "SCHILY.xattr.user.x"] {
        let mut tar = tar::Builder::new(vec![]);
        tar.append_pax_extensions([(key, b"3".as_slice())]).expect("append");
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        header.set_mtime(LATER);
        tar.append_data(&mut header, "a", b"abc".as_slice()).expect("append");
        let layer = tar.into_inner().expect("a tar");
        let config = config_of(&[&layer]);
        let files: &[(&str, &[u8], u64)] =
            &[("manifest.json", &list("c", &["l"]), 0), ("c", &config, 0), ("l", &layer, 0)];
        let (layout, _folder, manifest) = taken(files, b"").expect("taken");
        let is_same = layers(&layout, &manifest) == [layer];
        assert_eq!(is_same, key != "SCHILY.xattr.user.x", "{key}");
    }
}

#[test]
fn a_file_from_the_second_of_the_commit_looks_like_one_from_later() {
    // Given the same file from two times, by a writer with its own way of writing a checksum, which is Go's,
    let tar_at = |time: u64| {
        let mut tar = tar_of(&[("made", b"m", time)]);
        tar[148..156].fill(b' ');
        let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
        tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar
    };
    // when both are limited, then nobody sees which is which.
    let limited = |time: u64| {
        let mut out = vec![];
        times::limit(tar_at(time).as_slice(), &mut out, EPOCH).expect("a tar");
        out
    };
    assert!(limited(EPOCH) == limited(LATER));
    // What is older stays as it was.
    assert_eq!(limited(EPOCH - 1)[..512], tar_at(EPOCH - 1)[..512]);
}
