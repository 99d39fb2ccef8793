use super::*;
use proptest::prelude::*;

fn component(path: &str) -> Component {
    Component::new("api".parse().expect("a name"), path, "hephy.yaml:1")
}

fn reads(rules: &[(Pattern, Option<&str>)]) -> Reads {
    let rule = |(pattern, platform): &(Pattern, Option<&str>)| Rule {
        platform: platform.map(|text| text.parse().expect("a platform")),
        ..Rule::new(pattern.clone(), format!("rule {pattern:?}"))
    };
    Reads { rules: rules.iter().map(rule).collect(), ..Reads::default() }
}

fn path(text: &str) -> Pattern {
    Pattern::Path(text.to_owned())
}

fn file(path: &str, content: &str) -> File {
    File { path: path.into(), mode: "100644", content: content.to_owned() }
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64")
}

fn digest(component: &Component, files: &[File]) -> Digest {
    input_digest(component, Backend::Cargo, &amd64(), files)
}

#[test]
fn rules_say_what_is_read() {
    let reads = reads(&[
        (path("api"), None),
        (Pattern::Glob("packages/*/ui.css".to_owned()), None),
        (path("dist/arm"), Some("linux/arm64")),
    ]);
    let matcher = Matcher::new(&reads, &["**/*.md".to_owned(), "docs/**".to_owned()]).expect("valid globs");
    for (text, platform, expected) in [
        ("api/main.rs", None, true),
        ("api", None, true),
        ("api2/main.rs", None, false),
        ("api/README.md", None, false),
        ("docs/guide/a.txt", None, false),
        ("packages/x/ui.css", None, true),
        ("packages/x/y/ui.css", None, false),
        ("dist/arm/worker", Some(Platform::new("linux", "arm64")), true),
        ("dist/arm/worker", Some(amd64()), false),
        ("dist/arm/worker", None, true),
    ] {
        let found = matcher.rule(BStr::new(text), platform.as_ref()).is_some();
        assert_eq!(found, expected, "{text} for {platform:?}");
    }
}

#[test]
fn everything_a_build_depends_on_changes_the_digest() {
    let files = [file("api/a", "1"), file("api/b", "2")];
    let original = digest(&component("api"), &files);
    let mut other = component("api");
    other.recipe.build_args.insert("MODE".to_owned(), "prod".to_owned());
    let mut elsewhere = component("api");
    elsewhere.recipe.context = Some(String::new());
    let mut stage = component("api");
    stage.recipe.target = Some("prod".to_owned());
    let mut executable = files.clone();
    executable[0].mode = "100755";
    for (what, changed) in [
        ("content", digest(&component("api"), &[file("api/a", "1"), file("api/b", "3")])),
        ("a moved boundary", digest(&component("api"), &[file("api/a1", ""), file("api/b", "2")])),
        ("a file less", digest(&component("api"), &files[..1])),
        ("mode", digest(&component("api"), &executable)),
        ("folder", digest(&component("api2"), &files)),
        ("build argument", digest(&other, &files)),
        ("context", digest(&elsewhere, &files)),
        ("stage", digest(&stage, &files)),
        ("backend", input_digest(&component("api"), Backend::Buildah, &amd64(), &files)),
        (
            "platform",
            input_digest(&component("api"), Backend::Cargo, &Platform::new("linux", "arm64"), &files),
        ),
    ] {
        assert_ne!(changed, original, "{what}");
    }
    assert_eq!(digest(&component("api"), &files), original);
}

#[test]
fn touched_paths_carry_the_reason() {
    let reads = reads(&[(path("api"), None), (path("libs/pricing"), None)]);
    let matcher = Matcher::new(&reads, &[]).expect("valid globs");
    let changes: Vec<BString> = ["docs/a", "libs/pricing/src/lib.rs"].map(BString::from).to_vec();
    let touched = touched(&matcher, &changes);
    assert_eq!(touched.len(), 1);
    assert_eq!(touched[0].path, "libs/pricing/src/lib.rs");
    assert!(touched[0].why.contains("libs/pricing"));
}

proptest! {
    /// A file outside all inputs never changes what is selected, whatever it is called.
    #[test]
    fn files_outside_the_inputs_never_matter(name in "[a-z/]{1,12}\\PC{0,4}") {
        let reads = reads(&[(path("services/api"), None)]);
        let matcher = Matcher::new(&reads, &[]).expect("valid globs");
        prop_assume!(!is_at_or_below(name.as_bytes(), b"services/api"));
        prop_assert!(matcher.rule(BStr::new(&name), None).is_none());
    }

    /// Any change of any byte that is read changes the digest.
    #[test]
    fn any_touched_byte_changes_the_digest(content in "[0-9a-f]{1,40}", other in "[0-9a-f]{1,40}") {
        prop_assume!(content != other);
        let of = |content: &str| digest(&component("api"), &[file("api/a", content)]);
        prop_assert_ne!(of(&content), of(&other));
    }
}

#[test]
fn each_rule_looks_at_its_own_part_and_misses_nothing() {
    // Given names that stand before, between and after a folder and what lies in it,
    let names = ["a", "a-b/x", "a.md", "a/x", "a/y/z", "a0", "ab/x", "b/x", "b/y.css", "b/z", "c"];
    let files: Vec<File> =
        names.map(|path| File { path: path.into(), mode: "100644", content: path.to_owned() }).into();
    let paths = [&["a"][..], &["b/x", "a/y"], &["a/y", "a"], &["c", "b"], &["nowhere", "a0"], &[""], &[]];
    for paths in paths {
        for glob in [None, Some("b/*.css"), Some("**/x"), Some("a.md")] {
            let rule = |pattern| Rule::new(pattern, "");
            let rules = paths.iter().map(|path| rule(Pattern::Path((*path).to_owned())));
            let rules = rules.chain(glob.map(|glob| rule(Pattern::Glob(glob.to_owned())))).collect();
            let reads = Reads { rules, caches: true, ..Reads::default() };
            let matcher = Matcher::new(&reads, &[]).expect("globs");
            // then what is found is what asking about every file finds, each once and in order.
            let platform = Platform::new("linux", "amd64");
            let every: Vec<&File> =
                files.iter().filter(|file| matcher.rule(file.path.as_bstr(), None).is_some()).collect();
            assert_eq!(matcher.files(&files, &platform), every, "{paths:?} {glob:?}");
        }
    }
}
