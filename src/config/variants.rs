//! Dockerfiles of other names than `Dockerfile`: which of the files that look like one are.

use super::{Config, ConfigError, definitions, discover, reading};
use crate::component::Component;
use bstr::{BStr, BString, ByteSlice as _};
use std::cell::LazyCell;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The names of a Dockerfile that has no other meaning.
pub(crate) const USUAL: [&str; 2] = ["Dockerfile", "Containerfile"];

/// What lies beside a Dockerfile and is none: ignore files, templates, what editors and merges leave, and documents.
const COMPANIONS: [&str; 33] = [
    "dockerignore",
    "containerignore",
    "in",
    "tmpl",
    "template",
    "tpl",
    "j2",
    "jinja",
    "jinja2",
    "mustache",
    "hbs",
    "erb",
    "example",
    "sample",
    "disabled",
    "orig",
    "rej",
    "bak",
    "backup",
    "old",
    "save",
    "swp",
    "swo",
    "tmp",
    "patch",
    "diff",
    "md",
    "txt",
    "license",
    "lock",
    "sha256",
    "sig",
    "asc",
];

/// Whether the disk has what may be such a Dockerfile for a component. Only git can tell whether it counts.
pub(crate) fn may_be_there(config: &Config, root: &Path) -> bool {
    config.components.iter().any(|component| !candidates(root, component).is_empty())
}

/// The configuration in which each component knows the Dockerfiles of other names in its folder. Only names among
/// `files`, which git lists, count, and those that it would list in one of the `repositories` within this one: what is
/// ignored is not there for anybody else, and must not decide what the commit is built with.
pub(crate) fn find(
    mut config: Config,
    root: &Path,
    files: &[&BStr],
    repositories: &[&BStr],
) -> Result<Config, ConfigError> {
    // Most repositories have no candidate, and then nobody has to find one file among all.
    let listed = LazyCell::new(|| files.iter().copied().collect::<HashSet<&BStr>>());
    for component in &mut config.components {
        let mut found = vec![];
        for name in candidates(root, component) {
            let path = root.join(&component.path).join(&name);
            if is_listed(root, &path, &listed, repositories)?
                && reading::text(root, &path).is_some_and(|text| has_from(&text))
            {
                found.push(name);
            }
        }
        found.sort();
        component.dockerfile_variants = found;
    }
    Ok(config)
}

/// The names on the disk that may be such Dockerfiles, where they could be needed.
fn candidates(root: &Path, component: &Component) -> Vec<String> {
    let folder = root.join(&component.path);
    if component.recipe.dockerfile.is_some() || USUAL.iter().any(|name| folder.join(name).is_file()) {
        return vec![];
    }
    definitions::names(&folder).filter(|name| is_variant(name)).collect()
}

