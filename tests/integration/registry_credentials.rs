//! Where logins come from: files of Docker and Podman, their helpers, and the token of the CI system for its own registry.

use crate::support::faulty::{Faulty, answer};
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::{LOGIN, PASSWORD, Pushing, each};
use crate::support::{Hephy, Repository, prebuilt};

/// hephy without any file of Docker's.
fn bare(push: &Pushing) -> Hephy {
    push.repository.hephy(["up", "--registry", &push.proxy.image("shop")])
}

/// Docker's and Podman's file with the login for the proxy.
fn with_login(push: &Pushing) -> String {
    let encoded = LOGIN.trim_start_matches("Basic ");
    format!(r#"{{"auths":{{"{}":{{"auth":"{encoded}"}}}}}}"#, push.proxy.address)
}

#[test]
fn helpers_that_the_configuration_names_are_asked() {
    // Given the helpers of Amazon, Google and Microsoft for one host, and a store for all,
    each(
        [("ecr-login", false), ("gcloud", false), ("acr-env", false), ("secretservice", true)],
        |(helper, is_store)| {
            let push = Pushing::through(|_| None);
            let address = push.proxy.address;
            let logins = push.logins(&match is_store {
                true => format!(r#"{{"credsStore":"{helper}"}}"#),
                false => format!(r#"{{"credHelpers":{{"{address}":"{helper}"}},"credsStore":"absent"}}"#),
            });
            let path = push.with_helper(helper, "pusher", PASSWORD);
            // when an image is pushed, then the login is the helper's,
            push.succeeds_with(bare(&push).env("DOCKER_CONFIG", logins).env("PATH", path));
            // which was asked once, for this host.
            let asked = push.repository.beside("tools").join(format!("docker-credential-{helper}.asked"));
            assert_eq!(std::fs::read_to_string(asked).expect("it was asked"), format!("{address}\n"));
        },
    );
}

#[test]
fn podmans_logins_are_found_where_podman_keeps_them() {
    each(
        [
            ("REGISTRY_AUTH_FILE", "auth.json"),
            ("XDG_RUNTIME_DIR", "containers/auth.json"),
            ("XDG_CONFIG_HOME", "containers/auth.json"),
            ("HOME", ".config/containers/auth.json"),
            ("HOME", ".docker/config.json"),
        ],
        |(variable, file)| {
            let push = Pushing::through(|_| None);
            let folder = push.repository.beside("place");
            let file = folder.join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("create the folder");
            std::fs::write(&file, with_login(&push)).expect("write the login");
            let value = if variable == "REGISTRY_AUTH_FILE" { file } else { folder };
            push.succeeds_with(bare(&push).env(variable, value));
        },
    );
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_with_its_place() {
    // Given a broken file of Docker's that has a password in it,
    let encoded = LOGIN.trim_start_matches("Basic ");
    for (text, problem) in [
        (format!("{{\"auths\":\n {{\"{PASSWORD}\": {{\"auth\":\"{encoded}\""), "no JSON (line 2, column"),
        (format!(r#"{{"auths":"{PASSWORD}"}}"#), "it is not what Docker writes"),
    ] {
        let push = Pushing::open(40_000, |_| answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", ""));
        let logins = push.logins(&text);
        let file = logins.join("config.json").display().to_string();
        // when a registry wants a login, then the run says which file cannot be read, and nothing of what is in it.
        let output = push.fails_with(bare(&push).env("DOCKER_CONFIG", logins), 4);
        output.says("warning").says(&format!("`{file}`: {problem}"));
        assert!(push.proxy.asked().iter().all(|asked| asked.header("authorization").is_none()));
    }
    // With an empty one, or none, there is nothing to say; Podman's is asked after a broken one.
    for text in ["", "{}", "{"] {
        let push = Pushing::through(|_| None);
        let podmans = push.repository.beside("auth.json");
        std::fs::write(&podmans, with_login(&push)).expect("write the login");
        let hephy = bare(&push).env("DOCKER_CONFIG", push.logins(text)).env("REGISTRY_AUTH_FILE", podmans);
        let output = push.succeeds_with(hephy);
        assert_eq!(output.stderr.contains("find the login"), text == "{", "{output}");
    }
}

/// hephy in a job of a CI system whose own registry is at `host`.
fn in_ci(hephy: Hephy, system: &str, host: &str) -> Hephy {
    match system {
        "gitlab" => {
            let hephy = hephy.env("CI_JOB_ID", "1").env("CI_PROJECT_ID", "2").env("CI_REGISTRY", host);
            hephy.env("CI_REGISTRY_USER", "pusher").env("CI_JOB_TOKEN", PASSWORD)
        }
        _ => {
            let hephy = hephy.env("GITHUB_ACTIONS", "true").env("FORGEJO_ACTIONS", "true");
            let hephy = hephy.env("GITHUB_SERVER_URL", format!("http://{host}"));
            hephy.env("GITHUB_ACTOR", "pusher").env("GITHUB_TOKEN", PASSWORD)
        }
    }
}

#[test]
fn the_token_of_the_ci_system_is_for_its_own_registry() {
    each(["gitlab", "forgejo"], |system| {
        // Given the registry of the CI system, which takes exactly this login,
        let push = Pushing::through(|_| None);
        let own = push.proxy.address.to_string();
        // when a job pushes there, then it may.
        push.succeeds_with(in_ci(bare(&push), system, &own));
        // Another registry asks for a login in vain, on the same machine as well.
        let other = Pushing::open(40_000, |_| answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", ""));
        other.fails_with(in_ci(bare(&other), system, &own), 4).says("wants a login");
        let asked = other.proxy.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|asked| asked.header("authorization").is_none()),
            "{asked:?}"
        );
    });
}

/// A registry with passwords and TLS under names of other machines, and the proxy through which one gets there.
fn far_away() -> (Guarded, Faulty, Repository) {
    let registry = Guarded::start(Generation::Second, Door::Password, true);
    let proxy = Faulty::start(&registry.address, |_| None);
    let repository = Repository::empty();
    repository.write("app/run", "#!/bin/sh\n").write("hephy.yaml", &prebuilt("linux/amd64: run"));
    repository.commit("Add the app");
    (registry, proxy, repository)
}

#[test]
fn githubs_token_is_for_ghcr_through_a_proxy_for_https() {
    // Given a job of GitHub behind a proxy,
    let (registry, proxy, repository) = far_away();
    let run = |name: &str| {
        let hephy = repository.hephy(["up", "--registry", &format!("{name}/acme/shop")]);
        let hephy = hephy.env("HEPHY_REGISTRY_CA", registry.authority()).env("GITHUB_ACTIONS", "true");
        let hephy = hephy.env("https_proxy", format!("http://{}", proxy.address));
        hephy.env("GITHUB_ACTOR", "pusher").env("GITHUB_TOKEN", PASSWORD).run()
    };
    // when it pushes to ghcr.io, then the proxy makes the connection, and the registry takes the login.
    let output = run("ghcr.io").exits(0);
    assert!(!output.stderr.contains(PASSWORD) && !output.stdout.contains(PASSWORD), "{output}");
    registry.read_back(&format!("acme/shop/app:sha-{}", repository.short_id()));
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.is("CONNECT", "ghcr.io:443")), "{asked:?}");
    // Another name for the same registry gets no login.
    run("registry.test").exits(4).says("wants a login");
}

#[test]
fn a_host_that_needs_no_proxy_is_not_sent_through_one() {
    let (registry, proxy, repository) = far_away();
    // Given a name that nobody knows without the proxy,
    let hephy = repository.hephy(["up", "--registry", "registry.test/shop"]);
    let hephy = hephy.env("HEPHY_REGISTRY_CA", registry.authority()).env("no_proxy", "registry.test");
    let output = hephy.env("https_proxy", format!("http://{}", proxy.address)).run();
    output.exits(75).says("reach the registry");
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}
