//! `go.mod` and `go.sum`: the parts that one program depends on (Go Modules Reference).

use std::collections::BTreeSet;

/// A module that brings packages into a program: its path, its version, and what stands in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) path: String,
    pub(crate) version: String,
    /// Path and version, or the folder as `go.mod` writes it.
    pub(crate) replaced_by: Option<(String, String)>,
}

/// The path that a `go.mod` gives its module.
pub(crate) fn path(go_mod: &str) -> Option<String> {
    let mut lines = go_mod.lines().map(without_comment);
    let path =
        lines.find_map(|line| Some(line.strip_prefix("module")?.trim().trim_matches(['"', '`']).to_owned()));
    path.filter(|path| !path.is_empty())
}

/// What of a `go.mod` counts: everything but the requirements, of which only those that are used do, as Go has
/// resolved them.
pub(crate) fn part(go_mod: &str, used: &BTreeSet<Used>) -> String {
    let mut lines: Vec<String> = vec![];
    let mut in_requirements = false;
    for line in go_mod.lines().map(without_comment).filter(|line| !line.is_empty()) {
        match line {
            ")" if in_requirements => in_requirements = false,
            _ if in_requirements => {}
            _ if line.starts_with("require") && line.ends_with('(') => in_requirements = true,
            _ if line.starts_with("require ") => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines.extend(used.iter().map(|module| format!("{module:?}")));
    lines.join("\n")
}

/// The lines of a `go.sum` about modules that are used.
pub(crate) fn sums(go_sum: &str, used: &BTreeSet<Used>) -> String {
    let is_used = |line: &&str| {
        let mut words = line.split_whitespace();
        let (path, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = version.trim_end_matches("/go.mod");
        used.iter().any(|module| {
            let replaced = module.replaced_by.as_ref();
            (module.path == path && module.version == version)
                || replaced.is_some_and(|(other, at)| other == path && at == version)
        })
    };
    go_sum.lines().filter(is_used).collect::<Vec<_>>().join("\n")
}

/// The folders that `replace` lines and `use` lines name, as they are written.
pub(crate) fn folders(text: &str) -> Vec<String> {
    let lines = text.lines().map(without_comment);
    let last = |line: &str| {
        line.rsplit(char::is_whitespace).next().unwrap_or_default().trim_matches(['"', '`']).to_owned()
    };
    let is_folder =
        |path: &String| path == "." || path == ".." || path.starts_with("./") || path.starts_with("../");
    lines.map(last).filter(is_folder).collect()
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "module example.com/svc // here\n\ngo 1.26\ngodebug default=go1.21\n\nrequire example.com/a v1.0.0\n\
        require (\n\texample.com/b v1.2.0\n\texample.com/c v1.3.0 // indirect\n)\n\nreplace example.com/c => ../c\n";

    fn used(path: &str, version: &str) -> BTreeSet<Used> {
        [Used { path: path.to_owned(), version: version.to_owned(), replaced_by: None }].into()
    }

    #[test]
    fn only_used_requirements_count() {
        let before = part(GO_MOD, &used("example.com/b", "v1.2.0"));
        assert_eq!(before, part(&GO_MOD.replace("v1.3.0", "v1.4.0"), &used("example.com/b", "v1.2.0")));
        assert_ne!(before, part(GO_MOD, &used("example.com/b", "v1.2.1")));
        for (from, to) in [("go 1.26", "go 1.27"), ("go1.21", "go1.22"), ("../c", "../d"), ("/svc", "/other")]
        {
            assert_ne!(before, part(&GO_MOD.replace(from, to), &used("example.com/b", "v1.2.0")), "{from}");
        }
    }

    #[test]
    fn only_sums_of_used_modules_count() {
        let text = "a v1 h1:1\na v1/go.mod h1:2\na v2/go.mod h1:3\nb v1 h1:4\nfork v9 h1:5\n";
        assert_eq!(sums(text, &used("a", "v1")), "a v1 h1:1\na v1/go.mod h1:2");
        let replaced = Used { replaced_by: Some(("fork".to_owned(), "v9".to_owned())), ..Used::default() };
        assert_eq!(sums(text, &[replaced].into()), "fork v9 h1:5");
    }

    #[test]
    fn paths_and_folders_are_read() {
        assert_eq!(path(GO_MOD).as_deref(), Some("example.com/svc"));
        assert_eq!(path("// none\n"), None);
        assert_eq!(folders(GO_MOD), ["../c"]);
        assert_eq!(folders("go 1.26\nuse (\n\t./a\n\t.\n)\nuse ./b\n"), ["./a", ".", "./b"]);
    }
}
