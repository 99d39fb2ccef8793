//! The dependency rule (ARCHITECTURE: "import only from above"), read from the sources themselves.

use std::collections::BTreeMap;
use std::path::Path;

/// Modules and files that only think: data in, data and reasons out.
const PURE: &[&str] = &[
    "attestation",
    "platform",
    "image",
    "component",
    "event",
    "inputs/buildpacks/project",
    "inputs/dockerfile",
    "inputs/dockerignore",
    "inputs/helm/chart",
    "inputs/helm/ignore",
    "inputs/ko/module",
    "inputs/ko/settings",
    "inputs/lockfile",
    "inputs/node/manifest",
    "inputs/node/npm",
    "inputs/node/pnpm",
    "inputs/spin/manifest",
    "inputs/wildcard",
    "ci/bitbucket",
    "ci/github",
    "ci/gitlab",
    "ci/subject",
    "ci/trigger",
    "detect",
    "matrix",
    "metadata",
    "plan",
    "release",
    "capture/catalog",
    "capture/route",
    "backends/choose",
    "backends/engine",
    "backends/answers",
    "jobs/spec",
    "jobs/stand",
    "health/verdict",
    "health/rules",
];
/// What thinking may not touch: the environment, files, the network, processes, clocks, async.
const WORLD: [&str; 11] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "Instant",
    "SystemTime",
    "tokio",
    "tokio_util",
    "reqwest",
    "kube::Client",
    "async fn",
];
/// Foreign things and the modules that own them.
const OWNERS: [(&str, &[&str]); 11] = [
    ("kube", &["cluster", "deploy", "health", "jobs", "logs"]),
    ("k8s_openapi", &["cluster", "deploy", "health", "jobs", "logs"]),
    ("reqwest", &["registry"]),
    ("axum", &["capture"]),
    ("clap", &["cli", "commands"]),
    ("std::env", &["ci", "cli"]),
    ("Command::new", &["exec"]),
    ("io::stdout", &["report", "main"]),
    ("io::stderr", &["report", "main"]),
    ("println!", &["report", "main"]),
    ("eprintln!", &["report", "main"]),
];

#[test]
fn modules_keep_to_the_order_and_to_their_owners() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 50, "the sources are found: {}", sources.len());
    let found = violations(&sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn made_up_violations_are_reported() {
    // Given a program whose `detect` looks down, touches a file, and whose commands know each other,
    let sources = [
        ("main.rs", "mod git;\nmod detect;\nmod report;\nmod commands;\n"),
        (
            "git.rs",
            "use super::report;\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::super::detect;\n}\n",
        ),
        ("detect.rs", "//! See `crate::report`.\nuse crate::{git, report::{Style, Mask}};\n"),
        (
            "detect/deep.rs",
            "fn look() { super::super::commands::up(); super::fine(); }\nasync fn go() { std::fs::read() }\n",
        ),
        ("report.rs", "fn say() { std::io::stderr() }\n"),
        ("commands.rs", "pub(crate) mod up;\nfn shell() { Command::new(\"sh\"); }\n"),
        ("commands/up.rs", "use super::plan::Emit;\n"),
        ("commands/plan.rs", "use std::{env, fs};\n"),
    ];
    let sources = sources.map(|(file, text)| (file.to_owned(), text.to_owned())).into();
    // when it is looked at, then each fault is named with its file.
    assert_eq!(
        violations(&sources),
        [
            "src/commands.rs: `commands` may not use `Command::new`, which belongs to exec",
            "src/commands/plan.rs: `commands` may not use `std::env`, which belongs to ci, cli",
            "src/commands/up.rs: `commands/up` may not use its sibling `plan`",
            "src/detect.rs: `detect` may not use `report`, which comes after it in main.rs",
            "src/detect/deep.rs: `detect/deep` only thinks, it may not touch `async fn`",
            "src/detect/deep.rs: `detect/deep` only thinks, it may not touch `std::fs`",
            "src/detect/deep.rs: `detect` may not use `commands`, which comes after it in main.rs",
            "src/git.rs: `git` may not use `detect`, which comes after it in main.rs",
            "src/git.rs: `git` may not use `report`, which comes after it in main.rs",
        ]
    );
}

/// Every Rust file below `root`, by its path from there.
fn sources(root: &Path) -> BTreeMap<String, String> {
    let mut folders = vec![root.to_owned()];
    let mut found = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in
            folder.read_dir().expect("a folder of sources").map(|entry| entry.expect("an entry").path())
        {
            match entry.is_dir() {
                true => folders.push(entry),
                false => {
                    let name = entry.strip_prefix(root).expect("below it").to_string_lossy().into_owned();
                    found.insert(name, std::fs::read_to_string(&entry).expect("a source file"));
                }
            }
        }
    }
    found
}

