//! A push through a faulty proxy: a program in an image, a login that must never show, and what came of it.

use super::faulty::{Asked, Fault, Faulty, answer};
use super::registry::Registry;
use super::{Hephy, Output, Repository, prebuilt, stand_in};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The password that the tests log in with, and the form in which a request has it.
pub(crate) const PASSWORD: &str = "correct-horse-battery";
const ENCODED: &str = "cHVzaGVyOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";
/// The whole header of it.
pub(crate) const LOGIN: &str = "Basic cHVzaGVyOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";
/// The same for a second registry.
pub(crate) const OTHER_PASSWORD: &str = "staple-of-another-host";
pub(crate) const OTHER_ENCODED: &str = "cmVhZGVyOnN0YXBsZS1vZi1hbm90aGVyLWhvc3Q=";
/// The whole header of it.
pub(crate) const OTHER_LOGIN: &str = "Basic cmVhZGVyOnN0YXBsZS1vZi1hbm90aGVyLWhvc3Q=";
/// What the secrets start with that registries of the tests make up themselves.
pub(crate) const ISSUED: &str = "issued-secret-";

/// A repository whose component `app` is one layer, a registry, and what stands between.
pub(crate) struct Pushing {
    pub(crate) registry: Registry,
    pub(crate) proxy: Faulty,
    pub(crate) repository: Repository,
    is_guarded: bool,
}

impl Pushing {
    /// A push of a small program, with a rule for what happens on the way.
    pub(crate) fn through(rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        Self::of(40_000, rule)
    }

    /// The same with a layer of about `size` bytes, which cannot be compressed. The proxy wants the login each time.
    pub(crate) fn of(size: usize, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        Self::at(size, true, |target| Faulty::guarded(target, LOGIN, rule))
    }

    /// The same with a registry that wants no login unless `rule` does.
    pub(crate) fn open(size: usize, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        Self::at(size, false, |target| Faulty::start(target, rule))
    }

    fn at(size: usize, is_guarded: bool, proxy: impl FnOnce(&str) -> Faulty) -> Self {
        let registry = Registry::start();
        let proxy = proxy(registry.address());
        let repository = Repository::empty();
        repository.write("app/run", &noise(size, 1)).write("hephy.yaml", &prebuilt("linux/amd64: run"));
        repository.commit("Add the app");
        Self { registry, proxy, repository, is_guarded }
    }

    /// hephy, about to push, with a login for the proxy.
    pub(crate) fn hephy(&self) -> Hephy {
        self.hephy_with("")
    }

