//! Whatever is written twice agrees: flags and their help, the inputs of the wrappers, links, the schema.
//! `UPDATE_DOCS=1 cargo test documents` writes what is generated.

use crate::support::{Repository, hephy};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `hephy VERB --help`, as wide as help ever gets.
fn help(verb: &str) -> String {
    let arguments = [verb, "--help"].into_iter().filter(|argument| !argument.is_empty());
    let output = hephy(root()).env("COLUMNS", "100").args(arguments).run().exits(0);
    let lines: Vec<&str> = output.stdout.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The verbs that `hephy --help` lists, in their order.
fn verbs() -> Vec<String> {
    let help = help("");
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

/// The flags of a verb without their dashes, but help and version.
fn flags_of(verb: &str) -> BTreeSet<String> {
    let flag = |line: &str| {
        let long = line.split_whitespace().take(2).find_map(|word| word.strip_prefix("--"))?;
        Some(long.to_owned()).filter(|flag| flag != "help" && flag != "version")
    };
    help(verb).lines().filter(|line| line.trim_start().starts_with('-')).filter_map(flag).collect()
}

/// The same of all verbs.
fn flags() -> BTreeSet<String> {
    verbs().iter().flat_map(|verb| flags_of(verb)).collect()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().expect("a mapping").keys().cloned().collect()
}

/// The flags, the argument that is no flag, and what a wrapper adds of its own.
fn flags_and(more: &[&str]) -> BTreeSet<String> {
    flags()
        .into_iter()
        .chain(["component".to_owned()])
        .chain(more.iter().map(|&name| name.to_owned()))
        .collect()
}

#[test]
fn the_help_in_the_documentation_is_the_help_of_the_program() {
    let section =
        |verb: &str| format!("## {}\n\n```text\n{}\n```\n", format!("hephy {verb}").trim(), help(verb));
    let all: Vec<String> = [String::new()].into_iter().chain(verbs()).map(|verb| section(&verb)).collect();
    let head = "# All flags\n\nGenerated from the program: `UPDATE_DOCS=1 cargo test documents`.\n";
    let expected = format!("{head}\n{}", all.join("\n"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join("docs/help.md"), &expected).expect("write the documentation");
    }
    assert_eq!(read("docs/help.md"), expected);
}

#[test]
fn examples_in_the_help_fit_on_their_lines() {
    for verb in verbs() {
        let help = help(&verb);
        let examples: Vec<&str> = help.lines().skip_while(|line| *line != "Examples:").skip(1).collect();
        assert_eq!(examples.len(), 3, "{help}");
        assert!(examples.iter().all(|line| line.starts_with(&format!("  hephy {verb}"))), "{help}");
    }
}

#[test]
fn every_flag_is_an_input_of_the_github_action() {
    let inputs = keys(&yaml(&read("action.yml"))["inputs"]);
    assert_eq!(inputs, flags_and(&["command", "working-directory", "binary-path"]));
}

#[test]
fn every_flag_is_an_input_of_the_gitlab_template_and_a_variable_of_its_job() {
    let text = read("gitlab-templates/pipeline.yml");
    let (head, job) = text.split_once("\n---\n").expect("two documents");
    let inputs = keys(&yaml(head)["spec"]["inputs"]);
    assert_eq!(inputs, flags_and(&["command", "job-name", "stage", "binary-path"]));
    for flag in flags_and(&["command", "binary-path"]) {
        let variable = format!("HEPHY_{}: \"$[[ inputs.{flag} ]]\"", flag.to_uppercase().replace('-', "_"));
        assert!(job.contains(&variable), "{variable} in {job}");
    }
    let options = &yaml(head)["spec"]["inputs"]["command"]["options"];
    assert_eq!(options, &serde_json::json!(verbs()));
}

#[test]
fn the_overview_of_flags_has_each_of_them_with_its_verbs() {
    let verbs = verbs();
    let of_all: Vec<BTreeSet<String>> = verbs.iter().map(|verb| flags_of(verb)).collect();
    let with_flag = |flag: &str| -> String {
        let having = verbs.iter().zip(&of_all).filter(|(_, flags)| flags.contains(flag));
        let having: Vec<String> = having.map(|(verb, _)| format!("`{verb}`")).collect();
        if having.len() == verbs.len() { "all".to_owned() } else { having.join(", ") }
    };
    let expected: BTreeSet<[String; 3]> = flags()
        .into_iter()
        .map(|flag| {
            let variable = format!("HEPHY_{}", flag.to_uppercase().replace('-', "_"));
            [format!("--{flag}"), variable, with_flag(&flag)]
        })
        .collect();
    let text = read("docs/configuration.md");
    let table = text.split("| flag | environment | verbs |\n|---|---|---|\n").nth(1).expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with("| `")).filter(|line| line.contains("`--"));
    let word = |cell: &str| cell.split(['`', ' ']).find(|word| !word.is_empty()).map(str::to_owned);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [flag, variable, verbs] = cells[..] else { panic!("{line}") };
        [word(flag).expect("a flag"), word(variable).expect("a variable"), verbs.to_owned()]
    };
    let said: BTreeSet<[String; 3]> = rows.map(row).collect();
    assert_eq!(said, expected);
}

