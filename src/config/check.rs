//! From the shape of `hephy.yaml` to its meaning: every value checked, every fault with its place and a hint.

pub(crate) mod pins;

use super::file::{ComponentFile, EnvironmentFile, File, Labels};
use super::{BaseImages, Config, ConfigError, Environment, Spot, Wait};
use crate::component::{Backend, Component, Name, Recipe};
use crate::platform::{self, Platform};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// A configuration file with its text, which errors quote.
pub(super) struct Source<'a> {
    pub(super) file: String,
    pub(super) text: &'a str,
    pub(super) root: &'a Path,
}

impl Source<'_> {
    /// Reads and checks the whole file. An empty file is a valid one: every key is optional.
    pub(super) fn read(&self) -> Result<Config, ConfigError> {
        let file = if self.is_empty() {
            File::default()
        } else {
            serde_saphyr::from_str(self.text).map_err(|error| self.syntax(error.without_snippet()))?
        };
        if let Some(version) = file.version.as_ref().filter(|version| version.value != 1) {
            return Err(self.fault(
                spot(version),
                format!("version {} is unknown", version.value),
                hint("write `version: 1`"),
            ));
        }
        let components = self.components(&file.components)?;
        self.globs(&file.ignore)?;
        Ok(Config {
            file: None,
            components,
            ignore: file.ignore.into_iter().map(|glob| glob.value).collect(),
            registry: file.registry.as_ref().map(|text| self.parse(text)).transpose()?,
            runners: self.runners(&file.runners)?,
            base_images: file
                .base_images
                .as_ref()
                .map(|text| self.base_images(text))
                .transpose()?
                .unwrap_or_default(),
            pins: BTreeMap::new(),
            environments: self.environments(file.environments)?,
            wait: Wait {
                timeout: file.wait.timeout.as_ref().map(|text| self.duration(text)).transpose()?,
                settle: file.wait.settle.as_ref().map(|text| self.duration(text)).transpose()?,
            },
        })
    }

    fn is_empty(&self) -> bool {
        self.text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'))
    }

    fn components(
        &self,
        files: &BTreeMap<String, Spanned<ComponentFile>>,
    ) -> Result<Vec<Component>, ConfigError> {
        let components =
            files.iter().map(|(name, file)| self.component(name, file)).collect::<Result<Vec<_>, _>>()?;
        for (name, file) in files {
            for need in &file.value.needs {
                if !files.contains_key(&need.value) {
                    let problem = format!("`{name}` needs `{}`, which is not a component", need.value);
                    return Err(self.fault(spot(need), problem, nearest(&need.value, files.keys())));
                }
                if let Some(cycle) = cycle_through(&need.value, name, &components) {
                    let problem =
                        format!("components need each other in a circle: {name} -> {}", cycle.join(" -> "));
                    return Err(self.fault(spot(need), problem, hint("remove one of these `needs`")));
                }
            }
        }
        Ok(components)
    }

    fn component(&self, name: &str, file: &Spanned<ComponentFile>) -> Result<Component, ConfigError> {
        let place = spot(file);
        let name: Name = name.parse().map_err(|error| self.fault(place, plain(&error), hint("rename it")))?;
        let keys = &file.value;
        let path = match &keys.path {
            Some(path) => self.folder(path)?,
            None => self.folder(&Spanned::new(name.to_string(), file.referenced, file.defined))?,
        };
        let platforms =
            keys.platforms.iter().flatten().map(|text| self.parse(text)).collect::<Result<_, _>>()?;
        self.globs(&keys.watch)?;
        let component = Component {
            path,
            origin: format!("{}:{}", self.file, place.line),
            backend: keys.backend.as_ref().map(|text| self.backend(text)).transpose()?,
            platforms,
            watch: keys.watch.iter().map(|glob| glob.value.clone()).collect(),
            image: keys.image.as_ref().map(|text| self.parse(text)).transpose()?,
            needs: keys.needs.iter().map(|text| self.parse(text)).collect::<Result<_, _>>()?,
            fail_fast: keys.fail_fast.unwrap_or(true),
            recipe: self.recipe(keys)?,
            name,
        };
        if let Some(dockerfile) = keys.dockerfile.as_ref()
            && !self.root.join(&component.path).join(&dockerfile.value).is_file()
        {
            let problem = format!("the file `{}` does not exist in `{}`", dockerfile.value, component.path);
            return Err(self.fault(spot(dockerfile), problem, None));
        }
        if component.backend == Some(Backend::Prebuilt) && component.recipe.prebuilt.is_empty() {
            let problem = format!("`{}` is prebuilt, but no file is named", component.name);
            return Err(self.fault(place, problem, hint("add `prebuilt: {linux/amd64: path/to/program}`")));
        }
        Ok(component)
    }

    fn recipe(&self, keys: &ComponentFile) -> Result<Recipe, ConfigError> {
        let mut prebuilt = BTreeMap::new();
        for (text, path) in &keys.prebuilt {
            let platform: Platform =
                text.parse().map_err(|error| self.fault(spot(path), plain(&error), None))?;
            self.inside(path)?;
            prebuilt.insert(platform, path.value.clone());
        }
        if let Some(dockerfile) = &keys.dockerfile {
            self.inside(dockerfile)?;
        }
        Ok(Recipe {
            dockerfile: keys.dockerfile.as_ref().map(|path| path.value.clone()),
            build_args: keys.build_args.clone(),
            bin: keys.bin.clone(),
            prebuilt,
        })
    }

    fn runners(
        &self,
        files: &BTreeMap<String, Spanned<Labels>>,
    ) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
        let mut runners = BTreeMap::new();
        for (text, labels) in files {
            let prefix = match text.as_str() {
                "default" => Ok(text.clone()),
                text => platform::prefix(text),
            };
            let way_out = hint("write `default`, or a platform or its front part such as `linux/arm64`");
            let prefix = prefix.map_err(|error| self.fault(spot(labels), plain(&error), way_out))?;
            let Labels(names) = &labels.value;
            if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
                let problem = format!("`{text}` has no runner label");
                return Err(self.fault(spot(labels), problem, hint("name the label of a machine")));
            }
            if runners.insert(prefix.clone(), names.clone()).is_some() {
                let problem = format!("`{prefix}` stands here a second time, written in another way");
                return Err(self.fault(spot(labels), problem, hint("remove one of them")));
            }
        }
        Ok(runners)
    }

    fn environments(
        &self,
        files: BTreeMap<String, EnvironmentFile>,
    ) -> Result<BTreeMap<String, Environment>, ConfigError> {
        let mut environments = BTreeMap::new();
        for (name, file) in files {
            if let Some(via) = file.deploy.via.filter(|via| via.value != "apply") {
                let problem = format!("`{name}` deploys via `{}`, which this version cannot", via.value);
                return Err(self.fault(spot(&via), problem, hint("write `via: apply`")));
            }
            environments.insert(name, Environment { context: file.context, namespace: file.namespace });
        }
        Ok(environments)
    }

    /// A folder that exists inside the repository, as a path from its root; the root is the empty path.
    fn folder(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        self.inside(text)?;
        let parts: Vec<&str> = text.value.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let path = parts.join("/");
        let folder = self.root.join(&path);
        if !folder.is_dir() {
            return Err(self.fault(spot(text), format!("the folder `{}` does not exist", text.value), None));
        }
        // Git knows the link and not what lies behind it, so a change there would go unnoticed.
        let real = self.root.canonicalize().and_then(|root| Ok(folder.canonicalize()? == root.join(&path)));
        match real {
            Ok(true) => Ok(path),
            _ => {
                let problem = format!("the folder `{}` is behind a symbolic link", text.value);
                Err(self.fault(spot(text), problem, hint("write the path that the link leads to")))
            }
        }
    }

    fn inside(&self, text: &Spanned<String>) -> Result<(), ConfigError> {
        let leaves = text.value.starts_with('/') || text.value.split('/').any(|part| part == "..");
        let problem = || format!("`{}` leads out of the repository", text.value);
        if leaves { Err(self.fault(spot(text), problem(), hint("write a path below it"))) } else { Ok(()) }
    }

    fn globs(&self, globs: &[Spanned<String>]) -> Result<(), ConfigError> {
        globs.iter().try_for_each(|glob| match globset::Glob::new(&glob.value) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(self.fault(spot(glob), format!("read glob `{}`: {}", glob.value, error.kind()), None))
            }
        })
    }

    fn backend(&self, text: &Spanned<String>) -> Result<Backend, ConfigError> {
        let known = Backend::ALL.map(Backend::as_str);
        let found = Backend::ALL.into_iter().find(|backend| backend.as_str() == text.value);
        let problem = || format!("backend `{}` is unknown, expected one of {}", text.value, known.join(", "));
        found.ok_or_else(|| self.fault(spot(text), problem(), nearest(&text.value, known)))
    }

    fn base_images(&self, text: &Spanned<String>) -> Result<BaseImages, ConfigError> {
        match text.value.as_str() {
            "follow" => Ok(BaseImages::Follow),
            "pin" => Ok(BaseImages::Pin),
            "offline" => Ok(BaseImages::Offline),
            other => {
                let known = ["follow", "pin", "offline"];
                let problem =
                    format!("`base-images: {other}` is unknown, expected one of {}", known.join(", "));
                Err(self.fault(spot(text), problem, nearest(other, known)))
            }
        }
    }

    fn duration(&self, text: &Spanned<String>) -> Result<Duration, ConfigError> {
        let read = text.value.parse::<jiff::SignedDuration>().ok().and_then(|read| read.try_into().ok());
        read.ok_or_else(|| {
            self.fault(
                spot(text),
                format!("read duration `{}`", text.value),
                hint("write it like `10m` or `90s`"),
            )
        })
    }

    fn parse<T: FromStr<Err: std::fmt::Display>>(&self, text: &Spanned<String>) -> Result<T, ConfigError> {
        text.value.parse().map_err(|error: T::Err| self.fault(spot(text), plain(&error), None))
    }

    fn syntax(&self, error: &serde_saphyr::Error) -> ConfigError {
        let place = error.location().map_or(Spot { line: 1, column: 1 }, |location| place(&location));
        match error {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let known = format!("unknown key `{field}`, expected one of {}", expected.join(", "));
                self.fault(place, known, nearest(field, expected))
            }
            serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
                let problem = format!("`{}` stands here a second time", key.as_deref().unwrap_or("a key"));
                self.fault(place, problem, hint("remove or rename one of them"))
            }
            other => {
                let text = other.to_string();
                self.fault(place, in_words(text.split(" at line ").next().unwrap_or(&text)), None)
            }
        }
    }

    fn fault(&self, spot: Spot, problem: impl Into<String>, hint: Option<String>) -> ConfigError {
        let line =
            usize::try_from(spot.line).ok().and_then(|line| self.text.lines().nth(line.saturating_sub(1)));
        let caret = " ".repeat(usize::try_from(spot.column.saturating_sub(1)).unwrap_or(0));
        let number = spot.line.to_string();
        let margin = " ".repeat(number.len());
        ConfigError::At {
            file: self.file.clone(),
            spot,
            problem: problem.into(),
            excerpt: format!("{number} | {}\n{margin} | {caret}^", line.unwrap_or_default()),
            hint,
        }
    }
}

