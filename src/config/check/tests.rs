use super::*;
use std::path::Path;

fn read(text: &str) -> Result<Config, String> {
    let source = Source { file: "hephy.yaml".into(), text, root: Path::new(env!("CARGO_MANIFEST_DIR")) };
    let read = source.read().map(|(config, definitions)| {
        let components = definitions.into_iter().map(|definition| definition.component).collect();
        Config { components, ..config }
    });
    read.map_err(|error| match error {
        ConfigError::At { ref hint, .. } => {
            format!("{error}{}", hint.iter().map(|hint| format!("; {hint}")).collect::<String>())
        }
        other => other.to_string(),
    })
}

#[test]
fn every_key_is_optional() {
    assert!(read("").expect("empty").components.is_empty());
    assert!(read("# only a comment\n").expect("comment").components.is_empty());
    let config =
        read("version: 1\ncomponents:\n  src: {}\nwait: {timeout: 10m, settle: 5s}\n").expect("valid");
    assert_eq!(config.components[0].path, "src");
    assert_eq!(config.components[0].origin, "hephy.yaml:3");
    assert_eq!(config.wait.timeout, Some(Duration::from_secs(600)));
}

#[test]
fn what_goes_into_an_image_is_checked() {
    for (text, expected) in [
        (
            "components:\n  a: {path: src, assets: {.: /srv}}",
            "`hephy.yaml:2:30`: the whole repository cannot be an asset: its history would be in the image; name folders in it, one by one",
        ),
        (
            "components:\n  a: {path: src, assets: {../x: /srv}}",
            "`hephy.yaml:2:33`: `../x` leads out of the repository; write a path below it",
        ),
        (
            "components:\n  a: {path: src, assets: {x: srv/../y}}",
            "`hephy.yaml:2:30`: `srv/../y` is not a place in an image; write a path that begins with `/`",
        ),
        (
            "components:\n  a: {path: src, features: [--config=x]}",
            "`hephy.yaml:2:29`: `--config=x` is not a name",
        ),
    ] {
        assert_eq!(read(text).expect_err(text), expected);
    }
}

#[test]
fn faults_name_their_place_and_a_way_out() {
    for (text, expected) in [
        (
            "componets: {}",
            "`hephy.yaml:1:1`: unknown key `componets`, expected one of version, components, ignore, registry, base-images, attest, runners, builder, environments, wait, tags, flavor, labels, annotations; did you mean `components`?",
        ),
        (
            "components:\n  api: {pth: src}",
            "`hephy.yaml:2:9`: unknown key `pth`, expected one of path, backend, platforms, watch, inputs, image, needs, fail-fast, dockerfile, context, target, build-args, bin, bins, features, profile, assets, base, user, prebuilt, sbom, tags, flavor, labels, annotations; did you mean `path`?",
        ),
        ("components: [api]", "`hephy.yaml:1:13`: expected keys with values, for example `key: value`"),
        ("version: 2", "`hephy.yaml:1:10`: version 2 is unknown; write `version: 1`"),
        (
            "components:\n  a: {path: src}\n  a: {path: src}",
            "`hephy.yaml:3:3`: `a` stands here a second time; remove or rename one of them",
        ),
        ("components:\n  a: {path: nowhere}", "`hephy.yaml:2:13`: the folder `nowhere` does not exist"),
        (
            "components:\n  a: {path: ../x}",
            "`hephy.yaml:2:13`: `../x` leads out of the repository; write a path below it",
        ),
        (
            "components:\n  a: {path: src, backend: carg}",
            "`hephy.yaml:2:27`: backend `carg` is unknown, expected one of cargo, prebuilt, dockerfile, buildkit, buildah, docker, kaniko, ko, spin, buildpacks, helm; did you mean `cargo`?",
        ),
        (
            "components:\n  a: {path: src, platforms: [linux/z80]}",
            "`hephy.yaml:2:30`: read platform `linux/z80`",
        ),
        (
            "components:\n  a: {path: src, needs: [b]}\n  b: {path: src, needs: [a]}",
            "`hephy.yaml:2:26`: components need each other in a circle: a -> b -> a; remove one of these `needs`",
        ),
        (
            "components:\n  a: {path: src, needs: [c]}",
            "`hephy.yaml:2:26`: `a` needs `c`, which is not a component",
        ),
        (
            "components:\n  a: {path: src, backend: prebuilt}",
            "`hephy.yaml:2:6`: `a` is prebuilt, but no file is named; add `prebuilt: {linux/amd64: path/to/program}`",
        ),
        (
            "components:\n  a: {path: src, inputs: package}",
            "`hephy.yaml:2:26`: `inputs: package` is unknown, expected `workspace`; remove it: inputs are then what the build reads",
        ),
        ("wait: {timeout: soon}", "`hephy.yaml:1:17`: read duration `soon`; write it like `10m` or `90s`"),
        (
            "environments:\n  prod: {deploy: {via: helm}}",
            "`hephy.yaml:2:24`: `prod` deploys via `helm`, which this version cannot; write `via: apply`",
        ),
    ] {
        assert_eq!(read(text).expect_err(text), expected);
    }
}

