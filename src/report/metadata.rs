//! Tags, labels and annotations: as the outputs of docker/metadata-action, and as lines for people.

use super::github::heredocs;
use crate::plan::{Plan, Planned};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The lines for the file that `GITHUB_OUTPUT` names: the action's names for one component; with several, each name has
/// its component in front, and `json` has all of them.
pub(crate) fn metadata_outputs(plan: &Plan) -> String {
    if let [planned] = plan.components.as_slice() {
        return heredocs(&values(planned).map(|(name, value)| (name.to_owned(), value)));
    }
    let named = |planned: &Planned| {
        let name = planned.component.name.clone();
        values(planned).map(|(output, value)| (format!("{name}-{output}"), value))
    };
    let mut all: Vec<(String, String)> = plan.components.iter().flat_map(named).collect();
    let of_each =
        plan.components.iter().map(|planned| (planned.component.name.to_string(), document(planned)));
    all.push(("json".to_owned(), Value::Object(of_each.collect()).to_string()));
    heredocs(&all)
}

/// The lines for the file that `GITHUB_ENV` names: the same under the action's names for later steps. Several components
/// get none: a program cannot start beside so many variables as a large repository would make.
pub(crate) fn metadata_variables(plan: &Plan) -> String {
    let [planned] = plan.components.as_slice() else { return String::new() };
    let name = |output: &str| format!("DOCKER_METADATA_OUTPUT_{}", output.replace('-', "_").to_uppercase());
    heredocs(&values(planned).map(|(output, value)| (name(output), value)))
}

fn values(planned: &Planned) -> [(&'static str, String); 6] {
    let bare: Vec<String> = planned.tags.iter().map(ToString::to_string).collect();
    [
        ("version", bare.first().cloned().unwrap_or_default()),
        ("tags", names(planned).join("\n")),
        ("tag-names", bare.join("\n")),
        ("labels", lines(&planned.labels).join("\n")),
        ("annotations", annotations(planned).join("\n")),
        ("json", document(planned).to_string()),
    ]
}

fn document(planned: &Planned) -> Value {
    json!({
        "tags": names(planned),
        "tag-names": planned.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "labels": planned.labels,
        "annotations": annotations(planned),
    })
}

fn names(planned: &Planned) -> Vec<String> {
    let repositories = [&planned.image].into_iter().chain(&planned.further);
    repositories.flat_map(|image| planned.tags.iter().map(move |tag| format!("{image}:{tag}"))).collect()
}

fn annotations(planned: &Planned) -> Vec<String> {
    lines(&planned.annotations).into_iter().map(|line| format!("{}:{line}", planned.levels)).collect()
}

fn lines(texts: &BTreeMap<String, String>) -> Vec<String> {
    texts.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// What the images would say about themselves, a line for each label and annotation.
pub(crate) fn metadata_text(plan: &Plan) -> String {
    let lines_of = |planned: &Planned| {
        let labels = lines(&planned.labels).into_iter().map(|line| format!("label {line}"));
        let annotations = lines(&planned.annotations).into_iter().map(|line| format!("annotation {line}"));
        let name = planned.component.name.clone();
        labels.chain(annotations).map(move |line| format!("{name}: {line}\n")).collect::<String>()
    };
    plan.components.iter().map(lines_of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::legs::tests::plan;
    use super::*;

    /// A plan of so many components, with metadata.
    fn described(count: usize) -> Plan {
        let mut plan = plan(count);
        for planned in &mut plan.components {
            planned.tags = ["1.2.3", "latest"].map(|tag| tag.parse().expect("a tag")).into();
            planned.labels = [("a".to_owned(), "b\nc=d".to_owned())].into();
            planned.annotations = [("e".to_owned(), "f".to_owned())].into();
        }
        plan
    }

    /// The outputs with another delimiter than a random one.
    fn outputs(plan: &Plan) -> String {
        let text = metadata_outputs(plan);
        let line = text.lines().next().expect("a line");
        text.replace(line.split_once("<<").expect("a heredoc").1, "END")
    }

    #[test]
    fn the_outputs_are_those_of_the_action() {
        assert_eq!(
            outputs(&described(1)),
            "version<<END\n1.2.3\nEND\n\
             tags<<END\nexample.com/shop/app-000:1.2.3\nexample.com/shop/app-000:latest\nEND\n\
             tag-names<<END\n1.2.3\nlatest\nEND\n\
             labels<<END\na=b\nc=d\nEND\n\
             annotations<<END\nmanifest,index:e=f\nEND\n\
             json<<END\n{\"annotations\":[\"manifest,index:e=f\"],\"labels\":{\"a\":\"b\\nc=d\"},\
             \"tag-names\":[\"1.2.3\",\"latest\"],\
             \"tags\":[\"example.com/shop/app-000:1.2.3\",\"example.com/shop/app-000:latest\"]}\nEND\n"
        );
    }

    #[test]
    fn variables_have_the_names_of_the_action_and_only_one_component_has_them() {
        let text = metadata_variables(&described(1));
        let names = text.lines().filter_map(|line| Some(line.split_once("<<")?.0));
        let expected = ["VERSION", "TAGS", "TAG_NAMES", "LABELS", "ANNOTATIONS", "JSON"];
        assert!(names.eq(expected.map(|name| format!("DOCKER_METADATA_OUTPUT_{name}"))), "{text}");
        assert_eq!(metadata_variables(&described(2)), "");
    }

    #[test]
    fn several_components_have_outputs_each() {
        let text = outputs(&described(2));
        for expected in
            ["app-000-version<<END\n1.2.3\n", "app-001-tag-names<<END\n", "\njson<<END\n{\"app-000\":{\""]
        {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
