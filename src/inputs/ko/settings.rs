//! `.ko.yaml`: what it says about one program (ko 0.19, `pkg/commands/options/build.go`).

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What ko takes where nobody names a base image.
const DEFAULT_BASE: &str = "cgr.dev/chainguard/static:latest";

/// The settings of one program, with ko's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The image that the program is put on.
    pub(crate) base: String,
    /// `KEY=VALUE` for the Go tool.
    pub(crate) env: Vec<String>,
    /// Flags of `go build`.
    pub(crate) flags: Vec<String>,
    ldflags: Vec<String>,
    capabilities: Vec<String>,
}

/// Why a `.ko.yaml` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("it is not YAML with keys: {0}")]
    Yaml(String),
    #[error("`{{{{{0}}}}}` makes another image of every commit or of every time")]
    Moving(String),
    #[error("`{{{{{0}}}}}` is a variable that no input stands for")]
    Foreign(String),
}

/// The program that settings are asked for.
pub(crate) struct Subject<'a> {
    /// The folder of its `package main`, from the repository's root.
    pub(crate) folder: &'a str,
    pub(crate) import_path: &'a str,
    /// The variables that templates may use, beside those in the file.
    pub(crate) variables: &'a BTreeMap<String, String>,
}

impl Settings {
    /// The settings of `subject` in the file `text` that lies in the folder `beside`; without a file `text` is empty.
    pub(crate) fn read(text: &str, beside: &str, subject: &Subject<'_>) -> Result<Self, SettingsError> {
        let file = if text.trim().is_empty() { Map::new() } else { keys(text)? };
        let of_file = |name: &str| file.get(&name.to_lowercase());
        let builds = of_file("builds").and_then(Value::as_array).cloned().unwrap_or_default();
        let builds: Vec<Map<String, Value>> = builds.iter().filter_map(lowered).collect();
        let own = builds.into_iter().find(|build| main_folder(beside, build) == subject.folder);
        let own = own.unwrap_or_default();
        // ko takes its default only where the program's own list is empty.
        let list = |name: &str, default: &str, split| {
            let own = words(own.get(name), split);
            if own.is_empty() { words(of_file(default), split) } else { own }
        };
        let overrides = of_file("baseImageOverrides").and_then(lowered).unwrap_or_default();
        let named = overrides.get(&subject.import_path.to_lowercase()).or(of_file("defaultBaseImage"));
        let settings = Self {
            base: named
                .and_then(Value::as_str)
                .filter(|name| !name.is_empty())
                .unwrap_or(DEFAULT_BASE)
                .to_owned(),
            env: list("env", "defaultEnv", false),
            flags: list("flags", "defaultFlags", true),
            ldflags: list("ldflags", "defaultLdflags", false),
            capabilities: words(own.get("linux_capabilities"), true),
        };
        settings.ensure_steady(subject.variables)?;
        Ok(settings)
    }

    /// The same settings as a `.ko.yaml` beside the program, with `base` as its base image.
    pub(crate) fn text(&self, base: &str) -> String {
        let build = json!({
            "dir": ".", "main": ".", "env": self.env, "flags": self.flags, "ldflags": self.ldflags,
            "linux_capabilities": self.capabilities,
        });
        json!({"defaultBaseImage": base, "builds": [build]}).to_string()
    }

    /// Templates may only use what belongs to the input digest.
    fn ensure_steady(&self, variables: &BTreeMap<String, String>) -> Result<(), SettingsError> {
        let texts = self.flags.iter().chain(&self.ldflags).chain(&self.env);
        for template in texts.flat_map(|text| templates(text)) {
            let Some(variable) = template.trim().strip_prefix(".Env.") else {
                let is_moving = [".Git", ".Date", ".Timestamp"].iter().any(|name| template.contains(name));
                let error = if is_moving { SettingsError::Moving } else { SettingsError::Foreign };
                return Err(error(template));
            };
            let is_set = |entry: &String| entry.split_once('=').is_some_and(|(name, _)| name == variable);
            if !variables.contains_key(variable) && !self.env.iter().any(is_set) && variable != "LDFLAGS" {
                return Err(SettingsError::Foreign(template));
            }
        }
        Ok(())
    }
}

/// The folder of the only program that the file `text` in the folder `beside` builds.
pub(crate) fn only_program(text: &str, beside: &str) -> Option<String> {
    let file = keys(text).ok()?;
    match file.get("builds")?.as_array()?.as_slice() {
        [build] => Some(main_folder(beside, &lowered(build)?)),
        _ => None,
    }
}

