//! `build-config.yaml` of hephy-builder, one in each folder that is built. What hephy cannot do it does not pass over.

use super::definition::{Definition, plain};
use super::source::{Source, hint, spot};
use super::{ConfigError, Spot};
use crate::component::{Backend, Component, Name, Recipe};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// The file that makes its folder a component.
pub(super) const FILE_NAME: &str = "build-config.yaml";

/// Every key that hephy-builder knew, in `main` and in its later branch.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    use_local_context: Option<Spanned<bool>>,
    upstream_repo: Option<Spanned<String>>,
    upstream_ref: Option<Spanned<String>>,
    dockerfile_path: Option<Spanned<String>>,
    context_path: Option<Spanned<String>>,
    target: Option<Spanned<String>>,
    platforms: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    build_args: BTreeMap<String, Spanned<String>>,
    additional_tags: Option<Spanned<Vec<String>>>,
    build_backend: Option<Spanned<String>>,
    ko_config: Option<Spanned<KoFile>>,
    manual_build: Option<Spanned<bool>>,
    manual_images: Option<Spanned<BTreeMap<String, String>>>,
    kaniko_config: Option<Spanned<IgnoredAny>>,
    buildkit_config: Option<Spanned<IgnoredAny>>,
    spin_config: Option<Spanned<IgnoredAny>>,
    talos_config: Option<Spanned<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KoFile {
    import_path: Option<Spanned<String>>,
    base_image: Option<Spanned<String>>,
    ldflags: Option<Spanned<IgnoredAny>>,
    env: Option<Spanned<IgnoredAny>>,
}

/// The component that the file in `folder` defines; `folder` is a path from the root.
pub(super) fn read(source: &Source<'_>, folder: &str, name: Name) -> Result<Definition, ConfigError> {
    let file: File = source.shape()?;
    let reader = Reader { source, folder };
    reader.refuse(&file)?;
    reader.definition(&file, name)
}

struct Reader<'a> {
    source: &'a Source<'a>,
    folder: &'a str,
}

