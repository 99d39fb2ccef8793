use super::manifest::Meaning::{Name, Path as At};
use super::*;
use proptest::prelude::*;

/// What npm 11 writes for three packages: `api` needs `lib`, which needs `debug`; `web` needs `is-odd`.
const NPM: &str = r#"{"name": "root", "lockfileVersion": 3, "packages": {
    "": {"name": "root", "workspaces": ["packages/*"], "devDependencies": {"left-pad": "1.3.0"}},
    "node_modules/@acme/api": {"resolved": "packages/api", "link": true},
    "node_modules/@acme/lib": {"resolved": "packages/lib", "link": true},
    "node_modules/@acme/web": {"resolved": "packages/web", "link": true},
    "node_modules/debug": {"version": "4.3.4", "dependencies": {"ms": "2.1.2"}, "peerDependencies": {"color": "*"},
        "peerDependenciesMeta": {"color": {"optional": true}}},
    "node_modules/debug/node_modules/ms": {"version": "2.1.2"},
    "node_modules/is-number": {"version": "6.0.0"},
    "node_modules/is-odd": {"version": "3.0.1", "dependencies": {"is-number": "^6.0.0"}},
    "node_modules/left-pad": {"version": "1.3.0"},
    "node_modules/ms": {"version": "2.0.0"},
    "packages/api": {"name": "@acme/api", "dependencies": {"@acme/lib": "*", "ms": "2.0.0"}, "optionalDependencies": {"gone": "1"}},
    "packages/lib": {"name": "@acme/lib", "dependencies": {"debug": "4.3.4"}},
    "packages/web": {"name": "@acme/web", "dependencies": {"is-odd": "3.0.1"}}}}"#;

const PNPM_9: &str = "lockfileVersion: '9.0'
settings: {autoInstallPeers: true}
importers:
  .: {devDependencies: {left-pad: {specifier: 1.3.0, version: 1.3.0}}}
  packages/api:
    dependencies:
      '@acme/lib': {specifier: 'workspace:*', version: link:../lib}
      renamed: {specifier: 'npm:ms@2.0.0', version: ms@2.0.0}
  packages/lib:
    dependencies:
      debug: {specifier: 4.3.4, version: 4.3.4(color@8.0.0)}
  packages/web:
    dependencies:
      is-odd: {specifier: 3.0.1, version: 3.0.1}
packages:
  left-pad@1.3.0: {resolution: {integrity: LP}}
  debug@4.3.4: {resolution: {integrity: DEBUG}}
  color@8.0.0: {resolution: {integrity: COLOR}}
  ms@2.0.0: {resolution: {integrity: MS200}}
  ms@2.1.2: {resolution: {integrity: MS212}}
  is-odd@3.0.1: {resolution: {integrity: ODD}}
snapshots:
  left-pad@1.3.0: {}
  debug@4.3.4(color@8.0.0): {dependencies: {ms: 2.1.2}, optionalDependencies: {color: 8.0.0}}
  color@8.0.0: {}
  ms@2.0.0: {}
  ms@2.1.2: {}
  is-odd@3.0.1: {}
";

const PNPM_6: &str = "lockfileVersion: '6.0'
importers:
  .: {}
  packages/api:
    dependencies:
      '@acme/lib': {specifier: 'workspace:*', version: link:../lib}
  packages/lib:
    dependencies:
      debug: {specifier: 4.3.4, version: 4.3.4(color@8.0.0)}
  packages/web:
    dependencies:
      is-odd: {specifier: 3.0.1, version: 3.0.1}
packages:
  /debug@4.3.4(color@8.0.0): {resolution: {integrity: DEBUG}, dependencies: {color: 8.0.0, ms: 2.1.2}}
  /color@8.0.0: {resolution: {integrity: COLOR}}
  /ms@2.1.2: {resolution: {integrity: MS212}}
  /is-odd@3.0.1: {resolution: {integrity: ODD}}
";

