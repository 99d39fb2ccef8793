//! What the libraries that the action is made of answer, and what hephy answers.

use super::super::{javascript, versions};

fn part<'a>(version: &'a versions::Version, name: &str) -> &'a str {
    let found = version.parts.iter().find(|(known, _)| *known == name);
    found.map_or("?", |(_, text)| text.as_str())
}

#[test]
fn semantic_versions_are_read_as_node_reads_them() {
    for (text, expected) in SEMANTIC {
        let read = versions::semantic(text).map_or(String::new(), |version| {
            let numbers = ["version", "major", "minor", "patch"].map(|name| part(&version, name)).join(" ");
            let (pre, build) = (part(&version, "prerelease"), part(&version, "build"));
            format!("{numbers} [{pre}] [{build}] {}", version.is_final)
        });
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn python_versions_are_read_as_the_action_reads_them() {
    for (text, expected) in PYTHON {
        let read = versions::python(text).map_or(String::new(), |version| {
            let numbers = ["version", "major", "minor", "patch"].map(|name| part(&version, name)).join(" ");
            format!("{numbers} {}", version.is_final)
        });
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn patterns_match_as_in_javascript() {
    for (pattern, text, expected) in PATTERNS {
        let found = match javascript::find(pattern, text) {
            Err(_) => "error".to_owned(),
            Ok(None) => "no match".to_owned(),
            Ok(Some(groups)) => {
                let shown = groups.into_iter().map(|group| group.unwrap_or("-".to_owned()));
                shown.collect::<Vec<_>>().join("|")
            }
        };
        assert_eq!(found, expected, "{pattern} in {text:?}");
    }
}

#[test]
fn hostile_patterns_end() {
    let text = "a".repeat(1000);
    for pattern in [
        "(?=(a+)+$)(a+)+b",
        "^(a|a)*\\1c",
        "((a{1,50}){1,50}){1,50}(?!x)b",
        &"(".repeat(3000),
        &"a".repeat(5000),
    ] {
        // An error or no match; that it comes back at all is what is tested.
        assert!(
            !matches!(javascript::find(pattern, &text), Ok(Some(groups)) if groups.is_empty()),
            "{pattern}"
        );
    }
}

/// A text, and its version, numbers, pre-release and build, as the npm package `semver` 7 reads it.
const SEMANTIC: [(&str, &str); 26] = [
    ("1.2.3", "1.2.3 1 2 3 [] [] true"),
    ("v1.2.3", "1.2.3 1 2 3 [] [] true"),
    ("=1.2.3", ""),
    (" v1.2.3 ", "1.2.3 1 2 3 [] [] true"),
    ("1.2", ""),
    ("v1", ""),
    ("1.2.3-rc.1", "1.2.3-rc.1 1 2 3 [rc,1] [] false"),
    ("1.2.3-rc.1+build.5", "1.2.3-rc.1 1 2 3 [rc,1] [build,5] false"),
    ("v1.2.3+build.7", "1.2.3 1 2 3 [] [build,7] true"),
    ("01.2.3", ""),
    ("1.2.3-01", ""),
    ("1.2.3-0a", "1.2.3-0a 1 2 3 [0a] [] false"),
    ("1.2.3-", ""),
    ("1.2.3+", ""),
    ("V1.2.3", ""),
    ("vv1.2.3", ""),
    ("1.2.3.4", ""),
    ("9007199254740991.0.0", "9007199254740991.0.0 9007199254740991 0 0 [] [] true"),
    ("9007199254740992.0.0", ""),
    ("0.0.0", "0.0.0 0 0 0 [] [] true"),
    ("1.2.3--", "1.2.3-- 1 2 3 [-] [] false"),
    ("1.2.3-a_b", ""),
    ("release-1.2.3", ""),
    ("2.0.0-beta", "2.0.0-beta 2 0 0 [beta] [] false"),
    ("1.0.0-x.7.z.92", "1.0.0-x.7.z.92 1 0 0 [x,7,z,92] [] false"),
    ("", ""),
];

/// The same for versions of PEP 440 as the npm package `@renovatebot/pep440` reads them.
const PYTHON: [(&str, &str); 24] = [
    ("1.2.3", "1.2.3 1 2 3 true"),
    ("v1.2.3", "1.2.3 1 2 3 true"),
    ("1.2", "1.2 1 2 0 true"),
    ("1", "1 1 0 0 true"),
    ("1.2.3rc1", "1.2.3rc1 1 2 3 false"),
    ("1.2.3-rc.1", "1.2.3rc1 1 2 3 false"),
    ("1.2.3.post2", "1.2.3.post2 1 2 3 false"),
    ("1.2.3-2", "1.2.3.post2 1 2 3 false"),
    ("1.2.3.dev4", "1.2.3.dev4 1 2 3 false"),
    ("1!2.3.4", "1!2.3.4 2 3 4 true"),
    ("1.0a1", "1.0a1 1 0 0 false"),
    ("1.0.alpha.1", "1.0a1 1 0 0 false"),
    ("2023.10.1.5", "2023.10.1.5 2023 10 1 true"),
    ("  1.0  ", ""),
    ("1.0-beta_2", "1.0b2 1 0 0 false"),
    ("1.0c3", "1.0rc3 1 0 0 false"),
    ("1.0pre", "1.0rc0 1 0 0 false"),
    ("01.02", "1.2 1 2 0 true"),
    ("hello", ""),
    ("1.2.x", ""),
    ("1..2", ""),
    ("", ""),
    ("1.0.rev3", "1.0.post3 1 0 0 false"),
    ("1.0b2.post345.dev456", "1.0b2.post345.dev456 1 0 0 false"),
];

/// A pattern, a text, and the groups of the first match as JavaScript finds them: `-` for one that took no part.
const PATTERNS: [(&str, &str, &str); 58] = [
    ("v(\\d.\\d.\\d)$", "p1/v1.0.0", "v1.0.0|1.0.0"),
    ("/^v(\\d+)\\.(\\d+)/", "v12.34.5", "v12.34|12|34"),
    ("(?<=v)\\d+", "v12", "12"),
    ("(?<!v)\\d+", "v12", "2"),
    ("(?=.*\\d)[a-z]+", "ab1", "ab"),
    ("(a)\\1", "xaay", "aa|a"),
    ("(?<y>\\d{4})-\\k<y>", "2024-2024", "2024-2024|2024"),
    ("/RELEASE-(.*)/i", "release-x", "release-x|x"),
    ("/\\d+/g", "1-22-333", "1|22|333"),
    ("/^b$/m", "a\nb", "b"),
    ("^b$", "b\n", "no match"),
    ("a.c", "a\nc", "no match"),
    ("/a.c/s", "a\nc", "a\nc"),
    ("[^]", "\n", "\n"),
    ("[]", "a", "no match"),
    ("[[a]", "[", "["),
    ("[a&&b]+", "a&b", "a&b"),
    ("[\\w-]+", "a-b.c", "a-b"),
    ("\\bfoo\\b", "a foo!", "foo"),
    ("\\d+", "٣4", "4"),
    ("\\w+", "éa", "a"),
    ("a{", "a{", "a{"),
    ("a{,2}", "a{,2}", "a{,2}"),
    ("a{2}", "aaa", "aa"),
    ("a{2,}?", "aaaa", "aa"),
    ("x}", "x}", "x}"),
    ("\\/v(.*)", "a/v1", "/v1|1"),
    ("\\u0041", "A", "A"),
    ("\\x41", "A", "A"),
    ("(?:a|(b))c", "ac", "ac|-"),
    ("[\\d.]+", "v1.2.3", "1.2.3"),
    ("(\\d+)(?:\\.(\\d+))?", "7", "7|7|-"),
    ("/a/y", "ba", "no match"),
    ("/a/y", "ab", "a"),
    ("\\s+", "a \t b", " \t "),
    ("[^\\s]+", " ab ", "ab"),
    ("[a-z&&[^b]]", "b]", "b]"),
    ("\\-", "a-b", "-"),
    ("\\_", "a_b", "_"),
    ("a#b", "a#b", "a#b"),
    ("a b", "a b", "a b"),
    ("^(?!main$).+", "main", "no match"),
    ("^(?!main$).+", "main2", "main2"),
    ("(?<=a+)b", "aab", "b"),
    ("[~#-]+", "#-~", "#-~"),
    ("[a\\]b]+", "]ab", "]ab"),
    ("\\u{41}", "u", "no match"),
    ("/\\u{41}/u", "A", "A"),
    ("\\p{L}", "p{L}", "p{L}"),
    ("/\\p{L}+/u", "éa1", "éa"),
    ("[\\b]", "\u{8}", "\u{8}"),
    ("a**", "a", "error"),
    ("(", "a", "error"),
    ("$", "a\n", ""),
    ("a|", "b", ""),
    ("\\.", "a.b", "."),
    ("[--a]+", "-.0", "-.0"),
    ("\\B1", "a1", "1"),
];
