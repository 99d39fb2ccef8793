//! Builds in a cluster, as far as no cluster is needed for them: what would be asked of it, and what is refused before.

use crate::support::Repository;
use crate::support::registry::Registry;
use serde_json::Value;

/// A repository with a Dockerfile in `web`, and these keys.
fn web(backend: &str, builder: &str) -> Repository {
    let repository = Repository::empty();
    let component =
        format!("components: {{web: {{backend: {backend}, platforms: [linux/amd64, linux/arm64]}}}}\n");
    repository.write("hephy.yaml", &format!("{component}builder: {{{builder}}}\n"));
    repository.write("web/Dockerfile", "FROM scratch\nCOPY a.txt /\n").write("web/a.txt", "text");
    repository.commit("Add the site");
    repository
}

/// The YAML documents behind the lines of a dry run.
fn documents(stdout: &str) -> Vec<Value> {
    let documents = stdout.split("---\n").skip(1);
    documents.map(|text| serde_saphyr::from_str(text).expect("YAML")).collect()
}

#[test]
fn a_dry_run_prints_the_jobs_and_asks_nobody() {
    // Given a cluster that nobody knows the address of,
    let repository = web("dockerfile", "in: cluster, namespace: builds");
    for verb in ["build", "up"] {
        // when a build is tried out, then there is a Job for each platform, on a node of it.
        let output = repository.hephy([verb, "--dry-run"]).run().exits(0).says("nothing was touched");
        let jobs = documents(&output.stdout);
        let nodes: Vec<&Value> = jobs
            .iter()
            .map(|job| &job["spec"]["template"]["spec"]["nodeSelector"]["kubernetes.io/arch"])
            .collect();
        assert_eq!(nodes, ["amd64", "arm64"], "{output}");
        for job in &jobs {
            assert_eq!((&job["kind"], &job["metadata"]["namespace"]), (&"Job".into(), &"builds".into()));
        }
        assert!(output.stdout.starts_with("build   web (linux/amd64) with dockerfile"), "{output}");
    }
    assert!(!repository.path().join(".hephy").exists());
    // Selected legs are the only ones,
    let output = repository.hephy(["build", "--dry-run", "--platform", "linux/arm64"]).run().exits(0);
    assert_eq!(documents(&output.stdout).len(), 1, "{output}");
    // and without the key there are none.
    let here = web("dockerfile", "namespace: builds").hephy(["build", "--dry-run"]).run().exits(0);
    assert_eq!(documents(&here.stdout), Vec::<Value>::new(), "{here}");
}

#[test]
fn a_dry_run_prints_what_kaniko_is_told() {
    // Given a registry that nobody knows the address of,
    let repository = web("kaniko", "kaniko: example.com/kaniko, namespace: builds");
    let registry = "registry.invalid/acme/shop";
    let arguments = ["build", "--dry-run", "--all", "--registry", registry];
    // when a build is tried out,
    let output = repository.hephy(arguments).run().exits(0).says("nothing was touched");
    // then each platform has a pod with kaniko, which leaves the digest where the cluster shows it.
    let jobs = documents(&output.stdout);
    assert_eq!(jobs.len(), 2, "{output}");
    for (job, platform) in jobs.iter().zip(["linux/amd64", "linux/arm64"]) {
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "example.com/kaniko", "{output}");
        let arguments = container["args"].as_array().expect("a list");
        for expected in [
            "--digest-file=/dev/termination-log".to_owned(),
            format!("--custom-platform={platform}"),
            format!("--destination={registry}/web:hephy-tmp-dry-run"),
        ] {
            assert!(arguments.contains(&expected.as_str().into()), "{expected} in {output}");
        }
    }
}

#[test]
fn where_a_dockerfile_is_built_is_no_input_and_kaniko_is() {
    let digest = |repository: &Repository| crate::support::input_digest(repository);
    let here = digest(&web("dockerfile", ""));
    assert_eq!(digest(&web("dockerfile", "in: cluster")), here);
    assert_ne!(digest(&web("kaniko", "kaniko: x")), here);
}

