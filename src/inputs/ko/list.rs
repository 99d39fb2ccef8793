//! What `go list` and `go env` say, asked as `ko` will ask the compiler.

use super::module::Used;
use super::settings::Settings;
use crate::exec::{self, ExecError, Program};
use crate::platform::Platform;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variables of somebody's shell that would change what Go or ko makes, and that no input stands for.
const FOREIGN: [&str; 25] = [
    "GOOS",
    "GOARCH",
    "GOARM",
    "GOARM64",
    "GOAMD64",
    "GO386",
    "GOMIPS",
    "GOMIPS64",
    "GOPPC64",
    "GORISCV64",
    "GOWASM",
    "GOEXPERIMENT",
    "GOFIPS140",
    "GODEBUG",
    "CGO_ENABLED",
    "CGO_CFLAGS",
    "CGO_LDFLAGS",
    "KO_GO_PATH",
    "KO_DATA_DATE_EPOCH",
    "KO_DEFAULTBASEIMAGE",
    "KO_DEFAULTPLATFORMS",
    "KO_DEFAULTENV",
    "KO_DEFAULTFLAGS",
    "KO_DEFAULTLDFLAGS",
    "KO_BUILDS",
];
/// What of Go's own settings, which a machine may have, changes the program.
const ASKED: [&str; 6] = ["GOVERSION", "GOEXPERIMENT", "GOAMD64", "GOARM64", "GOFIPS140", "CGO_CFLAGS"];

/// Where and with what a Go program is built.
pub(crate) struct Place {
    /// The folder of its `package main`.
    pub(crate) folder: PathBuf,
    /// The workspace that the module belongs to.
    pub(crate) go_work: Option<PathBuf>,
    pub(crate) variables: BTreeMap<String, String>,
}

/// A package, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Package {
    pub(super) dir: PathBuf,
    pub(super) import_path: String,
    pub(super) standard: bool,
    pub(super) module: Option<Module>,
    pub(super) error: Option<serde_json::Value>,
    pub(super) go_files: Vec<String>,
    pub(super) embed_files: Vec<String>,
    #[serde(rename = "HFiles")]
    pub(super) headers: Vec<String>,
    #[serde(rename = "SFiles")]
    pub(super) assembly: Vec<String>,
    pub(super) syso_files: Vec<String>,
    /// Go files that are not compiled: for other platforms, behind tags, or, without cgo, with an `import "C"`.
    pub(super) ignored_go_files: Vec<String>,
    /// Go files with an `import "C"`, where cgo is on.
    pub(super) cgo_files: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Module {
    path: String,
    version: String,
    pub(super) go_mod: Option<PathBuf>,
    replace: Option<Box<Self>>,
}

impl Module {
    pub(super) fn used(&self) -> Used {
        let replaced_by = self.replace.as_ref().map(|other| (other.path.clone(), other.version.clone()));
        Used { path: self.path.clone(), version: self.version.clone(), replaced_by }
    }

    /// Whether its packages come from Go's cache, which checks what it holds. `folder` is where one of them lies in the
    /// repository: there it may be vendored, or the cache may be there too, in folders that have the version in their names.
    pub(super) fn is_downloaded(&self, folder: Option<&str>) -> bool {
        let version = self.replace.as_ref().map_or(&self.version, |other| &other.version);
        let is_cache = |folder: &str| folder.contains(&format!("@{version}"));
        !version.is_empty() && folder.is_none_or(is_cache)
    }
}

impl Place {
    /// A program that neither the shell nor the place of the repository influences. The commit is kept out of what Go
    /// builds (`-buildvcs`): it is no input, and an image is reused by other commits.
    pub(crate) fn program(&self, name: &str) -> Program {
        let program =
            FOREIGN.iter().fold(Program::new(name, &self.folder), |program, name| program.env_remove(name));
        let workspace = self.go_work.as_ref().map_or("off".into(), |path| path.clone().into_os_string());
        let program = program.env("GOFLAGS", "-buildvcs=false").env("GOWORK", workspace);
        self.variables.iter().fold(program, |program, (name, value)| program.env(name, value))
    }

