//! The image of finished programs: what `cargo` and `prebuilt` share. A program that could not start is refused.

mod certificates;

use super::elf::{self, Kind};
use super::{BuildError, Order};
use crate::component::{Component, ProgramBase};
use crate::event::Events;
use crate::layout::{Descriptor, Layout, On, Program, assemble, static_base_has};
use crate::platform::Platform;
use std::path::{Path, PathBuf};

/// A larger program mostly has its debug information with it.
const LARGE: u64 = 128 << 20;

/// Programs that are ready to be put into an image.
pub(super) struct Finished {
    /// Files, or one folder that is taken whole.
    pub(super) sources: Vec<PathBuf>,
    /// The file to start: its name, or its path in the folder.
    pub(super) start: String,
    /// Where those lie that must be able to run in the image.
    pub(super) programs: Vec<PathBuf>,
}

/// Refuses assets that are not there, and programs that could not start in the image of `component`. It looks only at names and
/// headers. Returns warnings.
pub(super) fn ensure_possible(
    root: &Path,
    component: &Component,
    platform: &Platform,
    programs: &[PathBuf],
) -> Result<Vec<String>, BuildError> {
    let assets = assets(root, component);
    if let Some((path, _)) = assets.into_iter().find(|(path, _)| !path.exists()) {
        return Err(BuildError::NoAsset { path });
    }
    let ground = Ground::of(component, platform);
    let mut warnings = vec![];
    for program in programs {
        let kind = elf::read(program).map_err(unreadable(program))?;
        warnings.extend(ensure_startable(program, &kind, &ground)?);
    }
    Ok(warnings)
}

/// Puts the programs into the image of `order`.
pub(super) fn package(
    events: &Events,
    order: &Order<'_>,
    finished: &Finished,
) -> Result<Descriptor, BuildError> {
    let component = order.component;
    let mut warnings = ensure_possible(order.root, component, order.platform, &finished.programs)?;
    let ground = Ground::of(component, order.platform);
    for program in &finished.programs {
        let size = program.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        warnings.extend(about_size(program, size));
        warnings.extend(certificates::warning(program, &ground).map_err(unreadable(program))?);
    }
    for text in warnings {
        events.warn(format!("{}: {text}", order.subject()));
    }
    let layout = Layout::create(order.out)?;
    let image = Program {
        sources: &finished.sources,
        start: &finished.start,
        platform: order.platform,
        created: order.epoch,
        assets: &assets(order.root, component),
        user: component.recipe.user.as_deref(),
        on: on(order),
        listener: order.listener,
    };
    Ok(order.finish(&layout, assemble(&layout, &image)?)?)
}

/// What the programs are put on; an image was fetched if there is to be one.
fn on<'a>(order: &Order<'a>) -> On<'a> {
    match (&order.component.recipe.base, order.base) {
        (ProgramBase::Static, _) => On::Static,
        (_, Some(base)) => On::Image(base),
        (ProgramBase::Scratch | ProgramBase::Image(_), None) => On::Nothing,
    }
}

/// What lies beside the programs, with its places in the image.
fn assets(root: &Path, component: &Component) -> Vec<(PathBuf, String)> {
    let assets = component.recipe.assets.iter();
    assets.map(|(source, place)| (root.join(source), place.clone())).collect()
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    move |source| BuildError::Read { path: path.to_owned(), source }
}

/// A warning about a program of `size` bytes, if it is unusually large.
fn about_size(path: &Path, size: u64) -> Option<String> {
    let text = "MiB; without debug information (`strip`) it is smaller";
    (size > LARGE).then(|| format!("`{}` has {} {text}", path.display(), size >> 20))
}

/// What a program stands on in its image.
struct Ground<'a> {
    platform: &'a Platform,
    base: &'a ProgramBase,
    /// The places of assets.
    places: Vec<&'a str>,
}

impl<'a> Ground<'a> {
    fn of(component: &'a Component, platform: &'a Platform) -> Self {
        let recipe = &component.recipe;
        let places = recipe.assets.values().map(String::as_str).collect();
        Ground { platform, base: &recipe.base, places }
    }

