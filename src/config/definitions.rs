//! Definitions: the files that make a folder a component, and what in them proves that they are meant.

use super::reading;
use super::unsupported::Unsupported;
use super::variants::USUAL;
use crate::component::Component;
use serde::Deserialize;
use std::path::Path;

/// The definitions that lie in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    pub(crate) dockerfile: Option<String>,
    /// Dockerfiles of other names, such as `Dockerfile.prod`. They are looked for where there is none of a usual name.
    pub(crate) variants: Vec<String>,
    pub(crate) cargo_manifest: bool,
    /// `Cargo.toml` has `[package.metadata.hephy]`: the package says that it is a component.
    pub(crate) cargo_mark: bool,
    /// `spin.toml` has a `spin_manifest_version`.
    pub(crate) spin: bool,
    /// `Chart.yaml` has an `apiVersion`, and it is no part of another chart.
    pub(crate) chart: bool,
    /// `.ko.yaml`, unless it is that of the whole repository: that one is shared and defines nothing.
    pub(crate) ko_file: bool,
    /// The file of a Go module that says `package main`.
    pub(crate) go_main: Option<String>,
    /// `project.toml` has a table of Cloud Native Buildpacks; other tools use the name too.
    pub(crate) project: bool,
    pub(crate) procfile: bool,
    /// What hephy cannot build, with its file. Build files of Java are read only where there is nothing else.
    pub(crate) unsupported: Vec<(Unsupported, String)>,
}

impl Definitions {
    /// What lies in the folder of `component`. What the configuration names is not asked for.
    pub(crate) fn look(root: &Path, component: &Component) -> Self {
        let here = root.join(&component.path);
        let read = |name: &str| reading::text(root, &here.join(name));
        let manifest = read("Cargo.toml");
        let dockerfile = USUAL.map(str::to_owned).into_iter().find(|name| here.join(name).is_file());
        let known = Self {
            variants: component.dockerfile_variants.clone(),
            dockerfile,
            cargo_mark: manifest.as_deref().is_some_and(is_marked),
            cargo_manifest: here.join("Cargo.toml").is_file(),
            spin: read("spin.toml").is_some_and(|text| is_spin(&text)),
            chart: read("Chart.yaml").is_some_and(|text| is_chart(&text)) && !is_subchart(&here, root),
            ko_file: !component.path.is_empty() && here.join(".ko.yaml").is_file(),
            go_main: go_main(root, &here).filter(|_| has_module(&here, root)),
            project: read("project.toml").is_some_and(|text| is_project(&text)),
            procfile: here.join("Procfile").is_file(),
            unsupported: vec![],
        };
        let is_asked = |kind: &Unsupported| *kind != Unsupported::Jib || known == Self::default();
        let kinds: Vec<Unsupported> = Unsupported::ALL.into_iter().filter(is_asked).collect();
        let is_there = |name: &str| here.join(name).is_file();
        let unsupported = Unsupported::find(&kinds, is_there, |name| read(name).unwrap_or_default());
        Self { unsupported, ..known }
    }

    /// The file that a Dockerfile of another name gives way to although it may be there for other reasons too.
    pub(super) fn before_variants(&self) -> Option<&str> {
        let cargo = self.cargo_manifest.then_some("Cargo.toml");
        self.go_main.as_deref().or(cargo).or(self.procfile.then_some("Procfile"))
    }
}

/// The names in `folder`.
pub(super) fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = folder.read_dir().into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Whether a `Cargo.toml` says that its package is a component: most binaries of a workspace are tools.
pub(super) fn is_marked(manifest: &str) -> bool {
    manifest.lines().any(|line| line.trim_start().starts_with("[package.metadata.hephy"))
}

/// Both versions of the manifest have the key, the first as a text (spin's manifest reference).
pub(super) fn is_spin(text: &str) -> bool {
    text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("spin_manifest_version"))
}

fn is_chart(text: &str) -> bool {
    chart(text).is_some()
}

/// The name in a `Chart.yaml`; `None` if it is no chart.
pub(super) fn chart(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Chart {
        api_version: Option<String>,
        #[serde(default)]
        name: String,
    }
    let chart = serde_saphyr::from_str::<Chart>(text).ok()?;
    chart.api_version.map(|_| chart.name)
}

/// A chart in the `charts` folder of another one is a part of that.
fn is_subchart(folder: &Path, root: &Path) -> bool {
    let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(root));
    above.into_iter().any(|above| above.join("Chart.yaml").is_file())
}

/// The tables of a project descriptor, old and new (buildpacks specification, `extensions/project-descriptor.md`).
pub(super) fn is_project(text: &str) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    let io = table.get("io").and_then(toml::Value::as_table);
    ["_", "build"].iter().any(|name| table.get(*name).is_some_and(toml::Value::is_table))
        || io.is_some_and(|io| io.contains_key("buildpacks"))
}

/// The nearest folder at or above `folder` that is a Go module, inside `root`.
fn has_module(folder: &Path, root: &Path) -> bool {
    let mut inside = folder.ancestors().take_while(|above| above.starts_with(root));
    inside.any(|above| above.join("go.mod").is_file())
}

/// The first file of the folder, by name, that belongs to a Go program.
fn go_main(root: &Path, folder: &Path) -> Option<String> {
    let mut sources: Vec<String> = names(folder).filter(|name| is_go_source(name)).collect();
    sources.sort();
    let is_main =
        |name: &String| reading::text(root, &folder.join(name)).is_some_and(|text| declares_main(&text));
    sources.into_iter().find(is_main)
}

