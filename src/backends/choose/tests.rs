use super::*;
use crate::component::Recipe;
use crate::platform::Platform;

fn component(backend: Option<Backend>, prebuilt: bool) -> Component {
    let program = prebuilt.then(|| (Platform::new("linux", "amd64"), "dist/api".to_owned()));
    Component {
        backend,
        recipe: Recipe { prebuilt: program.into_iter().collect(), ..Recipe::default() },
        ..Component::new("api".parse().expect("a name"), "api", "hephy.yaml:3")
    }
}

/// The definitions of these files; a `!` marks a Cargo package that says that it is a component.
fn definitions(files: &[&str]) -> Definitions {
    let has = |name: &str| files.contains(&name);
    let variants = files.iter().filter(|name| name.starts_with("Dockerfile."));
    let unsupported = [(Unsupported::Bake, "docker-bake.hcl"), (Unsupported::Jib, "pom.xml")];
    Definitions {
        variants: variants.map(|name| (*name).to_owned()).collect(),
        unsupported: unsupported
            .into_iter()
            .filter(|(_, name)| has(name))
            .map(|(kind, name)| (kind, name.to_owned()))
            .collect(),
        dockerfile: has("Dockerfile").then(|| "Dockerfile".to_owned()),
        cargo_manifest: has("Cargo.toml") || has("Cargo.toml!"),
        cargo_mark: has("Cargo.toml!"),
        spin: has("spin.toml"),
        chart: has("Chart.yaml"),
        ko_file: has(".ko.yaml"),
        go_main: has("main.go").then(|| "main.go".to_owned()),
        project: has("project.toml"),
        procfile: has("Procfile"),
    }
}

#[test]
fn the_definition_decides_and_says_so() {
    let all = ["Dockerfile", "Cargo.toml!", "spin.toml", "Chart.yaml", ".ko.yaml", "project.toml"];
    let none = component(None, false);
    for (component, files, expected) in [
        (component(Some(Backend::Cargo), true), &all[..], "cargo: `backend: cargo` at hephy.yaml:3"),
        (component(None, true), &["Dockerfile"], "prebuilt: `prebuilt` at hephy.yaml:3"),
        (none.clone(), &["Dockerfile"], "dockerfile: `Dockerfile` is in its folder"),
        (none.clone(), &["Dockerfile", "Cargo.toml"], "dockerfile: `Dockerfile` comes before `Cargo.toml`"),
        (none.clone(), &["Dockerfile", "main.go"], "dockerfile: `Dockerfile` comes before `main.go`"),
        (none.clone(), &["Cargo.toml"], "cargo: `Cargo.toml` is in its folder"),
        (none.clone(), &["spin.toml", "Cargo.toml"], "spin: `spin.toml` comes before `Cargo.toml`"),
        (none.clone(), &["spin.toml", "main.go"], "spin: `spin.toml` comes before `main.go`"),
        (none.clone(), &["Chart.yaml"], "helm: `Chart.yaml` is in its folder"),
        (none.clone(), &[".ko.yaml", "main.go"], "ko: `.ko.yaml` is in its folder"),
        (none.clone(), &["main.go", "Procfile"], "ko: `main.go` comes before `Procfile`"),
        (none.clone(), &["project.toml"], "buildpacks: `project.toml` is in its folder"),
        // What is sure comes before what may be there for other reasons, wherever it stands.
        (none.clone(), &["main.go", "Cargo.toml!"], "cargo: `Cargo.toml` comes before `main.go`"),
        (
            none.clone(),
            &["Cargo.toml", "project.toml"],
            "buildpacks: `project.toml` comes before `Cargo.toml`",
        ),
        (none.clone(), &["Procfile"], "buildpacks: `Procfile` is in its folder"),
        // A Dockerfile of another name gives way to everything else.
        (none.clone(), &["Dockerfile.a"], "dockerfile: `Dockerfile.a` is the only Dockerfile in its folder"),
        (none.clone(), &["Dockerfile.a", "main.go"], "ko: `main.go` comes before `Dockerfile.a`"),
        (none.clone(), &["Dockerfile.a", "Cargo.toml"], "cargo: `Cargo.toml` comes before `Dockerfile.a`"),
        (none.clone(), &["Dockerfile.a", "Procfile"], "buildpacks: `Procfile` comes before `Dockerfile.a`"),
        (none.clone(), &["Dockerfile.a", "spin.toml"], "spin: `spin.toml` comes before `Dockerfile.a`"),
        (none.clone(), &["Dockerfile.a", "Chart.yaml"], "helm: `Chart.yaml` comes before `Dockerfile.a`"),
        (none.clone(), &["Dockerfile.a", ".ko.yaml"], "ko: `.ko.yaml` comes before `Dockerfile.a`"),
        (none.clone(), &["Dockerfile.a", "Cargo.toml!"], "cargo: `Cargo.toml` comes before `Dockerfile.a`"),
        (
            none.clone(),
            &["Dockerfile.a", "project.toml"],
            "buildpacks: `project.toml` comes before `Dockerfile.a`",
        ),
        // Several of them decide nothing, and neither does what nobody builds.
        (none.clone(), &["Dockerfile.a", "Dockerfile.b", "main.go"], "ko: `main.go` is in its folder"),
        (
            none.clone(),
            &["docker-bake.hcl", "pom.xml", "Dockerfile"],
            "dockerfile: `Dockerfile` is in its folder",
        ),
        (none, &["docker-bake.hcl", "Procfile"], "buildpacks: `Procfile` is in its folder"),
    ] {
        let Choice { backend, reason, tried, .. } = choose(&component, &definitions(files)).expect(expected);
        assert_eq!(format!("{backend}: {reason}"), expected);
        assert_eq!(tried.iter().filter(|tried| tried.is_chosen).count(), 1);
    }
}

