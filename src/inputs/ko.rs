//! What ko reads: the packages of a Go program, what they embed, the module files, and the data beside it.

mod cgo;
mod list;
mod module;
mod settings;

pub(crate) use list::Place;
pub(crate) use settings::{Settings, SettingsError};

use super::{BaseImage, InputsError, Reads, Rule, below, normal};
use crate::component::Component;
use crate::event::Events;
use crate::exec::{self, ExecError};
use crate::platform::Platform;
use list::Package;
use module::Used;
use settings::Subject;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A Go program, as far as it can be known without Go.
pub(crate) struct GoProgram {
    /// The folder of its `package main`, from the repository's root.
    pub(crate) folder: String,
    pub(crate) place: Place,
    pub(crate) settings: Settings,
    /// The folder of its module, from the root.
    module: String,
    /// `.ko.yaml`, from the root.
    file: Option<String>,
}

/// Finds the program of `component` and what `.ko.yaml` says about it: the nearest one at or above the component.
pub(crate) fn go_program(root: &Path, component: &Component) -> Result<GoProgram, InputsError> {
    let name = || component.name.to_string();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let beside = nearest(root, &component.path, ".ko.yaml");
    let file = beside.as_ref().map(|folder| below(folder, ".ko.yaml"));
    let text = file.as_deref().map(read).unwrap_or_default();
    let own = beside.as_deref() == Some(&component.path);
    let is_main = crate::config::Definitions::look(root, component).go_main.is_some();
    let elsewhere = settings::only_program(&text, &component.path).filter(|_| own && !is_main);
    let folder = elsewhere.unwrap_or_else(|| component.path.clone());
    let module =
        nearest(root, &folder, "go.mod").ok_or_else(|| InputsError::NoModule { component: name() })?;
    let path = module::path(&read(&below(&module, "go.mod"))).unwrap_or_default();
    let import_path = below(&path, folder.strip_prefix(&module).unwrap_or_default());
    let variables = &component.recipe.build_args;
    let subject = Subject { folder: &folder, import_path: &import_path, variables };
    let settings =
        Settings::read(&text, beside.as_deref().unwrap_or_default(), &subject).map_err(|source| {
            InputsError::KoFile { component: name(), file: file.clone().unwrap_or_default(), source }
        })?;
    let place = Place {
        folder: root.join(&folder),
        go_work: nearest(root, &folder, "go.work").map(|folder| root.join(folder).join("go.work")),
        variables: variables.clone(),
    };
    Ok(GoProgram { folder, place, settings, module, file })
}

pub(super) async fn reads(
    events: &Events,
    root: &Path,
    component: &Component,
    platforms: &[Platform],
) -> Result<Reads, InputsError> {
    let root = &root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let program = go_program(root, component)?;
    let images =
        vec![BaseImage { name: program.settings.base.clone(), platform: None, is_replaceable: true }];
    let fault = |source| InputsError::Go { component: component.name.to_string(), source };
    let mut reads = Reads { rules: program.beside(component), images, caches: true, ..Reads::default() };
    if let Some(file) = &program.file {
        reads.parts.insert(file.as_str().into(), program.settings.text(&program.settings.base));
    }
    match program.place.compiler().await {
        Ok(compiler) => reads.tools.push(compiler),
        Err(ExecError::Missing { .. }) => {
            events.warn(format!(
                "go is not installed, so every file of its module counts as an input of `{}`",
                component.name
            ));
            reads.rules.extend(program.everything(root, "without go, every file of a module counts"));
            return Ok(reads);
        }
        Err(source) => return Err(fault(source)),
    }
    reads.tools.extend(version(&program).await);
    if !list::is_understood(&program.settings, &program.place.variables) {
        reads.rules.extend(program.everything(root, "flags of the build may read it, so everything counts"));
        return Ok(reads);
    }
    let mut listed = vec![];
    let mut left_out = BTreeSet::new();
    for platform in platforms {
        let packages = program.place.packages(&program.settings, platform).await.map_err(fault)?;
        let files = program.place.left_out(&program.settings, platform, &packages).await.map_err(fault)?;
        left_out.extend(files.into_iter().map(|(file, name)| inside(root, &file).unwrap_or(name)));
        listed.push((platform.clone(), Listed::of(root, component, &packages)?));
    }
    reads.warnings.extend(cgo::warning(component, &left_out));
    program.add(root, component, listed, &mut reads);
    Ok(reads)
}