    /// What the compiler says that it is, and the settings of this machine that change what it makes.
    pub(super) async fn compiler(&self) -> Result<String, ExecError> {
        let output = exec::capture(&self.program("go").args(["env"]).args(ASKED)).await?;
        let values = String::from_utf8_lossy(&output).into_owned();
        Ok(ASKED
            .iter()
            .zip(values.lines())
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" "))
    }

    /// The packages that the program is made of on `platform`.
    pub(super) async fn packages(
        &self,
        settings: &Settings,
        platform: &Platform,
    ) -> Result<Vec<Package>, ExecError> {
        let fields = "-json=Dir,ImportPath,Standard,Module,Error,GoFiles,EmbedFiles,HFiles,SFiles,SysoFiles,IgnoredGoFiles";
        let program = self.list(settings, platform, "0").args(["-deps", fields, "."]);
        // What cannot be read counts as a package with an error, and then everything is read.
        Ok(listed(&program).await?.map(|package| package.unwrap_or_else(|error| broken(&error))).collect())
    }

    /// `go list` for `platform`, which goes on after what is wrong with a package. `cgo` is what `CGO_ENABLED` is where the
    /// settings do not say it.
    pub(super) fn list(&self, settings: &Settings, platform: &Platform, cgo: &str) -> Program {
        let program = self.program("go").args(["list", "-e"]).args(tags(&settings.flags));
        let mut program =
            program.env("CGO_ENABLED", cgo).env("GOOS", &platform.os).env("GOARCH", &platform.architecture);
        if let Some(variant) = platform.variant.as_ref().filter(|_| platform.architecture == "arm") {
            program = program.env("GOARM", variant.trim_start_matches('v'));
        }
        let entries = settings.env.iter().filter_map(|entry| entry.split_once('='));
        entries.fold(program, |program, (name, value)| program.env(name, value))
    }
}

/// The packages that `program` prints.
pub(super) async fn listed(
    program: &Program,
) -> Result<impl Iterator<Item = serde_json::Result<Package>>, ExecError> {
    let output = exec::capture(program).await?;
    let packages = serde_json::Deserializer::from_slice(&output).into_iter::<Package>();
    Ok(packages.collect::<Vec<_>>().into_iter())
}

fn broken(error: &serde_json::Error) -> Package {
    Package { error: Some(error.to_string().into()), ..Package::default() }
}

/// The flags of a build that choose its files.
fn tags(flags: &[String]) -> Vec<String> {
    let mut chosen = vec![];
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        match flag.trim_start_matches('-') {
            "tags" => chosen.extend(flags.next().map(|tags| format!("-tags={tags}"))),
            other if other.starts_with("tags=") => chosen.push(format!("-{other}")),
            _ => {}
        }
    }
    chosen
}

/// Whether a build with these settings and variables reads no other files than `go list` says.
pub(super) fn is_understood(settings: &Settings, variables: &BTreeMap<String, String>) -> bool {
    const HARMLESS: [&str; 11] = [
        "a",
        "v",
        "x",
        "p",
        "tags",
        "trimpath",
        "ldflags",
        "gcflags",
        "asmflags",
        "buildvcs",
        "installsuffix",
    ];
    let flag = |word: &&String| word.starts_with('-');
    let name = |word: &String| word.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    let is_harmless = |word: &String| HARMLESS.contains(&name(word).as_str());
    let entries = settings.env.iter().filter_map(|entry| entry.split_once('='));
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let steers = |(name, value): (&str, &str)| {
        let is_cgo = name.starts_with("CGO_") && (name, value) != ("CGO_ENABLED", "0");
        is_cgo || matches!(name, "GOFLAGS" | "GOWORK")
    };
    let is_template = |word: &String| word.contains("{{");
    let is_plain =
        settings.flags.iter().filter(flag).all(is_harmless) && !settings.flags.iter().any(is_template);
    is_plain && !entries.chain(variables).any(steers)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Subject;
    use super::*;

    #[test]
    fn only_flags_that_read_no_other_files_are_understood() {
        for (flags, env, expected) in [
            ("-v -trimpath -tags=a,b", "", true),
            ("-tags a,b", "CGO_ENABLED=0", true),
            ("-overlay=x.json", "", false),
            ("-modfile=other.mod", "", false),
            ("-pgo=auto.pgo", "", false),
            ("-tags={{.Env.LDFLAGS}}", "", false),
            ("-v", "CGO_ENABLED=1", false),
            ("-v", "GOFLAGS=-mod=mod", false),
        ] {
            let text = format!("defaultFlags: '{flags}'\ndefaultEnv: ['{env}']\n");
            let variables = BTreeMap::new();
            let subject = Subject { folder: "", import_path: "x", variables: &variables };
            let settings = Settings::read(&text, "", &subject).expect("valid");
            assert_eq!(is_understood(&settings, &variables), expected, "{text}");
            let steering = BTreeMap::from([("GOFLAGS".to_owned(), "-mod=mod".to_owned())]);
            assert!(!is_understood(&settings, &steering));
        }
        let chosen = |words: &[&str]| tags(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&["-v", "-tags", "a,b"]), ["-tags=a,b"]);
        assert_eq!(chosen(&["--tags=a", "-x"]), ["-tags=a"]);
    }
}
