//! Reads manifests: YAML text into objects, each with the place where it was written.

use super::{Object, Release, ReleaseError};
use serde_json::Value;
use serde_saphyr::{Options, Spanned};
use std::collections::BTreeMap;

/// Reads the objects of `files`, which are pairs of path and text. Lists are taken apart, empty documents skipped.
pub(crate) fn read(files: &[(String, String)]) -> Result<Release, ReleaseError> {
    let mut objects = Vec::new();
    for (file, text) in files {
        let documents = serde_saphyr::from_multiple_with_options::<Spanned<Value>>(text, options())
            .map_err(|source| syntax(file, source))?;
        for document in documents {
            collect(file, document.referenced.line(), document.value, &mut objects)?;
        }
    }
    refuse_twins(&objects)?;
    Ok(Release { objects })
}

/// `kubectl` reads `0644` as octal and `y` as text, and so do we: a manifest must not change its meaning here. An error
/// must not quote the text around it, because that may be a Secret.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 100_000,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_total_scalar_bytes: 256 * 1024 * 1024,
        },
        legacy_octal_numbers: true,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn syntax(file: &str, source: serde_saphyr::Error) -> ReleaseError {
    let line = source.location().map_or(1, |location| location.line());
    ReleaseError::Syntax { file: file.to_owned(), line, source: Box::new(source) }
}

/// Adds the object in `value`, or the objects of the list in it.
fn collect(file: &str, line: u64, value: Value, objects: &mut Vec<Object>) -> Result<(), ReleaseError> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value {
        Value::Null => Ok(()),
        Value::Object(mut map) if is_list && map.get("items").is_some_and(Value::is_array) => {
            let Some(Value::Array(items)) = map.remove("items") else { return Ok(()) };
            items.into_iter().try_for_each(|item| collect(file, line, item, objects))
        }
        value => {
            objects.push(object(file, line, value)?);
            Ok(())
        }
    }
}

fn object(file: &str, line: u64, value: Value) -> Result<Object, ReleaseError> {
    let shape =
        |problem: &str| ReleaseError::Shape { file: file.to_owned(), line, problem: problem.to_owned() };
    if !value.is_object() {
        return Err(shape("this is no mapping"));
    }
    let text = |pointer: &str, problem: &str| match value.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(shape(problem)),
    };
    let api_version = text("/apiVersion", "`apiVersion` is missing")?;
    let kind = text("/kind", "`kind` is missing")?;
    let name = text("/metadata/name", "`metadata.name` is missing")?;
    let namespace = match value.pointer("/metadata/namespace") {
        None | Some(Value::Null) => None,
        Some(Value::String(namespace)) if !namespace.is_empty() => Some(namespace.clone()),
        Some(_) => return Err(shape("`metadata.namespace` is not a name")),
    };
    Ok(Object { file: file.to_owned(), line, api_version, kind, name, namespace, value })
}

/// The second of two objects with one name would silently win.
fn refuse_twins(objects: &[Object]) -> Result<(), ReleaseError> {
    let mut seen = BTreeMap::new();
    for object in objects {
        let key = (object.group(), &object.kind, &object.namespace, &object.name);
        if let Some(first) = seen.insert(key, object) {
            return Err(ReleaseError::Twice {
                object: object.to_string(),
                first: first.place(),
                second: object.place(),
            });
        }
    }
    Ok(())
}