/// ko's version, where it knows it.
async fn version(program: &GoProgram) -> Option<String> {
    let output = exec::capture(&program.place.program("ko").arg("version")).await.ok()?;
    Some(format!("ko {}", String::from_utf8_lossy(&output).trim()))
}

/// What the packages of one platform read.
#[derive(Default, PartialEq, Eq)]
struct Listed {
    /// Files from the root, with the sentence that says why.
    files: BTreeMap<String, String>,
    used: BTreeSet<Used>,
    /// The `go.mod` files of modules in the repository.
    modules: BTreeSet<String>,
    /// Go could not say everything.
    is_unsure: bool,
}

impl Listed {
    fn of(root: &Path, component: &Component, packages: &[Package]) -> Result<Self, InputsError> {
        let mut listed = Self { is_unsure: packages.is_empty(), ..Self::default() };
        for package in packages.iter().filter(|package| !package.standard) {
            let outside =
                || InputsError::Outside { component: component.name.to_string(), path: package.dir.clone() };
            listed.is_unsure |= package.error.is_some();
            listed.used.extend(package.module.as_ref().map(list::Module::used));
            let folder = inside(root, &package.dir);
            let is_downloaded = |folder: &Option<String>| {
                package.module.as_ref().is_some_and(|module| module.is_downloaded(folder.as_deref()))
            };
            if package.dir.as_os_str().is_empty() || is_downloaded(&folder) {
                continue;
            }
            let folder = folder.ok_or_else(outside)?;
            let go_mod = package.module.as_ref().and_then(|module| module.go_mod.as_ref());
            listed.modules.extend(go_mod.and_then(|path| inside(root, path)));
            listed.is_unsure |= includes_elsewhere(package);
            let sources = [&package.go_files, &package.headers, &package.assembly, &package.syso_files];
            let why = format!("it is in the package `{}` of `{}`", package.import_path, component.name);
            listed
                .files
                .extend(sources.into_iter().flatten().map(|file| (below(&folder, file), why.clone())));
            let why = format!("the package `{}` of `{}` embeds it", package.import_path, component.name);
            listed.files.extend(package.embed_files.iter().map(|file| (below(&folder, file), why.clone())));
        }
        Ok(listed)
    }
}

/// Whether assembly includes files of other folders.
fn includes_elsewhere(package: &Package) -> bool {
    package.assembly.iter().any(|file| {
        let text = std::fs::read_to_string(package.dir.join(file)).unwrap_or_default();
        text.lines().any(|line| line.trim_start().starts_with("#include") && line.contains('/'))
    })
}

impl GoProgram {
    /// What is read beside the packages.
    fn beside(&self, component: &Component) -> Vec<Rule> {
        let of = |what: &str| format!("{what} of `{}`", component.name);
        let mut rules = vec![
            Rule::path(below(&self.folder, "kodata"), of("it is in the data")),
            // The compiler takes it by its name (Go command, `-pgo`).
            Rule::path(below(&self.folder, "default.pgo"), of("it is the profile")),
            Rule::path(below(&self.module, "vendor/modules.txt"), of("it is the list of vendored modules")),
        ];
        rules.extend(self.file.iter().map(|file| Rule::path(file, of("it has settings"))));
        rules
    }

