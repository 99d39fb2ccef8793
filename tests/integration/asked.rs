//! What the user asks of a plan: everything, or some components only.

use crate::support::{Repository, refused, shows};

/// Three components of which `top` needs `base`, all built once.
fn three() -> Repository {
    let repository = Repository::app();
    repository.write(
        "hephy.yaml",
        "components:
  base: {path: app, prebuilt: {linux/amd64: base}}
  other: {path: app, prebuilt: {linux/amd64: other}}
  top: {path: app, needs: [base], prebuilt: {linux/amd64: top}}
",
    );
    for name in ["base", "other", "top"] {
        repository.write(&format!("app/{name}"), name);
    }
    repository.commit("Add three components").up();
    repository
}

#[test]
fn all_builds_what_exists() {
    let repository = three();
    let before = repository.hephy(["up"]).run().exits(0).stdout;
    let all = [
        "base (linux/amd64): build, `--all` asks for it",
        "other (linux/amd64): build, `--all` asks for it",
        "top (linux/amd64): build, `--all` asks for it",
    ];
    assert_eq!(repository.decisions_with(&["--all"]), all);
    // The variable of a CI system counts, and `false` is no.
    let decided = |value: &str| repository.hephy(["plan"]).env("HEPHY_ALL", value).run().exits(0).stdout;
    assert_eq!(decided("true").matches(" build ").count(), 3);
    assert_eq!(decided("false").matches(" build ").count(), 0);
    let output = repository.hephy(["up", "--all"]).run().exits(0).says("✔ build  other (linux/amd64)");
    assert_eq!(output.stdout, before);
}

#[test]
fn only_plans_what_is_named_with_the_inputs_of_what_it_needs() {
    let repository = three();
    assert_eq!(repository.decisions_with(&["--only", "top"]), ["top (linux/amd64): reuse"]);
    assert_eq!(
        repository.decisions_with(&["--only", "top,other"]),
        ["other (linux/amd64): reuse", "top (linux/amd64): reuse"]
    );
    repository.write("app/base", "changed").commit("Change the base");
    assert_eq!(
        repository.decisions_with(&["--only", "top"]),
        ["top (linux/amd64): build, `app/base` changed: `base`, which it needs, reads it"]
    );
    let output = repository.hephy(["up"]).env("HEPHY_ONLY", "top").run().exits(0);
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    let preview = repository.hephy(["up", "--dry-run", "--only", "top"]).run().exits(0);
    assert!(preview.stdout.contains("deploy  nothing: `--only` plans a part"), "{preview}");
    output.says("published; `--only` plans a part of the release, and a part is not deployed");
}

#[test]
fn a_component_that_does_not_exist() {
    let repository = Repository::app();
    shows!(refused(&repository, &["plan", "--only", "ap"], 2), @r#"
    ------- stderr -------
    error: plan: find the component `ap`: there is none of this name
    hint: did you mean `app`?
    ------- exit Some(2)
    "#);
    shows!(refused(&repository, &["plan", "--only", "app,"], 2), @r#"
    ------- stderr -------
    error: plan: find the component ``: there is none of this name
    ------- exit Some(2)
    "#);
    shows!(refused(&repository, &["deploy", "--only", "zzz"], 2), @r#"
    ------- stderr -------
    error: plan: find the component `zzz`: there is none of this name
    ------- exit Some(2)
    "#);
}

#[test]
fn a_part_is_not_deployed() {
    let repository = three();
    shows!(repository.hephy(["deploy", "--only", "top"]).run().exits(2), @r#"
    ------- stderr -------
    error: find manifests to deploy: `--only` plans a part of the release
    hint: run without `--only`; what is unchanged is not built again
    ------- exit Some(2)
    "#);
}

#[test]
fn a_plan_that_is_followed_is_followed_whole() {
    let repository = three();
    let plan = repository.beside("plan.json");
    let text = repository.hephy(["plan", "--emit", "json", "--all"]).run().exits(0).stdout;
    std::fs::write(&plan, text).expect("write the plan");
    let plan = plan.to_string_lossy();
    for flag in [&["--all"][..], &["--only", "top"]] {
        let hephy = repository.hephy(["build", "--plan", &*plan]).args(flag);
        hephy.run().exits(2).says("hint: name it where the plan is made");
    }
    repository.hephy(["build", "--plan", &*plan]).run().exits(0).says("`--all` asks for it");
}
