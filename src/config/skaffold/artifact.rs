//! From the artifacts of `skaffold.yaml` to components.

use super::super::ConfigError;
use super::super::Spot;
use super::super::check::ensure_no_cycle;
use super::super::definition::{Definition, plain};
use super::super::source::{Source, hint, led_from, nearest, spot};
use super::ensure_plain;
use super::file::{ArtifactFile, BuildFile, DependenciesFile, DockerFile};
use crate::component::{Backend, Component, Name, Recipe};
use crate::image::Repository;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// The components that the artifacts define, in their order.
pub(super) fn definitions(source: &Source<'_>, build: &BuildFile) -> Result<Vec<Definition>, ConfigError> {
    let mut definitions = vec![];
    let mut names: BTreeMap<&str, Name> = BTreeMap::new();
    for artifact in &build.artifacts {
        let reader = Reader { source, artifact: &artifact.value };
        let definition = reader.definition(build, spot(artifact))?;
        names.insert(&artifact.value.image.value, definition.component.name.clone());
        definitions.push(definition);
    }
    let mut needs = vec![];
    for (artifact, definition) in build.artifacts.iter().zip(&mut definitions) {
        for required in &artifact.value.requires {
            let Some(name) = names.get(required.image.value.as_str()) else {
                let problem = format!("`{}` is required, and no artifact makes it", required.image.value);
                return Err(source.fault(
                    spot(&required.image),
                    problem,
                    nearest(&required.image.value, names.keys()),
                ));
            };
            definition.component.needs.push(name.clone());
            needs.push((definition.component.name.clone(), name.clone(), spot(&required.image)));
        }
    }
    ensure_no_cycle(source, &definitions, &needs)?;
    Ok(definitions)
}

struct Reader<'a> {
    source: &'a Source<'a>,
    artifact: &'a ArtifactFile,
}