    /// The whole module, those in the place of others, and the workspace.
    fn everything(&self, root: &Path, why: &str) -> Vec<Rule> {
        let mut folders = vec![self.module.clone()];
        let mut next = 0;
        let workspace = self.place.go_work.as_ref().and_then(|path| inside(root, path.parent()?));
        folders.extend(workspace.clone());
        while let Some(folder) = folders.get(next).cloned() {
            next += 1;
            for file in ["go.mod", "go.work"] {
                let text = std::fs::read_to_string(root.join(&folder).join(file)).unwrap_or_default();
                let named =
                    module::folders(&text).into_iter().map(|path| normal(&format!("{folder}/{path}")));
                let new: Vec<String> = named.filter(|path| !folders.contains(path)).collect();
                folders.extend(new);
            }
        }
        // The folder of a workspace is more than its modules.
        let is_workspace_only = |folder: &String| {
            workspace.as_ref() == Some(folder) && !root.join(folder).join("go.mod").is_file()
        };
        let mut rules: Vec<Rule> = folders
            .iter()
            .filter(|folder| !is_workspace_only(folder))
            .map(|folder| Rule::path(folder, why))
            .collect();
        rules.extend(self.workspace_files(root).into_iter().map(|path| Rule::path(path, why)));
        rules
    }

    fn workspace_files(&self, root: &Path) -> Vec<String> {
        let path = self.place.go_work.as_ref().and_then(|path| inside(root, path));
        path.map(|path| vec![format!("{path}.sum"), path]).unwrap_or_default()
    }

    /// Adds what Go has listed: for all platforms at once where they agree.
    fn add(
        &self,
        root: &Path,
        component: &Component,
        mut listed: Vec<(Platform, Listed)>,
        reads: &mut Reads,
    ) {
        if listed.iter().any(|(_, listed)| listed.is_unsure) {
            reads
                .rules
                .extend(self.everything(root, "go cannot list all that is read, so everything counts"));
            return;
        }
        let used: BTreeSet<Used> = listed.iter().flat_map(|(_, listed)| listed.used.clone()).collect();
        let why = format!("it says what `{}` depends on", component.name);
        let mut modules: BTreeSet<String> =
            listed.iter().flat_map(|(_, listed)| listed.modules.clone()).collect();
        modules.insert(below(&self.module, "go.mod"));
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        for go_mod in modules {
            let go_sum = go_mod.replace("go.mod", "go.sum");
            reads.parts.insert(go_mod.as_str().into(), module::part(&read(&go_mod), &used));
            reads.parts.insert(go_sum.as_str().into(), module::sums(&read(&go_sum), &used));
            reads.rules.extend([go_mod, go_sum].map(|path| Rule::path(path, why.clone())));
        }
        for path in self.workspace_files(root) {
            if path.ends_with(".sum") {
                reads.parts.insert(path.as_str().into(), module::sums(&read(&path), &used));
            }
            reads.rules.push(Rule::path(path, why.clone()));
        }
        let are_equal = listed.windows(2).all(|pair| pair[0].1.files == pair[1].1.files);
        listed.truncate(if are_equal { 1 } else { listed.len() });
        for (platform, Listed { files, .. }) in listed {
            let platform = Some(platform).filter(|_| !are_equal);
            let rule = |(path, why)| Rule { platform: platform.clone(), ..Rule::path(path, why) };
            reads.rules.extend(files.into_iter().map(rule));
        }
    }
}

/// The nearest folder at or above `folder` that has `name`, from the root.
fn nearest(root: &Path, folder: &str, name: &str) -> Option<String> {
    let has = |folder: &&Path| root.join(folder).join(name).is_file();
    let found = Path::new(folder).ancestors().find(has)?;
    Some(found.to_string_lossy().into_owned())
}

/// The path from the root, if it lies below it.
fn inside(root: &Path, path: &Path) -> Option<String> {
    let path = path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    Some(path.strip_prefix(root).ok()?.to_string_lossy().into_owned())
}
