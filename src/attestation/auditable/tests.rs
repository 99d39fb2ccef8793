use super::*;
use crate::attestation::purl;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write as _;

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(vec![], Compression::default());
    zlib.write_all(text).expect("write");
    zlib.finish().expect("finish")
}

const PACKAGES: &str = r#"{"packages":[
    {"name":"cc","version":"1.2.0","source":"crates.io","kind":"build"},
    {"name":"forked","version":"0.1.0","source":"git","dependencies":[2]},
    {"name":"itoa","version":"1.0.15","source":"crates.io"},
    {"name":"api","version":"0.3.0","source":"local","dependencies":[0,1,2],"root":true},
    {"name":"inside","version":"2.0.0","source":"registry"}
],"format":1}"#;

#[test]
fn packages_are_what_the_program_says_and_only_those_of_crates_io_have_a_name_there() {
    let found = inventory(&zlib(PACKAGES.as_bytes())).expect("readable");
    let line = |package: &Package| {
        let purl = purl::of(package).unwrap_or_else(|| format!("{:?}", package.origin));
        format!("{} {} {purl} {}\n", package.name, package.version, package.is_build_only)
    };
    let text: String = found.packages.iter().map(line).collect();
    insta::assert_snapshot!(text, @r#"
    cc 1.2.0 pkg:cargo/cc@1.2.0 true
    forked 0.1.0 Somewhere("git") false
    itoa 1.0.15 pkg:cargo/itoa@1.0.15 false
    api 0.3.0 Folder false
    inside 2.0.0 Somewhere("registry") false
    "#);
    assert_eq!(
        (found.roots.as_slice(), found.packages[3].dependencies.as_deref()),
        (&[3][..], Some(&[0, 1, 2][..]))
    );
}

#[test]
fn what_cargo_auditable_does_not_write_is_refused() {
    let whole = zlib(PACKAGES.as_bytes());
    let rootless = PACKAGES.replace(r#","root":true"#, "");
    let circular =
        PACKAGES.replace(r#""source":"git","dependencies":[2]"#, r#""source":"git","dependencies":[3]"#);
    let large = format!("{PACKAGES}{}", " ".repeat(17 << 20));
    for bytes in [
        vec![],
        PACKAGES.as_bytes().to_vec(),
        whole[..whole.len() / 2].to_vec(),
        zlib(b"{}"),
        zlib(rootless.as_bytes()),
        zlib(circular.as_bytes()),
        zlib(b"\xff"),
    ] {
        assert_eq!(inventory(&bytes), Err(Unreadable::Auditable), "{} bytes", bytes.len());
    }
    // More than the largest is not read; what is in the part before it is whole.
    assert_eq!(inventory(&zlib(large.as_bytes())), inventory(&whole));
}

#[test]
fn a_package_that_is_not_there_is_needed_by_nobody() {
    let text = PACKAGES.replace("[0,1,2]", "[0,99]");
    let joined = Inventory::joined(inventory(&zlib(text.as_bytes())));
    let root = &joined.packages[joined.roots[0]];
    assert_eq!((root.name.as_str(), root.dependencies.as_ref().map(Vec::len)), ("api", Some(1)));
}

#[test]
fn fuzz_lists_of_cargo_auditable() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = inventory(bytes);
        let _ = inventory(&zlib(bytes)).map(|found| Inventory::joined([found]));
    });
}
