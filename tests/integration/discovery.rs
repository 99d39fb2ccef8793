//! Which folders are components when `hephy.yaml` names none: git's own list of files says what there is.

use crate::support::Repository;

/// The components that are planned, each with where it was found.
#[track_caller]
fn origins(repository: &Repository) -> Vec<String> {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    let components = plan["components"].as_array().expect("components");
    let origin = |component: &serde_json::Value| component["origin"].as_str().expect("an origin").to_owned();
    components.iter().map(origin).collect()
}

#[test]
fn what_is_committed_or_could_be_counts_and_what_git_ignores_does_not() {
    let repository = Repository::empty();
    repository.write(".gitignore", "/out/\n").write("gone/Dockerfile", "FROM scratch\n");
    repository.write("api/Dockerfile", "FROM scratch\n").commit("Begin");
    repository.write("web/Dockerfile", "FROM scratch\n").write("out/Dockerfile", "FROM scratch\n");
    std::fs::remove_dir_all(repository.path().join("gone")).expect("remove the folder");
    assert_eq!(origins(&repository), ["api/Dockerfile", "web/Dockerfile"]);
    // What was added although the folder is ignored is part of the commit.
    repository.git(["add", "--force", "out/Dockerfile"]);
    assert_eq!(origins(&repository), ["api/Dockerfile", "out/Dockerfile", "web/Dockerfile"]);
}

#[test]
fn repositories_within_are_looked_through() {
    let inner = Repository::named("inner");
    inner.write("api/Dockerfile", "FROM scratch\n").commit("Begin");
    let url = inner.path().to_string_lossy().into_owned();
    let repository = Repository::empty();
    repository.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "lib"]);
    repository.commit("Add a submodule");
    // A clone that nobody added lies there as a folder of which git lists nothing.
    repository.git(["clone", "--quiet", &url, "copy"]);
    std::fs::rename(repository.path().join("copy/api"), repository.path().join("copy/web")).expect("rename");
    assert_eq!(origins(&repository), ["lib/api/Dockerfile", "copy/web/Dockerfile"]);
    // Changes in a submodule make git name all of it as changed.
    repository.write("lib/api/new", "");
    assert_eq!(origins(&repository), ["lib/api/Dockerfile", "copy/web/Dockerfile"]);
}

#[test]
fn a_definition_that_a_sparse_checkout_leaves_out_is_no_component() {
    let repository = Repository::empty();
    repository.write("api/Dockerfile", "FROM scratch\n").write("web/Dockerfile", "FROM scratch\n");
    repository.commit("Begin");
    repository.git(["sparse-checkout", "set", "api"]);
    assert_eq!(origins(&repository), ["api/Dockerfile"]);
}

const FROM: &str = "FROM scratch\n";

#[test]
fn a_dockerfile_of_another_name_is_planned_if_it_is_the_only_one() {
    let repository = Repository::empty();
    repository.write("api/Dockerfile.prod", "FROM scratch\nCOPY run /run\n").write("api/run", "one\n");
    repository.write("api/Dockerfile.prod.dockerignore", "notes\n").write("api/other", "");
    repository.commit("Begin");
    assert_eq!(origins(&repository), ["api/Dockerfile.prod"]);
    let output = repository.hephy(["plan", "--explain", "api"]).run().exits(0);
    for line in [
        "built by dockerfile: `Dockerfile.prod`",
        "read by `api`: it is the Dockerfile of `api`",
        "read by `api`: `Dockerfile.prod:2` copies it",
    ] {
        assert!(output.stdout.contains(line), "{line} in {output}");
    }
    // With a second one nothing says which is meant: not here,
    repository.write("api/Dockerfile.dev", FROM).commit("Add another");
    let output = repository.hephy(["plan"]).run().exits(0);
    output.says(
        "warning: `api/Dockerfile.dev`, `api/Dockerfile.prod`: nothing says that it is built, so it is not; list what is built in \
         hephy.yaml, with its `dockerfile`",
    );
    assert_eq!(origins(&repository), Vec::<String>::new());
    // and not where somebody names the component,
    repository.write("hephy.yaml", "components: {api: {path: api}}\n").commit("Name it");
    let output = repository.hephy(["plan"]).run().exits(2);
    assert_eq!(
        output.error(),
        "error: plan: choose the Dockerfile of `api`: nothing says which of `Dockerfile.dev` and `Dockerfile.prod` it is"
    );
    output.says("hint: name it in hephy.yaml: `dockerfile: Dockerfile.dev`");
    // until the file is named too.
    repository.write("hephy.yaml", "components: {api: {path: api, dockerfile: Dockerfile.dev}}\n");
    assert_eq!(origins(&repository), ["hephy.yaml:1"]);
}

/// What builds the only component that is planned.
#[track_caller]
fn backend(repository: &Repository) -> String {
    let output = repository.hephy(["plan", "--emit", "json"]).run().exits(0);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(plan["components"].as_array().expect("components").len(), 1, "{output}");
    plan["components"][0]["backend"].as_str().expect("a backend").to_owned()
}

