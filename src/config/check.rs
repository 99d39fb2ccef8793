//! From the shape of `hephy.yaml` to its meaning: every value checked, every fault with its place and a hint.

mod program;
mod sbom;

use super::definition::Definition;
use super::file::{ComponentFile, EnvironmentFile, File, Labels, Lines};
use super::source::{Source, hint, nearest, plain, spot};
use super::{BaseImages, Config, ConfigError, Environment, Spot, Wait};
use crate::component::{Backend, Component, Name, Recipe, Rules};
use crate::platform::{self, Platform};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::time::Duration;

impl Source<'_> {
    /// Reads and checks the whole of `hephy.yaml`: the components that it lists, and everything else.
    pub(super) fn read(&self) -> Result<(Config, Vec<Definition>), ConfigError> {
        let file: File = self.shape()?;
        if let Some(version) = file.version.as_ref().filter(|version| version.value != 1) {
            return Err(self.fault(
                spot(version),
                format!("version {} is unknown", version.value),
                hint("write `version: 1`"),
            ));
        }
        let components = self.components(&file.components)?;
        self.globs(&file.ignore)?;
        let config = Config {
            components: vec![],
            file: None,
            manifests: None,
            warnings: vec![],
            ignore: file.ignore.into_iter().map(|glob| glob.value).collect(),
            registry: file.registry.as_ref().map(|text| self.parse(text)).transpose()?,
            runners: self.runners(&file.runners)?,
            base_images: file
                .base_images
                .as_ref()
                .map(|text| self.base_images(text))
                .transpose()?
                .unwrap_or_default(),
            attest: file.attest.as_ref().map(|text| self.parse(text)).transpose()?,
            pins: BTreeMap::new(),
            builder: self.builder(file.builder)?,
            environments: self.environments(file.environments)?,
            wait: Wait {
                timeout: file.wait.timeout.as_ref().map(|text| self.duration(text)).transpose()?,
                settle: file.wait.settle.as_ref().map(|text| self.duration(text)).transpose()?,
            },
            rules: rules(file.tags, file.flavor, file.labels, file.annotations),
        };
        Ok((config, components))
    }

    fn components(
        &self,
        files: &BTreeMap<String, Spanned<ComponentFile>>,
    ) -> Result<Vec<Definition>, ConfigError> {
        let components =
            files.iter().map(|(name, file)| self.component(name, file)).collect::<Result<Vec<_>, _>>()?;
        let mut needs = vec![];
        for (name, file) in files {
            for need in &file.value.needs {
                if !files.contains_key(&need.value) {
                    let problem = format!("`{name}` needs `{}`, which is not a component", need.value);
                    return Err(self.fault(spot(need), problem, nearest(&need.value, files.keys())));
                }
                needs.push((
                    self.parse(&Spanned::new(name.clone(), need.referenced, need.defined))?,
                    self.parse(need)?,
                    spot(need),
                ));
            }
        }
        ensure_no_cycle(self, &components, &needs)?;
        Ok(components)
    }

    fn component(&self, name: &str, file: &Spanned<ComponentFile>) -> Result<Definition, ConfigError> {
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
            origin: self.place(place),
            backend: keys.backend.as_ref().map(|text| self.backend(text)).transpose()?,
            platforms,
            watch: keys.watch.iter().map(|glob| glob.value.clone()).collect(),
            is_workspace_package: keys
                .inputs
                .as_ref()
                .map(|inputs| self.inputs(inputs))
                .transpose()?
                .is_some(),
            image: keys.image.as_ref().map(|text| self.parse(text)).transpose()?,
            aliases: vec![],
            needs: keys.needs.iter().map(|text| self.parse(text)).collect::<Result<_, _>>()?,
            fail_fast: keys.fail_fast.unwrap_or(true),
            recipe: self.recipe(keys, &path)?,
            dockerfile_variants: vec![],
            path,
            rules: rules(
                keys.tags.clone(),
                keys.flavor.clone(),
                keys.labels.clone(),
                keys.annotations.clone(),
            ),
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
        Ok(Definition { component, places: self.places(keys) })
    }

    /// Accepts the only word that says something of the inputs.
    fn inputs(&self, text: &Spanned<String>) -> Result<(), ConfigError> {
        if text.value == "workspace" {
            return Ok(());
        }
        let problem = format!("`inputs: {}` is unknown, expected `workspace`", text.value);
        Err(self.fault(spot(text), problem, hint("remove it: inputs are then what the build reads")))
    }

    fn places(&self, keys: &ComponentFile) -> BTreeMap<&'static str, String> {
        let places = [
            ("path", keys.path.as_ref().map(spot)),
            ("backend", keys.backend.as_ref().map(spot)),
            ("platforms", keys.platforms.iter().flatten().next().map(spot)),
            ("image", keys.image.as_ref().map(spot)),
            ("dockerfile", keys.dockerfile.as_ref().map(spot)),
            ("context", keys.context.as_ref().map(spot)),
            ("target", keys.target.as_ref().map(spot)),
            ("build-args", keys.build_args.values().next().map(spot)),
        ];
        places.into_iter().filter_map(|(key, spot)| Some((key, self.place(spot?)))).collect()
    }

    /// How the component in the folder `path` is built.
    fn recipe(&self, keys: &ComponentFile, path: &str) -> Result<Recipe, ConfigError> {
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
        let recipe = Recipe {
            dockerfile: keys.dockerfile.as_ref().map(|path| path.value.clone()),
            context: keys.context.as_ref().map(|folder| self.folder_from(path, folder)).transpose()?,
            target: keys.target.as_ref().map(|stage| stage.value.clone()),
            build_args: keys.build_args.iter().map(|(key, text)| (key.clone(), text.value.clone())).collect(),
            bin: keys.bin.clone(),
            prebuilt,
            sbom: keys.sbom.as_ref().map(|file| self.sbom(file)).transpose()?,
            ..Recipe::default()
        };
        self.program(keys, recipe)
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

    pub(super) fn duration(&self, text: &Spanned<String>) -> Result<Duration, ConfigError> {
        let read = text.value.parse::<jiff::SignedDuration>().ok().and_then(|read| read.try_into().ok());
        read.ok_or_else(|| {
            self.fault(
                spot(text),
                format!("read duration `{}`", text.value),
                hint("write it like `10m` or `90s`"),
            )
        })
    }
}

