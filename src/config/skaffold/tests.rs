use super::*;

/// Dockerfiles in a repository: one in the root and one in each of two services, of which `web` asks for the image of `base`.
const FILES: [(&str, &str); 5] = [
    ("Dockerfile", "FROM scratch\n"),
    ("services/api/Dockerfile", "FROM scratch\n"),
    ("services/web/Dockerfile", "ARG BASE=alpine\nFROM $BASE\n"),
    ("services/web/docker/Dockerfile.prod", "FROM scratch\n"),
    ("lib/main.go", ""),
];

fn read_in(text: &str) -> Result<Read, String> {
    let root = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in FILES {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        std::fs::write(path, text).expect("write the file");
    }
    let source = Source { file: "skaffold.yaml".to_owned(), text, root: root.path() };
    read(&source).map_err(|error| match error {
        ConfigError::At { ref hint, .. } => {
            format!("{error}{}", hint.iter().map(|hint| format!("; {hint}")).collect::<String>())
        }
        other => other.to_string(),
    })
}

/// Each component as `NAME in FOLDER: DOCKERFILE of CONTEXT`.
fn shown(read: &Read) -> Vec<String> {
    let shown = |definition: &Definition| {
        let component = &definition.component;
        let dockerfile = component.recipe.dockerfile.as_deref().unwrap_or("-");
        format!("{} in `{}`: {dockerfile} of `{}`", component.name, component.path, component.context())
    };
    read.definitions.iter().map(shown).collect()
}

#[test]
fn artifacts_become_components() {
    let text = "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {name: shop}\nbuild:\n  platforms: [linux/amd64]\n  artifacts:\n\
        \x20   - image: root\n\
        \x20   - image: ghcr.io/acme/api\n      context: ./services/api\n      sync: {}\n\
        \x20   - image: acme/api-from-above\n      docker: {dockerfile: services/api/Dockerfile, noCache: true}\n      platforms: [linux/arm64]\n\
        \x20   - image: web\n      context: services/web\n      requires: [{image: root}]\n\
        \x20     docker: {dockerfile: docker/Dockerfile.prod, target: prod, buildArgs: {MODE: prod}}\n";
    let read = read_in(text).expect("valid");
    assert_eq!(
        shown(&read),
        [
            "root in ``: Dockerfile of ``",
            "api in `services/api`: Dockerfile of `services/api`",
            "api-from-above in `services/api`: Dockerfile of ``",
            "web in `services/web/docker`: Dockerfile.prod of `services/web`",
        ]
    );
    let of = |index: usize| &read.definitions[index].component;
    assert_eq!(of(1).image.as_ref().map(ToString::to_string).as_deref(), Some("ghcr.io/acme/api"));
    assert_eq!(
        (of(2).image.as_ref(), of(2).aliases.as_slice()),
        (None, &["acme/api-from-above".to_owned()][..])
    );
    assert_eq!(of(1).platforms[0].to_string(), "linux/amd64");
    assert_eq!(of(2).platforms[0].to_string(), "linux/arm64");
    assert_eq!(of(3).needs[0].as_str(), "root");
    assert_eq!(of(3).recipe.target.as_deref(), Some("prod"));
    assert_eq!(of(3).recipe.build_args["MODE"], "prod");
    assert_eq!(of(3).origin, "skaffold.yaml:14");
    assert_eq!(read.definitions[3].places["target"], "skaffold.yaml:17");
    assert_eq!((read.manifests, read.warning), (None, None));
}

#[test]
fn raw_manifests_are_read_in_old_and_new_versions() {
    for (text, expected) in [
        ("manifests: {rawYaml: [./k8s/*.yaml, app.yaml]}\n", &["k8s/*.yaml", "app.yaml"][..]),
        ("apiVersion: skaffold/v2beta29\ndeploy: {kubectl: {manifests: [k8s/**]}}\n", &["k8s/**"]),
    ] {
        assert_eq!(read_in(text).expect(text).manifests.expect(text), expected);
    }
    for text in ["", "manifests: {}\n", "manifests: {rawYaml: []}\n", "deploy: {kubectl: {}}\n"] {
        assert_eq!(read_in(text).expect(text).manifests, None, "{text}");
    }
}

#[test]
fn what_does_not_count_is_named_once() {
    let text = "profiles: [{name: dev}]\nportForward: []\ntest: []\nverify: []\nbuild: {tagPolicy: {gitCommit: {}}, local: {push: false}}\n\
        manifests: {helm: {}}\ndeploy: {helm: {}, kubectl: {flags: {}}}\n";
    let warning = read_in(text).expect("valid").warning.expect("a warning");
    assert_eq!(
        warning,
        "of `skaffold.yaml`, hephy reads the artifacts and the raw manifests, and not `portForward`, `profiles`, `test`, `verify`, `build.local`, `build.tagPolicy`, `manifests.helm`, `deploy.helm`, `deploy.kubectl.flags`"
    );
}

/// The fault in an artifact that consists of these keys.
fn fault_in(artifact: &str) -> String {
    let text = format!("build:\n  artifacts:\n    - {artifact}\n");
    read_in(&text).map(|read| shown(&read)).expect_err(artifact)
}

