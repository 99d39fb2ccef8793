//! What published images say that they were built from becomes an answer.
//!
//! The newest commit of them all is the base. Tags move only when every image of a run is there, so a branch is published
//! as a whole up to that commit, and images that say an older one had nothing to change since.

use super::{Choice, Confidence, Kind, choice};
use crate::git::Comparison;

/// What an image says about itself; all of it is foreign text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) revision: Option<String>,
    pub(crate) created: Option<String>,
}

/// The commits that the images of `branch` were built from, newest first as far as they say, and what was wrong with the images that name
/// none. `answers` has for each component its name and what its image says, `None` where there is no image, or why nobody
/// could tell.
pub(crate) fn published(
    branch: &str,
    answers: &[(String, Result<Option<Origin>, String>)],
) -> (Vec<Choice>, Option<String>) {
    let mut commits: Vec<(Option<jiff::Timestamp>, String)> = vec![];
    let mut problems = vec![];
    let mut has_image = false;
    for (component, answer) in answers {
        let problem = match answer {
            Ok(None) => continue,
            Err(why) => why.clone(),
            Ok(Some(origin)) => match origin.revision.as_deref().map(full_id) {
                Some(Some(id)) => {
                    has_image = true;
                    let created = origin.created.as_deref().and_then(|text| text.parse().ok());
                    commits.push((created, id));
                    continue;
                }
                Some(None) => format!("the image of `{component}` for `{branch}` names no full commit id"),
                None => format!("the image of `{component}` for `{branch}` does not say its commit"),
            },
        };
        has_image = true;
        problems.push(problem);
    }
    commits.sort_by(|left, right| right.cmp(left));
    let mut ids: Vec<String> = vec![];
    for (_, id) in &commits {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    let (confidence, reason) = match commits.len() == answers.len() && ids.len() == 1 {
        true => {
            (Confidence::Exact, format!("the commit that the published images of `{branch}` were built from"))
        }
        false => (
            Confidence::Likely,
            format!("the newest commit that published images of `{branch}` were built from"),
        ),
    };
    let choices = ids.iter().map(|id| choice(id, Comparison::Ancestor, Kind::Registry, confidence, &reason));
    let problem = match problems.split_first() {
        Some((first, [])) => Some(first.clone()),
        Some((first, others)) => Some(format!("{first} (and {} more)", others.len())),
        None if has_image => None,
        None => Some(format!("no published image follows `{branch}`")),
    };
    (choices.collect(), problem)
}

/// Only a full id is a commit; everything else could be a ref, an option, or a path.
fn full_id(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_some = text.bytes().any(|byte| byte != b'0');
    (is_id && is_some).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const ZEROS: &str = "0000000000000000000000000000000000000000";
    const NEW: &str = "ABCDEFabcdef2222222222222222222222222222";

    type Answer = Result<Option<(&'static str, &'static str)>, &'static str>;

    /// `confidence id` of each answer, then the problem.
    fn found(answers: &[Answer]) -> Vec<String> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let origin =
            |(revision, created): (&str, &str)| Origin { revision: text(revision), created: text(created) };
        let named = |(index, answer): (usize, &Answer)| {
            (format!("c{index}"), answer.map(|image| image.map(origin)).map_err(str::to_owned))
        };
        let answers: Vec<_> = answers.iter().enumerate().map(named).collect();
        let (choices, problem) = published("main", &answers);
        let line = |choice: &Choice| format!("{} {}", choice.confidence.as_str(), choice.reference);
        choices.iter().map(line).chain(problem).collect()
    }

    #[test]
    fn the_newest_commit_comes_first_and_only_ids_count() {
        let (old, new) = ((OLD, "2026-01-01T00:00:00Z"), (NEW, "2026-01-01T01:30:00+01:00"));
        let small = NEW.to_lowercase();
        assert_eq!(found(&[Ok(Some(new)), Ok(Some(new))]), [format!("exact {small}")]);
        assert_eq!(
            found(&[Ok(Some(old)), Ok(Some(new)), Ok(Some(old))]),
            [format!("likely {small}"), format!("likely {OLD}")]
        );
        // Who does not say when is the oldest, and who has no image makes the answer less sure.
        assert_eq!(found(&[Ok(Some((NEW, "soon"))), Ok(Some(old))])[0], format!("likely {OLD}"));
        assert_eq!(found(&[Ok(None), Ok(Some(old))]), [format!("likely {OLD}")]);
        assert_eq!(
            found(&[Err("no network"), Ok(Some(old))]),
            [format!("likely {OLD}"), "no network".to_owned()]
        );
        assert_eq!(found(&[Ok(None), Ok(None)]), ["no published image follows `main`"]);
        for text in ["main", "--output=/tmp/x", "1234567", "HEAD^1", ZEROS] {
            let problem = "the image of `c0` for `main` names no full commit id";
            assert_eq!(found(&[Ok(Some((text, "")))]), [problem], "{text}");
        }
        assert_eq!(
            found(&[Ok(Some(("", ""))), Ok(Some(("v1", "")))]),
            ["the image of `c0` for `main` does not say its commit (and 1 more)"]
        );
    }
}