#[test]
fn every_rule_is_told() {
    let choice =
        choose(&component(None, false), &definitions(&["Dockerfile", "Cargo.toml", "docker-bake.hcl"]));
    let lines: Vec<String> = choice
        .expect("a choice")
        .tried
        .iter()
        .map(|tried| format!("{}: {}{}", tried.rule, tried.found, if tried.is_chosen { "!" } else { "" }))
        .collect();
    assert_eq!(
        lines,
        [
            "backend: no `backend` key",
            "prebuilt: no `prebuilt` key",
            "spin: no `spin.toml` with a `spin_manifest_version`",
            "helm: no `Chart.yaml` with an `apiVersion` that is no part of another chart",
            "bake: `docker-bake.hcl`, for which hephy has no backend",
            "dockerfile: `Dockerfile`!",
            "ko: no `.ko.yaml` below the root, and no Go file with `package main` in a module",
            "cargo: `Cargo.toml`, which gives way",
            "jib: no plugin of jib in a build file, which is read only where nothing else is",
            "apko: no `apko.yaml` or `melange.yaml` with packages and repositories",
            "buildpacks: no `project.toml` with a table of buildpacks, and no `Procfile`",
            "railpack: no `railpack.json`",
            "nixpacks: no `nixpacks.toml`",
        ]
    );
}

#[test]
fn what_must_not_be_guessed_is_an_error() {
    let error = |component: &Component, files: &[&str]| {
        choose(component, &definitions(files)).expect_err("nothing to choose").to_string()
    };
    let none = component(None, false);
    for (files, expected) in [
        (&["Dockerfile", "Cargo.toml!"][..], "`Dockerfile` and `Cargo.toml` both define it"),
        (&["spin.toml", "Dockerfile"], "`spin.toml` and `Dockerfile` both define it"),
        (&[".ko.yaml", "Dockerfile"], "`Dockerfile` and `.ko.yaml` both define it"),
        (&["project.toml", "Dockerfile"], "`Dockerfile` and `project.toml` both define it"),
        // A chart is no other name for an image.
        (
            &["Chart.yaml", "Dockerfile"],
            "`Chart.yaml` and `Dockerfile` in one folder are two components, not one",
        ),
        (
            &["Chart.yaml", ".ko.yaml"],
            "`Chart.yaml` and `.ko.yaml` in one folder are two components, not one",
        ),
        (
            &["Chart.yaml", "spin.toml"],
            "`spin.toml` and `Chart.yaml` in one folder are two components, not one",
        ),
        (&["docker-bake.hcl"], "`docker-bake.hcl` defines it, and hephy has no backend for bake"),
        (&["pom.xml"], "`pom.xml` defines it, and hephy has no backend for jib"),
        (&[], "its folder has no definition that hephy knows"),
    ] {
        assert_eq!(error(&none, files), format!("choose a backend for `api`: {expected}"));
    }
    let several = ["Dockerfile.a", "Dockerfile.b", "Dockerfile.c", "docker-bake.hcl"];
    let unclear = "choose the Dockerfile of `api`: nothing says which of `Dockerfile.a`, `Dockerfile.b` and \
                   `Dockerfile.c` it is";
    assert_eq!(error(&none, &several), unclear);
    assert_eq!(error(&component(Some(Backend::Buildkit), false), &several), unclear);
}

#[test]
fn what_is_left_out_is_a_warning_unless_somebody_says_so() {
    let warnings = |component: &Component, files: &[&str]| {
        choose(component, &definitions(files)).expect("a choice").warnings
    };
    let none = component(None, false);
    for (files, expected) in [
        (&["Dockerfile", "main.go", "Cargo.toml"][..], &[][..]),
        (&["Dockerfile.a", ".ko.yaml", "main.go"], &[]),
        (
            &["Dockerfile.a", "main.go"],
            &[
                "`api` is built from `main.go`, and `Dockerfile.a` is not read; `backend: ko` in hephy.yaml says that this is \
               meant, `dockerfile: Dockerfile.a` chooses the other",
            ],
        ),
        (
            &["Dockerfile.a", "Cargo.toml"],
            &[
                "`api` is built from `Cargo.toml`, and `Dockerfile.a` is not read; `backend: cargo` in hephy.yaml says that \
               this is meant, `dockerfile: Dockerfile.a` chooses the other",
            ],
        ),
        (
            &["Dockerfile", "docker-bake.hcl"],
            &[
                "`api` is built from `Dockerfile`, and not by bake: hephy has no backend for `docker-bake.hcl`; `backend: \
               dockerfile` in hephy.yaml says that this is meant",
            ],
        ),
        (
            &["main.go", "Dockerfile.a", "Dockerfile.b"],
            &[
                "`api` is built from `main.go`, and nothing says which of `Dockerfile.a` and `Dockerfile.b` it may be instead; \
               `backend: ko` in hephy.yaml says that this is meant, `dockerfile` names another",
            ],
        ),
        (
            &["Chart.yaml", "main.go"],
            &[
                "`api` is the chart of its folder, and nothing is built from `main.go`: list two components in hephy.yaml, \
               one with `backend: ko`",
            ],
        ),
    ] {
        assert_eq!(warnings(&none, files), expected, "{files:?}");
    }
    let all = ["Dockerfile", "docker-bake.hcl"];
    assert_eq!(warnings(&component(Some(Backend::Dockerfile), false), &all), Vec::<String>::new());
    let named = Recipe { dockerfile: Some("Dockerfile".to_owned()), ..Recipe::default() };
    assert_eq!(warnings(&Component { recipe: named, ..none }, &all), Vec::<String>::new());
}
