//! Real registries of two generations, open and guarded, with and without TLS: push, push again, mount, index, repair.

use crate::support::Repository;
use crate::support::faulty::Faulty;
use crate::support::guarded::{Door, Generation, Guarded};
use crate::support::pushing::{PASSWORD, noise};
use crate::support::registry::Registry;

/// Two components with the same program, one of them for two platforms.
const COMPONENTS: &str = "\
components:
  one: {path: app, bin: run, prebuilt: {linux/amd64: amd64, linux/arm64: arm64}}
  two: {path: app, bin: run, prebuilt: {linux/amd64: amd64}}
";

fn repository() -> Repository {
    let repository = Repository::empty();
    repository.write("app/amd64/run", &noise(100_000, 1)).write("app/arm64/run", &noise(100_000, 2));
    repository.write("hephy.yaml", COMPONENTS).commit("Add two components");
    repository
}

/// Everything that a push is about, at one registry.
fn works(generation: Generation, door: Door, has_tls: bool) {
    let registry = Guarded::start(generation, door, has_tls);
    let repository = repository();
    let names = ["one", "two"].map(|name| format!("shop/{name}:sha-{}", repository.short_id()));
    let push = || {
        let output = registry.hephy(&repository, "up").run().exits(0);
        assert!(!output.stderr.contains(PASSWORD), "{output}");
        names.iter().for_each(|name| registry.read_back(name));
        output
    };
    // A first push; one component sends the layer, the other mounts it from there, and its config says what it is.
    let output = push();
    let mounted = "(linux/amd64)  1 of 2 blobs sent, 1 mounted from `shop/";
    assert_eq!(output.stderr.matches(mounted).count(), 1, "{output}");
    // Again, and nothing is to do.
    push().says("nothing to do: every image exists");
    // Somebody deletes an image, and it is made whole again without its blobs.
    registry.forget_manifests("shop/one");
    let output = push();
    assert!(output.stderr.contains("one (linux/amd64)  0 of 2 blobs sent"), "{output}");
    // Each repository has a token of its own: with its mount, and after the deletion, not many more.
    let tokens = registry.tokens.count("GET", "/token");
    assert!((door == Door::Token) == (tokens > 0) && tokens < 30, "{tokens} tokens");
}

#[test]
fn distribution_2_on_loopback() {
    works(Generation::Second, Door::Open, false);
}

#[test]
fn distribution_2_with_passwords() {
    works(Generation::Second, Door::Password, true);
}

#[test]
fn distribution_2_with_tokens() {
    works(Generation::Second, Door::Token, false);
    works(Generation::Second, Door::Token, true);
}

#[test]
fn distribution_3_on_loopback() {
    works(Generation::Third, Door::Open, false);
}

#[test]
fn distribution_3_with_passwords() {
    works(Generation::Third, Door::Password, true);
}

#[test]
fn distribution_3_with_tokens() {
    works(Generation::Third, Door::Token, false);
    works(Generation::Third, Door::Token, true);
}

/// A layer of a base passes from one registry to another, once.
fn copies(source: Guarded, target: Guarded) {
    // Given a base on one registry,
    let base = repository();
    source.hephy(&base, "up").run().exits(0);
    let base = format!("{}/shop/two:sha-{}", source.address, base.short_id());
    // and a program on it,
    let repository = Repository::empty();
    let configure = |program: &str| {
        let text =
            format!("components:\n  app: {{path: app, base: '{base}', prebuilt: {{linux/amd64: run}}}}\n");
        repository.write("app/run", program).write("hephy.yaml", &text).commit("Put it on a base");
        let output = target.hephy_with(&repository, "up", &[&source]).run().exits(0);
        assert!(!output.stderr.contains(PASSWORD), "{output}");
        target.read_back(&format!("shop/app:sha-{}", repository.short_id()));
        output
    };
    // when it goes to another registry, then the layer is copied, and the next time it is there.
    configure("one\n").says("2 of 3 blobs sent, 1 copied from `127.0.0.1:");
    configure("two\n").says("2 of 3 blobs sent, 1 there already");
}

#[test]
fn a_layer_passes_from_distribution_2_to_distribution_3() {
    copies(
        Guarded::start(Generation::Second, Door::Open, false),
        Guarded::start(Generation::Third, Door::Token, true),
    );
    copies(
        Guarded::start(Generation::Second, Door::Token, true),
        Guarded::start(Generation::Third, Door::Open, true),
    );
}

#[test]
fn a_layer_passes_from_distribution_3_to_distribution_2() {
    copies(
        Guarded::start(Generation::Third, Door::Open, false),
        Guarded::start(Generation::Second, Door::Token, true),
    );
    copies(
        Guarded::start(Generation::Third, Door::Token, true),
        Guarded::start(Generation::Second, Door::Password, true),
    );
}

#[test]
fn a_certificate_that_nobody_trusts_is_an_error_with_a_remedy() {
    let registry = Guarded::start(Generation::Second, Door::Open, true);
    let repository = repository();
    let name = format!("{}/shop", registry.address);
    let output = repository.hephy(["up", "--registry", &name]).run().exits(4);
    output.says("its certificate is not trusted").says("--registry-ca FILE");
    // The variable that OpenSSL reads works too.
    let hephy = repository.hephy(["up", "--registry", &name]);
    hephy.env("SSL_CERT_FILE", registry.authority()).run().exits(0);
}

#[test]
fn a_proxy_is_used_for_other_machines_and_never_for_this_one() {
    // Given a registry behind a proxy, under a name that only the proxy knows,
    let registry = Registry::start();
    let proxy = Faulty::start(registry.address(), |_| None);
    let repository = repository();
    let proxied = repository.hephy(["up", "--registry", "registry.test:5000/shop"]);
    let proxied = proxied.args(["--insecure-registry", "registry.test:5000"]);
    // when an image is pushed, then it goes through the proxy;
    proxied.env("http_proxy", format!("http://{}", proxy.address)).run().exits(0);
    assert!(proxy.count("PUT", "http://registry.test:5000/v2/shop/one/") > 0, "{:?}", proxy.asked());
    registry.read_back(&format!("shop/one:sha-{}", repository.short_id()));
    // what is on this machine does not.
    let direct = repository.hephy(["up", "--registry", &registry.image("near")]);
    direct.env("http_proxy", "http://127.0.0.1:1").run().exits(0);
}

#[test]
fn a_file_without_certificates_is_refused_before_anything_is_done() {
    let repository = repository();
    let output = repository
        .hephy(["up", "--registry", "127.0.0.1:1/shop", "--registry-ca", "hephy.yaml"])
        .run()
        .exits(2);
    output.says("use `hephy.yaml` as certificates: it holds none in PEM form");
}