/// Whether a file of this name may belong to a Go program.
pub(super) fn is_go_source(name: &str) -> bool {
    name.ends_with(".go") && !name.ends_with("_test.go") && !name.starts_with(['_', '.'])
}

/// Whether the package clause of a Go source is `package main`, and no constraint keeps it out of every build. Only
/// comments may stand before the clause (Go specification, "Package clause").
pub(super) fn declares_main(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("//") {
            let (line, after) = comment.split_once('\n').unwrap_or((comment, ""));
            if line.trim() == "go:build ignore" {
                return false;
            }
            rest = after.trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after).trim_start();
        } else {
            break;
        }
    }
    let clause = rest.strip_prefix("package").map(str::trim_start).and_then(|name| name.strip_prefix("main"));
    clause.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(folder: &str, files: &[(&str, &str)]) -> Definitions {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
            std::fs::write(path, text).expect("write the file");
        }
        Definitions::look(root.path(), &Component::new("a".parse().expect("a name"), folder, ""))
    }

    const JIB: &str = "<artifactId>jib-maven-plugin</artifactId>\n";

    #[test]
    fn a_definition_is_more_than_a_file_name() {
        let none = Definitions::default;
        let main = |name: &str| Definitions { go_main: Some(name.to_owned()), ..none() };
        let dockerfile = || Definitions { dockerfile: Some("Dockerfile".to_owned()), ..none() };
        let unsupported = |kind: Unsupported, name: &str| Definitions {
            unsupported: vec![(kind, name.to_owned())],
            ..none()
        };
        for (files, expected) in [
            (&[("a/spin.toml", "spin_manifest_version = 2\n")][..], Definitions { spin: true, ..none() }),
            (&[("a/spin.toml", "spin = 1\n")], none()),
            (&[("a/Chart.yaml", "apiVersion: v2\nname: a\n")], Definitions { chart: true, ..none() }),
            (&[("a/Chart.yaml", "name: a\n")], none()),
            (&[("a/Chart.yaml", "apiVersion: v2\n"), ("Chart.yaml", "")], none()),
            (&[("a/.ko.yaml", "")], Definitions { ko_file: true, ..none() }),
            (&[("a/main.go", "package main\n"), ("go.mod", "")], main("main.go")),
            (&[("a/main.go", "package main\n")], none()),
            (&[("a/main_test.go", "package main\n"), ("a/go.mod", "")], none()),
            (&[("a/x.go", "//go:build ignore\n\npackage main\n"), ("a/go.mod", "")], none()),
            (&[("a/project.toml", "[project]\nname = 'x'\n")], none()),
            (&[("a/project.toml", "[_]\nid = 'x'\n")], Definitions { project: true, ..none() }),
            (&[("a/project.toml", "[io.buildpacks]\n")], Definitions { project: true, ..none() }),
            (&[("a/Procfile", "web: x\n")], Definitions { procfile: true, ..none() }),
            // Those of other names are not looked for here: what is on the disk may be ignored by git.
            (&[("a/Dockerfile.b", "FROM x\n")], none()),
            (&[("a/docker-bake.hcl", "")], unsupported(Unsupported::Bake, "docker-bake.hcl")),
            (&[("a/pom.xml", JIB)], unsupported(Unsupported::Jib, "pom.xml")),
            // Where there is something else, the build files of Java are not read.
            (&[("a/pom.xml", JIB), ("a/Dockerfile", "")], dockerfile()),
        ] {
            assert_eq!(look("a", files), expected, "{files:?}");
        }
        let root = look("", &[(".ko.yaml", ""), ("Dockerfile", "")]);
        assert_eq!(root, dockerfile(), "the `.ko.yaml` of the repository is shared");
    }

    #[test]
    fn a_link_out_of_the_repository_is_not_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("create the folder");
        let definitions = [
            ("spin.toml", "spin_manifest_version = 2\n"),
            ("Chart.yaml", "apiVersion: v2\n"),
            ("project.toml", "[_]\n"),
            ("Cargo.toml", "[package.metadata.hephy]\n"),
            ("main.go", "package main\n"),
            ("apko.yaml", "contents: {packages: [a], repositories: [b]}\n"),
        ];
        for (name, text) in definitions {
            std::fs::write(folder.path().join(name), text).expect("write the file");
            std::os::unix::fs::symlink(folder.path().join(name), root.join(name)).expect("make the link");
        }
        std::fs::write(root.join("go.mod"), "").expect("write the file");
        let component = Component::new("a".parse().expect("a name"), "", "");
        // A package by its name alone; what builds it says that it lies outside.
        let expected = Definitions { cargo_manifest: true, ..Definitions::default() };
        assert_eq!(Definitions::look(&root, &component), expected);
    }

    #[test]
    fn the_package_clause_is_found_behind_comments() {
        for (text, expected) in [
            ("package main", true),
            ("// Licence\n\n/* more\nlines */ package  main // x\n", true),
            ("\u{feff}package main\n", true),
            ("package mainly\n", false),
            ("package api\n// package main\n", false),
            ("/* package main", false),
            ("//go:build ignore\npackage main\n", false),
            ("//go:build linux\npackage main\n", true),
            ("", false),
        ] {
            assert_eq!(declares_main(text), expected, "{text:?}");
        }
    }
}
