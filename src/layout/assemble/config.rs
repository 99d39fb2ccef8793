//! The config of an image (OCI image spec, `config.md`): that of the base with what is ours edited in, so that keys survive of
//! which nobody here knows.

use super::{Descriptor, FOLDER, LayoutError, Program};
use crate::image::{Digest, Repository};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A user without rights and without a name; the same number that distroless images use.
const NOBODY: &str = "65532:65532";
/// Where a base that says nothing has its programs: what runtimes assume then.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What other people's layers are called, and what they are called in OCI manifests. It is a renaming: the bytes are the same.
const LAYERS: [(&str, &str); 5] = [
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
    ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar"),
];

/// An image that others are put on.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// Its name, as the user writes it.
    pub(crate) name: String,
    /// What the name means: the digest of an index, or of the image itself.
    pub(crate) digest: Digest,
    pub(crate) config: Map<String, Value>,
    pub(crate) layers: Vec<Descriptor>,
    /// Where its layers are.
    pub(crate) repository: Repository,
}

impl Base {
    /// Its layers, as they are called in an image on it.
    pub(super) fn layers(&self) -> Result<Vec<Descriptor>, LayoutError> {
        let renamed = |layer: &Descriptor| {
            let path = || PathBuf::from(&layer.digest);
            let digest = layer.digest().map_err(|source| LayoutError::Digest { path: path(), source })?;
            let known = LAYERS.iter().find(|(name, _)| *name == layer.media_type);
            let problem = "the base has a layer of another kind than tar, tar+gzip or tar+zstd";
            let (_, name) = known.ok_or_else(|| LayoutError::Unfit { path: path(), problem })?;
            Ok(Descriptor::new(name, &digest, layer.size))
        };
        self.layers.iter().map(renamed).collect()
    }

    /// What an image says about its base (OCI image spec, pre-defined annotation keys).
    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        let key = |name: &str| format!("org.opencontainers.image.base.{name}");
        BTreeMap::from([(key("name"), self.name.clone()), (key("digest"), self.digest.to_string())])
    }
}

/// The config of the image whose own layers, upon those of the base, are `diff_ids`.
pub(super) fn config(program: &Program<'_>, diff_ids: &[Digest]) -> Value {
    let created = jiff::Timestamp::from_second(program.created.cast_signed()).unwrap_or_default().to_string();
    let mut config = program.on.image().map(|base| base.config.clone()).unwrap_or_default();
    config.insert("architecture".to_owned(), json!(program.platform.architecture));
    config.insert("os".to_owned(), json!(program.platform.os));
    config.insert("created".to_owned(), json!(created));
    if let Some(variant) = &program.platform.variant {
        config.insert("variant".to_owned(), json!(variant));
    }
    let run = config.remove("config").and_then(into_object).unwrap_or_default();
    config.insert("config".to_owned(), Value::Object(run_config(run, program)));
    let mut file_systems = config.remove("rootfs").and_then(into_object).unwrap_or_default();
    file_systems.insert("type".to_owned(), json!("layers"));
    let ids = diff_ids.iter().map(|id| json!(id.to_string()));
    append(&mut file_systems, "diff_ids", ids);
    config.insert("rootfs".to_owned(), Value::Object(file_systems));
    // Readers count: each layer wants a line of history.
    let lines = diff_ids.iter().map(|_| json!({"created": created, "created_by": "hephy"}));
    append(&mut config, "history", lines);
    Value::Object(config)
}

/// What a container of the image is started with. Arguments and triggers of the base are about its own program.
fn run_config(mut run: Map<String, Value>, program: &Program<'_>) -> Map<String, Value> {
    for key in ["Cmd", "ArgsEscaped", "OnBuild"] {
        run.remove(key);
    }
    run.insert("Entrypoint".to_owned(), json!([format!("/{FOLDER}/{}", program.start)]));
    let text = |run: &Map<String, Value>, key: &str| {
        run.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let user = program.user.map(str::to_owned).or_else(|| text(&run, "User"));
    run.insert("User".to_owned(), json!(user.as_deref().unwrap_or(NOBODY)));
    let folder = text(&run, "WorkingDir").unwrap_or_else(|| format!("/{FOLDER}"));
    run.insert("WorkingDir".to_owned(), json!(folder));
    if program.on.image().is_some() {
        let variables = run.remove("Env").unwrap_or_default();
        run.insert("Env".to_owned(), json!(with_path(&variables)));
    }
    run
}

/// The variables of the base, with our folder at the end of `PATH`.
fn with_path(variables: &Value) -> Vec<String> {
    let all = variables.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut all: Vec<String> = all.map(str::to_owned).collect();
    match all.iter_mut().find(|variable| variable.starts_with("PATH=")) {
        Some(path) => path.push_str(&format!(":/{FOLDER}")),
        None => all.push(format!("PATH={USUAL_PATH}:/{FOLDER}")),
    }
    all
}

fn append(object: &mut Map<String, Value>, key: &str, more: impl Iterator<Item = Value>) {
    let mut all = object.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    all.extend(more);
    object.insert(key.to_owned(), Value::Array(all));
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(object) = value { Some(object) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::On;
    use crate::platform::Platform;

    fn on(base: &Value, user: Option<&str>) -> Value {
        let base = Base {
            name: "base:1".to_owned(),
            digest: Digest::of(b"base"),
            config: base.as_object().expect("an object").clone(),
            layers: vec![],
            repository: "ghcr.io/acme/base".parse().expect("a repository"),
        };
        let platform = Platform::new("linux", "arm64");
        let program = Program {
            sources: &[],
            start: "run",
            platform: &platform,
            created: 0,
            assets: &[],
            user,
            on: On::Image(&base),
            listener: &drop,
        };
        config(&program, &[Digest::of(b"own")])
    }

    #[test]
    fn the_config_of_a_base_is_kept_but_for_what_is_ours() {
        let made = on(
            &json!({
                "architecture": "amd64", "os": "linux", "later": [1.5], "author": "them",
                "config": {"Cmd": ["sh"], "OnBuild": ["RUN x"], "Env": ["A=1", "PATH=/bin"], "WorkingDir": "/w",
                    "Labels": {"a": "b"}, "Healthcheck": {"Test": ["NONE"]}},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
                "history": [{"created_by": "them"}],
            }),
            None,
        );
        let created = "1970-01-01T00:00:00Z";
        assert_eq!(
            made,
            json!({
                "architecture": "arm64", "os": "linux", "later": [1.5], "author": "them", "created": created,
                "config": {"Entrypoint": ["/app/run"], "User": "65532:65532", "WorkingDir": "/w",
                    "Env": ["A=1", "PATH=/bin:/app"], "Labels": {"a": "b"}, "Healthcheck": {"Test": ["NONE"]}},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:1", Digest::of(b"own").to_string()]},
                "history": [{"created_by": "them"}, {"created": created, "created_by": "hephy"}],
            })
        );
    }

    #[test]
    fn a_user_is_the_one_that_is_named_then_that_of_the_base_then_nobody() {
        for (base, user, expected) in [
            (json!({"config": {"User": "app"}}), Some("7"), "7"),
            (json!({"config": {"User": "app"}}), None, "app"),
            (json!({"config": {"User": ""}}), None, NOBODY),
            (json!({"config": null}), None, NOBODY),
        ] {
            let made = on(&base, user);
            assert_eq!(made["config"]["User"], expected, "{base}");
            assert_eq!(made["config"]["Env"], json!([format!("PATH={USUAL_PATH}:/app")]));
        }
    }
}
