//! The image that BuildKit lets read a Dockerfile (`# syntax=`): one of those that the plan saw, like base images.

use crate::support::Repository;
use crate::support::buildkit::{BuildKit, tools};
use crate::support::dockerfiles::{names_in_image, publish, publish_shell, web_by};
use crate::support::registry::Registry;
use serde_json::Value;

/// BuildKit's own reader of Dockerfiles, as an image (BuildKit, `frontend/dockerfile/cmd/dockerfile-frontend`).
fn publish_frontend(registry: &Registry) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(tools().join("dockerfile-frontend"), folder.path().join("read")).expect("copy the program");
    let caps = "inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts";
    let dockerfile = format!(
        "FROM scratch\nLABEL moby.buildkit.frontend.network.none=true moby.buildkit.frontend.caps=moby.buildkit.frontend.{caps}\n\
         COPY read /read\nENTRYPOINT [\"/read\"]\n"
    );
    publish(registry, "frontend:1", folder.path(), &dockerfile)
}

/// Another image of this name, which reads nothing.
fn replace_frontend(registry: &Registry) {
    let base = publish_shell(registry, "no frontend");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dockerfile = format!("FROM {base}\nENTRYPOINT [\"/bin/sh\", \"-c\", \"exit 1\"]\n");
    publish(registry, "frontend:1", folder.path(), &dockerfile);
}

/// The images that the plan saw.
fn seen(repository: &Repository) -> (String, Value) {
    let plan = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    let parsed: Value = serde_json::from_str(&plan).expect("JSON");
    (plan, parsed["components"][0]["base_images"].clone())
}

#[test]
fn a_dockerfile_is_read_by_the_frontend_that_the_plan_saw() {
    let (buildkit, registry) = (BuildKit::start(), Registry::start());
    let lines = "FROM scratch\nCOPY a.txt /x/\n";
    let told = |frontend: &str| format!("build-args: {{BUILDKIT_SYNTAX: '{frontend} more words'}}");
    for is_told in [false, true] {
        // Given a Dockerfile that is read by an image, by a line or by an argument,
        let frontend = publish_frontend(&registry);
        let dockerfile = if is_told { lines.to_owned() } else { format!("# syntax={frontend}\n{lines}") };
        let repository = web_by("buildkit", &dockerfile, &[("a.txt", "text")]);
        let keys = if is_told { format!(", {}", told(&frontend)) } else { String::new() };
        let text = format!("components: {{web: {{backend: buildkit, platforms: [linux/amd64]{keys}}}}}\n");
        repository.write("hephy.yaml", &text).commit("Say who reads it");
        let (plan, images) = seen(&repository);
        let meant = images[&frontend].as_str().unwrap_or_else(|| panic!("{frontend} in {images}")).to_owned();
        let file = repository.beside("plan.json");
        std::fs::write(&file, plan).expect("write the plan");
        // when its name means another image by the time of the build,
        replace_frontend(&registry);
        let output = buildkit.used_by(repository.hephy(["up", "--plan"]).args([&file])).run().exits(0);
        // then the one that the plan saw has read it,
        assert!(output.stderr.contains(&meant), "{meant}: {output}");
        assert!(names_in_image(&repository).contains("x/a.txt"), "{:?}", names_in_image(&repository));
        // and the other one is a reason to build, by which nothing can be read.
        let decisions = repository.decisions().join("\n");
        let moved = format!("`{frontend}` may be another image now");
        assert!(decisions.contains("build, ") && decisions.contains(&moved), "{decisions}");
        buildkit.used_by(repository.hephy(["up"])).run().exits(3);
    }
}

#[test]
fn who_reads_it_counts_only_where_buildkit_may_build() {
    let registry = Registry::start();
    let frontend = publish_shell(&registry, "any image");
    let dockerfile = format!("# syntax={frontend}\nFROM scratch\nCOPY a.txt /x/\n");
    for (backend, counts) in [("dockerfile", true), ("buildkit", true), ("buildah", false), ("docker", false)]
    {
        let repository = web_by(backend, &dockerfile, &[("a.txt", "text")]);
        let (_, images) = seen(&repository);
        assert_eq!(images.get(&frontend).is_some(), counts, "{backend}: {images}");
    }
}