/// Refuses components that need each other in a circle. Each of `needs` says who needs whom, and where it is said.
pub(super) fn ensure_no_cycle(
    source: &Source<'_>,
    components: &[Definition],
    needs: &[(Name, Name, Spot)],
) -> Result<(), ConfigError> {
    for (name, need, spot) in needs {
        if let Some(cycle) = cycle_through(need.as_str(), name.as_str(), components) {
            let problem = format!("components need each other in a circle: {name} -> {}", cycle.join(" -> "));
            return Err(source.fault(*spot, problem, hint("remove one of these `needs`")));
        }
    }
    Ok(())
}

fn rules(tags: Lines, flavor: Lines, labels: Lines, annotations: Lines) -> Rules {
    Rules { tags: tags.0, flavor: flavor.0, labels: labels.0, annotations: annotations.0 }
}

/// The path from `from` back to `target` along `needs`, if there is one.
fn cycle_through(from: &str, target: &str, components: &[Definition]) -> Option<Vec<String>> {
    let mut paths = vec![vec![from.to_owned()]];
    let mut seen = std::collections::BTreeSet::from([from.to_owned()]);
    while let Some(path) = paths.pop() {
        let last = path.last()?;
        if last == target {
            return Some(path);
        }
        let component = components.iter().find(|definition| definition.component.name.as_str() == last);
        for need in component.iter().flat_map(|definition| &definition.component.needs) {
            if need.as_str() == target || seen.insert(need.to_string()) {
                paths.push([path.as_slice(), &[need.to_string()]].concat());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