#[test]
fn a_dockerfile_of_another_name_that_git_ignores_is_not_there() {
    // Given a Go program, and a Dockerfile beside it that only this machine has,
    let repository = Repository::empty();
    repository.write("api/main.go", "package main\n\nfunc main() {}\n");
    repository.write("api/go.mod", "module example.com/api\n\ngo 1.21\n");
    repository.write(".gitignore", "Dockerfile.local\n").commit("Begin");
    repository.write("api/Dockerfile.local", "FROM scratch\nCOPY main.go /DEV\n");
    // when it is planned, then what the commit has is built, whether somebody names the component
    assert_eq!(backend(&repository), "ko");
    repository.write("hephy.yaml", "components: {api: {path: api}}\n").commit("Name it");
    assert_eq!(backend(&repository), "ko");
    let output = repository.hephy(["plan"]).run().exits(0);
    assert!(!output.stderr.contains("Dockerfile.local"), "{output}");
    // and where it has nothing, nothing is built,
    repository.git(["rm", "--quiet", "api/main.go", "api/go.mod"]);
    repository.write("api/run", "").commit("Remove the program");
    let output = repository.hephy(["plan"]).run().exits(2);
    assert!(output.error().ends_with("its folder has no definition that hephy knows"), "{output}");
    // and one that is committed is the only one, also where the plan is read from a file.
    repository.write("api/Dockerfile.prod", "FROM scratch\nCOPY run /run\n").commit("Add a Dockerfile");
    assert_eq!(backend(&repository), "dockerfile");
    let output = repository.hephy(["plan", "--explain", "api"]).run().exits(0);
    assert!(output.stdout.contains("built by dockerfile: `Dockerfile.prod`"), "{output}");
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    repository.write(".hephy/plan.json", &plan);
    repository.hephy(["build", "--plan", ".hephy/plan.json"]).run().exits(0);
    // What could be added to the commit counts.
    repository.write(".gitignore", "").commit("Ignore nothing");
    repository.hephy(["plan"]).run().exits(2).says("`Dockerfile.local` and `Dockerfile.prod`");
}

#[test]
fn what_hephy_has_no_backend_for_is_named() {
    // Given definitions of other tools, one beside a Dockerfile,
    let repository = Repository::empty();
    repository
        .write("web/docker-bake.hcl", "")
        .write("api/docker-bake.hcl", "")
        .write("api/Dockerfile", FROM);
    repository.write("app/pom.xml", "<artifactId>jib-maven-plugin</artifactId>\n").commit("Begin");
    // when it is planned, then nothing is left out in silence,
    let output = repository.hephy(["plan"]).run().exits(0);
    for line in [
        "warning: `web/docker-bake.hcl`: hephy has no backend for bake, so nothing is built from it; list what is built in \
         hephy.yaml, with its `backend` or `dockerfile`",
        "warning: `app/pom.xml`: hephy has no backend for jib, so",
        "warning: `api` is built from `Dockerfile`, and not by bake: hephy has no backend for `docker-bake.hcl`; `backend: \
         dockerfile` in hephy.yaml says that this is meant",
    ] {
        assert_eq!(output.stderr.matches(line).count(), 1, "{line} in {output}");
    }
    let output = repository.hephy(["plan", "--explain", "api"]).run().exits(0);
    assert!(
        output.stdout.contains("not by bake: `docker-bake.hcl`, for which hephy has no backend"),
        "{output}"
    );
    // and a component that has nothing else is refused.
    let named = "components:\n  api: {backend: dockerfile}\n  web: {}\n";
    repository.write("hephy.yaml", named);
    let output = repository.hephy(["plan"]).run().exits(2);
    assert_eq!(
        output.error(),
        "error: plan: choose a backend for `web`: `docker-bake.hcl` defines it, and hephy has no backend for bake"
    );
    output.says("hint: add a Dockerfile, or name a `backend` or `prebuilt` programs in hephy.yaml");
    // What somebody has decided is not told again.
    let output = repository.hephy(["plan", "--only", "api"]).run().exits(0);
    assert!(!output.stderr.contains("bake"), "{output}");
}

#[test]
fn a_chart_beside_a_dockerfile_is_another_component() {
    let repository = Repository::empty();
    repository
        .write("api/Dockerfile", FROM)
        .write("api/Chart.yaml", "apiVersion: v2\nname: api\nversion: 1.0.0\n");
    repository.commit("Begin");
    let output = repository.hephy(["plan"]).run().exits(2);
    assert_eq!(
        output.error(),
        "error: plan: choose a backend for `api`: `Chart.yaml` and `Dockerfile` in one folder are two components, not one"
    );
    output.says(
        "hint: list both in hephy.yaml with this `path`: `api: {backend: dockerfile}`, and one of another name with `backend: helm`",
    );
    // What the hint says is a way out.
    let named = "components:\n  api: {backend: dockerfile}\n  api-chart: {path: api, backend: helm}\n";
    repository.write("hephy.yaml", named).commit("List both");
    assert_eq!(origins(&repository), ["hephy.yaml:2", "hephy.yaml:3"]);
}

#[test]
fn what_another_list_leaves_out_is_no_doubt() {
    // Given a list of artifacts, one of which is built from one of two Dockerfiles,
    let repository = Repository::empty();
    let artifact = "{image: web, context: web, docker: {dockerfile: docker/Dockerfile.prod}}";
    let skaffold =
        format!("apiVersion: skaffold/v4beta11\nkind: Config\nbuild: {{artifacts: [{artifact}]}}\n");
    repository.write("skaffold.yaml", &skaffold).write("docker-bake.hcl", "");
    repository
        .write("web/docker/Dockerfile.prod", FROM)
        .write("web/docker/Dockerfile.dev", FROM)
        .commit("Begin");
    // when it is planned, then what is not in the list was not meant.
    let output = repository.hephy(["plan"]).run().exits(0);
    assert!(!output.stderr.contains("hephy.yaml"), "{output}");
    // Without the list, somebody may have meant any of them.
    std::fs::remove_file(repository.path().join("skaffold.yaml")).expect("remove the list");
    repository
        .hephy(["plan"])
        .run()
        .exits(0)
        .says("`web/docker/Dockerfile.dev`, `web/docker/Dockerfile.prod`: nothing says")
        .says("`docker-bake.hcl`: hephy has no backend for bake");
}
