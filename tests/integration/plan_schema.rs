//! `plan.json` is what its published schema says, and the schema says no more than what is written.

use crate::support::{Repository, prebuilt};
use serde_json::Value;
use std::path::Path;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("JSON")
}

/// What is wrong with `value`: the part of JSON Schema that `docs/plan.schema.json` is written in. A keyword that is not
/// known here is a fault too.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let keywords = schema.as_object().expect("a schema");
    let mut found = vec![];
    for (keyword, expected) in keywords {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => {}
            // Patterns say in which form; that the values have it, the program proves when it reads them back.
            "pattern" => {}
            "additionalProperties" if expected == &Value::Bool(false) => {}
            "additionalProperties" => {
                let items = value.as_object().into_iter().flatten();
                found.extend(
                    items.flat_map(|(name, item)| faults(root, expected, item, &format!("{at}/{name}"))),
                );
            }
            "$ref" => {
                let path =
                    expected.as_str().and_then(|path| path.strip_prefix('#')).expect("a local reference");
                found.extend(faults(root, root.pointer(path).expect("a definition"), value, at));
            }
            "const" if value == expected => {}
            "enum" if expected.as_array().is_some_and(|all| all.contains(value)) => {}
            "type" if types(expected).iter().any(|name| is_of(name, value)) => {}
            "minimum" if !value.is_number() || value.as_i64() >= expected.as_i64() => {}
            "oneOf" => {
                let fitting = expected.as_array().expect("a list").iter();
                let fitting = fitting.filter(|schema| faults(root, schema, value, at).is_empty()).count();
                if fitting != 1 {
                    found.push(format!("{at}: {fitting} of the forms fit {value}"));
                }
            }
            "required" => {
                let names = expected.as_array().expect("a list").iter().filter_map(Value::as_str);
                let is_missing = |name: &&str| value.is_object() && value.get(name).is_none();
                found.extend(names.filter(is_missing).map(|name| format!("{at}: no `{name}`")));
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found.extend(
                    items.flat_map(|(index, item)| faults(root, expected, item, &format!("{at}/{index}"))),
                );
            }
            "properties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}/{name}");
                    match expected.get(name) {
                        Some(schema) => found.extend(faults(root, schema, item, &at)),
                        None => found.push(format!("{at}: unknown")),
                    }
                }
            }
            other => found.push(format!("{at}: {value} is not of `{other}` {expected}")),
        }
    }
    found
}

fn types(expected: &Value) -> Vec<&str> {
    match expected {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[test]
fn plans_of_every_kind_are_what_the_schema_says() {
    let schema = schema();
    let repository = Repository::app();
    let check = |arguments: &[&str]| {
        let output = repository.hephy(["plan", "--emit", "json"]).args(arguments).run().exits(0);
        let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
        assert_eq!(faults(&schema, &schema, &plan, ""), [""; 0], "{output}");
        plan
    };
    assert_eq!(check(&[])["components"][0]["legs"][0]["action"], "build");
    assert_eq!(check(&["--platform", "arm64"])["components"][0]["legs"][0]["action"], "skip");
    repository.up();
    assert_eq!(check(&[])["components"][0]["legs"][0]["action"], "reuse");
    repository.write("hephy.yaml", &format!("{}runners: {{default: big}}\n", prebuilt("linux/amd64: run")));
    repository.write("app/run", "changed\n").commit("Change the app");
    assert_eq!(check(&["--base", "HEAD~1"])["components"][0]["reason"]["code"], "inputs-changed");
}

#[test]
fn the_schema_refuses_what_hephy_refuses() {
    let schema = schema();
    let repository = Repository::app();
    let text = repository.hephy(["plan", "--emit", "json"]).run().exits(0).stdout;
    for (pointer, value) in [
        ("/schema", Value::from("hephy.plan/0")),
        ("/components/0/legs/0/action", Value::from("maybe")),
        ("/components/0/backend", Value::from("make")),
        ("/commit/dirty", Value::Null),
        ("/target", Value::from("nowhere")),
    ] {
        let mut plan: Value = serde_json::from_str(&text).expect("JSON");
        *plan.pointer_mut(pointer).expect(pointer) = value;
        assert!(!faults(&schema, &schema, &plan, "").is_empty(), "{pointer}");
        let file = repository.beside("plan.json");
        std::fs::write(&file, plan.to_string()).expect("write the plan");
        repository.hephy(["plan", "--replay"]).args([&file]).run().exits(2);
    }
}
