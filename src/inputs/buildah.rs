//! What the engines of a Dockerfile read: the file itself, what that names in its context, and the images it is built on.

use super::dockerfile::{self, Reading, Source, What};
use super::{
    BaseImage, Dockerignore, Hidden, Ignore, InputsError, Pattern, Reads, Rule, below, real, wildcard,
};
use crate::component::{Backend, Component};
use crate::config;
use crate::platform::Platform;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the Dockerfile, from the component's folder: the sure one, else the only one that has another name.
pub(crate) fn dockerfile_name(root: &Path, component: &Component) -> Option<String> {
    let only = || match component.dockerfile_variants.as_slice() {
        [name] => Some(name.clone()),
        _ => None,
    };
    sure_dockerfile_name(root, component).or_else(only)
}

/// The Dockerfile that is named, else one of a usual name that is there.
pub(crate) fn sure_dockerfile_name(root: &Path, component: &Component) -> Option<String> {
    let named = component.recipe.dockerfile.clone();
    let usual = config::USUAL_DOCKERFILES.map(str::to_owned);
    let folder = root.join(&component.path);
    named.into_iter().chain(usual).find(|name| folder.join(name).is_file())
}

/// The file that hides parts of the context: that beside the Dockerfile before that in the context.
pub(crate) fn ignore_file(root: &Path, component: &Component, dockerfile: &str) -> Option<PathBuf> {
    let (folder, context) = (root.join(&component.path), root.join(component.context()));
    let beside = ["dockerignore", "containerignore"].map(|kind| folder.join(format!("{dockerfile}.{kind}")));
    let usual = [".containerignore", ".dockerignore"].map(|name| context.join(name));
    beside.into_iter().chain(usual).find(|path| path.is_file())
}

/// What that file leaves out of the context.
pub(crate) fn dockerignore(root: &Path, component: &Component) -> Dockerignore {
    let dockerfile = dockerfile_name(root, component).unwrap_or_default();
    let bytes = ignore_file(root, component, &dockerfile).and_then(|path| std::fs::read(path).ok());
    Dockerignore::read(&String::from_utf8_lossy(&bytes.unwrap_or_default()))
}

/// What the Dockerfile of `component` says that a build for `platform` reads.
pub(crate) fn dockerfile_reading(root: &Path, component: &Component, platform: &Platform) -> Reading {
    let name = dockerfile_name(root, component).unwrap_or_default();
    let text = std::fs::read_to_string(root.join(&component.path).join(name)).unwrap_or_default();
    dockerfile::read(&text, &component.recipe.build_args, component.recipe.target.as_deref(), platform)
}

pub(super) fn reads(
    root: &Path,
    component: &Component,
    backend: Backend,
    platforms: &[Platform],
) -> Result<Reads, InputsError> {
    let everything = Rule::path(component.context(), format!("it is in the folder of `{}`", component.name));
    let Some(name) = dockerfile_name(root, component) else {
        return Ok(Reads { pins_apart: true, ..super::folder(component) });
    };
    let mut rules = vec![];
    let path = below(&component.path, &name);
    let behind = real(root, Path::new(&path), component)?.filter(|real| *real != path);
    for path in [Some(path), behind].into_iter().flatten() {
        rules.push(Rule::path(path, format!("it is the Dockerfile of `{}`", component.name)));
    }
    let reading =
        |platform: &Platform| (Some(platform.clone()), dockerfile_reading(root, component, platform));
    let mut readings: Vec<(Option<Platform>, Reading)> = platforms.iter().map(reading).collect();
    if readings.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        readings.truncate(1);
        readings.iter_mut().for_each(|(platform, _)| *platform = None);
    }
    let context = Context { root, component, dockerfile: &name, hidden: hidden(root, component) };
    let mut images = vec![];
    for (platform, reading) in &readings {
        // buildah runs such a file through the C preprocessor, which reads what it includes.
        let beside =
            || Rule::path(&component.path, format!("it is beside the Dockerfile of `{}`", component.name));
        let includes = name.ends_with(".in").then(|| [everything.clone(), beside()]).into_iter().flatten();
        let read = reading.sources.iter().flat_map(|source| context.rules(source)).chain(includes);
        rules.extend(read.map(|rule| Rule { platform: platform.clone(), ..rule }));
        let image = |name: &String| BaseImage {
            name: name.clone(),
            platform: platform.clone(),
            is_replaceable: reading.is_replaceable(name),
        };
        images.extend(reading.images.keys().map(image));
        images.extend(frontend(reading, backend));
    }
    Ok(Reads { rules, images, caches: true, pins_apart: true, ..Reads::default() })
}

