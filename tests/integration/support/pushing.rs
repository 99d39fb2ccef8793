//! A push through a faulty proxy: a program in an image, a login that must never show, and what came of it.

use super::faulty::{Asked, Fault, Faulty, answer};
use super::registry::Registry;
use super::{Hephy, Output, Repository, prebuilt};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The password that the tests log in with, and the form in which a request has it.
pub(crate) const PASSWORD: &str = "correct-horse-battery";
const ENCODED: &str = "cHVzaGVyOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";
/// The same for a second registry.
pub(crate) const OTHER_PASSWORD: &str = "staple-of-another-host";
pub(crate) const OTHER_ENCODED: &str = "cmVhZGVyOnN0YXBsZS1vZi1hbm90aGVyLWhvc3Q=";

/// A repository whose component `app` is one layer, a registry, and what stands between.
pub(crate) struct Pushing {
    pub(crate) registry: Registry,
    pub(crate) proxy: Faulty,
    pub(crate) repository: Repository,
}

impl Pushing {
    /// A push of a small program, with a rule for what happens on the way.
    pub(crate) fn through(rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        Self::of(40_000, rule)
    }

    /// The same with a layer of about `size` bytes, which cannot be compressed.
    pub(crate) fn of(size: usize, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        let registry = Registry::start();
        let proxy = Faulty::start(registry.address(), rule);
        let repository = Repository::empty();
        repository.write("app/run", &noise(size, 1)).write("hephy.yaml", &prebuilt("linux/amd64: run"));
        repository.commit("Add the app");
        Self { registry, proxy, repository }
    }

    /// hephy, about to push, with a login for the proxy.
    pub(crate) fn hephy(&self) -> Hephy {
        self.hephy_with("")
    }

    /// The same with another login, a line of Docker's configuration that ends with a comma.
    pub(crate) fn hephy_with(&self, login: &str) -> Hephy {
        let logins = self.repository.beside("logins");
        std::fs::create_dir_all(&logins).expect("create the folder");
        let text = format!(r#"{{"auths":{{{login}"{}":{{"auth":"{ENCODED}"}}}}}}"#, self.proxy.address);
        std::fs::write(logins.join("config.json"), text).expect("write the login");
        self.repository.hephy(["up", "--registry", &self.proxy.image("shop")]).env("DOCKER_CONFIG", logins)
    }

    /// Pushes and expects that all of it arrives.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> Output {
        self.succeeds_with(self.hephy())
    }

    /// The same with another call of hephy.
    #[track_caller]
    pub(crate) fn succeeds_with(&self, hephy: Hephy) -> Output {
        let output = without_secrets(hephy.run().exits(0));
        let tag = format!("sha-{}", self.repository.short_id());
        assert!(self.registry.tags("shop/app").contains(&tag), "{output}");
        self.registry.read_back(&format!("shop/app:{tag}"));
        output
    }

    /// Pushes and expects that it ends with this code and that no tag moves.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> Output {
        self.fails_with(self.hephy(), code)
    }

    /// The same with another call of hephy.
    #[track_caller]
    pub(crate) fn fails_with(&self, hephy: Hephy, code: i32) -> Output {
        let output = without_secrets(hephy.run().exits(code));
        assert_eq!(self.registry.tags("shop/app"), Vec::<String>::new(), "{output}");
        output
    }

    /// The layer of the image: the largest of what was sent.
    pub(crate) fn sent(&self) -> u64 {
        self.proxy.asked().iter().map(Asked::length).sum()
    }
}

/// A registry that wants tokens of its own for `repository`: each works for `uses` requests. `life` is what the login server
/// says about its time.
pub(crate) fn guarded(
    repository: &'static str,
    uses: usize,
    life: &'static str,
) -> impl Fn(&Asked) -> Option<Fault> + Send + 'static {
    let left = AtomicUsize::new(0);
    move |asked| {
        let host = asked.header("host").unwrap_or_default();
        if asked.path.starts_with("/token") {
            left.store(uses, Ordering::SeqCst);
            return answer(200, "", &format!(r#"{{"token":"t{}"{life}}}"#, asked.time));
        }
        let has_token = asked.header("authorization").is_some_and(|text| text.starts_with("Bearer t"));
        let is_good = has_token
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if is_good {
            return None;
        }
        let scope = format!("scope=\"repository:{repository}:pull,push\"");
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\",{scope}\r\n");
        answer(401, &challenge, "")
    }
}

/// A password must not show, in whatever form.
#[track_caller]
fn without_secrets(output: Output) -> Output {
    for secret in [PASSWORD, ENCODED, OTHER_PASSWORD, OTHER_ENCODED] {
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret), "{output}");
    }
    output
}

/// Text that no compressor makes much smaller than three quarters, the same for the same seed.
pub(crate) fn noise(size: usize, seed: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::with_capacity(size);
    for _ in 0..size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push(char::from(LETTERS[(state >> 58) as usize]));
    }
    text
}
