use super::*;
use crate::attestation::purl;

/// A list between its marks, as Go writes it.
fn marked(modules: &str) -> Vec<u8> {
    [&b"0123456789abcdef"[..], modules.as_bytes(), b"0123456789abcdef"].concat()
}

fn counted(text: &[u8]) -> Vec<u8> {
    let mut length = text.len();
    let mut bytes = vec![];
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    [&bytes, text].concat()
}

/// The section of a program.
fn section(flags: u8, version: &str, modules: &[u8]) -> Vec<u8> {
    let header = [MAGIC, &[8, flags], &[0; 16]].concat();
    [header, counted(version.as_bytes()), counted(modules)].concat()
}

/// A line for each package: its name, version and package URL.
fn shown(inventory: &Inventory) -> String {
    let line = |package: &Package| {
        let purl = purl::of(package).unwrap_or_else(|| "-".to_owned());
        format!("{} {} {purl}\n", package.name, package.version)
    };
    inventory.packages.iter().map(line).collect()
}

const MODULES: &str = "path\texample.com/svc/api\n\
    mod\texample.com/svc\t(devel)\t\n\
    dep\tgithub.com/BurntSushi/toml\tv1.3.2\th1:o7Ihl=\n\
    dep\tgithub.com/docker/docker\tv28.0.0+incompatible\th1:a=\n\
    dep\texample.com/forked\tv1.0.0\n\
    =>\texample.com/fork\tv1.0.1\th1:b=\n\
    dep\texample.com/local\tv0.0.0\n\
    =>\t/home/me/local\t(devel)\t\n\
    build\t-trimpath=true\n\
    future\twhatever\n";

#[test]
fn modules_have_names_that_scanners_know_and_folders_have_none() {
    let found = inventory(&section(2, "go1.26.8 X:nodwarf5", &marked(MODULES))).expect("readable");
    insta::assert_snapshot!(shown(&found), @r"
    example.com/svc (devel) -
    stdlib 1.26.8 pkg:golang/stdlib@1.26.8
    github.com/BurntSushi/toml v1.3.2 pkg:golang/github.com/burntsushi/toml@v1.3.2
    github.com/docker/docker v28.0.0+incompatible pkg:golang/github.com/docker/docker@v28.0.0%2Bincompatible
    example.com/fork v1.0.1 pkg:golang/example.com/fork@v1.0.1
    example.com/local (devel) -
    ");
    assert_eq!(found.packages[0].dependencies.as_deref(), Some(&[1, 2, 3, 4, 5][..]));
    assert!(found.packages[1..].iter().all(|package| package.dependencies.is_none()));
}

#[test]
fn a_main_module_that_was_fetched_and_a_go_in_the_making_are_what_they_are() {
    let fetched = "path\texample.com/tool\nmod\texample.com/tool\tv1.2.3\th1:a=\n";
    let found = inventory(&section(2, "devel go1.27-0123456789", &marked(fetched))).expect("readable");
    insta::assert_snapshot!(shown(&found), @r"
    example.com/tool v1.2.3 pkg:golang/example.com/tool@v1.2.3
    stdlib devel go1.27-0123456789 -
    ");
}

#[test]
fn the_list_is_found_behind_other_bytes_that_are_aligned() {
    let good = section(2, "go1.26.8", &marked(MODULES));
    assert!(inventory(&[vec![0; 32], good.clone()].concat()).is_ok());
    assert_eq!(inventory(&[vec![0; 8], good].concat()), Err(Unreadable::Go));
}

#[test]
fn what_go_does_not_write_is_refused() {
    let good = section(2, "go1.26.8", &marked(MODULES));
    assert_eq!(inventory(&section(0, "go1.17", &marked(MODULES))), Err(Unreadable::OldGo));
    assert_eq!(inventory(&section(2, "go1.26.8", b"")), Err(Unreadable::NoModules));
    for length in 0..good.len() {
        assert!(inventory(&good[..length]).is_err(), "{length}");
    }
    for line in ["dep\tonly-a-name\n", "=>\ta\tv1\n", "mod\ta\n"] {
        assert_eq!(inventory(&section(2, "go1.26.8", &marked(line))), Err(Unreadable::Go), "{line}");
    }
    let endless = [MAGIC, &[8, 2], &[0; 16], &[0xff; 32]].concat();
    assert_eq!(inventory(&endless), Err(Unreadable::Go));
}

#[test]
fn fuzz_lists_of_go() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = inventory(bytes);
        // Random bytes seldom begin well.
        let _ = inventory(&[MAGIC, &[8, 2], &[0; 16], bytes].concat());
        let _ = inventory(&section(2, "go1.26.8", &marked(&String::from_utf8_lossy(bytes))));
    });
}