/// What to do about a fault.
fn hint(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// "did you mean", if anything known is near enough.
pub(super) fn nearest<T: AsRef<str>>(text: &str, known: impl IntoIterator<Item = T>) -> Option<String> {
    let scored = known.into_iter().map(|word| (strsim::jaro_winkler(text, word.as_ref()), word));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0)).filter(|(score, _)| *score > 0.7);
    best.map(|(_, word)| format!("did you mean `{}`?", word.as_ref()))
}

/// The path from `from` back to `target` along `needs`, if there is one.
fn cycle_through(from: &str, target: &str, components: &[Component]) -> Option<Vec<String>> {
    let mut paths = vec![vec![from.to_owned()]];
    let mut seen = std::collections::BTreeSet::from([from.to_owned()]);
    while let Some(path) = paths.pop() {
        let last = path.last()?;
        if last == target {
            return Some(path);
        }
        let component = components.iter().find(|component| component.name.as_str() == last);
        for need in component.iter().flat_map(|component| &component.needs) {
            if need.as_str() == target || seen.insert(need.to_string()) {
                paths.push([path.as_slice(), &[need.to_string()]].concat());
            }
        }
    }
    None
}

/// The reader speaks of its own events; people write lists and texts.
fn in_words(problem: &str) -> &str {
    match problem {
        "expected sequence start" => "expected a list, for example `[a, b]`",
        "expected mapping start" => "expected keys with values, for example `key: value`",
        "expected string scalar" => "expected a text",
        other => other,
    }
}

