//! Whatever the rules and names are: no panic, and only tags that a registry takes.

use super::super::*;
use crate::ci::Subject;
use proptest::prelude::*;

fn facts() -> impl Strategy<Value = Facts> {
    let name = "(\\PC{0,20}|[a-z./-]{0,200}|v?[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(-rc\\.[0-9])?)";
    (name, 0..4, "(push|schedule|create)").prop_map(|(name, kind, event)| Facts {
        subject: match kind {
            0 => Subject::Branch(name),
            1 => Subject::Tag(name),
            2 => Subject::PullRequest(name),
            _ => Subject::Unknown,
        },
        commit: "860c1904a1ce19322e91ac35af1ab07466440c37".to_owned(),
        short: 7,
        event,
        ..Facts::default()
    })
}

/// Lines that are nearly rules.
fn line() -> impl Strategy<Value = String> {
    let kind = "(schedule|semver|pep440|match|edge|ref|raw|sha)";
    let value = "(\\PC{0,12}|\\{\\{(branch|tag|sha|raw|version|date 'YYYY ?[a-zA-Z\\\\\\[\\]]{0,6}'|[a-z_ ]{0,8})\\}\\}|[a-z0-9.]{0,8})";
    let keys = "(pattern|value|match|group|branch|event|prefix|suffix|enable|priority|format)";
    let key = (keys, value).prop_map(|(key, value)| format!(",{key}={value}"));
    (kind, prop::collection::vec(key, 0..4)).prop_map(|(kind, keys)| format!("type={kind}{}", keys.concat()))
}

fn ensure_valid(metadata: &Metadata) -> Result<(), TestCaseError> {
    for (at, tag) in metadata.tags.iter().enumerate() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let text = tag.as_str();
        prop_assert!(text.starts_with(word) && text.len() <= 128, "{text}");
        prop_assert!(text.chars().all(|c| word(c) || c == '.' || c == '-'), "{text}");
        prop_assert!(!metadata.tags[..at].contains(tag), "{text} stands there twice");
    }
    prop_assert_eq!(metadata.version.as_ref(), metadata.tags.first());
    Ok(())
}

proptest! {
    #[test]
    fn rules_give_valid_tags_or_an_error(facts in facts(), tags in prop::collection::vec(line(), 0..4), flavor in "(latest=true|latest=auto|prefix=[-.a-z{}]{0,5},onlatest=true|suffix=\\PC{0,9})?") {
        let rules = Rules { tags, flavor: vec![flavor], ..Rules::default() };
        if let Ok(metadata) = resolve(&facts, &rules) {
            ensure_valid(&metadata)?;
        }
    }

    #[test]
    fn any_text_is_read_or_refused(facts in facts(), text in "[\\PC\n\"=,{}#]{0,60}") {
        for rules in [
            Rules { tags: vec![text.clone()], ..Rules::default() },
            Rules { flavor: vec![text.clone()], ..Rules::default() },
            Rules { labels: vec![text.clone()], annotations: vec![text.clone()], ..Rules::default() },
        ] {
            if let Ok(metadata) = resolve(&facts, &rules) {
                ensure_valid(&metadata)?;
            }
        }
        let _ = images(&facts, &[text]);
    }

    #[test]
    fn any_pattern_ends(pattern in "([()\\[\\]{}*+?|^$.\\\\a-c0-9,:=!<>-]{0,30}|\\PC{0,20})", text in "[a-c]{0,300}") {
        let _ = javascript::find(&pattern, &text);
    }
}
