use super::*;

/// Writes the files and discovers among those that are `listed`, all if that is empty; a path that ends in `/` is a
/// repository.
fn discover_among(files: &[(&str, &str)], listed: &[&str]) -> Result<Vec<String>, String> {
    Ok(discovered(files, listed)?.0)
}

/// The same with what is in doubt.
fn discovered(files: &[(&str, &str)], listed: &[&str]) -> Result<(Vec<String>, Vec<Doubt>), String> {
    let root = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        std::fs::write(path, text).expect("write the file");
    }
    let all = files.iter().map(|(path, _)| *path).filter(|_| listed.is_empty());
    let (repositories, files): (Vec<&str>, Vec<&str>) =
        all.chain(listed.iter().copied()).partition(|path| path.ends_with('/'));
    let repositories: Vec<&BStr> =
        repositories.iter().map(|path| BStr::new(path.trim_end_matches('/'))).collect();
    let files: Vec<&BStr> = files.into_iter().map(BStr::new).collect();
    let Discovered { found, doubts } =
        discover(root.path(), &files, &repositories).map_err(|error| error.to_string())?;
    let shown = |found: &Found| format!("{} from {}", found.component.name, found.component.origin);
    let mut shown: Vec<String> = found.iter().map(shown).collect();
    shown.sort();
    Ok((shown, doubts))
}

#[test]
fn definitions_make_components() {
    let found = discover_among(
        &[
            ("services/api/Cargo.toml", "[package]\n[package.metadata.hephy]\n"),
            ("services/tool/Cargo.toml", "[package]\n"),
            ("My Web/Containerfile", ""),
        ],
        &[],
    );
    assert_eq!(
        found.expect("valid"),
        ["api from services/api/Cargo.toml", "my-web from My Web/Containerfile"]
    );
}

#[test]
fn every_definition_makes_a_component_and_its_name_alone_makes_none() {
    let found = discover_among(
        &[
            ("app/spin.toml", "spin_manifest_version = 2\n"),
            ("chart/Chart.yaml", "apiVersion: v2\nname: shop\n"),
            ("chart/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\n"),
            ("ko/.ko.yaml", ""),
            (".ko.yaml", ""),
            ("site/project.toml", "[io.buildpacks]\n"),
            ("other/project.toml", "[tool]\n"),
            ("other/spin.toml", "a = 1\n"),
            ("other/Chart.yaml", "name: x\n"),
            ("other/Procfile", "web: x\n"),
        ],
        &[],
    );
    assert_eq!(
        found.expect("valid"),
        [
            "app from app/spin.toml",
            "ko from ko/.ko.yaml",
            "shop-chart from chart/Chart.yaml",
            "site from site/project.toml",
        ]
    );
}

#[test]
fn go_programs_that_are_shipped_are_components() {
    let main = "package main\n";
    let found = discover_among(
        &[
            ("svc/go.mod", ""),
            ("svc/cmd/api/main.go", main),
            ("svc/cmd/web/main.go", main),
            ("svc/cmd/web/Dockerfile", ""),
            ("svc/cmd/lib/lib.go", "package lib\n"),
            ("svc/tools/gen/main.go", main),
            ("tool/go.mod", ""),
            ("tool/main.go", main),
            ("docker/go.mod", ""),
            ("docker/Dockerfile", ""),
            ("docker/cmd/app/main.go", main),
            ("docker/inner/go.mod", ""),
            ("docker/inner/main.go", main),
            ("scripts/main.go", main),
        ],
        &[],
    );
    assert_eq!(
        found.expect("valid"),
        [
            "api from svc/cmd/api/main.go",
            "docker from docker/Dockerfile",
            "inner from docker/inner/main.go",
            "tool from tool/main.go",
            "web from svc/cmd/web/Dockerfile",
        ]
    );
}

#[test]
fn vendored_and_hidden_folders_and_what_is_not_listed_or_not_there_are_skipped() {
    let found = discover_among(
        &[
            ("vendor/x/Dockerfile", ""),
            ("examples/y/Dockerfile", ""),
            (".cache/z/Dockerfile", ""),
            ("out/w/Dockerfile", ""),
        ],
        &["vendor/x/Dockerfile", "examples/y/Dockerfile", ".cache/z/Dockerfile", "sparse/v/Dockerfile"],
    );
    assert_eq!(found.expect("valid"), Vec::<String>::new());
}

#[test]
fn the_files_of_a_folder_need_not_stand_beside_each_other() {
    let found =
        discover_among(&[("b/c/x", ""), ("b/Containerfile", ""), ("a/y", ""), ("b/Dockerfile", "")], &[]);
    assert_eq!(found.expect("valid"), ["b from b/Dockerfile"]);
}

