//! What each line of a Dockerfile reads, taken in from the first to the last.

use super::stages::{self, Stage};
use super::variables::Variables;
use super::{Reading, Source, What, unclear};
use crate::platform::Platform;
use parse_dockerfile::{Flag, Instruction, Source as Word};
use std::collections::{BTreeMap, BTreeSet};

/// What a line of a here-document starts with that would read something, were it not in one: old versions of buildah
/// do not know here-documents.
const READING: [&str; 5] = ["ADD", "COPY", "FROM", "ONBUILD", "RUN"];

/// Goes through the instructions, and keeps what each of them reads.
pub(super) struct Reader<'a> {
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

impl<'a> Reader<'a> {
    /// A reader before the first instruction.
    pub(super) fn new(
        text: &'a str,
        build_args: &'a BTreeMap<String, String>,
        platform: &'a Platform,
    ) -> Self {
        let globals = Variables::of_platform(build_args, platform);
        let (stages, found) = (vec![], Reading::default());
        Self { text, build_args, platform, globals, stages, found, is_unclear: false }
    }

    /// What the build of the stage `target` reads, after the last instruction.
    pub(super) fn result(mut self, target: Option<&str>) -> Reading {
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

    pub(super) fn instruction(&mut self, instruction: &Instruction<'_>) {
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

    pub(super) fn everything(&mut self, at: usize, verb: &'static str, because: &str) {
        self.source(at, verb, unclear(because));
    }

    fn source(&mut self, at: usize, verb: &'static str, what: What) {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        self.found().sources.push(Source { line, verb, what });
    }
}

fn is_remote(source: &str) -> bool {
    ["http://", "https://", "git@", "git://", "ssh://"].iter().any(|scheme| source.starts_with(scheme))
}

fn is_git(source: &str) -> bool {
    !source.starts_with("http") || source.split(['#', '?']).next().is_some_and(|path| path.ends_with(".git"))
}