    /// Whether something may be at `path`; what is in an image is not looked at.
    fn may_have(&self, path: &str) -> bool {
        let is_above = |place: &&str| {
            let place = place.trim_end_matches('/');
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let may_be_below = match self.base {
            ProgramBase::Scratch => false,
            ProgramBase::Static => static_base_has(path),
            ProgramBase::Image(_) => true,
        };
        may_be_below || self.places.iter().any(is_above)
    }
}

/// Refuses a program that cannot start there. Returns a warning about one that may not.
fn ensure_startable(path: &Path, kind: &Kind, ground: &Ground<'_>) -> Result<Option<String>, BuildError> {
    let platform = ground.platform;
    if platform.os != "linux" {
        return Ok(None);
    }
    match kind {
        Kind::Elf(elf) => {
            if elf::machine(&platform.architecture).is_some_and(|machine| machine != elf.machine) {
                let (path, found) = (path.to_owned(), elf::name(elf.machine));
                return Err(BuildError::OtherMachine { path, found, platform: platform.clone() });
            }
            match &elf.loader {
                Some(loader) if !ground.may_have(loader) => {
                    Err(BuildError::NoLoader { path: path.to_owned(), loader: loader.clone() })
                }
                _ => Ok(None),
            }
        }
        Kind::Script if !ground.may_have("/bin/sh") => {
            let problem =
                "is a script, and its image has no program that could run it; `base` names an image that has";
            Ok(Some(format!("`{}` {problem}", path.display())))
        }
        Kind::Script | Kind::Other => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::elf::Elf;
    use super::*;

    #[test]
    fn only_a_large_program_is_a_warning() {
        let warning = |mebibytes: u64| about_size(Path::new("run"), mebibytes << 20);
        assert_eq!(warning(128), None);
        let expected = "`run` has 200 MiB; without debug information (`strip`) it is smaller";
        assert_eq!(warning(200).as_deref(), Some(expected));
    }

    #[test]
    fn a_program_that_cannot_start_is_refused() {
        let program = |architecture: &str, loader: Option<&str>| {
            let machine = elf::machine(architecture).expect("known");
            Kind::Elf(Elf { machine, loader: loader.map(str::to_owned) })
        };
        let loader = Some("/lib64/ld.so");
        let refused = "start `run`: it needs the loader `/lib64/ld.so`, and its image has none";
        for (kind, platform, base, places, expected) in [
            (program("amd64", None), "linux/amd64", "scratch", vec![], Ok(false)),
            (
                program("arm64", None),
                "linux/amd64",
                "debian:12",
                vec![],
                Err("package `run` for linux/amd64: it is a program for arm64"),
            ),
            (program("amd64", loader), "linux/amd64", "scratch", vec!["/lib"], Err(refused)),
            (program("amd64", loader), "linux/amd64", "debian:12", vec![], Ok(false)),
            (program("amd64", loader), "linux/amd64", "scratch", vec!["/lib64/"], Ok(false)),
            (program("amd64", loader), "linux/amd64", "scratch", vec!["/lib64/ld.so"], Ok(false)),
            (program("amd64", loader), "freebsd/amd64", "scratch", vec![], Ok(false)),
            (Kind::Script, "linux/amd64", "scratch", vec![], Ok(true)),
            (program("amd64", None), "linux/amd64", "static", vec![], Ok(false)),
            (program("amd64", loader), "linux/amd64", "static", vec![], Err(refused)),
            (Kind::Script, "linux/amd64", "static", vec![], Ok(true)),
            (Kind::Script, "linux/amd64", "debian:12", vec![], Ok(false)),
            (Kind::Other, "linux/arm64", "scratch", vec![], Ok(false)),
        ] {
            let platform: Platform = platform.parse().expect("a platform");
            let base = ProgramBase::new(base.to_owned());
            let ground = Ground { platform: &platform, base: &base, places };
            let found = ensure_startable(Path::new("run"), &kind, &ground);
            let found = found.map(|warning| warning.is_some()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{kind:?} on {base:?} for {platform}");
        }
    }
}