#[test]
fn what_cannot_be_honoured_says_where_it_stands_and_what_to_do() {
    for (artifact, expected) in [
        (
            "{image: 'api:{{.TAG}}'}",
            "3:15`: the template `api:{{.TAG}}` cannot be honoured; write the value itself, or name the component in hephy.yaml",
        ),
        (
            "{image: a, docker: {buildArgs: {V: '{{.GIT_COMMIT}}'}}}",
            "3:42`: the template `{{.GIT_COMMIT}}` cannot be honoured; write the value itself, or name the component in hephy.yaml",
        ),
        (
            "{image: a, docker: {buildArgs: {V: }}}",
            "3:15`: the build argument `V` has no value: it would be that of the environment; write its value",
        ),
        (
            "{image: a, docker: {dockerfile: none}}",
            "3:39`: the Dockerfile `none` is not in the context of `a`; correct `docker.dockerfile` or `context`",
        ),
        (
            "{image: a, context: lib}",
            "3:15`: the Dockerfile `Dockerfile` is not in the context of `a`; correct `docker.dockerfile` or `context`",
        ),
        ("{image: a, context: ../x}", "3:27`: `../x` leads out of the repository; write a path below it"),
        (
            "{image: a, contxt: x}",
            "3:18`: unknown key `contxt`, expected one of image, context, platforms, requires, docker, ko, buildpacks, bazel, jib, kaniko, custom, hooks, sync, runtimeType; did you mean `context`?",
        ),
        ("{image: a, requires: [{image: b}]}", "3:37`: `b` is required, and no artifact makes it"),
        (
            "{image: a, requires: [{image: a}]}",
            "3:37`: components need each other in a circle: a -> a; remove one of these `needs`",
        ),
        (
            "{image: A}",
            "3:15`: read image repository `A`: its parts are lower-case letters and digits, joined by `.`, `_` or `-`",
        ),
        ("{image: a, platforms: [z80]}", "3:30`: read platform `z80`"),
    ] {
        assert_eq!(fault_in(artifact), format!("`skaffold.yaml:{expected}"), "{artifact}");
    }
}

#[test]
fn an_image_that_skaffold_would_hand_to_the_build_is_not_forgotten() {
    let text = "build:\n  artifacts:\n    - {image: base}\n    - {image: web, context: services/web, requires: [{image: base, alias: BASE}]}\n";
    assert_eq!(
        read_in(text).map(|read| shown(&read)).expect_err("an alias"),
        "`skaffold.yaml:4:75`: `services/web/Dockerfile` is built on the image of `base` through `ARG BASE`, which hephy does not set; make it a stage of the same Dockerfile"
    );
    let harmless = text.replace("alias: BASE", "alias: OTHER");
    assert_eq!(read_in(&harmless).expect("valid").definitions.len(), 2);
}

#[test]
fn no_key_of_an_artifact_is_passed_over() {
    for (keys, named) in [
        ("custom: {buildCommand: make}", "custom"),
        ("bazel: {target: //x}", "bazel"),
        ("jib: {}", "jib"),
        ("kaniko: {}", "kaniko"),
        ("hooks: {before: []}", "hooks"),
        ("docker: {network: host}", "docker.network"),
        ("docker: {addHost: [a]}", "docker.addHost"),
        ("docker: {secrets: [{id: a}]}", "docker.secrets"),
        ("docker: {ssh: default}", "docker.ssh"),
        ("docker: {squash: true}", "docker.squash"),
        ("docker: {cliFlags: [a]}", "docker.cliFlags"),
        ("ko: {fromImage: a}", "ko.fromImage"),
        ("ko: {main: ./cmd}", "ko.main"),
        ("ko: {ldflags: [a]}", "ko.ldflags"),
        ("buildpacks: {builder: a}", "buildpacks.builder"),
        ("buildpacks: {env: [a=b]}", "buildpacks.env"),
    ] {
        let error = fault_in(&format!("{{image: a, {keys}}}"));
        assert!(
            error.contains(&format!("`{named}` cannot be honoured: ")) && error.contains("; "),
            "{error}"
        );
    }
}

#[test]
fn the_file_itself_may_be_what_hephy_does_not_read() {
    for (text, expected) in [
        (
            "apiVersion: skaffold/v1\n",
            "`skaffold.yaml:1:13`: version `skaffold/v1` is unknown, expected v2beta..., v3 or v4beta...; run `skaffold fix --overwrite`",
        ),
        (
            "requires: [{path: x}]\n",
            "`skaffold.yaml:1:11`: `requires` cannot be honoured: hephy does not follow it into other files; list the components in hephy.yaml",
        ),
        (
            "manifests: {rawYaml: ['https://example.com/x.yaml']}\n",
            "`skaffold.yaml:1:23`: the manifest `https://example.com/x.yaml` is not in the repository; keep a copy of it in the repository",
        ),
        (
            "manifests: {rawYaml: [../x.yaml]}\n",
            "`skaffold.yaml:1:23`: `../x.yaml` leads out of the repository; write a path below it",
        ),
    ] {
        assert_eq!(read_in(text).map(|read| shown(&read)).expect_err(text), expected);
    }
    let error = read_in("build: {}\n---\nbuild: {}\n").map(|read| shown(&read)).expect_err("two documents");
    assert_eq!(error, "`skaffold.yaml:3:1`: expected one YAML document, and here a second one starts");
}
