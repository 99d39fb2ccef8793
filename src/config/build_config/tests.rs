use super::*;
use std::path::Path;

/// A repository with the folder `my api`, in which this file lies beside a Dockerfile and another in `src`.
fn read_in(text: &str) -> Result<Definition, String> {
    let root = tempfile::tempdir().expect("a temporary folder");
    for path in
        ["my api/Dockerfile", "my api/Dockerfile.prod", "my api/src/Dockerfile.src", "my api/src/Dockerfile"]
    {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        std::fs::write(path, "FROM scratch\n").expect("write the file");
    }
    let root: &Path = root.path();
    let source = Source { file: "my api/build-config.yaml".to_owned(), text, root };
    let read = super::read(&source, "my api", "my-api".parse().expect("a name"));
    read.map_err(|error| match error {
        ConfigError::At { ref hint, .. } => {
            format!("{error}{}", hint.iter().map(|hint| format!("; {hint}")).collect::<String>())
        }
        other => other.to_string(),
    })
}

#[track_caller]
fn recipe(text: &str) -> Recipe {
    read_in(text).expect(text).component.recipe
}

#[test]
fn every_key_that_can_be_honoured_is() {
    let text = "use_local_context: true\ndockerfile_path: ./Dockerfile.prod\ncontext_path: ..\ntarget: prod\n\
                platforms:\n  - linux/amd64\n  - linux/arm64\nbuild_args: {MODE: prod, N: 1}\nbuild_backend: buildah\nmanual_build: false\n";
    let definition = read_in(text).expect("valid");
    let component = &definition.component;
    assert_eq!(component.path, "my api");
    assert_eq!(component.origin, "my api/build-config.yaml:1");
    assert_eq!(component.backend, Some(Backend::Buildah));
    let platforms: Vec<String> = component.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let recipe = &component.recipe;
    assert_eq!(recipe.dockerfile.as_deref(), Some("Dockerfile.prod"));
    assert_eq!(component.context(), "");
    assert_eq!(recipe.target.as_deref(), Some("prod"));
    // S15: hephy-builder had build arguments that nobody read.
    assert_eq!(recipe.build_args["MODE"], "prod");
    assert_eq!(recipe.build_args["N"], "1");
    assert_eq!(definition.places["target"], "my api/build-config.yaml:4");
    assert_eq!(definition.places["platforms"], "my api/build-config.yaml:6");
}

#[test]
fn what_is_not_said_has_its_default() {
    // S7: hephy-builder wanted an upstream wherever `use_local_context` was not written.
    for text in ["", "# nothing\n", "use_local_context: true\n", "build_args: {}\n"] {
        assert_eq!(recipe(text), Recipe::default(), "{text}");
    }
    assert_eq!(recipe("context_path: .\n").context, None);
}

#[test]
fn the_dockerfile_is_that_of_the_folder_or_of_the_context() {
    let text = "context_path: src\ndockerfile_path: Dockerfile.src\n";
    assert_eq!(recipe(text).dockerfile.as_deref(), Some("src/Dockerfile.src"));
    assert_eq!(recipe(text).context.as_deref(), Some("my api/src"));
    let text = "context_path: src\ndockerfile_path: Dockerfile.prod\n";
    assert_eq!(recipe(text).dockerfile.as_deref(), Some("Dockerfile.prod"));
}

#[test]
fn what_cannot_be_honoured_says_where_it_stands_and_what_to_do() {
    for (text, expected) in [
        (
            "platform: [amd64]",
            "`my api/build-config.yaml:1:1`: unknown key `platform`, expected one of use_local_context, upstream_repo, upstream_ref, dockerfile_path, context_path, target, platforms, build_args, additional_tags, build_backend, ko_config, manual_build, manual_images, kaniko_config, buildkit_config, spin_config, talos_config; did you mean `platforms`?",
        ),
        // S8: what looks like a key of the file, in another key.
        (
            "ko_config:\n  platforms:\n    - linux/arm64\n",
            "`my api/build-config.yaml:2:3`: unknown key `platforms`, expected one of import_path, base_image, ldflags, env",
        ),
        (
            "use_local_context: true\nupstream_repo: https://example.com/x.git\n",
            "`my api/build-config.yaml:1:20`: `use_local_context` cannot be honoured: `upstream_repo` in line 2 says the opposite; remove one of the two",
        ),
        // S17: a branch of another repository is another thing tomorrow, and nothing records it.
        (
            "upstream_repo: https://example.com/x.git\nupstream_ref: main\n",
            "`my api/build-config.yaml:1:16`: `upstream_repo` cannot be honoured: the sources are not in this repository, and nothing records which ones are built; add that repository as a git submodule at the commit to build, and name it in `context_path`",
        ),
        (
            "upstream_ref: main\n",
            "`my api/build-config.yaml:1:15`: `upstream_ref` cannot be honoured: the sources are not in this repository, and nothing records which ones are built; add that repository as a git submodule at the commit to build, and name it in `context_path`",
        ),
        (
            "use_local_context: false\n",
            "`my api/build-config.yaml:1:20`: `use_local_context` cannot be honoured: it is false, and there is no `upstream_repo`; remove it",
        ),
        (
            "dockerfile_path: ../x\n",
            "`my api/build-config.yaml:1:18`: `../x` leads out of the repository; write a path below it",
        ),
        (
            "dockerfile_path: none\n",
            "`my api/build-config.yaml:1:18`: the file `none` does not exist in `my api`; correct `dockerfile_path`",
        ),
        (
            "dockerfile_path: Dockerfile\ncontext_path: src\n",
            "`my api/build-config.yaml:1:18`: `Dockerfile` and `src/Dockerfile` are both there, and either may be meant; remove one of them",
        ),
        (
            "context_path: ../..\n",
            "`my api/build-config.yaml:1:15`: `../..` leads out of the repository; write a path below it",
        ),
        ("context_path: none\n", "`my api/build-config.yaml:1:15`: the folder `none` does not exist"),
        ("platforms: [linux/z80]\n", "`my api/build-config.yaml:1:13`: read platform `linux/z80`"),
        ("use_local_context: maybe\n", "`my api/build-config.yaml:1:20`: invalid boolean"),
    ] {
        assert_eq!(read_in(text).map(|definition| definition.component).expect_err(text), expected);
    }
}

#[test]
fn no_key_of_hephy_builder_is_passed_over() {
    for (text, key) in [
        ("additional_tags: [latest]\n", "additional_tags"),
        ("manual_build: true\n", "manual_build"),
        ("manual_images: {amd64: x, arm64: y}\n", "manual_images"),
        ("ko_config: {import_path: ./cmd/api}\n", "ko_config.import_path"),
        ("ko_config: {base_image: alpine}\n", "ko_config.base_image"),
        ("ko_config: {ldflags: [-s, -w]}\n", "ko_config.ldflags"),
        ("ko_config: {env: {CGO_ENABLED: 0}}\n", "ko_config.env"),
        ("kaniko_config: {cache: true}\n", "kaniko_config"),
        ("buildkit_config: {}\n", "buildkit_config"),
        ("spin_config: {}\n", "spin_config"),
        ("talos_config: {version: v1}\n", "talos_config"),
    ] {
        let error = read_in(text).map(|definition| definition.component).expect_err(text);
        assert!(error.contains(&format!(": `{key}` cannot be honoured: ")), "{error}");
        let (_, way_out) = error.split_once("; ").expect("a way out");
        assert!(!way_out.is_empty(), "{error}");
    }
}