fn plain(error: &impl std::fmt::Display) -> String {
    error.to_string()
}

fn spot<T>(value: &Spanned<T>) -> Spot {
    place(&value.referenced)
}

fn place(location: &Location) -> Spot {
    Spot { line: location.line(), column: location.column() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let source = Source { file: "hephy.yaml".into(), text, root: Path::new(env!("CARGO_MANIFEST_DIR")) };
        source.read().map_err(|error| match error {
            ConfigError::At { ref hint, .. } => {
                format!("{error}{}", hint.iter().map(|hint| format!("; {hint}")).collect::<String>())
            }
            other => other.to_string(),
        })
    }

    #[test]
    fn every_key_is_optional() {
        assert!(read("").expect("empty").components.is_empty());
        assert!(read("# only a comment\n").expect("comment").components.is_empty());
        let config =
            read("version: 1\ncomponents:\n  src: {}\nwait: {timeout: 10m, settle: 5s}\n").expect("valid");
        assert_eq!(config.components[0].path, "src");
        assert_eq!(config.components[0].origin, "hephy.yaml:3");
        assert_eq!(config.wait.timeout, Some(Duration::from_secs(600)));
    }

    #[test]
    fn faults_name_their_place_and_a_way_out() {
        for (text, expected) in [
            (
                "componets: {}",
                "`hephy.yaml:1:1`: unknown key `componets`, expected one of version, components, ignore, registry, base-images, runners, environments, wait; did you mean `components`?",
            ),
            (
                "components:\n  api: {pth: src}",
                "`hephy.yaml:2:9`: unknown key `pth`, expected one of path, backend, platforms, watch, image, needs, fail-fast, dockerfile, build-args, bin, prebuilt; did you mean `path`?",
            ),
            ("components: [api]", "`hephy.yaml:1:13`: expected keys with values, for example `key: value`"),
            ("version: 2", "`hephy.yaml:1:10`: version 2 is unknown; write `version: 1`"),
            (
                "components:\n  a: {path: src}\n  a: {path: src}",
                "`hephy.yaml:3:3`: `a` stands here a second time; remove or rename one of them",
            ),
            ("components:\n  a: {path: nowhere}", "`hephy.yaml:2:13`: the folder `nowhere` does not exist"),
            (
                "components:\n  a: {path: ../x}",
                "`hephy.yaml:2:13`: `../x` leads out of the repository; write a path below it",
            ),
            (
                "components:\n  a: {path: src, backend: carg}",
                "`hephy.yaml:2:27`: backend `carg` is unknown, expected one of cargo, prebuilt, buildah; did you mean `cargo`?",
            ),
            (
                "components:\n  a: {path: src, platforms: [linux/z80]}",
                "`hephy.yaml:2:30`: read platform `linux/z80`",
            ),
            (
                "components:\n  a: {path: src, needs: [b]}\n  b: {path: src, needs: [a]}",
                "`hephy.yaml:2:26`: components need each other in a circle: a -> b -> a; remove one of these `needs`",
            ),
            (
                "components:\n  a: {path: src, needs: [c]}",
                "`hephy.yaml:2:26`: `a` needs `c`, which is not a component",
            ),
            (
                "components:\n  a: {path: src, backend: prebuilt}",
                "`hephy.yaml:2:6`: `a` is prebuilt, but no file is named; add `prebuilt: {linux/amd64: path/to/program}`",
            ),
            (
                "wait: {timeout: soon}",
                "`hephy.yaml:1:17`: read duration `soon`; write it like `10m` or `90s`",
            ),
            (
                "environments:\n  prod: {deploy: {via: helm}}",
                "`hephy.yaml:2:24`: `prod` deploys via `helm`, which this version cannot; write `via: apply`",
            ),
        ] {
            assert_eq!(read(text).expect_err(text), expected);
        }
    }

    #[test]
    fn runners_are_named_by_platforms() {
        let config = read("runners: {default: small, arm64: [big, arm]}").expect("valid");
        assert_eq!(config.runners["linux/arm64"], ["big", "arm"]);
        assert_eq!(config.runners["default"], ["small"]);
        for (text, expected) in [
            (
                "runners: {linux/z80: big}",
                "`hephy.yaml:1:22`: read platform `linux/z80`; write `default`, or a platform or its front part such as `linux/arm64`",
            ),
            (
                "runners: {arm64: []}",
                "`hephy.yaml:1:18`: `arm64` has no runner label; name the label of a machine",
            ),
            (
                "runners: {arm64: a, linux/arm64: b}",
                "`hephy.yaml:1:34`: `linux/arm64` stands here a second time, written in another way; remove one of them",
            ),
            (
                "runners: {arm64: {a: b}}",
                "`hephy.yaml:1:18`: invalid type: map, expected a label, or a list of labels",
            ),
        ] {
            assert_eq!(read(text).expect_err(text), expected);
        }
    }

    #[test]
    fn the_excerpt_points_at_the_fault() {
        let source = Source { file: "hephy.yaml".into(), text: "version: 1\nfoo: 2\n", root: Path::new("/") };
        let Err(ConfigError::At { excerpt, .. }) = source.read() else { panic!("a fault") };
        assert_eq!(excerpt, "2 | foo: 2\n  | ^");
    }
}