#[test]
fn the_schema_has_the_keys_that_the_program_reads() {
    let schema: Value = serde_json::from_str(&read("docs/hephy.schema.json")).expect("JSON");
    for (text, known) in [
        ("x: 1\n", &schema["properties"]),
        ("components: {app: {x: 1}}\n", &schema["$defs"]["component"]["properties"]),
        ("environments: {prod: {x: 1}}\n", &schema["$defs"]["environment"]["properties"]),
        ("wait: {x: 1}\n", &schema["properties"]["wait"]["properties"]),
        ("builder: {x: 1}\n", &schema["properties"]["builder"]["properties"]),
    ] {
        // The program lists its keys when it meets one that it does not know.
        let repository = Repository::app();
        repository.write("hephy.yaml", text);
        let output = repository.hephy(["plan"]).run().exits(2);
        let listed = output.error().split("expected one of ").nth(1).unwrap_or_else(|| panic!("{output}"));
        let listed: BTreeSet<String> = listed.split(", ").map(str::to_owned).collect();
        assert_eq!(listed, keys(known), "{text}");
    }
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let documents = |folder: PathBuf| {
        let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    };
    let documents = [
        documents(root().to_owned()),
        documents(root().join("docs")),
        documents(root().join("examples/shop")),
    ]
    .concat();
    let mut links = 0;
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("a document");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let target = document.parent().expect("a folder").join(path);
            assert!(target.exists(), "{}: `{link}` leads nowhere", document.display());
        }
    }
    assert!(links > 10, "{links} links");
}

#[test]
fn every_row_of_what_goes_wrong_elsewhere_names_a_test_that_is_there() {
    let text = read("docs/how-it-decides.md");
    let rows = text.split("and the test for it").nth(1).and_then(|rest| rest.split("\n## ").next());
    let names = rows.expect("the table").split('`').filter_map(|name| name.split_once("::"));
    let names: Vec<(&str, &str)> = names.filter(|(_, test)| !test.ends_with("...")).collect();
    assert!(names.len() > 30, "{names:?}");
    for (file, test) in names {
        let source = read(&format!("tests/integration/{file}.rs"));
        assert!(source.contains(&format!("\nfn {test}()")), "{file}::{test}");
    }
}

#[test]
fn every_row_of_what_hephy_does_on_bad_days_names_a_test_that_is_there() {
    let text = read("docs/reliability.md");
    let cells = text.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    let names: Vec<&str> = cells.flat_map(|(_, names)| names.split("`, `")).collect();
    assert!(names.len() > 50, "{names:?}");
    let files =
        ["tests/integration", "src"].into_iter().flat_map(|folder| ignore::Walk::new(root().join(folder)));
    let files = files.map(|entry| entry.expect("a file").into_path()).filter(|path| path.is_file());
    let sources: String = files.map(|path| std::fs::read_to_string(path).expect("text")).collect();
    for name in names {
        assert!(sources.contains(&format!("fn {name}()")), "{name}");
    }
}
