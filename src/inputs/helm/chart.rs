//! `Chart.yaml`: who a chart is, what it depends on, and what its artifact says about it (Helm, "The Chart.yaml file").

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A chart, as far as its package says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chart {
    pub(crate) name: String,
    pub(crate) version: String,
    app_version: Option<String>,
    description: Option<String>,
    home: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    maintainers: Vec<Maintainer>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
    /// The whole file as JSON: the configuration of the artifact.
    #[serde(skip)]
    json: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Maintainer {
    name: Option<String>,
    email: Option<String>,
}

/// A chart that this one needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

impl Chart {
    /// Reads the file; the error is a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let words = |error: serde_saphyr::Error| error.without_snippet().to_string();
        let chart: Self = serde_saphyr::from_str(text).map_err(words)?;
        let mut json: Value = serde_saphyr::from_str(text).map_err(words)?;
        if chart.name.is_empty() || chart.name.contains('/') || chart.version.is_empty() {
            return Err("it wants a `name` without `/` and a `version`".to_owned());
        }
        // What looks like a number in YAML is a text all the same.
        let texts = [
            ("name", Some(&chart.name)),
            ("version", Some(&chart.version)),
            ("appVersion", chart.app_version.as_ref()),
        ];
        for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
            json[key] = Value::String(text.clone());
        }
        Ok(Self { json, ..chart })
    }

    /// The tag under which Helm looks for this version: tags have no `+`.
    pub(crate) fn tag(&self) -> String {
        self.version.replace('+', "_")
    }

    /// The configuration of the artifact.
    pub(crate) fn configuration(&self) -> Vec<u8> {
        self.json.to_string().into_bytes()
    }

    /// The annotations that Helm gives to the manifest. `created` is a date of RFC 3339.
    pub(crate) fn annotations(&self, created: String) -> BTreeMap<String, String> {
        let person = |Maintainer { name, email }: &Maintainer| {
            let email = email.as_ref().map(|email| format!(" ({email})"));
            format!("{}{}", name.as_deref().unwrap_or_default(), email.unwrap_or_default())
        };
        let authors: Vec<String> = self.maintainers.iter().map(person).collect();
        let own = [
            ("description", self.description.clone()),
            ("url", self.home.clone()),
            ("created", Some(created)),
            ("source", self.sources.first().cloned()),
            ("authors", Some(authors.join(", "))),
        ];
        let fixed = [("title", Some(self.name.clone())), ("version", Some(self.version.clone()))];
        let named = |(key, text): (&str, Option<String>)| {
            Some((format!("org.opencontainers.image.{key}"), text.filter(|text| !text.trim().is_empty())?))
        };
        let mut annotations: BTreeMap<String, String> = own.into_iter().filter_map(named).collect();
        annotations.extend(self.annotations.clone());
        annotations.extend(fixed.into_iter().filter_map(named));
        annotations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_says_who_it_is() {
        let text = "apiVersion: v2\nname: shop\nversion: 1.2.3+build.4\nappVersion: 1.10\ndescription: Sells\n\
            sources: [https://a, https://b]\nmaintainers: [{name: Ann, email: a@b}, {name: Bob}]\n\
            annotations: {org.opencontainers.image.title: other, category: Shop}\n\
            dependencies: [{name: redis, version: 1.x, repository: https://x}]\n";
        let chart = Chart::read(text).expect("valid");
        assert_eq!((chart.tag().as_str(), chart.dependencies[0].name.as_str()), ("1.2.3_build.4", "redis"));
        let configuration: Value = serde_json::from_slice(&chart.configuration()).expect("JSON");
        assert_eq!(configuration["appVersion"], "1.10");
        assert_eq!(configuration["dependencies"][0]["repository"], "https://x");
        let annotations = chart.annotations("2026-01-02T03:04:05Z".to_owned());
        let lines: Vec<String> = annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            lines,
            [
                "category=Shop",
                "org.opencontainers.image.authors=Ann (a@b), Bob",
                "org.opencontainers.image.created=2026-01-02T03:04:05Z",
                "org.opencontainers.image.description=Sells",
                "org.opencontainers.image.source=https://a",
                "org.opencontainers.image.title=shop",
                "org.opencontainers.image.version=1.2.3+build.4",
            ]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "name: a\n", "name: a/b\nversion: 1.0.0\n", "- a\n", "name: ''\nversion: 1.0.0\n"] {
            assert!(Chart::read(text).is_err(), "{text}");
        }
    }
}