impl Reader<'_> {
    fn definition(&self, build: &BuildFile, place: Spot) -> Result<Definition, ConfigError> {
        self.refuse()?;
        let artifact = self.artifact;
        let platforms = artifact.platforms.as_ref().or(build.platforms.as_ref());
        let (name, image, aliases) = self.image()?;
        let (path, recipe) = self.folder_and_recipe()?;
        let component = Component {
            backend: self.backend()?,
            platforms: platforms
                .into_iter()
                .flatten()
                .map(|text| self.source.parse(text))
                .collect::<Result<_, _>>()?,
            watch: self.watch()?,
            image,
            aliases,
            recipe,
            ..Component::new(name, path, self.source.place(place))
        };
        let docker = artifact.docker.as_ref().map(|docker| &docker.value);
        let places = [
            ("path", artifact.context.as_ref().map(spot)),
            ("context", artifact.context.as_ref().map(spot)),
            ("platforms", platforms.into_iter().flatten().next().map(spot)),
            ("image", Some(spot(&artifact.image))),
            ("dockerfile", docker.and_then(|docker| docker.dockerfile.as_ref()).map(spot)),
            ("target", docker.and_then(|docker| docker.target.as_ref()).map(spot)),
            ("build-args", docker.and_then(|docker| docker.build_args.values().flatten().next()).map(spot)),
        ];
        let places = places.into_iter().filter_map(|(key, spot)| Some((key, self.source.place(spot?))));
        Ok(Definition { component, places: places.collect() })
    }

    /// The name of the component, its repository where one with a host is named, and what manifests call it.
    fn image(&self) -> Result<(Name, Option<Repository>, Vec<String>), ConfigError> {
        let text = &self.artifact.image;
        ensure_plain(self.source, text)?;
        let repository: Repository = self.source.parse(text)?;
        let last = repository.path.rsplit('/').next().unwrap_or_default();
        let name = Name::from_folder(last).map_err(|error| {
            self.source.fault(spot(text), error.to_string(), hint("name the component in hephy.yaml"))
        })?;
        Ok((name, Some(repository).filter(|repository| repository.host.is_some()), vec![text.value.clone()]))
    }

    /// The folder of the component, and what is said about its Dockerfile.
    fn folder_and_recipe(&self) -> Result<(String, Recipe), ConfigError> {
        let context = self.artifact.context.as_ref().map(|folder| {
            ensure_plain(self.source, folder)?;
            self.source.folder(folder)
        });
        let context = context.transpose()?.unwrap_or_default();
        if self.artifact.ko.is_some() || self.artifact.buildpacks.is_some() {
            return Ok((context, Recipe::default()));
        }
        let default = DockerFile::default();
        let docker = self.artifact.docker.as_ref().map_or(&default, |docker| &docker.value);
        let dockerfile = self.dockerfile(docker, &context)?;
        let (folder, name) = dockerfile.rsplit_once('/').unwrap_or(("", &dockerfile));
        let recipe = Recipe {
            dockerfile: Some(name.to_owned()),
            context: Some(context.clone()).filter(|context| context != folder),
            target: docker
                .target
                .as_ref()
                .map(|stage| {
                    ensure_plain(self.source, stage)?;
                    Ok(stage.value.clone())
                })
                .transpose()?,
            build_args: self.build_args(docker, &dockerfile)?,
            ..Recipe::default()
        };
        Ok((folder.to_owned(), recipe))
    }

    /// The Dockerfile as a path from the root: Skaffold looks for it in the context, then beside its own file.
    fn dockerfile(&self, docker: &DockerFile, context: &str) -> Result<String, ConfigError> {
        let place = docker.dockerfile.as_ref().map_or_else(|| spot(&self.artifact.image), spot);
        let name = docker.dockerfile.as_ref().map_or("Dockerfile", |name| &name.value);
        if let Some(name) = &docker.dockerfile {
            ensure_plain(self.source, name)?;
        }
        // Only a name that somebody wrote is looked for beside `skaffold.yaml` too.
        let folders = [Some(context), docker.dockerfile.as_ref().map(|_| "")].into_iter().flatten();
        let mut found = folders.filter_map(|folder| led_from(folder, name));
        found.find(|path| self.source.root.join(path).is_file()).ok_or_else(|| {
            let problem =
                format!("the Dockerfile `{name}` is not in the context of `{}`", self.artifact.image.value);
            self.source.fault(place, problem, hint("correct `docker.dockerfile` or `context`"))
        })
    }

    fn build_args(
        &self,
        docker: &DockerFile,
        dockerfile: &str,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut arguments = BTreeMap::new();
        for (name, value) in &docker.build_args {
            let Some(value) = value else {
                let problem =
                    format!("the build argument `{name}` has no value: it would be that of the environment");
                return Err(self.source.fault(spot(&self.artifact.image), problem, hint("write its value")));
            };
            ensure_plain(self.source, value)?;
            arguments.insert(name.clone(), value.value.clone());
        }
        // Skaffold hands the image of a required artifact to the build. Without it the Dockerfile's default would be used.
        let text = std::fs::read_to_string(self.source.root.join(dockerfile)).unwrap_or_default();
        for required in &self.artifact.requires {
            let alias = required.alias.as_ref().unwrap_or(&required.image);
            if declares(&text, &alias.value) {
                let problem = format!(
                    "`{dockerfile}` is built on the image of `{}` through `ARG {}`, which hephy does not set",
                    required.image.value, alias.value
                );
                let way_out = hint("make it a stage of the same Dockerfile");
                return Err(self.source.fault(spot(alias), problem, way_out));
            }
        }
        Ok(arguments)
    }

    fn backend(&self) -> Result<Option<Backend>, ConfigError> {
        let artifact = self.artifact;
        let named =
            [("ko", artifact.ko.as_ref().map(spot)), ("buildpacks", artifact.buildpacks.as_ref().map(spot))];
        let Some((name, place)) = named.into_iter().find_map(|(name, spot)| Some((name, spot?))) else {
            return Ok(Some(Backend::Buildah));
        };
        let known = Backend::ALL.into_iter().find(|backend| backend.as_str() == name);
        known.map(Some).ok_or_else(|| {
            self.refused(
                place,
                name,
                "this version has no backend for it",
                "name the component in hephy.yaml",
            )
        })
    }

    /// Files that the build reads, as globs from the root.
    fn watch(&self) -> Result<Vec<String>, ConfigError> {
        let ko = self.artifact.ko.iter().filter_map(|ko| ko.value.dependencies.as_ref());
        let buildpacks = self.artifact.buildpacks.iter().filter_map(|file| file.value.dependencies.as_ref());
        let paths = ko.chain(buildpacks).flat_map(|dependencies: &DependenciesFile| &dependencies.paths);
        let context = self.artifact.context.as_ref().map_or(String::new(), |folder| plain(&folder.value));
        let glob = |path: &Spanned<String>| {
            ensure_plain(self.source, path)?;
            self.source.inside(path)?;
            self.source.globs(std::slice::from_ref(path))?;
            let path = plain(&path.value);
            Ok(if context.is_empty() { path } else { format!("{context}/{path}") })
        };
        paths.map(glob).collect()
    }

    /// What hephy does not do: to pass over it would build something else.
    fn refuse(&self) -> Result<(), ConfigError> {
        let artifact = self.artifact;
        let docker = artifact.docker.as_ref().map(|docker| &docker.value);
        let ko = artifact.ko.as_ref().map(|ko| &ko.value);
        let packs = artifact.buildpacks.as_ref().map(|buildpacks| &buildpacks.value);
        let in_hephy = "name the component in hephy.yaml";
        let of_ko = "write it into `.ko.yaml`, which ko reads, and remove it here";
        let of_packs = "write it into `project.toml`, which the buildpacks read, and remove it here";
        for (key, place, way_out) in [
            ("custom", artifact.custom.as_ref().map(spot), in_hephy),
            ("bazel", artifact.bazel.as_ref().map(spot), in_hephy),
            ("jib", artifact.jib.as_ref().map(spot), in_hephy),
            ("kaniko", artifact.kaniko.as_ref().map(spot), "write `docker` in its place"),
            ("hooks", artifact.hooks.as_ref().map(spot), "do it in the Dockerfile"),
            ("docker.network", docker.and_then(|docker| docker.network.as_ref()).map(spot), "remove it"),
            ("docker.addHost", docker.and_then(|docker| docker.add_host.as_ref()).map(spot), "remove it"),
            ("docker.secrets", docker.and_then(|docker| docker.secrets.as_ref()).map(spot), "remove it"),
            ("docker.ssh", docker.and_then(|docker| docker.ssh.as_ref()).map(spot), "remove it"),
            ("docker.squash", docker.and_then(|docker| docker.squash.as_ref()).map(spot), "remove it"),
            ("docker.cliFlags", docker.and_then(|docker| docker.cli_flags.as_ref()).map(spot), "remove it"),
            ("ko.fromImage", ko.and_then(|ko| ko.from_image.as_ref()).map(spot), of_ko),
            (
                "ko.dir",
                ko.and_then(|ko| ko.dir.as_ref()).map(spot),
                "let `context` be the folder of the `main` package",
            ),
            (
                "ko.main",
                ko.and_then(|ko| ko.main.as_ref()).map(spot),
                "let `context` be the folder of the `main` package",
            ),
            ("ko.env", ko.and_then(|ko| ko.env.as_ref()).map(spot), of_ko),
            ("ko.flags", ko.and_then(|ko| ko.flags.as_ref()).map(spot), of_ko),
            ("ko.labels", ko.and_then(|ko| ko.labels.as_ref()).map(spot), "remove it"),
            ("ko.ldflags", ko.and_then(|ko| ko.ldflags.as_ref()).map(spot), of_ko),
            ("buildpacks.builder", packs.and_then(|packs| packs.builder.as_ref()).map(spot), of_packs),
            ("buildpacks.runImage", packs.and_then(|packs| packs.run_image.as_ref()).map(spot), "remove it"),
            ("buildpacks.env", packs.and_then(|packs| packs.env.as_ref()).map(spot), of_packs),
            ("buildpacks.buildpacks", packs.and_then(|packs| packs.buildpacks.as_ref()).map(spot), of_packs),
            (
                "buildpacks.projectDescriptor",
                packs.and_then(|packs| packs.project_descriptor.as_ref()).map(spot),
                "call the file `project.toml`",
            ),
            ("buildpacks.volumes", packs.and_then(|packs| packs.volumes.as_ref()).map(spot), "remove it"),
        ] {
            if let Some(place) = place {
                return Err(self.refused(
                    place,
                    key,
                    "hephy does not do it for Skaffold's artifacts",
                    way_out,
                ));
            }
        }
        Ok(())
    }

    fn refused(&self, place: Spot, key: &str, why: &str, way_out: &str) -> ConfigError {
        self.source.fault(place, format!("`{key}` cannot be honoured: {why}"), hint(way_out))
    }
}

/// Whether a line of the Dockerfile declares the argument.
fn declares(dockerfile: &str, name: &str) -> bool {
    let arguments = dockerfile.lines().map(str::trim_start).filter_map(|line| {
        line.split_at_checked(4)
            .filter(|(word, _)| word.eq_ignore_ascii_case("arg ") || word.eq_ignore_ascii_case("arg\t"))
    });
    let mut declared = arguments.flat_map(|(_, rest)| rest.split_whitespace());
    declared.any(|word| word.split('=').next() == Some(name))
}
