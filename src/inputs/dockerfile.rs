//! What a Dockerfile reads of its context, and which images it is built on. What is not understood reads everything.

mod frontend;
mod reader;
mod rewriting;
mod stages;
mod variables;

use crate::platform::Platform;
use reader::Reader;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use frontend::{Frontend, SYNTAX, frontend};
pub(crate) use rewriting::with_images;

/// The images of Docker's own reader of Dockerfiles.
const FRONTENDS: [&str; 2] = ["docker/dockerfile", "docker.io/docker/dockerfile"];
/// What one platform's build reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) sources: Vec<Source>,
    /// The images of `FROM` and `--from`, with every way in which they are written there.
    pub(crate) images: BTreeMap<String, BTreeSet<String>>,
    /// The image that BuildKit lets read the file.
    pub(crate) frontend: Option<String>,
    /// The image that the last stage is built on, by its name in `images`.
    pub(crate) base: Option<String>,
    /// Names of stages, which an image of the same name hides.
    pub(crate) stages: BTreeSet<String>,
    /// Arguments that stand in a path, and that are right only if no image has a variable of that name.
    pub(crate) assumed: BTreeSet<String>,
    /// Programs of the platform are surely run.
    pub(crate) runs: bool,
}

impl Reading {
    /// Whether the whole context is read anyway.
    pub(crate) fn is_everything(&self) -> bool {
        self.sources.iter().any(|source| match &source.what {
            What::Copied(path) | What::Mounted(path) => matches!(path.trim_matches('/'), "" | "."),
            What::Everything(_) => true,
        })
    }

    /// The ways in which the image `name` is written, as far as each of them means this image only. buildah 1.28 looks
    /// for the name before it replaces variables.
    pub(crate) fn clear_spellings(&self, name: &str) -> Vec<&str> {
        let is_clear = |spelling: &&String| {
            let meanings = self.images.values().filter(|spellings| spellings.contains(*spelling));
            meanings.count() == 1 && !spelling.contains('=')
        };
        self.images.get(name).into_iter().flatten().filter(is_clear).map(String::as_str).collect()
    }

    /// Whether a stage has the name of this image; an image that stands for the name would hide the stage.
    pub(crate) fn is_stage(&self, name: &str) -> bool {
        self.stages.contains(&name.to_lowercase())
    }

    /// Whether a build can be given another image for `name` wherever it stands.
    pub(crate) fn is_replaceable(&self, name: &str) -> bool {
        let spellings = self.images.get(name).map_or(0, BTreeSet::len);
        spellings > 0 && self.clear_spellings(name).len() == spellings && !self.is_stage(name)
    }
}

/// Something in the context that a line reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) line: usize,
    pub(crate) verb: &'static str,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A path, perhaps with wildcards, relative to the context.
    Copied(String),
    /// A path without wildcards; `.dockerignore` hides nothing of it.
    Mounted(String),
    /// It cannot be known, because of this.
    Everything(String),
}

/// Reads the file as a build of the stage `target` for `platform` would; without a target the last stage is built.
pub(super) fn read(
    text: &str,
    build_args: &BTreeMap<String, String>,
    target: Option<&str>,
    platform: &Platform,
) -> Reading {
    let frontend = frontend(text, build_args);
    let named = frontend.as_ref().map(|frontend| frontend.name.clone());
    let Ok(file) = parse_dockerfile::parse(text) else {
        let everything = Source { line: 1, verb: "reads", what: unclear("the file") };
        let images = BTreeMap::from([("$unknown".to_owned(), BTreeSet::new())]);
        return Reading { sources: vec![everything], images, frontend: named, ..Reading::default() };
    };
    let mut reader = Reader::new(text, build_args, platform);
    if let Some(Frontend { name, place: Some(_) }) = &frontend {
        let image = name.split([':', '@']).next().unwrap_or_default();
        if !FRONTENDS.contains(&image) {
            reader.everything(0, "reads", &format!("`syntax={name}`"));
        }
    }
    // BuildKit looks for the line above behind such a line too, and the parser does not.
    if text.trim_start_matches('\u{feff}').starts_with("#!") {
        reader.everything(0, "reads", "by what `#!` hides");
    }
    // BuildKit takes it for the line above.
    if build_args.contains_key(SYNTAX) {
        reader.everything(0, "reads", "by `BUILDKIT_SYNTAX`");
    }
    for instruction in &file.instructions {
        reader.instruction(instruction);
    }
    Reading { frontend: named, ..reader.result(target) }
}

fn unclear(because: &str) -> What {
    What::Everything(because.to_owned())
}

#[cfg(test)]
mod tests;