    /// The same with another login, a line of Docker's configuration that ends with a comma.
    pub(crate) fn hephy_with(&self, login: &str) -> Hephy {
        let report = self.repository.beside("report.json");
        let up = self.logged_in(&["up", "--registry", &self.proxy.image("shop")]);
        let text = format!(r#"{{"auths":{{{login}"{}":{{"auth":"{ENCODED}"}}}}}}"#, self.proxy.address);
        up.env("DOCKER_CONFIG", self.logins(&text)).env("HEPHY_REPORT", report)
    }

    /// Any call of hephy with a login for the proxy.
    pub(crate) fn logged_in(&self, arguments: &[&str]) -> Hephy {
        let text = format!(r#"{{"auths":{{"{}":{{"auth":"{ENCODED}"}}}}}}"#, self.proxy.address);
        self.repository.hephy(arguments).env("DOCKER_CONFIG", self.logins(&text))
    }

    /// The folder with Docker's configuration, which is `text`.
    pub(crate) fn logins(&self, text: &str) -> PathBuf {
        logins(&self.repository, text)
    }

    /// A PATH with the stand-in `docker-credential-NAME`, which gives this login to everybody.
    pub(crate) fn with_helper(&self, name: &str, user: &str, secret: &str) -> OsString {
        let answer = format!(r#"{{"ServerURL":"any","Username":"{user}","Secret":"{secret}"}}"#);
        self.with_script(name, &format!("cat >> \"$0.asked\"; echo >> \"$0.asked\"; echo '{answer}'"))
    }

    /// The same with a helper that is any script.
    pub(crate) fn with_script(&self, name: &str, script: &str) -> OsString {
        let tools = self.repository.beside("tools");
        std::fs::create_dir_all(&tools).expect("create the folder");
        let helper = tools.join(format!("docker-credential-{name}"));
        stand_in(&helper, script);
        let old = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths([tools].into_iter().chain(std::env::split_paths(&old))).expect("no colons")
    }

    /// hephy, about to push an image with these layers, which any files are: it was built, and then made over.
    pub(crate) fn with_layers(&self, layers: &[PathBuf]) -> Hephy {
        let push = self.built();
        super::layered::make_over(&self.repository.path().join(".hephy/build/app/linux-amd64"), layers);
        push
    }

    /// hephy, about to push what was built before: nothing of it was sent meanwhile.
    pub(crate) fn built(&self) -> Hephy {
        // Beside the repository, which it would make dirty.
        let plan = self.repository.beside("plan.json").to_string_lossy().into_owned();
        self.logged_in(&["plan", "--registry", &self.proxy.image("shop"), "--output", &plan]).run().exits(0);
        self.repository.hephy(["build", "--plan", &plan]).run().exits(0);
        self.logged_in(&["push", "--plan", &plan])
    }

    /// Pushes and expects that all of it arrives.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> Output {
        self.succeeds_with(self.hephy())
    }

    /// The same with another call of hephy.
    #[track_caller]
    pub(crate) fn succeeds_with(&self, hephy: Hephy) -> Output {
        let output = self.without_secrets(hephy.run().exits(0));
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
        let output = self.without_secrets(hephy.run().exits(code));
        assert_eq!(self.registry.tags("shop/app"), Vec::<String>::new(), "{output}");
        output
    }

    /// Pushes and expects that it ends with this code, and that no tag but the key of the leg is there, and that is whole.
    #[track_caller]
    pub(crate) fn fails_with_key(&self, hephy: Hephy, code: i32) -> Output {
        let output = self.without_secrets(hephy.run().exits(code));
        for tag in self.registry.tags("shop/app") {
            assert!(tag.starts_with("in-"), "{tag} {output}");
            self.registry.read_back(&format!("shop/app:{tag}"));
        }
        output
    }

    /// How many bytes were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.proxy.asked().iter().map(Asked::length).sum::<u64>() + self.proxy.streamed()
    }

    /// A login that was used must not show, in whatever form: neither in the output nor in what the run left behind.
    #[track_caller]
    pub(crate) fn without_secrets(&self, output: Output) -> Output {
        if self.is_guarded {
            was_logged_in(&self.proxy, &output);
        }
        without_secrets(&self.repository, output)
    }
}

/// A call of hephy for the registry at `address`, with a login for it and a report.
pub(crate) fn logged_in(repository: &Repository, address: &str, arguments: &[&str]) -> Hephy {
    let text = format!(r#"{{"auths":{{"{address}":{{"auth":"{ENCODED}"}}}}}}"#);
    let report = repository.beside("report.json");
    repository.hephy(arguments).env("DOCKER_CONFIG", logins(repository, &text)).env("HEPHY_REPORT", report)
}

/// The folder with Docker's configuration, which is `text`.
fn logins(repository: &Repository, text: &str) -> PathBuf {
    let logins = repository.beside("logins");
    std::fs::create_dir_all(&logins).expect("create the folder");
    std::fs::write(logins.join("config.json"), text).expect("write the login");
    logins
}

/// A guarded proxy was sent the login.
#[track_caller]
pub(crate) fn was_logged_in(proxy: &Faulty, output: &Output) {
    let is_used = |asked: &Asked| asked.header("authorization") == Some(LOGIN);
    assert!(proxy.asked().iter().any(is_used), "no login was ever sent: {output}");
}

/// No secret shows, in whatever form: neither in the output nor in what the run left behind.
#[track_caller]
pub(crate) fn without_secrets(repository: &Repository, output: Output) -> Output {
    let report = std::fs::read_to_string(repository.beside("report.json")).unwrap_or_default();
    for secret in [PASSWORD, ENCODED, OTHER_PASSWORD, OTHER_ENCODED, ISSUED] {
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret), "{output}");
        assert!(!report.contains(secret), "{report}");
        let left = files_with(&repository.path().join(".hephy"), secret.as_bytes());
        assert_eq!(left, Vec::<PathBuf>::new(), "{secret}");
    }
    output
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
            return answer(200, "", &format!(r#"{{"token":"{ISSUED}{}"{life}}}"#, asked.time));
        }
        let header = asked.header("authorization").unwrap_or_default();
        let has_token = header.strip_prefix("Bearer ").is_some_and(|token| token.starts_with(ISSUED));
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

/// The files below a folder that have these bytes in them. Layers are too long to look into, and are not for people.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let has = |path: &PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        text.len() < 1 << 20 && text.windows(bytes.len()).any(|part| part == bytes)
    };
    let below = folders.iter().flat_map(|folder| files_with(folder, bytes));
    files.into_iter().filter(has).chain(below).collect()
}

/// Does `work` for each case, twelve at a time: most of it is waiting.
pub(crate) fn each<C: Send>(cases: impl IntoIterator<Item = C>, work: impl Fn(C) + Sync) {
    let cases: Mutex<Vec<C>> = Mutex::new(cases.into_iter().collect());
    let next = || cases.lock().expect("nobody panics here").pop();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some(case) = next() {
                    work(case);
                }
            });
        }
    });
}

/// So many files of this size, as layers.
pub(crate) fn layers(push: &Pushing, count: u64, size: usize) -> Vec<PathBuf> {
    let layer = |number: u64| {
        let path = push.repository.beside(&format!("layer-{number}"));
        std::fs::write(&path, noise(size, number + 100)).expect("write the layer");
        path
    };
    (0..count).map(layer).collect()
}

/// Whether it sends the layer of an image of 400 kB, and not its config: both go at the same time.
pub(crate) fn is_layer(asked: &Asked) -> bool {
    asked.is("PUT", "/blobs/uploads/") && asked.length() > 100_000
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
