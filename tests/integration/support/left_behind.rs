//! What hephy decided about a repository, and what it left there.

use super::Repository;

impl Repository {
    /// What `hephy plan` decides for each leg, and for builds why: `app (linux/amd64): build, REASON`.
    #[track_caller]
    pub(crate) fn decisions(&self) -> Vec<String> {
        self.decisions_with(&[])
    }

    /// The same with flags.
    #[track_caller]
    pub(crate) fn decisions_with(&self, flags: &[&str]) -> Vec<String> {
        let output = self.hephy(["plan", "--emit", "json"]).args(flags).run().exits(0);
        let plan: serde_json::Value = serde_json::from_str(&output.stdout).expect("a plan is JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let list = |value: &serde_json::Value| value.as_array().expect("a list").clone();
        let of_component = |component: &serde_json::Value| {
            let (name, reason) = (text(&component["name"]), text(&component["reason"]["text"]));
            let leg = move |leg: &serde_json::Value| match text(&leg["action"]).as_str() {
                "build" => format!("{name} ({}): build, {reason}", text(&leg["platform"])),
                action => format!("{name} ({}): {action}", text(&leg["platform"])),
            };
            list(&component["legs"]).iter().map(leg).collect::<Vec<_>>()
        };
        list(&plan["components"]).iter().flat_map(of_component).collect()
    }

    /// Runs `hephy up` and expects that it ends well. Returns what it printed on stdout: the images.
    #[track_caller]
    pub(crate) fn up(&self) -> String {
        self.hephy(["up"]).run().exits(0).stdout
    }

    /// The names in the layout that `up` fills when no registry is named, sorted; none if there is no layout.
    pub(crate) fn tags(&self) -> Vec<String> {
        let entries = self.entries();
        let tags = entries.iter().map(|(name, _)| name.clone()).filter(|name| !name.contains(":in-"));
        tags.collect()
    }

    /// Names and digests in the layout, keys of legs included. What is attached to an image has no name.
    pub(crate) fn entries(&self) -> Vec<(String, String)> {
        let Ok(text) = std::fs::read_to_string(self.path().join(".hephy/oci/index.json")) else {
            return vec![];
        };
        let index: serde_json::Value = serde_json::from_str(&text).expect("an index is JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let name = |entry: &serde_json::Value| {
            entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned)
        };
        let manifests = index["manifests"].as_array().expect("manifests");
        manifests.iter().filter_map(|entry| Some((name(entry)?, text(&entry["digest"])))).collect()
    }

    /// The digest that goes by this name in the layout.
    #[track_caller]
    pub(crate) fn digest(&self, name: &str) -> String {
        let found = self.entries().into_iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("`{name}` is not among {:?}", self.entries())).1
    }
}