/// Whether git lists the file, and, if that is a link, the file that it leads to.
fn is_listed(
    root: &Path,
    path: &Path,
    listed: &HashSet<&BStr>,
    repositories: &[&BStr],
) -> Result<bool, ConfigError> {
    let folder = path.parent().and_then(|folder| reading::real(root, folder));
    let (Some(folder), Some(name), Some(target)) = (folder, path.file_name(), reading::real(root, path))
    else {
        return Ok(false);
    };
    for path in [folder.join(name), target] {
        let path = BStr::new(path.as_os_str().as_bytes());
        if !listed.contains(path) && !is_listed_within(root, path, repositories)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same for a file in a repository within this one.
fn is_listed_within(root: &Path, path: &BStr, repositories: &[&BStr]) -> Result<bool, ConfigError> {
    let is_in =
        |folder: &&&BStr| path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
    let Some(repository) = repositories.iter().find(is_in) else { return Ok(false) };
    let listed: Vec<BString> = discover::files_below(root, repository)?;
    Ok(listed.iter().any(|listed| listed == path))
}

/// Whether a file of this name may be a Dockerfile: `Dockerfile.prod`, `api.Dockerfile`.
pub(super) fn is_variant(name: &str) -> bool {
    // Most names end here.
    if !USUAL.iter().any(|usual| name.contains(usual)) || name.starts_with('.') || name.ends_with('~') {
        return false;
    }
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    let is_before =
        USUAL.iter().any(|usual| name.strip_prefix(usual).is_some_and(|rest| rest.starts_with('.')));
    let is_companion = || COMPANIONS.contains(&kind.to_ascii_lowercase().as_str());
    !stem.is_empty() && (USUAL.contains(&kind) || is_before && !kind.is_empty() && !is_companion())
}

/// Whether the text is that of a whole Dockerfile, and not of a part that something else puts together.
pub(super) fn has_from(text: &str) -> bool {
    text.lines().any(|line| {
        line.split_ascii_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_a_dockerfile_with_more_name() {
        for (name, expected) in [
            ("Dockerfile.prod", true),
            ("Dockerfile.go", true),
            ("Dockerfile.api.prod", true),
            ("Containerfile.dev", true),
            ("api.Dockerfile", true),
            ("api.v2.Containerfile", true),
            ("Dockerfile", false),
            ("Dockerfile.", false),
            (".Dockerfile", false),
            (".api.Dockerfile", false),
            ("Dockerfile-prod", false),
            ("MyDockerfile.prod", false),
            ("Dockerfile.dockerignore", false),
            ("Dockerfile.prod.dockerignore", false),
            ("api.Dockerfile.dockerignore", false),
            ("Containerfile.containerignore", false),
            ("Dockerfile.tmpl", false),
            ("Dockerfile.in", false),
            ("Dockerfile.md", false),
            ("Dockerfile.prod~", false),
            ("Dockerfile.prod.orig", false),
            ("Dockerfile.BAK", false),
            (".Dockerfile.swp", false),
            ("Dockerfile.prod.swp", false),
        ] {
            assert_eq!(is_variant(name), expected, "{name}");
        }
    }

    /// The variants of a component in `folder` of a repository with these files and links, all of them Dockerfiles.
    fn found(folder: &str, files: &[&str], links: &[(&str, &str)], listed: &[&str]) -> Vec<String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        let place = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
            path
        };
        for file in files {
            let text = if file.ends_with(".gitignore") { "*.local\n" } else { "FROM scratch\n" };
            std::fs::write(place(file), text).expect("write the file");
        }
        for (link, target) in links {
            std::os::unix::fs::symlink(target, place(link)).expect("make the link");
        }
        let (repositories, files): (Vec<&str>, Vec<&str>) =
            listed.iter().copied().partition(|path| path.ends_with('/'));
        let repositories: Vec<&BStr> =
            repositories.into_iter().map(|path| BStr::new(path.trim_end_matches('/'))).collect();
        let files: Vec<&BStr> = files.into_iter().map(BStr::new).collect();
        let component = Component::new("a".parse().expect("a name"), folder, "");
        let config = Config { components: vec![component], ..Config::default() };
        let config = find(config, root.path(), &files, &repositories).expect("found");
        config.components.into_iter().flat_map(|component| component.dockerfile_variants).collect()
    }

    #[test]
    fn only_what_git_lists_is_there() {
        let two = ["a/Dockerfile.prod", "a/Dockerfile.local"];
        assert_eq!(found("a", &two, &[], &two), ["Dockerfile.local", "Dockerfile.prod"]);
        assert_eq!(found("a", &two, &[], &["a/Dockerfile.prod", "b/Dockerfile.local"]), ["Dockerfile.prod"]);
        assert_eq!(found("a", &two[1..], &[], &["a/main.go"]), [""; 0]);
        // What is listed and not there, as in a sparse checkout, is not there.
        assert_eq!(found("a", &two[..1], &[], &two), ["Dockerfile.prod"]);
        assert_eq!(found("a", &["a/Dockerfile", two[0]], &[], &["a/Dockerfile", two[0]]), [""; 0]);
        // Of a repository within this one, git lists nothing here.
        let inner = ["r/.gitignore", "r/a/Dockerfile.prod", "r/a/Dockerfile.local"];
        assert_eq!(found("r/a", &inner, &[], &["r/"]), ["Dockerfile.prod"]);
        assert_eq!(found("r/a", &inner, &[], &[]), [""; 0]);
    }

    #[test]
    fn a_link_is_there_if_git_lists_it_and_what_it_leads_to() {
        let (file, link) = ("base/x", [("a/Dockerfile.x", "../base/x")]);
        assert_eq!(found("a", &[file], &link, &["a/Dockerfile.x", file]), ["Dockerfile.x"]);
        assert_eq!(found("a", &[file], &link, &["a/Dockerfile.x"]), [""; 0]);
        assert_eq!(found("a", &[file], &link, &[file]), [""; 0]);
        let folder = [("a", "b")];
        assert_eq!(found("a", &["b/Dockerfile.x"], &folder, &["a", "b/Dockerfile.x"]), ["Dockerfile.x"]);
        let zeros = [("a/Dockerfile.x", "/dev/zero")];
        assert_eq!(found("a", &[], &zeros, &["a/Dockerfile.x"]), [""; 0]);
    }

    #[test]
    fn a_part_of_a_dockerfile_is_none() {
        for (text, expected) in [
            ("# syntax=x\nFROM scratch\n", true),
            ("\tfrom\talpine\n", true),
            ("RUN make\n", false),
            ("FROMAGE\n", false),
            ("", false),
        ] {
            assert_eq!(has_from(text), expected, "{text:?}");
        }
    }
}