#[test]
fn what_kaniko_cannot_do_is_refused_before_anything_is_asked() {
    let registry = Registry::start();
    let (host, image) = (registry.address(), registry.image("shop"));
    let elsewhere = format!("it pushes from the cluster, where `{host}` is another machine");
    for (builder, arguments, problem, hint) in [
        ("", vec![], "`builder` names no image of it", "builder: {kaniko: REPOSITORY@sha256:...,"),
        ("kaniko: x", vec![], "it can only push, and these images stay in a layout folder", "`--registry`"),
        ("kaniko: x", vec!["--registry", &image], &elsewhere, "a registry that the cluster can reach"),
    ] {
        let repository = web("kaniko", builder);
        for verb in [&["build", "--dry-run"][..], &["build"]] {
            let output = repository.hephy(verb).args(&arguments).run().exits(2).says(hint);
            assert!(output.error().contains(&format!("build web with kaniko: {problem}")), "{output}");
        }
    }
}

/// The configuration is the fork's too, so neither a registry on loopback nor none at all makes it more trustworthy.
#[test]
fn the_pull_request_of_a_fork_gets_no_pod_wherever_its_image_would_go() {
    // Given the pull request of a fork, or one that may be, which asks for rights in the cluster,
    let registry = Registry::start();
    let rights = "namespace: builds, secret: deploy-key, privileged: true";
    for (backend, builder) in
        [("dockerfile", "in: cluster"), ("buildkit", "in: cluster"), ("kaniko", "kaniko: x")]
    {
        let repository = web(backend, &format!("{builder}, {rights}"));
        let id = repository.id("HEAD");
        let event = |head: &str| {
            format!(
                r#"{{"repository": {{"id": 7}}, "pull_request": {{"head": {{"sha": "{id}", "repo": {head}}}}}}}"#
            )
        };
        for (event, why) in [
            (event(r#"{"id": 8}"#), "the pull request comes from a fork"),
            ("{".to_owned(), "the CI system does not say whether the pull request comes from a fork"),
        ] {
            let file = repository.beside("event.json");
            std::fs::write(&file, event).expect("write the event");
            for (verb, target) in [
                (&["build"][..], vec![]),
                (&["build"], vec!["--registry".to_owned(), registry.image("shop")]),
                (&["build"], vec!["--registry".to_owned(), "registry.invalid/acme/shop".to_owned()]),
                (&["build", "--dry-run"], vec![]),
                (&["up", "--dry-run"], vec![]),
                (&["up"], vec!["--registry".to_owned(), "registry.invalid/acme/shop".to_owned()]),
            ] {
                // when it is built, then nobody asks the cluster, whose address nobody knows.
                let hephy = repository.hephy(verb).args(&target).args(["--all"]).env("GITHUB_SHA", &id);
                let hephy = hephy.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "pull_request");
                let hephy = hephy.env("GITHUB_BASE_REF", "main").env("GITHUB_EVENT_PATH", &file);
                let output = hephy.run().exits(2).says("build it on the runner: `builder: {in: here}`");
                let expected = format!("build in the cluster: {why}, and its `builder` would choose");
                assert!(output.error().contains(&expected), "{output}");
                assert!(!output.stdout.contains("kind: Job"), "{output}");
            }
        }
    }
    // A branch of the repository itself may.
    let repository = web("dockerfile", &format!("in: cluster, {rights}"));
    let file = repository.beside("event.json");
    let payload = r#"{"repository": {"id": 7}, "pull_request": {"head": {"repo": {"id": 7}}}}"#;
    std::fs::write(&file, payload).expect("write the event");
    let hephy = repository.hephy(["build", "--dry-run", "--all"]).env("GITHUB_ACTIONS", "true");
    let hephy = hephy.env("GITHUB_EVENT_NAME", "pull_request").env("GITHUB_EVENT_PATH", file);
    let output = hephy.run().exits(0);
    assert_eq!(documents(&output.stdout).len(), 2, "{output}");
}

#[test]
fn a_cluster_that_cannot_be_reached_is_named_with_a_way_out() {
    let repository = web("dockerfile", "in: cluster");
    let output = repository.hephy(["build"]).env("KUBECONFIG", "/nowhere").run().exits(2);
    assert!(output.error().starts_with("error: build in the cluster: read kubeconfig"), "{output}");
    let kubeconfig = repository.beside("kubeconfig");
    let text = "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
    std::fs::write(&kubeconfig, text).expect("write it");
    let output = repository.hephy(["build"]).env("KUBECONFIG", &kubeconfig).run().exits(75);
    let output = output.says("or build on this machine: `builder: {in: here}`");
    assert!(output.error().contains("build in the cluster: reach `http://127.0.0.1:1`"), "{output}");
}
