//! One test for each of the behaviours that a rewrite gets wrong unless told.

use super::*;

#[test]
fn the_first_result_is_the_version_and_alone_decides_about_latest() {
    check("tag v1.2.3", "type=sha\ntype=ref,event=tag", "", "v1.2.3 sha-860c190 latest");
    check("tag v1.2.3", "type=sha,priority=601\ntype=ref,event=tag", "", "sha-860c190 v1.2.3");
    check("tag v1.2.3", "type=raw,value=b\ntype=raw,value=a\ntype=raw,value=b", "", "b a");
    check("tag v1-x", "type=semver,pattern={{version}}\ntype=ref,event=tag", "", "v1-x latest");
}

#[test]
fn every_type_has_a_priority_of_its_own() {
    let facts = Facts { event: "schedule".to_owned(), ..facts("branch main") };
    for (rule, tag, priority) in [
        ("type=schedule", "nightly", 1000),
        ("type=semver,pattern={{version}},value=v1.2.3", "1.2.3", 900),
        ("type=pep440,pattern={{version}},value=1.2.3", "1.2.3", 900),
        ("type=match,pattern=v.*,value=v1", "v1", 800),
        ("type=edge", "edge", 700),
        ("type=ref,event=branch", "main", 600),
        ("type=raw,value=raw", "raw", 200),
        ("raw", "raw", 200),
        ("type=sha", "sha-860c190", 100),
    ] {
        // Only rules of equal priority stay in the order in which they are written, whatever it is.
        let other = format!("type=raw,value=other,priority={priority}");
        for (tags, expected) in
            [([rule, &other], format!("{tag} other")), ([&other, rule], format!("other {tag}"))]
        {
            let metadata = resolved(&facts, &tags.join("\n"), "latest=false").expect(rule);
            assert_eq!(shown(&metadata), expected, "{tags:?}");
        }
    }
}

#[test]
fn nothing_is_escaped_for_html() {
    check("branch feat/a&b='x'", "type=raw,value={{branch}}", "", "feat-a-b-x-");
}

#[test]
fn other_characters_become_one_dash_and_a_tag_is_always_valid() {
    check("branch a//b", "", "", "a-b");
    check("branch a/-b", "", "", "a--b");
    check("branch .hidden", "", "", "_.hidden");
    check("branch /x", "", "", "_-x");
    let long = format!("branch {}", "x".repeat(200));
    let metadata = resolved(&facts(&long), "", "").expect("valid");
    assert!(shown(&metadata).starts_with(&format!("{}-", "x".repeat(119))));
    assert_eq!(metadata.tags[0].as_str().len(), 128);
    assert!(metadata.warnings[0].contains("at most 128"));
    let other = resolved(&facts(&format!("branch {}y", "x".repeat(199))), "", "").expect("valid");
    assert_ne!(metadata.tags, other.tags);
}

#[test]
fn no_branch_can_take_the_name_of_a_key_of_referrers_or_of_a_commit() {
    let (key, referrers) = ("0123456789abcdef".repeat(2), "0123456789abcdef".repeat(4));
    for (name, expected) in [
        (format!("in-{key}-linux-amd64"), format!("_in-{key}-linux-amd64")),
        (format!("in/{key}"), format!("_in-{key}")),
        (format!("sha256-{referrers}"), format!("_sha256-{referrers}")),
        ("in-progress".to_owned(), "in-progress".to_owned()),
        ("sha-0123456789ab".to_owned(), "_sha-0123456789ab".to_owned()),
        ("sha-0123456789ab-dirty".to_owned(), "_sha-0123456789ab-dirty".to_owned()),
        ("sha/0123456789ab".to_owned(), "_sha-0123456789ab".to_owned()),
        ("sha-0123456".to_owned(), "sha-0123456".to_owned()),
    ] {
        check(&format!("branch {name}"), "", "", &expected);
    }
    check(&format!("branch {key}"), "type=ref,event=branch,prefix=in-", "", &format!("_in-{key}"));
}

#[test]
fn a_pre_release_ignores_its_pattern_unless_that_is_raw() {
    check("tag v1.0.0-rc.1+b.2", "type=semver,pattern={{major}}.{{minor}}", "", "1.0.0-rc.1");
    check("tag v1.0.0-rc.1+b.2", "type=semver,pattern={{raw}}", "", "v1.0.0-rc.1-b.2");
    check("tag v1.0.0-rc.1+b.2", "type=semver,pattern=x{{raw}}", "", "1.0.0-rc.1");
    check("tag v1.0.0+b.2", "type=semver,pattern={{version}}", "", "1.0.0 latest");
    check("tag v1.0.0+b.2", "type=semver,pattern={{raw}}", "", "v1.0.0-b.2 latest");
}

#[test]
fn a_failed_match_goes_on_in_versions_and_ends_in_match() {
    let metadata = resolved(&facts("tag 1.2.3"), "type=semver,pattern={{version}},match=x(.*)", "");
    let metadata = metadata.expect("valid");
    assert_eq!(shown(&metadata), "1.2.3 latest");
    assert!(metadata.warnings[0].contains("does not match"));
    check("tag 1.2.3", "type=match,pattern=x(.*)", "", "");
}

#[test]
fn some_events_count_as_the_default_branch() {
    for event in ["create", "discussion_comment", "issues", "schedule"] {
        let facts = Facts { event: event.to_owned(), ..facts("branch dev") };
        let metadata = resolved(&facts, "type=raw,value={{is_default_branch}}", "").expect("valid");
        assert_eq!(shown(&metadata), "true", "{event}");
    }
}

// The seventh, `pull_request_target` and the commit of the head, is a fact: `ci/github/tests.rs`.

#[test]
fn enable_is_true_or_false_and_nothing_else() {
    check("branch main", "type=raw,value=a,enable={{is_default_branch}}", "", "a");
    check("branch dev", "type=raw,value=a,enable={{is_default_branch}}", "", "");
    fails("type=raw,value=a,enable=1", "", "neither true nor false");
    fails("type=raw,value=a,enable=True", "", "neither true nor false");
    fails("type=raw,value=a,enable={{tag}}", "", "neither true nor false");
}

#[test]
fn dates_are_in_the_zone_that_the_rule_names() {
    check("pr 1", "type=raw,value={{date 'ddd-HH' tz='Pacific/Auckland'}}", "", "Mon-12");
}

#[test]
fn images_are_lower_case_and_can_be_switched_off() {
    for (text, expected) in [
        ("", &[][..]),
        ("ghcr.io/Acme/Shop", &["ghcr.io/acme/shop"]),
        (
            "name=a/b,enable=false\nname=ghcr.io/acme/shop,enable={{is_default_branch}} # this\n",
            &["ghcr.io/acme/shop"],
        ),
        ("c/d\na/b\nC/D", &["c/d", "a/b"]),
    ] {
        let found = images(&facts("branch main"), &lines(text)).expect("valid");
        assert_eq!(found, expected, "{text}");
    }
}
