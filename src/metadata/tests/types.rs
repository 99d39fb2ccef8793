//! Every type of rule, flavor and expression, and the behaviours that a rewrite gets wrong.

use super::super::*;
use crate::ci::{About, Subject};

const SHA: &str = "860c1904a1ce19322e91ac35af1ab07466440c37";

fn facts(reference: &str) -> Facts {
    let subject = match reference.split_once(' ') {
        Some(("branch", name)) => Subject::Branch(name.to_owned()),
        Some(("tag", name)) => Subject::Tag(name.to_owned()),
        Some(("pr", number)) => Subject::PullRequest(number.to_owned()),
        _ => Subject::Unknown,
    };
    Facts {
        subject,
        commit: SHA.to_owned(),
        short: 7,
        default_branch: Some("main".to_owned()),
        base_branch: Some("dev".to_owned()),
        event: "push".to_owned(),
        about: About {
            title: Some("shop".to_owned()),
            description: Some("Sells, a=b".to_owned()),
            url: Some("https://example.org/acme/shop".to_owned()),
            licence: Some("MIT".to_owned()),
        },
        commit_time: 1_583_058_905, // 2020-03-01T10:35:05Z
        created: 1_583_058_905,
        now: 1_719_792_305, // 2024-07-01T00:05:05Z
    }
}