/// What breaks the rule, a sentence for each, sorted.
fn violations(sources: &BTreeMap<String, String>) -> Vec<String> {
    let order: Vec<&str> =
        sources["main.rs"].lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let mut found = vec![];
    for (file, text) in sources {
        let module = file.trim_end_matches(".rs");
        let top = module.split('/').next().expect("a name");
        let (code, tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
        let depth = module.split('/').count();
        let used = paths(code).into_iter().filter_map(|path| top_module(&path, depth));
        let used = used.chain(paths(tests).into_iter().filter_map(|path| top_module(&path, depth + 1)));
        let place = |name: &str| order.iter().position(|known| *known == name);
        for name in used.filter(|name| top != "main" && place(name) > place(top)) {
            found.push(format!("src/{file}: `{top}` may not use `{name}`, which comes after it in main.rs"));
        }
        // Asking whether it is a terminal prints nothing.
        let world = uses(&code.replace("std::io::stderr().is_terminal()", ""));
        let is_test = module.ends_with("/tests");
        let is_pure = PURE.iter().any(|pure| {
            module == *pure || module.strip_prefix(pure).is_some_and(|rest| rest.starts_with('/'))
        });
        for name in WORLD.iter().filter(|name| is_pure && !is_test && contains(&world, name)) {
            found.push(format!("src/{file}: `{module}` only thinks, it may not touch `{name}`"));
        }
        for (name, owners) in
            OWNERS.iter().filter(|(name, owners)| !owners.contains(&top) && contains(&world, name))
        {
            found.push(format!(
                "src/{file}: `{top}` may not use `{name}`, which belongs to {}",
                owners.join(", ")
            ));
        }
        if let Some(own) = module.strip_prefix("commands/") {
            let sibling = |path: &String| {
                path.strip_prefix("super::")
                    .or(path.strip_prefix("crate::commands::"))?
                    .split("::")
                    .next()
                    .map(str::to_owned)
            };
            let is_sibling =
                |name: &String| name != own && sources.contains_key(&format!("commands/{name}.rs"));
            found.extend(
                paths(text)
                    .iter()
                    .filter_map(sibling)
                    .filter(is_sibling)
                    .map(|name| format!("src/{file}: `{module}` may not use its sibling `{name}`")),
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The top module that a path leads to, if it leaves its own: `depth` is how many `super` lead to the root.
fn top_module(path: &str, depth: usize) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    let climbs = parts.iter().take_while(|part| **part == "super").count();
    let first = if parts[0] == "crate" {
        1
    } else if climbs >= depth {
        climbs
    } else {
        return None;
    };
    parts.get(first).map(|name| (*name).to_owned())
}

/// Every path and macro of a source, each between `::`, so that whole names can be looked for.
fn uses(text: &str) -> Vec<String> {
    let is_whole = |at: usize| !text[..at].ends_with(char::is_alphanumeric);
    let is_used = |name: &&str| text.match_indices(name).any(|(at, _)| is_whole(at));
    let special = ["println!", "eprintln!", "async fn"].into_iter().filter(is_used).map(str::to_owned);
    paths(text).into_iter().chain(special).map(|path| format!("::{path}::")).collect()
}

fn contains(uses: &[String], name: &str) -> bool {
    uses.iter().any(|path| path.contains(&format!("::{name}::")))
}

/// The paths of at least two parts in a source without its comments; `a::{b, c::d}` counts as `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{}\n", line.split(" // ").next().unwrap_or(line)))
        .collect();
    let mut found = vec![];
    // The prefixes of the braces that are open; a brace that belongs to no path has none.
    let mut open: Vec<Option<String>> = vec![];
    let mut word = String::new();
    for c in code.chars() {
        if c.is_alphanumeric() || c == '_' || c == ':' {
            word.push(c);
            continue;
        }
        let path = format!("{}{word}", open.last().and_then(Option::as_deref).unwrap_or_default());
        let ends_in_group = c == '{' && word.ends_with("::");
        if !ends_in_group && path.trim_end_matches(':').contains("::") {
            found.push(path.trim_end_matches(':').to_owned());
        }
        match c {
            '{' => open.push(ends_in_group.then_some(path)),
            '}' => drop(open.pop()),
            _ => {}
        }
        word.clear();
    }
    found
}
