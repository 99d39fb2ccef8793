//! What discovery passed over although somebody may have meant it to be built, in words.

use super::discover::Doubt;
use super::unsupported::Unsupported;
use crate::component::Name;

/// So many files of one kind are named.
const NAMED: usize = 3;

/// What the user should know about `doubts`. A Dockerfile that `is_used` by a component is in no doubt.
pub(super) fn warnings(doubts: Vec<Doubt>, is_used: impl Fn(&str) -> bool) -> Vec<String> {
    let mut warnings = vec![];
    let mut files: Vec<(Unsupported, String)> = vec![];
    for doubt in doubts {
        match doubt {
            Doubt::Unclear(mut paths) => {
                paths.retain(|path| !is_used(path));
                warnings.extend((!paths.is_empty()).then(|| unclear(&paths)));
            }
            Doubt::Above(path) | Doubt::Beside(path, _) | Doubt::SameName(path, _) if is_used(&path) => {}
            Doubt::Above(path) => warnings.push(above(&path)),
            Doubt::Beside(path, other) => warnings.push(beside(&path, &other)),
            Doubt::SameName(path, name) => warnings.push(same_name(&path, &name)),
            Doubt::Unsupported(kind, path) => files.push((kind, path)),
        }
    }
    for kind in Unsupported::ALL {
        let of_kind = files.iter().filter(|(other, _)| *other == kind);
        let paths: Vec<String> = of_kind.map(|(_, path)| path.clone()).collect();
        warnings.extend((!paths.is_empty()).then(|| unsupported(kind, &paths)));
    }
    warnings
}

fn unclear(paths: &[String]) -> String {
    format!(
        "{}: nothing says that it is built, so it is not; list what is built in hephy.yaml, with its `dockerfile`",
        named(paths)
    )
}

fn above(path: &str) -> String {
    format!(
        "`{path}` is not built, because the Go programs below its folder are; list what is built in hephy.yaml, with its \
         `dockerfile`"
    )
}

fn beside(path: &str, other: &str) -> String {
    format!(
        "`{path}` is not built, because `{other}` beside it comes first and alone makes no component; list what is built in \
         hephy.yaml, with its `dockerfile`"
    )
}

fn same_name(path: &str, name: &Name) -> String {
    format!(
        "`{path}` is not built, because another folder is called `{name}` too; list what is built in hephy.yaml, with its \
         `dockerfile`"
    )
}

fn unsupported(kind: Unsupported, paths: &[String]) -> String {
    format!(
        "{}: hephy has no backend for {}, so nothing is built from it; list what is built in hephy.yaml, with its `backend` \
         or `dockerfile`",
        named(paths),
        kind.as_str()
    )
}

/// The first of them, and how many more there are.
fn named(paths: &[String]) -> String {
    let first: Vec<String> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_kind_are_one_warning() {
        let unsupported = |kind, path: &str| Doubt::Unsupported(kind, path.to_owned());
        let mut doubts: Vec<Doubt> = ["a", "b", "c", "d"]
            .iter()
            .map(|folder| unsupported(Unsupported::Jib, &format!("{folder}/pom.xml")))
            .collect();
        doubts.push(unsupported(Unsupported::Bake, "docker-bake.hcl"));
        let end = "so nothing is built from it; list what is built in hephy.yaml, with its `backend` or `dockerfile`";
        assert_eq!(
            warnings(doubts, |_| false),
            [
                format!("`docker-bake.hcl`: hephy has no backend for bake, {end}"),
                format!(
                    "`a/pom.xml`, `b/pom.xml`, `c/pom.xml` and 1 more: hephy has no backend for jib, {end}"
                ),
            ]
        );
    }

    #[test]
    fn a_dockerfile_that_a_component_uses_is_in_no_doubt() {
        let unclear = |names: &[&str]| Doubt::Unclear(names.iter().map(|name| (*name).to_owned()).collect());
        let warned = |doubt: Doubt, used: &[&str]| warnings(vec![doubt], |path| used.contains(&path)).len();
        let above = || Doubt::Above("a/Dockerfile.x".to_owned());
        assert_eq!(warned(unclear(&["a/Dockerfile.x", "a/Dockerfile.y"]), &["a/Dockerfile.x"]), 1);
        assert_eq!(
            warned(unclear(&["a/Dockerfile.x", "a/Dockerfile.y"]), &["a/Dockerfile.x", "a/Dockerfile.y"]),
            0
        );
        assert_eq!((warned(above(), &[]), warned(above(), &["a/Dockerfile.x"])), (1, 0));
        let beside = || Doubt::Beside("a/Dockerfile.x".to_owned(), "Cargo.toml".to_owned());
        assert_eq!((warned(beside(), &[]), warned(beside(), &["a/Dockerfile.x"])), (1, 0));
    }
}