/// The image that reads the file, where BuildKit builds it or may do so: whose engine it is depends on the machine.
fn frontend(reading: &Reading, backend: Backend) -> Option<BaseImage> {
    let is_read_by_it = matches!(backend, Backend::Dockerfile | Backend::Buildkit);
    let name = reading.frontend.clone().filter(|_| is_read_by_it)?;
    Some(BaseImage { name, platform: None, is_replaceable: true })
}

/// What the build cannot see of its context.
pub(super) fn hidden(root: &Path, component: &Component) -> Option<Arc<Hidden>> {
    let dockerfile = dockerfile_name(root, component)?;
    let bytes = std::fs::read(ignore_file(root, component, &dockerfile)?).ok()?;
    let by = Ignore::Docker(Dockerignore::read(&String::from_utf8_lossy(&bytes)));
    Some(Arc::new(Hidden { folder: component.context().to_owned(), by }))
}

/// What the sources of a Dockerfile are relative to.
struct Context<'a> {
    root: &'a Path,
    component: &'a Component,
    dockerfile: &'a str,
    hidden: Option<Arc<Hidden>>,
}

impl Context<'_> {
    fn rules(&self, source: &Source) -> Vec<Rule> {
        let why = format!("`{}:{}` {} it", self.dockerfile, source.line, source.verb);
        match &source.what {
            What::Copied(path) => {
                let patterns = self.patterns(path);
                let rule = |pattern| Rule { hidden: self.hidden.clone(), ..Rule::new(pattern, why.clone()) };
                patterns.into_iter().map(rule).collect()
            }
            What::Mounted(path) => vec![Rule::new(self.at(path), why)],
            What::Everything(because) => {
                let why = format!(
                    "`{}:{}` {} {because}, so everything counts",
                    self.dockerfile, source.line, source.verb
                );
                vec![Rule::path(self.component.context(), why)]
            }
        }
    }

    /// The path itself; everything if it leads through a symbolic link, which may lead anywhere in the context.
    fn at(&self, path: &str) -> Pattern {
        let context = self.root.join(self.component.context());
        let path = below("", path);
        let is_link = |part: &Path| context.join(part).is_symlink();
        let is_linked = Path::new(&path).ancestors().any(|part| part != Path::new("") && is_link(part));
        Pattern::Path(if is_linked {
            self.component.context().to_owned()
        } else {
            below(self.component.context(), &path)
        })
    }

    /// What a source with wildcards matches, and everything below that.
    fn patterns(&self, source: &str) -> Vec<Pattern> {
        let source = below("", source);
        if !source.contains(['*', '?', '[']) {
            return vec![self.at(&source)];
        }
        let parts: Vec<&str> = source.split('/').collect();
        let plain = parts.iter().take_while(|part| !part.contains(['*', '?', '['])).count();
        let folder = self.at(&parts[..plain].join("/"));
        let translated =
            parts[plain..].iter().map(|part| wildcard::translated(part)).collect::<Option<Vec<_>>>();
        let is_last = plain + 1 == parts.len();
        match (&folder, translated) {
            // Only the last part is matched file by file; a folder that is matched may be a link.
            (Pattern::Path(path), Some(parts))
                if is_last && (plain == 0 || path != self.component.context()) =>
            {
                let glob = below(&globset::escape(path), &parts.join("/"));
                vec![Pattern::Glob(format!("{glob}/**")), Pattern::Glob(glob)]
            }
            _ => vec![folder],
        }
    }
}
