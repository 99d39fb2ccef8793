//! Renders a release back to YAML, for people and for `kubectl apply --filename`.

use super::Release;
use serde_json::Value;
use std::collections::BTreeMap;

/// One YAML file for each file the release was read from: pairs of file name and text.
pub(crate) fn render(release: &Release) -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    let mut files: Vec<(&str, Vec<&Value>)> = Vec::new();
    for object in &release.objects {
        match files.iter_mut().find(|(file, _)| *file == object.file) {
            Some((_, values)) => values.push(&object.value),
            None => files.push((&object.file, vec![&object.value])),
        }
    }
    let names = file_names(files.iter().map(|(file, _)| *file));
    names.into_iter().zip(files).map(|(name, (_, values))| Ok((name, text(&values)?))).collect()
}

/// Block scalars are off: a folded text that is read back differently is a changed manifest.
fn text(values: &[&Value]) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let documents: Result<Vec<String>, _> =
        values.iter().map(|value| serde_saphyr::to_string_with_options(value, options.clone())).collect();
    Ok(documents?.join("---\n"))
}

/// File names that are safe everywhere and differ from each other: `k8s/api.yaml` becomes `k8s-api.yaml`.
fn file_names<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let mut name = |path: &str| {
        let stem = stem(path);
        let count = uses.entry(stem.clone()).or_default();
        *count += 1;
        if *count == 1 { format!("{stem}.yaml") } else { format!("{stem}_{count}.yaml") }
    };
    paths.map(&mut name).collect()
}

fn stem(path: &str) -> String {
    let path = [".yaml", ".yml", ".json"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let dashed: String = path.chars().map(safe).collect();
    let parts: Vec<&str> = dashed.split(['-', '.']).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "manifest".to_owned() } else { parts.join("-") }
}
