//! Dockerfiles of other names than `Dockerfile`: which of the files that look like one are.

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
