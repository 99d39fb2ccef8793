//! `.helmignore`: what a chart's package leaves out (Helm's `.helmignore` documentation; Helm 4 `pkg/ignore`).

use crate::inputs::wildcard;
use globset::{GlobBuilder, GlobMatcher};

/// The patterns of a `.helmignore`, with the one that Helm adds.
#[derive(Debug)]
pub(crate) struct Helmignore(Vec<Line>);

#[derive(Debug)]
struct Line {
    glob: GlobMatcher,
    /// Everything is left out that does not match.
    is_negated: bool,
    only_folders: bool,
    /// Only the last part of a path is compared.
    only_names: bool,
}

impl Helmignore {
    /// Reads the file; the error is the line that Helm would refuse, or that has no exact meaning here.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        // Files of editors among the templates.
        let lines = lines.chain(["templates/.?*"]);
        lines.map(|line| self::line(line).ok_or_else(|| line.to_owned())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a package has no file `path`, relative to the chart: it or a folder above it is left out.
    pub(crate) fn leaves_out(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        above.into_iter().any(|folder| self.matches(folder, true)) || self.matches(path, false)
    }

    fn matches(&self, path: &str, is_folder: bool) -> bool {
        self.0.iter().any(|line| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let fits = line.glob.is_match(if line.only_names { name } else { path });
            let may_fit = is_folder || !line.only_folders;
            if line.is_negated { !may_fit || !fits } else { may_fit && fits }
        })
    }
}

fn line(text: &str) -> Option<Line> {
    if text.contains("**") {
        return None;
    }
    let (is_negated, pattern) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (only_folders, pattern) = pattern.strip_suffix('/').map_or((false, pattern), |rest| (true, rest));
    let anchored = pattern.strip_prefix('/');
    let only_names = anchored.is_none() && !pattern.contains('/');
    let parts =
        anchored.unwrap_or(pattern).split('/').map(wildcard::translated).collect::<Option<Vec<_>>>()?;
    let glob = GlobBuilder::new(&parts.join("/")).literal_separator(true).build().ok()?.compile_matcher();
    Some(Line { glob, is_negated, only_folders, only_names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_helm_means() {
        for (text, out, kept) in [
            ("*.bak\n# x\n\n", &["a.bak", "templates/b.bak"][..], &["a", "a.bak.yaml"][..]),
            ("docs/\n", &["docs/a", "x/docs/b"], &["docs", "my-docs/a"]),
            ("/ci\n", &["ci", "ci/values.yaml"], &["charts/ci", "ci-x"]),
            ("charts/*.tgz", &["charts/a.tgz"], &["a.tgz", "x/charts/a.tgz"]),
            ("a?c", &["abc", "x/axc/y"], &["ac"]),
            ("", &["templates/.swp"], &["templates/.", ".helmignore", "charts/x/templates/.swp"]),
            ("!*.yaml\n", &["README.md"], &["Chart.yaml"]),
        ] {
            let ignore = Helmignore::read(text).expect(text);
            out.iter().for_each(|path| assert!(ignore.leaves_out(path), "{text}: {path}"));
            kept.iter().for_each(|path| assert!(!ignore.leaves_out(path), "{text}: {path}"));
        }
        assert_eq!(Helmignore::read("a\n**/b\n").expect_err("Helm refuses it"), "**/b");
    }
}
