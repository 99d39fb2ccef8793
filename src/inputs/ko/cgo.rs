//! What a Go program loses by being built without cgo, which ko switches off.

use super::list::{Package, Place, listed};
use super::settings::Settings;
use crate::component::Component;
use crate::exec::ExecError;
use crate::platform::Platform;
use std::collections::BTreeSet;
use std::path::PathBuf;

impl Place {
    /// The files of `packages` that cgo would compile on `platform`, and that ko leaves out because it switches cgo off.
    /// Go is asked once more only where a file has an `import "C"`: another system or tag may leave it out too.
    pub(super) async fn left_out(
        &self,
        settings: &Settings,
        platform: &Platform,
        packages: &[Package],
    ) -> Result<Vec<(PathBuf, String)>, ExecError> {
        if self.says_cgo(settings) {
            return Ok(vec![]);
        }
        let suspects: Vec<&str> = packages
            .iter()
            .filter(|package| !package.standard && package.has_cgo())
            .map(|package| package.import_path.as_str())
            .collect();
        if suspects.is_empty() {
            return Ok(vec![]);
        }
        let program = self.list(settings, platform, "1").args(["-json=Dir,ImportPath,CgoFiles", "--"]);
        let program = program.args(suspects);
        let packages = listed(&program).await?.flatten();
        Ok(packages
            .flat_map(|Package { dir, import_path, cgo_files, .. }| {
                cgo_files.into_iter().map(move |file| (dir.join(&file), format!("{import_path}/{file}")))
            })
            .collect())
    }

    /// Whether somebody has decided about cgo: ko passes on what its settings and variables say.
    fn says_cgo(&self, settings: &Settings) -> bool {
        let entries = settings.env.iter().filter_map(|entry| entry.split_once('='));
        let mut names = entries.map(|(name, _)| name).chain(self.variables.keys().map(String::as_str));
        names.any(|name| name == "CGO_ENABLED")
    }
}

impl Package {
    /// Whether one of the files that are not compiled imports C, whatever else keeps it out.
    fn has_cgo(&self) -> bool {
        let read = |file: &String| std::fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        self.ignored_go_files.iter().any(|file| imports_c(&read(file)))
    }
}

/// Whether a line of a Go file imports C; a comment that looks like one does no harm.
fn imports_c(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        let path = line.strip_prefix("import").map_or(line, |rest| rest.trim_start_matches([' ', '\t', '(']));
        path.starts_with("\"C\"")
    })
}

/// What to say of files that cgo would compile: ko switches it off, and the program may do without them or miss them.
pub(super) fn warning(component: &Component, left_out: &BTreeSet<String>) -> Option<String> {
    let first = left_out.first()?;
    let more = match left_out.len() - 1 {
        0 => String::new(),
        1 => " (and 1 more file)".to_owned(),
        more => format!(" (and {more} more files)"),
    };
    Some(format!(
        "`{first}`{more} imports \"C\" and is left out of `{}`, because ko builds without cgo; say what is meant with \
         `defaultEnv` in `.ko.yaml`: `CGO_ENABLED=0`, or `CGO_ENABLED=1` with a C compiler and a base image that has the C library",
        component.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_of_c_is_found_wherever_it_may_stand() {
        for (text, expected) in [
            ("package x\n\nimport \"C\"\n", true),
            ("package x\n\n// #include <math.h>\nimport \"C\" // more\n", true),
            ("import (\n\t\"fmt\"\n\t\"C\"\n)\n", true),
            ("import(\"C\")\n", true),
            ("import \"example.com/C\"\n", false),
            ("const c = \"C\"\n", false),
            ("", false),
        ] {
            assert_eq!(imports_c(text), expected, "{text:?}");
        }
    }
}