impl Reader<'_> {
    fn definition(&self, file: &File, name: Name) -> Result<Definition, ConfigError> {
        let platforms = file.platforms.iter().flat_map(|platforms| &platforms.value);
        let component = Component {
            backend: file.build_backend.as_ref().map(|name| self.backend(name)).transpose()?,
            platforms: platforms.map(|text| self.source.parse(text)).collect::<Result<_, _>>()?,
            recipe: Recipe {
                target: file.target.as_ref().map(|stage| stage.value.clone()),
                build_args: file
                    .build_args
                    .iter()
                    .map(|(key, text)| (key.clone(), text.value.clone()))
                    .collect(),
                ..self.dockerfile(file)?
            },
            ..Component::new(name, self.folder, format!("{}:1", self.source.file))
        };
        let places = [
            ("backend", file.build_backend.as_ref().map(spot)),
            ("platforms", file.platforms.as_ref().map(spot)),
            ("dockerfile", file.dockerfile_path.as_ref().map(spot)),
            ("context", file.context_path.as_ref().map(spot)),
            ("target", file.target.as_ref().map(spot)),
            ("build-args", file.build_args.values().next().map(spot)),
        ];
        let places = places.into_iter().filter_map(|(key, spot)| Some((key, self.source.place(spot?))));
        Ok(Definition { component, places: places.collect() })
    }

    /// The Dockerfile and the folder it copies from. hephy-builder looked for the Dockerfile in either.
    fn dockerfile(&self, file: &File) -> Result<Recipe, ConfigError> {
        let context = file.context_path.as_ref().map(|path| self.source.folder_from(self.folder, path));
        let context = context.transpose()?.filter(|context| context != self.folder);
        let Some(path) = &file.dockerfile_path else {
            return Ok(Recipe { context, ..Recipe::default() });
        };
        self.source.inside(path)?;
        let name = plain(&path.value);
        let below_own = |context: &str| is_below(context, self.folder);
        let in_context = context.as_deref().and_then(below_own).map(|context| format!("{context}/{name}"));
        let in_context = in_context.filter(|name| self.is_file(name));
        let dockerfile = match (self.is_file(&name), in_context) {
            (true, Some(other)) if other != name => {
                let problem = format!("`{name}` and `{other}` are both there, and either may be meant");
                return Err(self.source.fault(spot(path), problem, hint("remove one of them")));
            }
            (true, _) => name,
            (false, Some(other)) => other,
            (false, None) => {
                let problem = format!("the file `{}` does not exist in `{}`", path.value, self.folder);
                return Err(self.source.fault(spot(path), problem, hint("correct `dockerfile_path`")));
            }
        };
        Ok(Recipe { dockerfile: Some(dockerfile), context, ..Recipe::default() })
    }

    fn is_file(&self, name: &str) -> bool {
        self.source.root.join(self.folder).join(name).is_file()
    }

    fn backend(&self, name: &Spanned<String>) -> Result<Backend, ConfigError> {
        let known = Backend::ALL.into_iter().find(|backend| backend.as_str() == name.value);
        let way_out = match name.value.as_str() {
            "kaniko" | "buildkit" => hint(
                "remove `build_backend`: the Dockerfile is then built by a backend that this version has",
            ),
            _ => None,
        };
        match (known, way_out) {
            (None, Some(way_out)) => {
                let problem = format!("`build_backend: {}` is not in this version", name.value);
                Err(self.source.fault(spot(name), problem, Some(way_out)))
            }
            _ => self.source.backend(name),
        }
    }

    /// What this version cannot do: an error for each, with a way out. To pass over a key would build something else.
    fn refuse(&self, file: &File) -> Result<(), ConfigError> {
        let fault = |place: Spot, key: &str, why: &str, way_out: &str| {
            Err(self.source.fault(place, format!("`{key}` cannot be honoured: {why}"), hint(way_out)))
        };
        if let (Some(local), Some(upstream)) = (&file.use_local_context, &file.upstream_repo)
            && local.value
        {
            let line = spot(upstream).line;
            let why = format!("`upstream_repo` in line {line} says the opposite");
            return fault(spot(local), "use_local_context", &why, "remove one of the two");
        }
        let submodule =
            "add that repository as a git submodule at the commit to build, and name it in `context_path`";
        let moves = "the sources are not in this repository, and nothing records which ones are built";
        for (key, value) in [("upstream_repo", &file.upstream_repo), ("upstream_ref", &file.upstream_ref)] {
            if let Some(value) = value {
                return fault(spot(value), key, moves, submodule);
            }
        }
        if let Some(local) = file.use_local_context.as_ref().filter(|local| !local.value) {
            return fault(
                spot(local),
                "use_local_context",
                "it is false, and there is no `upstream_repo`",
                "remove it",
            );
        }
        if let Some(manual) = file.manual_build.as_ref().filter(|manual| manual.value) {
            let way_out = "remove the file, or let hephy package finished programs: `prebuilt` in hephy.yaml";
            return fault(
                spot(manual),
                "manual_build",
                "hephy does not join images that others have pushed",
                way_out,
            );
        }
        if let Some(images) = &file.manual_images {
            let way_out = "remove it, or let hephy package finished programs: `prebuilt` in hephy.yaml";
            return fault(
                spot(images),
                "manual_images",
                "hephy does not join images that others have pushed",
                way_out,
            );
        }
        if let Some(tags) = &file.additional_tags {
            let why = "tags are those of the release, not of a folder";
            return fault(spot(tags), "additional_tags", why, "remove it; images are tagged by their commit");
        }
        self.refuse_tools(file)
    }

    fn refuse_tools(&self, file: &File) -> Result<(), ConfigError> {
        let ko = file.ko_config.as_ref().map(|ko| &ko.value);
        let of_ko = "write it into `.ko.yaml` beside `go.mod`, which ko reads, and remove it here";
        let of_tool = "hephy sets the flags of the tools that it runs itself";
        for (key, place, why, way_out) in [
            (
                "ko_config.import_path",
                ko.and_then(|ko| ko.import_path.as_ref()).map(spot),
                "the folder is what ko builds",
                "put `build-config.yaml` into the folder of the `main` package, and remove it here",
            ),
            (
                "ko_config.base_image",
                ko.and_then(|ko| ko.base_image.as_ref()).map(spot),
                "`.ko.yaml` is the place for it",
                of_ko,
            ),
            (
                "ko_config.ldflags",
                ko.and_then(|ko| ko.ldflags.as_ref()).map(spot),
                "`.ko.yaml` is the place for it",
                of_ko,
            ),
            (
                "ko_config.env",
                ko.and_then(|ko| ko.env.as_ref()).map(spot),
                "`.ko.yaml` is the place for it",
                of_ko,
            ),
            ("kaniko_config", file.kaniko_config.as_ref().map(spot), of_tool, "remove it"),
            ("buildkit_config", file.buildkit_config.as_ref().map(spot), of_tool, "remove it"),
            (
                "spin_config",
                file.spin_config.as_ref().map(spot),
                "`spin.toml` is the place for it",
                "write it into `spin.toml`, and remove it here",
            ),
            (
                "talos_config",
                file.talos_config.as_ref().map(spot),
                "hephy does not build system images",
                "build them with Talos' imager in a step of your own, and remove the file",
            ),
        ] {
            if let Some(place) = place {
                return Err(self.source.fault(
                    place,
                    format!("`{key}` cannot be honoured: {why}"),
                    hint(way_out),
                ));
            }
        }
        Ok(())
    }
}

/// The path of `folder` from `above`, if it is one of the folders below.
fn is_below(folder: &str, above: &str) -> Option<String> {
    let rest = if above.is_empty() { folder } else { folder.strip_prefix(above)?.strip_prefix('/')? };
    Some(rest.to_owned())
}

#[cfg(test)]
mod tests;