#[test]
fn a_repository_within_is_looked_through() {
    let files = [
        ("lib/api/Dockerfile", ""),
        ("lib/.hidden/Dockerfile", ""),
        ("lib/.gitignore", "/out/\n"),
        ("lib/out/Dockerfile", ""),
        ("vendor/lib/web/Dockerfile", ""),
    ];
    let found = discover_among(&files, &["lib/", "vendor/lib/"]);
    assert_eq!(found.expect("valid"), ["api from lib/api/Dockerfile"]);
}

const FROM: &str = "FROM scratch\n";
const MAIN: &str = "package main\n";
/// Folders with Dockerfiles of other names, and what else may lie there.
const VARIANTS: &[(&str, &str)] = &[
    ("api/Dockerfile.prod", FROM),
    ("api/Dockerfile.prod.dockerignore", "x\n"),
    ("api/Dockerfile.base.tmpl", FROM),
    ("web/Dockerfile", FROM),
    ("site/web.Dockerfile", FROM),
    ("usual/Dockerfile", FROM),
    ("usual/Dockerfile.dev", FROM),
    ("part/Dockerfile.part", "RUN make\n"),
    ("several/Dockerfile.b", FROM),
    ("several/a.Dockerfile", FROM),
    ("sure/Dockerfile.dev", FROM),
    ("sure/spin.toml", "spin_manifest_version = 2\n"),
    // It gives way to what else builds its folder,
    ("tool/go.mod", ""),
    ("tool/main.go", MAIN),
    ("tool/Dockerfile.debug", FROM),
    ("crate/Cargo.toml", "[package]\n"),
    ("crate/Dockerfile.dev", FROM),
    ("proc/Procfile", "web: x\n"),
    ("proc/Dockerfile.dev", FROM),
    // and is no reason to drop programs in folders below it.
    ("svc/go.mod", ""),
    ("svc/cmd/one/main.go", MAIN),
    ("svc/cmd/two/main.go", MAIN),
    ("svc/Dockerfile.dev", FROM),
    ("svc/nixpacks.toml", ""),
    // Neither is it one to refuse the repository.
    ("deploy/web/Dockerfile.prod", FROM),
];

#[test]
fn a_dockerfile_of_another_name_makes_a_component_if_it_is_the_only_one() {
    let (found, doubts) = discovered(VARIANTS, &[]).expect("valid");
    assert_eq!(
        found,
        [
            "api from api/Dockerfile.prod",
            "one from svc/cmd/one/main.go",
            "site from site/web.Dockerfile",
            "sure from sure/spin.toml",
            "tool from tool/main.go",
            "two from svc/cmd/two/main.go",
            "usual from usual/Dockerfile",
            "web from web/Dockerfile",
        ]
    );
    let several = ["several/Dockerfile.b", "several/a.Dockerfile"].map(str::to_owned);
    let nixpacks = Doubt::Unsupported(Unsupported::Nixpacks, "svc/nixpacks.toml".to_owned());
    let beside = |path: &str, other: &str| Doubt::Beside(path.to_owned(), other.to_owned());
    let same_name = Doubt::SameName("deploy/web/Dockerfile.prod".to_owned(), "web".parse().expect("a name"));
    assert_eq!(
        doubts,
        [
            beside("crate/Dockerfile.dev", "Cargo.toml"),
            beside("proc/Dockerfile.dev", "Procfile"),
            Doubt::Unclear(several.to_vec()),
            Doubt::Above("svc/Dockerfile.dev".to_owned()),
            nixpacks,
            same_name
        ]
    );
}

#[test]
fn what_nobody_builds_is_told_where_nothing_else_is() {
    let jib = "<artifactId>jib-maven-plugin</artifactId>\n";
    let (found, doubts) = discovered(
        &[
            ("docker-bake.hcl", ""),
            ("app/pom.xml", jib),
            ("plain/pom.xml", "<project/>\n"),
            ("image/Dockerfile", ""),
            ("image/pom.xml", jib),
            ("image/railpack.json", "{}\n"),
            ("vendor/x/nixpacks.toml", ""),
        ],
        &[],
    )
    .expect("valid");
    assert_eq!(found, ["image from image/Dockerfile"]);
    let doubt = |kind, file: &str| Doubt::Unsupported(kind, file.to_owned());
    assert_eq!(doubts, [doubt(Unsupported::Bake, "docker-bake.hcl"), doubt(Unsupported::Jib, "app/pom.xml")]);
}
