//! Images that hephy made, run by containerd: whatever hephy believes of them, a runtime must.

use crate::support::cluster::Cluster;
use crate::support::{Output, Repository, write_program};
use std::path::PathBuf;
use std::process::Command;

/// The busybox of this machine, which says who it is when it is started without an argument.
fn program() -> Vec<u8> {
    let path = std::env::var_os("PATH").expect("a path");
    let found: Option<PathBuf> =
        std::env::split_paths(&path).map(|folder| folder.join("busybox")).find(|path| path.is_file());
    std::fs::read(found.expect("busybox is installed (./dev tools busybox)")).expect("read the program")
}

/// The same with the mark of another processor (ELF, `e_machine`), so that no machine of this one's kind starts it.
fn for_another_processor(mut program: Vec<u8>) -> Vec<u8> {
    let arm64: [u8; 2] = 183_u16.to_le_bytes();
    program[18..20].copy_from_slice(&arm64);
    program
}

/// `ctr` on the containerd of the cluster, in a namespace of the tests.
fn ctr(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = Command::new(cluster.setting("HEPHY_TEST_CTR"));
    command.args(["--address", cluster.setting("HEPHY_TEST_CONTAINERD"), "--namespace", "hephy-tests"]);
    Output::from(command.args(arguments).output().expect("ctr starts"))
}

/// What the image says when containerd pulls it and runs it as it is.
fn run(cluster: &Cluster, image: &str, name: &str) -> Output {
    ctr(cluster, &["images", "pull", "--plain-http", image]).exits(0);
    let output = ctr(cluster, &["run", "--rm", image, name]);
    ctr(cluster, &["images", "remove", image]).exits(0);
    output
}

#[test]
fn containerd_runs_the_program_of_an_image_and_picks_its_own_platform_of_an_index() {
    // Given a finished program alone, and the same with one for another processor, which would not start here,
    let cluster = Cluster::take();
    let repository = Repository::empty();
    let here = std::env::consts::ARCH;
    let (own, other) = if here == "aarch64" { ("arm64", "amd64") } else { ("amd64", "arm64") };
    assert_eq!(own, "amd64", "the mark of another processor is that of arm64");
    repository.write(
        "hephy.yaml",
        &format!(
            "components:\n  one: {{prebuilt: {{linux/{own}: busybox}}}}\n  \
         two: {{bin: busybox, prebuilt: {{linux/{own}: {own}, linux/{other}: {other}}}}}\n"
        ),
    );
    let (native, foreign) = (program(), for_another_processor(program()));
    for (path, bytes) in [
        ("one/busybox".to_owned(), &native),
        (format!("two/{own}/busybox"), &native),
        (format!("two/{other}/busybox"), &foreign),
    ] {
        repository.write(&path, "");
        write_program(repository.path().join(&path), bytes);
    }
    repository.commit("Add programs");
    // when both are published,
    let output = cluster.hephy(&repository, "up", "running").args(["--no-deploy"]).run().exits(0);
    let images: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(images.len(), 2, "{output}");
    // then containerd pulls and runs each, by its digest and by its tag.
    for (number, image) in images.iter().enumerate() {
        let said = run(&cluster, image, &format!("digest-{}-{number}", std::process::id())).exits(0);
        assert!(said.stdout.contains("BusyBox v"), "{said}");
        let repository_name = image.split('@').next().expect("a repository");
        let tagged = format!("{repository_name}:sha-{}", repository.short_id());
        let said = run(&cluster, &tagged, &format!("tag-{}-{number}", std::process::id())).exits(0);
        assert!(said.stdout.contains("BusyBox v"), "{said}");
    }
    // The other platform of the index is there too, and is no program for this machine.
    let index = images[1];
    ctr(&cluster, &["images", "pull", "--plain-http", "--platform", &format!("linux/{other}"), index])
        .exits(0);
    let name = format!("other-{}", std::process::id());
    let said = ctr(&cluster, &["run", "--rm", "--platform", &format!("linux/{other}"), index, &name]);
    assert_ne!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("exec format error"), "{said}");
    ctr(&cluster, &["images", "remove", index]).exits(0);
}
