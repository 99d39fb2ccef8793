//! Definitions that hephy knows and cannot build: whoever wrote one meant something to be built, so it is named.

use serde::Deserialize;

/// What a definition is for, where hephy has no backend for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unsupported {
    Bake,
    Jib,
    Apko,
    Railpack,
    Nixpacks,
}

impl Unsupported {
    /// In the order in which they would decide.
    pub(crate) const ALL: [Self; 5] = [Self::Bake, Self::Jib, Self::Apko, Self::Railpack, Self::Nixpacks];

    /// How it is called in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bake => "bake",
            Self::Jib => "jib",
            Self::Apko => "apko",
            Self::Railpack => "railpack",
            Self::Nixpacks => "nixpacks",
        }
    }

    /// The file names that it may have. apko takes any; these are the usual ones.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Bake => &["docker-bake.hcl", "docker-bake.json"],
            Self::Jib => &["build.gradle", "build.gradle.kts", "pom.xml"],
            Self::Apko => &["apko.yaml", "apko.yml", "melange.yaml"],
            Self::Railpack => &["railpack.json"],
            Self::Nixpacks => &["nixpacks.toml"],
        }
    }

    /// Whether a file of this name and text is one. `read` is called only where the name alone proves nothing.
    pub(super) fn is_meant(self, read: impl FnOnce() -> String) -> bool {
        match self {
            Self::Bake | Self::Railpack | Self::Nixpacks => true,
            Self::Jib => {
                let text = read();
                ["com.google.cloud.tools.jib", "jib-maven-plugin"].iter().any(|plugin| text.contains(plugin))
            }
            Self::Apko => has_packages(&read()),
        }
    }

    /// The first that is meant among `kinds`, by its file in a folder that `has` a name and can `read` it.
    pub(super) fn find(
        kinds: &[Self],
        has: impl Fn(&str) -> bool,
        read: impl Fn(&str) -> String,
    ) -> Vec<(Self, String)> {
        let file = |kind: Self| {
            let mut names = kind.names().iter().filter(|name| has(name));
            names.find(|name| kind.is_meant(|| read(name))).map(|name| (kind, (*name).to_owned()))
        };
        kinds.iter().filter_map(|kind| file(*kind)).collect()
    }
}

/// Whether packages and where they come from are named, as apko wants it; melange has them for its environment.
fn has_packages(text: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct File {
        contents: Contents,
        environment: Environment,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Environment {
        contents: Contents,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Contents {
        packages: Vec<serde_json::Value>,
        repositories: Vec<serde_json::Value>,
    }
    let File { contents, environment } = serde_saphyr::from_str(text).unwrap_or_default();
    [contents, environment.contents]
        .iter()
        .any(|contents| !contents.packages.is_empty() && !contents.repositories.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_meant_by_its_name_or_by_what_it_says() {
        let apko = "contents:\n  repositories: [https://example.com/os]\n  packages:\n    - busybox\nentrypoint: {}\n";
        let melange = format!("package: {{name: x}}\nenvironment:\n  {}", apko.replace('\n', "\n  "));
        for (name, text, expected) in [
            ("docker-bake.hcl", "", Some("bake")),
            ("docker-bake.json", "", Some("bake")),
            ("docker-bake.override.hcl", "", None),
            ("build.gradle", "plugins { id 'com.google.cloud.tools.jib' version '3.4.0' }", Some("jib")),
            ("build.gradle.kts", "plugins { id(\"com.google.cloud.tools.jib\") }", Some("jib")),
            ("build.gradle", "plugins { id 'java' }", None),
            ("pom.xml", "<artifactId>jib-maven-plugin</artifactId>", Some("jib")),
            ("pom.xml", "<project/>", None),
            ("apko.yaml", apko, Some("apko")),
            ("apko.yml", apko, Some("apko")),
            ("melange.yaml", &melange, Some("apko")),
            ("apko.yaml", "contents: {packages: [busybox]}\n", None),
            ("apko.yaml", "contents: [", None),
            ("other.yaml", apko, None),
            ("railpack.json", "{}", Some("railpack")),
            ("nixpacks.toml", "", Some("nixpacks")),
        ] {
            let found = Unsupported::find(&Unsupported::ALL, |asked| asked == name, |_| text.to_owned());
            let found: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
            assert_eq!(found, Vec::from_iter(expected), "{name}: {text}");
        }
    }
}