#[test]
fn documents_of_the_user_are_files_of_json() {
    for (text, expected) in [
        (
            "components:\n  a: {path: src, sbom: app.xml}",
            "`hephy.yaml:2:24`: `sbom: app.xml` is no JSON file; write `required`, or the path of a document of CycloneDX or SPDX: `app.cdx.json`",
        ),
        (
            "components:\n  a: {path: src, sbom: {linux/amd64: ../a.cdx.json}}",
            "`hephy.yaml:2:24`: `../a.cdx.json` leads out of the repository; write a path below it",
        ),
        (
            "components:\n  a: {path: src, sbom: {linux/z80: a.cdx.json}}",
            "`hephy.yaml:2:24`: read platform `linux/z80`",
        ),
    ] {
        assert_eq!(read(text).expect_err(text), expected);
    }
}

#[test]
fn runners_are_named_by_platforms() {
    let config = read("runners: {default: small, arm64: [big, arm]}").expect("valid");
    assert_eq!(config.runners["linux/arm64"], ["big", "arm"]);
    assert_eq!(config.runners["default"], ["small"]);
    for (text, expected) in [
        (
            "runners: {linux/z80: big}",
            "`hephy.yaml:1:22`: read platform `linux/z80`; write `default`, or a platform or its front part such as `linux/arm64`",
        ),
        (
            "runners: {arm64: []}",
            "`hephy.yaml:1:18`: `arm64` has no runner label; name the label of a machine",
        ),
        (
            "runners: {arm64: a, linux/arm64: b}",
            "`hephy.yaml:1:34`: `linux/arm64` stands here a second time, written in another way; remove one of them",
        ),
        (
            "runners: {arm64: {a: b}}",
            "`hephy.yaml:1:18`: invalid type: map, expected a label, or a list of labels",
        ),
    ] {
        assert_eq!(read(text).expect_err(text), expected);
    }
}

#[test]
fn the_excerpt_points_at_the_fault() {
    let source = Source { file: "hephy.yaml".into(), text: "version: 1\nfoo: 2\n", root: Path::new("/") };
    let Err(ConfigError::At { excerpt, .. }) = source.read() else { panic!("a fault") };
    assert_eq!(excerpt, "2 | foo: 2\n  | ^");
}

#[test]
fn a_cluster_that_builds_is_described_as_kubernetes_wants_it() {
    let builder = |keys: &str| read(&format!("builder: {{{keys}}}")).map(|config| config.builder);
    let read = builder("in: cluster, namespace: ci.builds, memory: 1.5Gi, timeout: 90s").expect("valid");
    assert!(read.is_in_cluster && !read.is_privileged);
    assert_eq!(read.timeout, Duration::from_secs(90));
    assert!(!builder("").expect("valid").is_in_cluster);
    for (keys, expected) in [
        (
            "in: clutser",
            "`hephy.yaml:1:15`: `in: clutser` is unknown, expected `here` or `cluster`; did you mean `cluster`?",
        ),
        (
            "secret: Regcred",
            "`hephy.yaml:1:19`: `Regcred` is no name of an object in a cluster; it has lower-case letters, digits, `-` and `.`",
        ),
        (
            "kaniko: 'https://x'",
            "`hephy.yaml:1:19`: `https://x` is no image; write it as after `FROM`: HOST/NAME@sha256:...",
        ),
        ("memory: 4GB", "`hephy.yaml:1:19`: read memory `4GB`; write it like `4Gi` or `512Mi`"),
        ("timeout: 0s", "`hephy.yaml:1:20`: a build needs some time; write it like `30m`"),
    ] {
        assert_eq!(builder(keys).expect_err(keys), expected);
    }
}