fn folders(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Whether the part of `api` stays the same when `from` becomes `to` in the lock file.
#[track_caller]
fn is_same(reader: fn(&str, &BTreeSet<String>) -> Option<Part>, lock: &str, from: &str, to: &str) -> bool {
    assert!(lock.contains(from), "{from}");
    let api = folders(&["", "packages/api"]);
    reader(&lock.replace(from, to), &api).expect(from) == reader(lock, &api).expect("a part")
}

#[test]
fn of_a_lock_file_of_npm_only_what_a_package_needs_counts() {
    let part = npm::part(NPM, &folders(&["", "packages/api"])).expect("a part");
    assert_eq!(part.folders, ["", "packages/api", "packages/lib"]);
    for (from, to, expected) in [
        // Of another package.
        ("3.0.1", "3.0.2", true),
        ("6.0.0\"}", "6.0.1\"}", true),
        // Its own, that of a package it needs, that of a package which that one needs, and the workspace's.
        ("{\"version\": \"2.0.0\"}", "{\"version\": \"2.0.1\"}", false),
        ("\"version\": \"4.3.4\"", "\"version\": \"4.3.5\"", false),
        ("{\"version\": \"2.1.2\"}", "{\"version\": \"2.1.3\"}", false),
        ("{\"version\": \"1.3.0\"}", "{\"version\": \"1.3.1\"}", false),
        ("\"lockfileVersion\": 3", "\"lockfileVersion\": 2", false),
        // What could be missing is there now.
        ("\"node_modules/ms\"", "\"node_modules/color\": {}, \"node_modules/ms\"", false),
    ] {
        assert_eq!(is_same(npm::part, NPM, from, to), expected, "{from} becomes {to}");
    }
}

#[test]
fn of_a_lock_file_of_pnpm_only_what_a_package_needs_counts() {
    for (lock, versions) in [(PNPM_9, 9), (PNPM_6, 6)] {
        let part = pnpm::part(lock, &folders(&["", "packages/api"])).expect("a part");
        assert_eq!(part.folders, ["", "packages/api", "packages/lib"], "{versions}");
        for (from, to, expected) in [
            ("ODD", "NEW", true),
            ("specifier: 3.0.1", "specifier: ^3.0.0", true),
            ("DEBUG", "NEW", false),
            ("COLOR", "NEW", false),
            ("MS212", "NEW", false),
            ("specifier: 4.3.4", "specifier: ^4", false),
        ] {
            assert_eq!(is_same(pnpm::part, lock, from, to), expected, "{versions}: {from} becomes {to}");
        }
    }
    for (from, to, expected) in [
        ("MS200", "NEW", false),
        ("autoInstallPeers: true", "autoInstallPeers: false", false),
        ("LP", "NEW", false),
    ] {
        assert_eq!(is_same(pnpm::part, PNPM_9, from, to), expected, "{from} becomes {to}");
    }
}

#[test]
fn what_is_not_understood_counts_as_a_whole() {
    let api = folders(&["", "packages/api"]);
    for (from, to) in [
        ("\"lockfileVersion\": 3", "\"lockfileVersion\": 1"),
        ("\"lockfileVersion\": 3", "\"lockfileVersion\": 4"),
        ("\"packages\": {", "\"other\": {"),
        ("\"packages/api\": {", "\"elsewhere\": {"),
        ("\"node_modules/ms\": {", "\"elsewhere\": {"),
        ("\"resolved\": \"packages/lib\"", "\"resolved\": \"../lib\""),
        ("{\"name\": \"root\", \"lock", "{\"name\": \"root\" \"lock"),
    ] {
        assert!(NPM.contains(from), "{from}");
        assert_eq!(npm::part(&NPM.replace(from, to), &api), None, "{from} becomes {to}");
    }
    for (from, to) in [
        ("lockfileVersion: '9.0'", "lockfileVersion: '5.4'"),
        ("lockfileVersion: '9.0'", "lockfileVersion: '10.0'"),
        ("importers:", "others:"),
        ("  packages/api:", "  elsewhere:"),
        ("version: link:../lib", "version: link:../../../lib"),
        ("version: link:../lib", "version: file:../lib"),
        ("  ms@2.1.2: {}", "  ms@2.1.3: {}"),
        ("  color@8.0.0: {resolution", "  color@9.0.0: {resolution"),
        ("settings: {", "settings: {{"),
    ] {
        assert!(PNPM_9.contains(from), "{from}");
        assert_eq!(pnpm::part(&PNPM_9.replace(from, to), &api), None, "{from} becomes {to}");
    }
}

#[test]
fn dependencies_may_mean_packages_of_the_workspace() {
    for (version, expected) in [
        ("*", vec![Name("a".into()), Name("*".into())]),
        ("workspace:^", vec![Name("a".into()), Name("^".into())]),
        ("workspace:../lib", vec![Name("a".into()), At("../lib".into())]),
        ("file:../lib", vec![Name("a".into()), At("../lib".into())]),
        ("link:./lib", vec![Name("a".into()), At("./lib".into())]),
        ("../lib", vec![Name("a".into()), At("../lib".into())]),
        ("npm:@acme/lib@1", vec![Name("a".into()), Name("@acme/lib@1".into()), Name("@acme/lib".into())]),
        (
            "workspace:@acme/lib@*",
            vec![Name("a".into()), Name("@acme/lib@*".into()), Name("@acme/lib".into())],
        ),
        ("npm:@acme/lib", vec![Name("a".into()), Name("@acme/lib".into())]),
    ] {
        for list in ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] {
            let text = format!(r#"{{"name": "x", "{list}": {{"a": "{version}"}}}}"#);
            let read = Manifest::read(&text).expect("a manifest");
            let meanings: Vec<Meaning> = read.dependencies.into_iter().map(|(_, meaning)| meaning).collect();
            assert_eq!(meanings, expected, "{list} {version}");
        }
    }
    assert!(Manifest::read("{\"workspaces\": [\"packages/*\"]}").is_some_and(|read| read.is_workspace));
    assert_eq!(Manifest::read("[]"), None);
    assert_eq!(Manifest::read("{"), None);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s).{0,100}") {
        let api = folders(&["packages/api"]);
        npm::part(&text, &api);
        pnpm::part(&text, &api);
        Manifest::read(&text);
    }
}
