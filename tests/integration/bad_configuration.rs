//! A configuration that is wrong: the first line names the place and the fault, and nothing is written.

use crate::support::{Output, Repository, refused, shows};

/// Runs `hephy up` with this `hephy.yaml` and expects that it refuses.
#[track_caller]
fn refused_configuration(text: &str) -> Output {
    let repository = Repository::app();
    repository.write("hephy.yaml", text);
    refused(&repository, &["up"], 2)
}

#[test]
fn an_unknown_key() {
    shows!(refused_configuration("registy: ghcr.io/acme/shop\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:1:1`: unknown key `registy`, expected one of version, components, ignore, registry, base-images, attest, runners, builder, environments, wait, tags, flavor, labels, annotations
    hint: did you mean `registry`?
      1 | registy: ghcr.io/acme/shop
        | ^
    ------- exit Some(2)
    "#);
}

#[test]
fn a_value_of_the_wrong_type() {
    shows!(refused_configuration("components:\n  app: {path: app, platforms: linux/amd64}\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:2:31`: expected a list, for example `[a, b]`
      2 |   app: {path: app, platforms: linux/amd64}
        |                               ^
    ------- exit Some(2)
    "#);
    shows!(refused_configuration("components:\n  app: {path: [app]}\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:2:15`: expected a text
      2 |   app: {path: [app]}
        |               ^
    ------- exit Some(2)
    "#);
    shows!(refused_configuration("- app\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:1:1`: expected keys with values, for example `key: value`
      1 | - app
        | ^
    ------- exit Some(2)
    "#);
    shows!(refused_configuration("wait: {timeout: 5}\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:1:17`: read duration `5`
    hint: write it like `10m` or `90s`
      1 | wait: {timeout: 5}
        |                 ^
    ------- exit Some(2)
    "#);
}

#[test]
fn a_component_twice() {
    shows!(refused_configuration("components:\n  app: {path: app}\n  app: {path: k8s}\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:3:3`: `app` stands here a second time
    hint: remove or rename one of them
      3 |   app: {path: k8s}
        |   ^
    ------- exit Some(2)
    "#);
}

#[test]
fn two_discovered_folders_with_one_name() {
    let repository = Repository::empty();
    repository
        .write("a/api/Dockerfile", "FROM scratch\n")
        .write("b/api/Dockerfile", "FROM scratch\n")
        .commit("Add twins");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: `a/api/Dockerfile` and `b/api/Dockerfile` are both named `api`
    hint: name them apart under `components` in hephy.yaml
    ------- exit Some(2)
    "#);
}

#[test]
fn a_folder_that_is_missing_or_not_what_it_seems() {
    shows!(refused_configuration("components:\n  app: {path: nowhere}\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:2:15`: the folder `nowhere` does not exist
      2 |   app: {path: nowhere}
        |               ^
    ------- exit Some(2)
    "#);
    // Given a component behind a symbolic link, whose content git does not show there,
    let repository = Repository::app();
    std::os::unix::fs::symlink("app", repository.path().join("link")).expect("create the link");
    repository.write("hephy.yaml", "components:\n  app: {path: link, prebuilt: {linux/amd64: run}}\n");
    // when it is planned, then it is refused: a change would go unnoticed.
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: `hephy.yaml:2:15`: the folder `link` is behind a symbolic link
    hint: write the path that the link leads to
      2 |   app: {path: link, prebuilt: {linux/amd64: run}}
        |               ^
    ------- exit Some(2)
    "#);
}

#[test]
fn components_that_need_each_other() {
    shows!(refused_configuration("components:\n  a: {path: app, needs: [b]}\n  b: {path: app, needs: [a]}\n"), @r#"
    ------- stderr -------
    error: `hephy.yaml:2:26`: components need each other in a circle: a -> b -> a
    hint: remove one of these `needs`
      2 |   a: {path: app, needs: [b]}
        |                          ^
    ------- exit Some(2)
    "#);
}

#[test]
fn a_configuration_that_is_a_folder() {
    let repository = Repository::app();
    std::fs::remove_file(repository.path().join("hephy.yaml")).expect("remove hephy.yaml");
    repository.write("hephy.yaml/file", "");
    shows!(refused(&repository, &["up"], 2), @r#"
    ------- stderr -------
    error: read `[TMP]/repository/hephy.yaml`: Is a directory (os error 21)
    ------- exit Some(2)
    "#);
}
