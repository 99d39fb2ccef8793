//! What a Dockerfile reads of its context, and which images it is built on. What is not understood reads everything.

mod frontend;
mod rewriting;
mod stages;
mod variables;

use crate::platform::Platform;
use parse_dockerfile::{Flag, Instruction, Source as Word};
use stages::Stage;
use std::collections::{BTreeMap, BTreeSet};
use variables::Variables;

pub(crate) use frontend::{Frontend, SYNTAX, frontend};
pub(crate) use rewriting::with_images;

/// The images of Docker's own reader of Dockerfiles.
const FRONTENDS: [&str; 2] = ["docker/dockerfile", "docker.io/docker/dockerfile"];
/// What a line of a here-document starts with that would read something, were it not in one: old versions of buildah
/// do not know here-documents.
const READING: [&str; 5] = ["ADD", "COPY", "FROM", "ONBUILD", "RUN"];

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
    let Ok(file) = parse_dockerfile::parse(text) else {
        let everything = Source { line: 1, verb: "reads", what: unclear("the file") };
        let images = BTreeMap::from([("$unknown".to_owned(), BTreeSet::new())]);
        let frontend = frontend.map(|frontend| frontend.name);
        return Reading { sources: vec![everything], images, frontend, ..Reading::default() };
    };
    let mut reader = Reader {
        text,
        build_args,
        platform,
        globals: platform_arguments(build_args, platform),
        stages: vec![],
        found: Reading::default(),
        is_unclear: false,
    };
    if let Some(Frontend { name, place }) = frontend {
        let image = name.split([':', '@']).next().unwrap_or_default();
        if place.is_some() && !FRONTENDS.contains(&image) {
            reader.everything(0, "reads", &format!("`syntax={name}`"));
        }
        reader.found.frontend = Some(name);
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
    reader.result(target)
}

/// The arguments that every build has without being told.
fn platform_arguments(build_args: &BTreeMap<String, String>, platform: &Platform) -> Variables {
    let mut globals = Variables::default();
    for (name, value) in [
        ("TARGETPLATFORM", platform.to_string()),
        ("TARGETOS", platform.os.clone()),
        ("TARGETARCH", platform.architecture.clone()),
    ] {
        globals.argue(name, Some(build_args.get(name).cloned().unwrap_or(value)));
    }
    globals
}

struct Reader<'a> {
    text: &'a str,
    build_args: &'a BTreeMap<String, String>,
    platform: &'a Platform,
    /// Arguments before the first `FROM`.
    globals: Variables,
    stages: Vec<Stage>,
    /// What belongs to no stage.
    found: Reading,
    /// It is not known which stages need which.
    is_unclear: bool,
}

