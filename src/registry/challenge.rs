//! What `WWW-Authenticate` asks for, and the scopes of tokens (distribution spec, token authentication).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a registry wants to be logged in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scopes: Scopes },
}

impl Challenge {
    /// The best of several challenges that hephy can answer: a token before a password.
    pub(super) fn best<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut known: Vec<Self> = texts.into_iter().filter_map(Self::read).collect();
        known.sort_by_key(|challenge| *challenge == Self::Basic);
        known.into_iter().next()
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        let mut parameters = parameters(rest);
        let realm = parameters.remove("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
        let scopes = parameters.remove("scope").map(|text| Scopes::read(&text)).unwrap_or_default();
        Some(Self::Bearer { realm, service: parameters.remove("service"), scopes })
    }
}

/// What a token allows: actions on resources, `repository:acme/shop:pull,push`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// The scopes for reading or writing a repository.
    pub(super) fn of(path: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        Self([(format!("repository:{path}"), actions)].into())
    }

    /// Both together.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for (resource, actions) in &other.0 {
            self.0.entry(resource.clone()).or_default().extend(actions.iter().cloned());
        }
        self
    }

    /// Whether everything in `wanted` is allowed.
    pub(super) fn cover(&self, wanted: &Self) -> bool {
        wanted
            .0
            .iter()
            .all(|(resource, actions)| self.0.get(resource).is_some_and(|allowed| actions.is_subset(allowed)))
    }

    fn read(text: &str) -> Self {
        let one = |scope: &str| {
            let (resource, actions) = scope.rsplit_once(':')?;
            Some((resource.to_owned(), actions.split(',').map(str::to_owned).collect()))
        };
        Self(text.split_whitespace().filter_map(one).collect())
    }

    /// Each scope as token servers want it.
    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.texts().collect::<Vec<_>>().join(" "))
    }
}

/// `key="value"` pairs; a value may contain commas (`scope="repository:a:pull,push"`).
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(key.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned());
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |service: Option<&str>, scopes: &str| {
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".to_owned(),
                service: service.map(str::to_owned),
                scopes: Scopes::read(scopes),
            })
        };
        for (texts, expected) in [
            (vec!["Basic realm=\"x\""], Some(Challenge::Basic)),
            (vec!["basic"], Some(Challenge::Basic)),
            (
                vec![
                    "Bearer realm=\"https://auth.example/token\",service=\"r\",scope=\"repository:a/b:pull,push\"",
                ],
                bearer(Some("r"), "repository:a/b:pull,push"),
            ),
            (vec!["bearer realm=https://auth.example/token, service=r"], bearer(Some("r"), "")),
            (vec!["Basic", "Bearer realm=\"https://auth.example/token\""], bearer(None, "")),
            (vec!["Bearer service=\"r\""], None),
            (vec!["Negotiate", ""], None),
            (vec![], None),
        ] {
            assert_eq!(Challenge::best(texts.clone()), expected, "{texts:?}");
        }
    }

    #[test]
    fn scopes_add_up() {
        let pull = Scopes::of("a/b", &["pull"]);
        let push = Scopes::of("a/b", &["pull", "push"]);
        let both = push.clone().and(&Scopes::of("base", &["pull"]));
        assert!(push.cover(&pull) && !pull.cover(&push) && both.cover(&push) && !push.cover(&both));
        assert_eq!(both.to_string(), "repository:a/b:pull,push repository:base:pull");
        assert_eq!(Scopes::read(&both.to_string()), both);
        assert_eq!(Scopes::read("odd  registry:catalog:*").to_string(), "registry:catalog:*");
    }
}