fn lines(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn resolved(facts: &Facts, tags: &str, flavor: &str) -> Result<Metadata, RuleError> {
    resolve(facts, &Rules { tags: lines(tags), flavor: lines(flavor), ..Rules::default() })
}

fn shown(metadata: &Metadata) -> String {
    metadata.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(reference: &str, tags: &str, flavor: &str, expected: &str) {
    let metadata = resolved(&facts(reference), tags, flavor).expect(tags);
    assert_eq!(shown(&metadata), expected, "{reference}: {tags} ({flavor})");
    assert_eq!(metadata.version.as_ref(), metadata.tags.first());
}

#[track_caller]
fn fails(tags: &str, flavor: &str, expected: &str) {
    let error = resolved(&facts("branch main"), tags, flavor).expect_err(tags).to_string();
    assert!(error.contains(expected), "{tags} ({flavor}): {error}");
}

#[test]
fn the_default_list() {
    for (reference, expected) in [
        ("branch main", "main"),
        ("branch feat/a&b='x'", "feat-a-b-x-"),
        ("tag v1.2.3", "v1.2.3 latest"),
        ("pr 7", "pr-7"),
        ("nothing", ""),
    ] {
        check(reference, "", "", expected);
    }
    let nightly = Facts { event: "schedule".to_owned(), ..facts("branch main") };
    assert_eq!(shown(&resolved(&nightly, "", "").expect("valid")), "nightly main");
}

#[test]
fn every_type() {
    for (reference, rule, expected) in [
        ("branch main", "type=schedule", ""),
        ("tag v1.2.3", "type=semver,pattern={{version}}", "1.2.3 latest"),
        ("tag v1.2.3", "type=semver,pattern={{major}}.{{minor}}", "1.2 latest"),
        ("tag v1.2.3", "type=semver,pattern=v{{major}},prefix=x-,suffix=-y", "x-v1-y latest"),
        ("tag v1.2.3-rc.1", "type=semver,pattern={{major}}", "1.2.3-rc.1"),
        ("tag release/v1.2.3", "type=semver,pattern={{version}},match=v(.*)$", "1.2.3 latest"),
        ("tag not-a-version", "type=semver,pattern={{version}}", ""),
        ("branch main", "type=semver,pattern={{version}}", ""),
        ("branch main", "type=semver,pattern={{version}},value=v3.1.4", "3.1.4 latest"),
        ("tag 1.2.3", "type=pep440,pattern={{major}}.{{minor}}", "1.2 latest"),
        ("tag 1.2.3rc2", "type=pep440,pattern={{major}}", "1.2.3rc2"),
        ("tag 1.2.3.post1", "type=pep440,pattern={{major}}", "1.2.3.post1"),
        ("tag v1.2.3", "type=match,pattern=\\d+.\\d+", "1.2 latest"),
        ("tag v1.2.3", "type=match,pattern=v(.*),group=1", "1.2.3 latest"),
        ("tag V1.2.3", "type=match,pattern=/^v(?<all>.*)$/i,group=1", "1.2.3 latest"),
        ("tag a/v1", "type=match,pattern=(?<=a/)v.", "v1 latest"),
        ("tag v1", "type=match,pattern=w(.*)", ""),
        ("tag v1", "type=match,pattern=v(x)?,group=1", ""),
        ("branch x", "type=match,pattern=\\d,value=v9", "9 latest"),
        ("branch main", "type=edge", "edge"),
        ("branch dev", "type=edge", ""),
        ("branch dev", "type=edge,branch=dev", "edge"),
        ("tag v1", "type=edge", ""),
        ("branch a/b", "type=ref,event=branch", "a-b"),
        ("tag a/b", "type=ref,event=tag", "a-b latest"),
        ("pr 7", "type=ref,event=pr", "pr-7"),
        ("pr 7", "type=ref,event=pr,prefix=", "7"),
        ("pr 7", "type=ref,event=branch", ""),
        ("pr 7", "type=raw,value=foo", "foo"),
        ("pr 7", "foo", "foo"),
        ("pr 7", "type=raw,\"value=a,b\"", "a-b"),
        ("pr 7", "type=raw,value=", ""),
        ("pr 7", "type=sha", "sha-860c190"),
        ("pr 7", "type=sha,format=long,prefix=", SHA),
    ] {
        check(reference, rule, "", expected);
    }
}

#[test]
fn flavors() {
    for (reference, tags, flavor, expected) in [
        ("tag v1", "type=ref,event=tag", "latest=false", "v1"),
        ("branch main", "type=ref,event=branch", "latest=true", "main latest"),
        ("branch main", "type=ref,event=branch", "latest=auto", "main"),
        ("tag v1", "type=ref,event=tag", "prefix=a-\nsuffix=-z", "a-v1-z latest"),
        (
            "tag v1",
            "type=ref,event=tag",
            "prefix=a-,onlatest=true\nsuffix=-z,onlatest=false",
            "a-v1-z a-latest",
        ),
        ("tag v1", "type=ref,event=tag,prefix=b-", "prefix=a-,suffix=-z,onlatest=true", "b-v1-z latest-z"),
        ("pr 7", "type=sha", "prefix=a-", "sha-860c190"),
        ("nothing", "type=ref,event=tag", "latest=true", ""),
        ("branch main", "type=raw,value=latest", "latest=true", "latest"),
        ("branch main", "type=ref,event=branch", "prefix={{sha}}-", "860c190-main"),
    ] {
        check(reference, tags, flavor, expected);
    }
}

#[test]
fn expressions() {
    for (reference, text, expected) in [
        ("branch a/b", "{{branch}}", "a-b"),
        ("tag v1", "{{branch}}x{{tag}}", "xv1"),
        ("pr 7", "{{base_ref}}-{{sha}}", "dev-860c190"),
        ("branch main", "x{{base_ref}}", "x"),
        ("branch main", "{{is_default_branch}}.{{is_not_default_branch}}", "true.false"),
        ("branch dev", "{{is_default_branch}}.{{ is_not_default_branch }}", "false.true"),
        ("pr 7", "{{date 'YYYYMMDD'}}", "20240701"),
        ("pr 7", "{{date \"YYYYMMDD-HHmm\" tz=\"America/New_York\"}}", "20240630-2005"),
        ("pr 7", "{{commit_date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200301-193505"),
        ("pr 7", "{{{sha}}}{{! nothing }}{{!-- }} --}}", "860c190"),
    ] {
        check(reference, &format!("type=raw,\"value={}\"", text.replace('"', "\"\"")), "", expected);
    }
    let nightly = Facts { event: "schedule".to_owned(), ..facts("branch main") };
    let rule = "type=schedule,pattern=nightly-{{date 'DDD'}}";
    assert_eq!(shown(&resolved(&nightly, rule, "").expect("valid")), "nightly-183");
}

/// One test for each of the behaviours that a rewrite gets wrong unless told.
mod behaviours {
    use super::*;

    #[test]
    fn the_first_result_is_the_version_and_alone_decides_about_latest() {
        check("tag v1.2.3", "type=sha\ntype=ref,event=tag", "", "v1.2.3 sha-860c190 latest");
        check("tag v1.2.3", "type=sha,priority=601\ntype=ref,event=tag", "", "sha-860c190 v1.2.3");
        check("tag v1.2.3", "type=raw,value=b\ntype=raw,value=a\ntype=raw,value=b", "", "b a");
        check("tag v1-x", "type=semver,pattern={{version}}\ntype=ref,event=tag", "", "v1-x latest");
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
}

#[test]
fn comments_and_blank_lines_say_nothing() {
    check(
        "branch main",
        "# all\n\n  type=sha  # short\n#type=raw,value=x\ntype=raw,value=a#b",
        "",
        "a-b sha-860c190",
    );
}

#[test]
fn wrong_rules_name_the_line_and_what_is_wrong() {
    for (tags, flavor, expected) in [
        ("type=sah", "", "read the rule `type=sah`: its type `sah` is unknown, expected one of schedule,"),
        ("type=semver", "", "`type=semver` needs `pattern=`"),
        ("type=match", "", "`type=match` needs `pattern=`"),
        ("type=match,pattern=a,group=x", "", "its group `x` is not a number"),
        ("type=ref", "", "`type=ref` needs `event=`"),
        ("type=ref,event=push", "", "its event `push` is unknown"),
        ("type=raw", "", "`type=raw` needs `value=`"),
        ("type=sha,format=tiny", "", "its format `tiny` is unknown"),
        ("type=sha,priority=high", "", "its priority `high` is not a number"),
        ("type=raw,value={{brnach}}", "", "`brnach` is unknown here, expected one of branch, tag,"),
        ("type=raw,value={{version}}", "", "`version` is unknown here"),
        ("type=raw,value={{sha", "", "`{{` is not closed"),
        ("type=raw,value={{date}}", "", "`date` needs a format"),
        ("type=raw,value={{date 'YY' zone='UTC'}}", "", "`zone` is unknown, expected tz"),
        ("type=raw,value={{date 'YY' tz='Nowhere'}}", "", "`Nowhere` is no time zone"),
        ("type=match,pattern=(,value=a", "", "try the pattern `(`"),
        ("type=match,pattern=/a/q,value=a", "", "its flag `q` is unknown"),
        ("", "latest=maybe", "`latest=maybe` is neither true nor false"),
        ("", "onlatest=true", "`onlatest` is unknown, expected latest, prefix or suffix"),
        ("", "tag=x", "`tag` is unknown"),
    ] {
        fails(tags, flavor, expected);
    }
}

#[test]
fn labels_are_those_of_the_repository_and_the_commit_under_the_users_own() {
    let rules = Rules {
        labels: lines("# mine\norg.opencontainers.image.title=Shop #1\nteam={{branch}}=x\nempty="),
        annotations: lines("org.opencontainers.image.vendor=Acme"),
        ..Rules::default()
    };
    let metadata = resolve(&facts("branch main"), &rules).expect("valid");
    let shown: Vec<String> = metadata.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let standard = "org.opencontainers.image";
    assert_eq!(
        shown,
        [
            "empty=".to_owned(),
            format!("{standard}.created=2020-03-01T10:35:05Z"),
            format!("{standard}.description=Sells, a=b"),
            format!("{standard}.licenses=MIT"),
            format!("{standard}.revision={SHA}"),
            format!("{standard}.source=https://example.org/acme/shop"),
            format!("{standard}.title=Shop #1"),
            format!("{standard}.url=https://example.org/acme/shop"),
            format!("{standard}.version=main"),
            "team=main=x".to_owned(),
        ]
    );
    assert_eq!(metadata.annotations["org.opencontainers.image.vendor"], "Acme");
    assert_eq!(metadata.annotations["org.opencontainers.image.title"], "shop");
    for (line, expected) in [("=x", "no key"), ("index:a=b", "leave out the level"), ("a={{x}}", "unknown")] {
        let rules = Rules { labels: lines(line), ..Rules::default() };
        let error = resolve(&facts("branch main"), &rules).expect_err(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn a_dirty_tree_moves_no_tag_that_others_follow_and_a_laptop_none_unasked() {
    let tags = |reference: &str, rules: &str, tree: Tree, is_ci: bool| {
        let rules = Rules { tags: if rules.is_empty() { vec![] } else { lines(rules) }, ..Rules::default() };
        let metadata = of_image(&facts(reference), &rules, tree, is_ci).expect("valid");
        assert_eq!(metadata.version.as_ref(), metadata.tags.first());
        (shown(&metadata), metadata.labels["org.opencontainers.image.revision"].replace(SHA, "SHA"))
    };
    let own = "sha-860c1904a1ce";
    let dirty = (format!("{own}-dirty"), "SHA-dirty".to_owned());
    for (reference, rules, tree, is_ci, expected) in [
        ("branch main", "", Tree::Clean, true, format!("main {own}")),
        ("tag v1", "", Tree::Clean, true, format!("v1 latest {own}")),
        ("pr 7", "", Tree::Clean, true, format!("pr-7 {own}")),
        ("nothing", "", Tree::Clean, true, own.to_owned()),
        ("branch main", "", Tree::Clean, false, own.to_owned()),
        ("branch main", "type=ref,event=branch", Tree::Clean, false, "main".to_owned()),
        ("branch main", "type=ref,event=tag", Tree::Clean, true, own.to_owned()),
    ] {
        assert_eq!(tags(reference, rules, tree, is_ci), (expected, "SHA".to_owned()), "{reference} {rules}");
    }
    for rules in ["", "type=ref,event=tag", "type=raw,value=prod"] {
        assert_eq!(tags("tag v1", rules, Tree::Dirty, true), dirty);
    }
}
