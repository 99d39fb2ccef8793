//! `project.toml`: what it says about buildpacks (Cloud Native Buildpacks, "Project Descriptor", old and new tables).

use toml::{Table, Value};

/// The descriptor, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Project {
    /// The image that has the buildpacks.
    pub(crate) builder: Option<String>,
    /// Patterns of files that are left out, or, the other way round, of the only ones that are taken.
    pub(super) exclude: Vec<String>,
    pub(super) include: Vec<String>,
    /// Buildpacks that lie in folders.
    pub(super) folders: Vec<String>,
}

impl Project {
    /// Reads the descriptor; the error is a sentence.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let io = file.get("io").and_then(Value::as_table);
        let table = io.and_then(|io| io.get("buildpacks")).or(file.get("build")).and_then(Value::as_table);
        let Some(table) = table else { return Ok(Self::default()) };
        let texts = |key: &str| -> Vec<String> {
            let list = table.get(key).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let groups = ["group", "buildpacks"].iter().filter_map(|key| table.get(*key)?.as_array()).flatten();
        let uris = groups.filter_map(|buildpack| buildpack.as_table()?.get("uri")?.as_str());
        let folders =
            uris.map(|uri| uri.strip_prefix("file://").unwrap_or(uri)).filter(|uri| uri.starts_with('.'));
        Ok(Self {
            builder: table.get("builder").and_then(Value::as_str).map(str::to_owned),
            exclude: texts("exclude"),
            include: texts("include"),
            folders: folders.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let new = "[_]\nschema-version = '0.2'\n[io.buildpacks]\nbuilder = 'example.com/b:1'\nexclude = ['*.md']\n\
            [[io.buildpacks.group]]\nuri = './own'\n[[io.buildpacks.group]]\nid = 'x'\nuri = 'docker://y'\n";
        let expected = Project {
            builder: Some("example.com/b:1".to_owned()),
            exclude: vec!["*.md".to_owned()],
            include: vec![],
            folders: vec!["./own".to_owned()],
        };
        assert_eq!(Project::read(new), Ok(expected));
        let old = "[build]\ninclude = ['src']\n[[build.buildpacks]]\nuri = 'file://../shared'\n";
        let project = Project::read(old).expect("valid");
        assert_eq!(
            (project.include, project.folders),
            (vec!["src".to_owned()], vec!["../shared".to_owned()])
        );
        assert_eq!(Project::read("[project]\nname = 'x'\n"), Ok(Project::default()));
        assert!(Project::read("[").is_err());
    }
}