impl Reader<'_> {
    fn result(mut self, target: Option<&str>) -> Reading {
        if self.is_unclear {
            let names: BTreeSet<String> = self.stages.iter().map(|stage| stage.name.clone()).collect();
            self.stages.iter_mut().for_each(|stage| stage.needs.clone_from(&names));
            return Reading { runs: false, ..stages::read_for(None, self.stages, self.found) };
        }
        stages::read_for(target, self.stages, self.found)
    }

    fn found(&mut self) -> &mut Reading {
        self.stages.last_mut().map_or(&mut self.found, |stage| &mut stage.found)
    }

    fn instruction(&mut self, instruction: &Instruction<'_>) {
        match instruction {
            Instruction::From(from) => {
                self.from(&from.image.value, from.as_.as_ref().map(|(_, name)| &*name.value), &from.options);
            }
            Instruction::Arg(argument) => self.argue(&argument.arguments.value),
            Instruction::Env(env) => {
                if let Some(stage) = self.stages.last_mut() {
                    stage.variables.set(&env.arguments.value);
                }
            }
            Instruction::Copy(copy) => self.copy(copy.copy.span.start, false, &copy.options, &copy.src),
            Instruction::Add(add) => self.copy(add.add.span.start, true, &add.options, &add.src),
            Instruction::Run(run) => {
                if let Some(stage) = self.stages.last_mut() {
                    stage.found.runs |= !stage.is_elsewhere;
                }
                let at = run.run.span.start;
                run.options
                    .iter()
                    .filter(|flag| flag.name.value == "mount")
                    .for_each(|flag| self.mount(at, flag));
                run.here_docs.iter().for_each(|text| self.here_document(text.span.start, &text.value));
            }
            // It runs in builds that start from this stage.
            Instruction::Onbuild(onbuild) => {
                let runs = self.found().runs;
                self.instruction(&onbuild.instruction);
                self.found().runs = runs;
            }
            _ => {}
        }
    }

    fn from(&mut self, image: &str, name: Option<&str>, flags: &[Flag<'_>]) {
        let expanded = self.globals.expand(image, &mut BTreeSet::new());
        self.is_unclear |= expanded.is_none();
        let written = image;
        let image = expanded.as_deref().unwrap_or(image);
        let of_stage = |stage: &Stage| (stage.variables.inherited(), stage.base.clone(), stage.is_elsewhere);
        let known = self.stage(image).map(of_stage);
        let is_image = known.is_none() && image != "scratch";
        let of_image =
            || (Variables::of_stage(image != "scratch"), is_image.then(|| image.to_owned()), false);
        let (variables, base, is_elsewhere) = known.unwrap_or_else(of_image);
        let is_elsewhere = is_elsewhere || self.is_elsewhere(flags);
        let name = name.map_or_else(|| self.stages.len().to_string(), str::to_lowercase);
        let needs = BTreeSet::from([image.to_lowercase()]);
        self.stages.push(Stage { name, variables, base, is_elsewhere, needs, found: Reading::default() });
        if is_image {
            self.image(image, written);
        }
    }

    /// Whether a stage may be for another platform than the image.
    fn is_elsewhere(&self, flags: &[Flag<'_>]) -> bool {
        let named = flags.iter().filter(|flag| flag.name.value == "platform");
        let is_other = |flag: &Flag<'_>| {
            let text =
                flag.value.as_ref().and_then(|text| self.globals.expand(&text.value, &mut BTreeSet::new()));
            text.is_none_or(|text| text.parse().ok().as_ref() != Some(self.platform))
        };
        named.into_iter().any(is_other)
    }

    fn stage(&self, name: &str) -> Option<&Stage> {
        let name = name.to_lowercase();
        let numbered = || name.parse::<usize>().ok().and_then(|number| self.stages.get(number));
        self.stages.iter().rev().find(|stage| stage.name == name).or_else(numbered)
    }

    /// `ARG NAME`, `ARG NAME=DEFAULT`, and several of them.
    fn argue(&mut self, line: &str) {
        let is_plain = !line.contains(['"', '\'', '\\']);
        for word in line.split_whitespace() {
            let (name, default) =
                word.split_once('=').map_or((word, None), |(name, text)| (name, Some(text)));
            let variables = self.stages.last().map_or(&self.globals, |stage| &stage.variables);
            let default = default.map(|text| variables.expand(text, &mut BTreeSet::new()));
            let told = self.build_args.get(name).cloned();
            let value = told.or_else(|| default.unwrap_or_else(|| self.globals.argument(name)));
            let value = value.filter(|_| is_plain);
            self.stages.last_mut().map_or(&mut self.globals, |stage| &mut stage.variables).argue(name, value);
        }
    }

    fn copy(&mut self, at: usize, may_fetch: bool, flags: &[Flag<'_>], words: &[Word<'_>]) {
        let verb = if may_fetch { "adds" } else { "copies" };
        if let Some(from) = flags.iter().find(|flag| flag.name.value == "from") {
            return self.copy_from(at, verb, from.value.as_ref().map_or("", |value| &value.value));
        }
        for word in words {
            let path = match word {
                Word::Path(path) => path,
                Word::HereDoc(text) => {
                    self.here_document(text.span.start, &text.value);
                    continue;
                }
                _ => return self.everything(at, verb, "a source"),
            };
            if may_fetch && is_remote(&path.value) {
                if is_git(&path.value) {
                    self.everything(at, verb, "a git repository");
                }
                continue;
            }
            // The reader takes escapes away, and what they mean to a wildcard with them.
            let written = self.text.get(path.span.clone()).unwrap_or("\\");
            match self.expand(&path.value).filter(|_| !written.contains(['\\', '`'])) {
                Some(path) => self.copied(at, verb, &path),
                None => self.everything(at, verb, &format!("`{}`", path.value)),
            }
        }
    }

    fn copied(&mut self, at: usize, verb: &'static str, path: &str) {
        if path.split('/').any(|part| part == "..") {
            return self.everything(at, verb, &format!("`{path}`"));
        }
        self.source(at, verb, What::Copied(path.to_owned()));
    }

    /// The name of a stage or of an image.
    fn copy_from(&mut self, at: usize, verb: &'static str, written: &str) {
        let expanded = self.expand(written);
        self.is_unclear |= expanded.is_none();
        let name = expanded.as_deref().unwrap_or(written);
        if let Some(stage) = self.stages.last_mut() {
            stage.needs.insert(name.to_lowercase());
        }
        if name.is_empty() {
            self.everything(at, verb, "`--from`");
        } else if self.stage(name).is_none() {
            self.image(name, written);
        }
    }

    fn image(&mut self, name: &str, written: &str) {
        self.found().images.entry(name.to_owned()).or_default().extend([name, written].map(str::to_owned));
    }

    /// `--mount=type=bind,source=PATH,target=PATH`, in which the type is `bind` and the source everything by default.
    fn mount(&mut self, at: usize, flag: &Flag<'_>) {
        let text = flag.value.as_ref().map_or("", |value| &value.value);
        let option = |names: &[&str]| {
            let pairs = text.split(',').filter_map(|option| option.split_once('='));
            pairs
                .filter(|(key, _)| names.contains(&key.trim().to_lowercase().as_str()))
                .map(|(_, value)| value)
                .next_back()
        };
        if let Some(from) = option(&["from"]) {
            return self.copy_from(at, "mounts", from);
        }
        if matches!(option(&["type"]), Some("cache" | "secret" | "ssh" | "tmpfs")) {
            return;
        }
        let source = option(&["source", "src"]).unwrap_or_default();
        let is_odd = text.contains(['"', '\\', '`']) || !matches!(option(&["type"]), None | Some("bind"));
        match self.expand(source).filter(|path| !is_odd && !path.split('/').any(|part| part == "..")) {
            Some(path) => self.source(at, "mounts", What::Mounted(path)),
            None => self.everything(at, "mounts", &format!("`{text}`")),
        }
    }

    fn here_document(&mut self, at: usize, text: &str) {
        let first_words = text.lines().filter_map(|line| line.split_whitespace().next());
        let is_reading = |word: &str| READING.iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
        if first_words.into_iter().any(is_reading) {
            self.is_unclear = true;
            self.everything(at, "reads", "a here-document");
        }
    }

    fn expand(&mut self, text: &str) -> Option<String> {
        match self.stages.last_mut() {
            Some(stage) => stage.variables.expand(text, &mut stage.found.assumed),
            None => self.globals.expand(text, &mut self.found.assumed),
        }
    }

    fn everything(&mut self, at: usize, verb: &'static str, because: &str) {
        self.source(at, verb, unclear(because));
    }

    fn source(&mut self, at: usize, verb: &'static str, what: What) {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        self.found().sources.push(Source { line, verb, what });
    }
}

fn unclear(because: &str) -> What {
    What::Everything(because.to_owned())
}

fn is_remote(source: &str) -> bool {
    ["http://", "https://", "git@", "git://", "ssh://"].iter().any(|scheme| source.starts_with(scheme))
}

fn is_git(source: &str) -> bool {
    !source.starts_with("http") || source.split(['#', '?']).next().is_some_and(|path| path.ends_with(".git"))
}

#[cfg(test)]
mod tests;
