//! A push of an image whose base is on another registry, with a faulty proxy in front of each.

use super::faulty::{Asked, Fault, Faulty};
use super::pushing::{OTHER_ENCODED, Pushing, noise};
use super::registry::Registry;
use super::{Hephy, Output, Repository};
use serde_json::Value;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a push needs, and the registry that has the base.
pub(crate) struct Copying {
    /// In front of the registry that has the base.
    pub(crate) origin: Faulty,
    pub(crate) push: Pushing,
    /// The digest of the base's only layer.
    pub(crate) layer: String,
    _source: Registry,
}

impl Copying {
    /// A base with a layer of about `size` bytes. `source` is the rule for requests of that layer, `target` for all
    /// requests to the other registry.
    pub(crate) fn of(
        size: usize,
        source: impl Fn(&Asked) -> Option<Fault> + Send + 'static,
        target: impl Fn(&Asked) -> Option<Fault> + Send + 'static,
    ) -> Self {
        let source = move |asked: &Asked, is_layer| if is_layer { source(asked) } else { None };
        Self::to(Pushing::through(target), size, source)
    }

    /// The same with a target that wants no login unless its rule does, and a rule for all requests to the first registry, which also hears whether the layer is asked for. Those
    /// requests have a number of their own.
    pub(crate) fn with(
        size: usize,
        source: impl Fn(&Asked, bool) -> Option<Fault> + Send + 'static,
        target: impl Fn(&Asked) -> Option<Fault> + Send + 'static,
    ) -> Self {
        Self::to(Pushing::open(40_000, target), size, source)
    }

    fn to(
        push: Pushing,
        size: usize,
        source: impl Fn(&Asked, bool) -> Option<Fault> + Send + 'static,
    ) -> Self {
        let registry = Registry::start();
        registry.publish("base:1", &noise(size, 7));
        let layer = layer(&registry, "base");
        let (known, times) = (layer.clone(), AtomicUsize::new(0));
        let origin = Faulty::start(registry.address(), move |asked| {
            if !asked.is("GET", &known) {
                return source(asked, false);
            }
            let time = times.fetch_add(1, Ordering::SeqCst) + 1;
            source(&Asked { time, ..asked.clone() }, true)
        });
        put_on(&push.repository, &origin.image("base:1"));
        Self { origin, push, layer, _source: registry }
    }

    /// hephy, about to push, with a login for each of the registries.
    pub(crate) fn hephy(&self) -> Hephy {
        let login = format!(r#""{}":{{"auth":"{OTHER_ENCODED}"}},"#, self.origin.address);
        self.push.hephy_with(&login)
    }

    /// Pushes and expects that all of it arrives.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> Output {
        self.push.succeeds_with(self.hephy())
    }

    /// Pushes and expects that it ends with this code and that no tag moves.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> Output {
        self.push.fails_with(self.hephy(), code)
    }

    /// How often the layer was asked for.
    pub(crate) fn reads(&self) -> Vec<Asked> {
        self.origin.asked().into_iter().filter(|asked| asked.is("GET", &self.layer)).collect()
    }
}

/// Puts the program of a repository on the image `base`.
pub(crate) fn put_on(repository: &Repository, base: &str) {
    let text = format!("components:\n  app: {{path: app, base: '{base}', prebuilt: {{linux/amd64: run}}}}\n");
    repository.write("hephy.yaml", &text).commit("Put it on a base");
}

/// The digest of the only layer of the image `name:1`.
pub(crate) fn layer(registry: &Registry, name: &str) -> String {
    let output = Command::new("skopeo")
        .args(["inspect", "--raw", "--tls-verify=false"])
        .arg(format!("docker://{}", registry.image(&format!("{name}:1"))))
        .output()
        .expect("skopeo starts");
    let mut manifest: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    manifest["layers"][0]["digest"].take().as_str().expect("a digest").to_owned()
}
