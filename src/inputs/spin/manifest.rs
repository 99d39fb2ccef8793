//! `spin.toml`: what its components are made of (Spin, "Application Manifest Reference", versions 1 and 2).

use toml::{Table, Value};

/// What the manifest names, as paths and globs from its own folder, not yet cleaned of `..`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Files and folders that go into the application, and where its commands run.
    pub(super) read: Vec<String>,
    /// What its builds are said to watch: as seen from the manifest, and from where the command runs.
    pub(super) watched: Vec<[String; 2]>,
    /// Programs that a build command makes anew.
    pub(super) made: Vec<String>,
}

/// Reads the manifest; the error is a sentence.
pub(super) fn read(text: &str) -> Result<Named, String> {
    let manifest: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    // Version 2 has a table by name, version 1 a list.
    let components: Vec<&Table> = match manifest.get("component") {
        Some(Value::Table(by_name)) => by_name.values().filter_map(Value::as_table).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_table).collect(),
        _ => vec![],
    };
    let mut named = Named::default();
    for component in components {
        let build = component.get("build").and_then(Value::as_table);
        let text = |table: Option<&Table>, key: &str| Some(table?.get(key)?.as_str()?.to_owned());
        // A source by address or from a registry has a digest or a version of its own.
        let source = text(Some(component), "source");
        match build.is_some_and(|build| build.contains_key("command")) {
            true => named.made.extend(source),
            false => named.read.extend(source),
        }
        named.read.extend(list(component.get("files")).filter_map(mounted));
        let dependencies = component.get("dependencies").and_then(Value::as_table);
        let local = dependencies.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        named.read.extend(local.filter_map(|dependency| text(Some(dependency), "path")));
        let workdir = text(build, "workdir").unwrap_or_default();
        named.read.extend(Some(workdir.clone()).filter(|workdir| !workdir.is_empty()));
        let watched = list(build.and_then(|build| build.get("watch"))).filter_map(Value::as_str);
        named.watched.extend(watched.map(|path| [path.to_owned(), format!("{workdir}/{path}")]));
    }
    Ok(named)
}

/// A pattern of files, or a folder with the place that it is mounted at.
fn mounted(entry: &Value) -> Option<String> {
    let folder = || entry.as_table()?.get("source")?.as_str();
    entry.as_str().or_else(folder).map(str::to_owned)
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_name_what_is_read() {
        let second = r#"
spin_manifest_version = 2
[component.api]
source = "target/api.wasm"
files = ["assets/*", { source = "../shared/static", destination = "/" }]
[component.api.build]
command = "cargo build"
workdir = "../api"
watch = ["src/**/*.rs"]
[component.plain]
source = "plain.wasm"
[component.plain.dependencies]
"a:b" = { path = "../b.wasm" }
"c:d" = "1.0"
[component.remote]
source = { url = "https://x/y.wasm", digest = "sha256:0" }
"#;
        let named = read(second).expect("valid");
        assert_eq!(named.made, ["target/api.wasm"]);
        assert_eq!(named.read, ["assets/*", "../shared/static", "../api", "plain.wasm", "../b.wasm"]);
        assert_eq!(named.watched, [["src/**/*.rs".to_owned(), "../api/src/**/*.rs".to_owned()]]);
        let first = "spin_manifest_version = '1'\n[[component]]\nid = 'x'\nsource = 'x.wasm'\n[component.build]\n\
            command = 'make'\n";
        assert_eq!(read(first), Ok(Named { made: vec!["x.wasm".to_owned()], ..Named::default() }));
        assert!(read("[").is_err());
    }
}