/// ko reads keys without regard to case.
fn keys(text: &str) -> Result<Map<String, Value>, SettingsError> {
    let value = serde_saphyr::from_str::<Value>(text);
    let value = value.map_err(|error| SettingsError::Yaml(error.without_snippet().to_string()))?;
    lowered(&value).ok_or_else(|| SettingsError::Yaml("it is a list or a text".to_owned()))
}

fn lowered(value: &Value) -> Option<Map<String, Value>> {
    let map = value.as_object()?;
    Some(map.iter().map(|(key, value)| (key.to_lowercase(), value.clone())).collect())
}

/// Where the program of an entry of `builds` lies: `main` may also be its source file.
fn main_folder(beside: &str, build: &Map<String, Value>) -> String {
    let text = |name: &str| build.get(name).and_then(Value::as_str).unwrap_or_default();
    let main = text("main");
    let main = match main.rsplit_once('/') {
        Some((folder, file)) if file.ends_with(".go") => folder,
        None if main.ends_with(".go") => "",
        _ => main,
    };
    crate::inputs::normal(&format!("{beside}/{}/{main}", text("dir")))
}

/// A list, or a text in the place of one.
fn words(value: Option<&Value>, split: bool) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) if split => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => vec![],
    }
}

/// What stands between `{{` and `}}`.
fn templates(text: &str) -> Vec<String> {
    let parts = text.split("{{").skip(1);
    parts.map(|part| part.split("}}").next().unwrap_or(part).trim_matches(['-', ' ']).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[&str]) -> Result<Settings, String> {
        let variables = variables.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        let subject =
            Subject { folder: "svc/cmd/api", import_path: "example.com/Svc/cmd/api", variables: &variables };
        Settings::read(text, "svc", &subject).map_err(|error| error.to_string())
    }

    #[test]
    fn the_settings_of_the_program_come_before_the_defaults() {
        let text = "
defaultBaseImage: example.com/base:1
DefaultFlags: -v -a
defaultEnv: [A=1]
baseImageOverrides: {example.com/svc/cmd/api: example.com/other@sha256:0}
builds:
- {id: web, main: ./cmd/web, flags: [-x]}
- {dir: cmd, main: api/main.go, ldflags: -s -w, linux_capabilities: net_bind_service, flags: []}
";
        let settings = read(text, &[]).expect("valid");
        assert_eq!(
            settings,
            Settings {
                base: "example.com/other@sha256:0".to_owned(),
                env: vec!["A=1".to_owned()],
                flags: vec!["-v".to_owned(), "-a".to_owned()],
                ldflags: vec!["-s -w".to_owned()],
                capabilities: vec!["net_bind_service".to_owned()],
            }
        );
        let again: Value = serde_json::from_str(&settings.text("b")).expect("JSON");
        assert_eq!(again["defaultBaseImage"], "b");
        assert_eq!(again["builds"][0]["ldflags"][0], "-s -w");
        assert_eq!(read("", &[]).expect("valid").base, DEFAULT_BASE);
    }

    #[test]
    fn templates_may_use_what_is_an_input() {
        let text = |template: &str| format!("defaultLdflags: ['-X main.v={{{{{template}}}}}']\n");
        assert!(read(&text(".Env.VERSION"), &["VERSION"]).is_ok());
        assert!(read(&format!("{}defaultEnv: [V=1]\n", text("- .Env.V -")), &[]).is_ok());
        for (template, expected) in [
            (".Env.VERSION", "`{{.Env.VERSION}}` is a variable that no input stands for"),
            (".GoEnv.GOHOSTOS", "`{{.GoEnv.GOHOSTOS}}` is a variable that no input stands for"),
            (
                ".Git.ShortCommit",
                "`{{.Git.ShortCommit}}` makes another image of every commit or of every time",
            ),
            ("printf .Date", "`{{printf .Date}}` makes another image of every commit or of every time"),
        ] {
            assert_eq!(read(&text(template), &[]).expect_err(template), expected);
        }
        // What another program uses is its own affair.
        assert!(read("builds: [{main: ./x, ldflags: '{{.Git.Tag}}'}]\n", &[]).is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["- a\n", "a: [\n", "text"] {
            assert!(read(text, &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn the_only_program_is_found() {
        assert_eq!(only_program("builds: [{main: ./cmd/app}]", "svc").as_deref(), Some("svc/cmd/app"));
        assert_eq!(only_program("builds: [{main: a}, {main: b}]", "svc"), None);
        assert_eq!(only_program("defaultBaseImage: x", "svc"), None);
    }
}
