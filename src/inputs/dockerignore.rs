//! `.dockerignore`: which files of a context a build cannot see. A file is left out only if both readings of the
//! format, Docker's and buildah's, leave it out.

use super::wildcard;
use bstr::{BStr, ByteSlice as _};
use globset::GlobMatcher;

/// The lines of the file, in their order: the last one that matches decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dockerignore {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    /// `!`: what it matches is not left out.
    is_exception: bool,
    /// `None`: not understood. Then it leaves nothing out, and as an exception it excepts everything.
    glob: Option<GlobMatcher>,
    /// Of how many parts the pattern is made.
    depth: usize,
}

impl Dockerignore {
    /// Reads the text; what is not understood leaves nothing out.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        Self { lines: lines.filter(|line| !line.is_empty()).map(line).collect() }
    }

    /// Whether the build cannot see anything in `folder`, so that nobody needs to look into it.
    pub(crate) fn hides_all_of(&self, folder: &BStr) -> bool {
        !self.lines.iter().any(|line| line.is_exception) && self.leaves_out(folder)
    }

    /// Whether the build cannot see `path`, which is relative to the context.
    pub(crate) fn leaves_out(&self, path: &BStr) -> bool {
        let by_docker = |line: &&Line| line.matches(path, |_| true);
        // buildah asks about one of the folders above only; an exception must not be missed by either of the two.
        let by_buildah = |line: &&Line| line.matches(path, |depth| line.is_exception || depth == line.depth);
        let has_exceptions = self.lines.iter().any(|line| line.is_exception);
        let last = |matches: &dyn Fn(&&Line) -> bool| {
            self.lines.iter().rev().find(|line| matches(line)).is_some_and(|line| !line.is_exception)
        };
        last(&by_docker) && (!has_exceptions || last(&by_buildah))
    }
}

impl Line {
    /// Whether the path matches, or one of the folders above it whose depth `is_asked`.
    fn matches(&self, path: &BStr, is_asked: impl Fn(usize) -> bool) -> bool {
        let Some(glob) = &self.glob else { return self.is_exception };
        let folders = path.find_iter("/").enumerate().filter(|(above, _)| is_asked(above + 1));
        let mut asked = folders.map(|(_, end)| path[..end].as_bstr()).chain([path]);
        asked.any(|path| glob.is_match(path.to_path_lossy()))
    }
}

fn line(text: &str) -> Line {
    let (is_exception, pattern) = match text.strip_prefix('!') {
        Some(pattern) => (true, pattern.trim()),
        None => (false, text),
    };
    let parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let is_odd = parts.is_empty() || parts.contains(&"..");
    let glob = (!is_odd).then(|| wildcard::glob(&parts.join("/"))).flatten();
    Line { is_exception, glob, depth: parts.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, left_out: &[&str], kept: &[&str]) {
        let read = Dockerignore::read(text);
        for path in left_out {
            assert!(read.leaves_out(BStr::new(path)), "{path} is left out by {text:?}");
        }
        for path in kept {
            assert!(!read.leaves_out(BStr::new(path)), "{path} is kept by {text:?}");
        }
    }

    #[test]
    fn lines_match_as_in_docker() {
        check("", &[], &["a"]);
        check("# a\n\n a \r\n/b/\n./c\n", &["a", "a/x", "b", "b/x/y", "c"], &["x/a", "ab"]);
        check("*.md\n", &["README.md"], &["docs/a.md"]);
        check("**/*.md", &["README.md", "docs/a.md"], &["docs/a.mdx"]);
        check("*/temp*", &["a/temp", "a/temporary/x"], &["temp", "a/b/temp"]);
        check("docs/**", &["docs/a", "docs/a/b"], &["docs2/a"]);
        check("**/bin/", &["bin", "x/bin/y"], &["x/cabin"]);
        check("a?c\n[Bb]in\n", &["abc", "Bin/x", "bin"], &["ac", "a/c"]);
        check("{a,b}", &["{a,b}"], &["a", "b"]);
        check("*", &["a", "a/b"], &[]);
    }

    #[test]
    fn an_exception_brings_back_and_the_last_line_decides() {
        check("*\n!src\n", &["a", "a/b/c"], &["src", "src/a"]);
        check("*.md\n!README.md\n", &["a.md"], &["README.md"]);
        check("*.md\n!README*.md\nREADME-secret.md", &["README-secret.md"], &["README.md"]);
    }

    #[test]
    fn what_is_not_understood_leaves_nothing_out() {
        for text in ["a**b", "[", "[!a]", "..", "../x", ".", "/", "\\"] {
            check(text, &[], &["a", "b", "axb", "x"]);
        }
        // An exception that is not understood may bring everything back.
        check("*\n!x**y", &[], &["a"]);
        check("*\n!", &[], &["a"]);
        // buildah does not look at every folder above where there are exceptions.
        check("**/a\n!a/b", &["a", "x/a", "x/a/y"], &["a/b", "x/y/a/z"]);
        // Docker matches `.md` in any folder here, and a glob would match every file that ends in it.
        check("**.md", &[".md", "x/.md"], &["README.md"]);
    }

    /// Coverage-guided with `./dev fuzz`, some random bytes in an ordinary run.
    #[test]
    fn fuzz_dockerignore() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let (path, text) = bytes.split_at(bytes.len().min(12));
            Dockerignore::read(&String::from_utf8_lossy(text)).leaves_out(BStr::new(path));
        });
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(?s).{0,60}", path in "[a-c/.]{0,12}") {
            Dockerignore::read(&text).leaves_out(BStr::new(&path));
        }

        /// Lines that leave out can only take away, and exceptions can only bring back.
        #[test]
        fn more_exceptions_leave_out_less(
            lines in prop::collection::vec("[a-c*?/.]{1,6}", 1..5), path in "[a-c]{1,2}(/[a-c]{1,2}){0,2}"
        ) {
            let read = |lines: &[String]| Dockerignore::read(&lines.join("\n")).leaves_out(BStr::new(&path));
            let with_exception = [lines.as_slice(), &["!a".to_owned()]].concat();
            prop_assert!(read(&lines) || !read(&with_exception));
        }
    }
}
