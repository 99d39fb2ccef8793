//! With what a commit is compared: every event of GitHub and GitLab, in whole and in shallow checkouts.

use crate::support::Repository;
use crate::support::workflows::{
    APP, MAIN, WEB, ZEROS, explained, git_processes, github, gitlab, origin, pull_request, push, requested,
};

#[test]
fn a_push_of_several_commits_is_compared_with_what_the_branch_was() {
    let origin = origin();
    let before = origin.id("main~2");
    for depth in [None, Some(1), Some(2)] {
        let checkout = Repository::checkout_of(&origin, MAIN, depth);
        let found = explained(github(&checkout, "push", MAIN, &push(&before, false)));
        let base = format!("before-push exact {before}: what the branch was before this push");
        assert_eq!(found, [base.as_str(), APP, WEB], "{depth:?}");
        // And GitLab says the same with a variable.
        let checkout = Repository::checkout_of(&origin, MAIN, depth);
        let variables = [
            ("CI_PIPELINE_SOURCE", "push"),
            ("CI_COMMIT_BEFORE_SHA", before.as_str()),
            ("CI_COMMIT_REF_NAME", "main"),
        ];
        assert_eq!(explained(gitlab(&checkout, &variables)), [base.as_str(), APP, WEB], "{depth:?}");
    }
}

#[test]
fn a_new_branch_is_compared_with_where_it_left_the_default_branch() {
    let origin = origin();
    origin.git(["checkout", "--quiet", "-b", "fix", "main~1"]);
    origin.write("app/run", "3\n").commit("Fix").write("docs", "x\n").commit("Document");
    for depth in [None, Some(1)] {
        let checkout = Repository::checkout_of(&origin, "refs/heads/fix", depth);
        let found = explained(github(&checkout, "push", "refs/heads/fix", &push(ZEROS, false)));
        let base = "default-branch likely refs/remotes/origin/main: the default branch";
        assert_eq!(found, [base, APP], "{depth:?}");
    }
    // The first push of the default branch itself has nothing but its parent.
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let found = explained(github(&checkout, "push", MAIN, &push(ZEROS, false)));
    assert_eq!(found, ["parent guess HEAD^1: the parent commit", WEB]);
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    let found = explained(github(&checkout, "push", MAIN, &push(ZEROS, false)));
    assert_eq!(found, ["nothing nothing -: this shallow clone has only the commit itself"]);
}

#[test]
fn the_first_commit_is_compared_with_nothing() {
    let origin = Repository::app();
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let found = explained(github(&checkout, "push", MAIN, &push(ZEROS, false)));
    assert_eq!(found, ["nothing nothing -: the first commit"]);
}

#[test]
fn a_forced_push_is_compared_with_what_still_can_be_had() {
    // Given a branch whose two commits were replaced by one,
    let origin = origin();
    origin.git(["checkout", "--quiet", "-b", "fix", "main~1"]);
    origin.write("app/run", "3\n").commit("One").write("app/run", "4\n").commit("Two");
    let before = origin.id("fix");
    origin.git(["reset", "--quiet", "--hard", "main"]);
    origin.write("app/run", "5\n").commit("Rebased");
    // then it is compared with the default branch,
    for depth in [None, Some(1)] {
        let checkout = Repository::checkout_of(&origin, "refs/heads/fix", depth);
        let found = explained(github(&checkout, "push", "refs/heads/fix", &push(&before, true)));
        let base = "default-branch likely refs/remotes/origin/main: the default branch";
        assert_eq!(found, [base, APP], "{depth:?}");
    }
    // and the default branch itself with what it was, as long as the forge has that,
    let checkout = Repository::checkout_of(&origin, "refs/heads/fix", None);
    let rewritten = |checkout: &Repository| explained(github(checkout, "push", MAIN, &push(&before, true)));
    let base = format!("before-push exact {before}: what the branch was before this forced push");
    assert_eq!(rewritten(&checkout), [base.as_str(), APP, WEB]);
    assert_eq!(checkout.git(["rev-parse", "--is-shallow-repository"]).trim(), "false");
    // and when the forge has thrown it away, with the parent commit, saying so.
    let checkout = Repository::checkout_of(&origin, "refs/heads/fix", None);
    origin.git(["reflog", "expire", "--expire=now", "--all"]);
    origin.git(["gc", "--quiet", "--prune=now"]);
    let found = rewritten(&checkout);
    let start =
        format!("parent guess HEAD^1: the parent commit; `{before}`, what the branch was before this forced");
    assert!(found[0].starts_with(&start) && found[0].contains("not our ref"), "{found:?}");
    assert_eq!(found[1..], [APP]);
}

#[test]
fn a_pull_request_is_not_blamed_for_what_the_target_did_meanwhile() {
    let (origin, payload) = pull_request();
    let merge =
        "merge-parent exact HEAD^1: the first parent of the merge that this pull request is tried with";
    for depth in [None, Some(1), Some(2)] {
        let checkout = Repository::checkout_of(&origin, "refs/pull/5/merge", depth);
        let found = explained(requested(&checkout, "pull_request", &payload));
        assert_eq!(found, [merge, APP], "{depth:?}");
        // Where a workflow of the target checks the merge out by itself, it is the same.
        if depth != Some(1) {
            let hephy = requested(&checkout, "pull_request_target", &payload);
            assert_eq!(explained(hephy.env("GITHUB_SHA", origin.id("main"))), [merge, APP], "{depth:?}");
        }
    }
    // Checked out without the merge.
    for depth in [None, Some(1)] {
        let checkout = Repository::checkout_of(&origin, "refs/pull/5/head", depth);
        let hephy = requested(&checkout, "pull_request", &payload);
        let found = explained(hephy.env("GITHUB_SHA", origin.id("refs/pull/5/merge")));
        let base =
            format!("target likely {}: a commit of the pull request's target branch", origin.id("main~1"));
        assert_eq!(found, [base.as_str(), APP], "{depth:?}");
    }
    // The target, and nothing of the pull request.
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let found = explained(requested(&checkout, "pull_request_target", &payload));
    let base = "parent guess HEAD^1: the parent commit: the target branch is checked out, and nothing of the pull request";
    assert_eq!(found, [base, WEB]);
}

#[test]
fn a_merge_queue_is_compared_with_what_it_builds_upon() {
    let (origin, _) = pull_request();
    let base = origin.id("main");
    let payload = format!(r#""merge_group": {{"base_sha": "{base}", "base_ref": "refs/heads/main"}}"#);
    for depth in [None, Some(1)] {
        let checkout = Repository::checkout_of(&origin, "refs/pull/5/merge", depth);
        let hephy = github(&checkout, "merge_group", "refs/heads/gh-readonly-queue/main/pr-5", &payload);
        let base = format!("queue likely {base}: what this entry of the merge queue is built upon");
        assert_eq!(explained(hephy), [base.as_str(), APP], "{depth:?}");
    }
}

#[test]
fn tags_schedules_and_runs_by_hand_are_compared_with_nothing_and_build_all_the_same() {
    let origin = origin();
    origin.git(["tag", "v1", "main"]);
    origin.git(["tag", "v0", "main~1"]);
    for (event, reference, reason) in [
        (
            "push",
            "refs/tags/v1",
            "a tag is compared with nothing: its images are found by what they are built from",
        ),
        (
            "push",
            "refs/tags/v0",
            "a tag is compared with nothing: its images are found by what they are built from",
        ),
        (
            "release",
            "refs/tags/v1",
            "a tag is compared with nothing: its images are found by what they are built from",
        ),
        ("schedule", MAIN, "nothing was pushed: a scheduled run"),
        ("workflow_dispatch", MAIN, "nothing was pushed: a run that somebody started"),
    ] {
        for depth in [None, Some(1)] {
            let checkout = Repository::checkout_of(&origin, reference, depth);
            let found = explained(github(&checkout, event, reference, &push(ZEROS, false)));
            assert_eq!(found, [format!("nothing nothing -: {reason}")], "{event} {depth:?}");
        }
    }
    for (source, reason) in [
        ("schedule", "nothing was pushed: a scheduled run"),
        ("web", "nothing was pushed: a run that somebody started"),
    ] {
        let checkout = Repository::checkout_of(&origin, MAIN, Some(20));
        let variables =
            [("CI_PIPELINE_SOURCE", source), ("CI_COMMIT_BEFORE_SHA", ZEROS), ("CI_COMMIT_REF_NAME", "main")];
        assert_eq!(explained(gitlab(&checkout, &variables)), [format!("nothing nothing -: {reason}")]);
    }
}

#[test]
fn merge_requests_of_gitlab() {
    let (origin, _) = pull_request();
    let (fork_point, head) = (origin.id("main~1"), origin.id("fix"));
    let variables = [
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ("CI_MERGE_REQUEST_IID", "5"),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", fork_point.as_str()),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "2"),
        ("CI_COMMIT_BEFORE_SHA", ZEROS),
    ];
    let detached = format!("fork-point exact {fork_point}: where the merge request left its target branch");
    let merged =
        "merge-parent exact HEAD^1: the first parent of the merge that this pull request is tried with";
    for (kind, reference, expected) in [
        ("detached", "refs/pull/5/head", detached.as_str()),
        ("merged_result", "refs/pull/5/merge", merged),
        ("merge_train", "refs/pull/5/merge", merged),
    ] {
        for depth in [None, Some(1)] {
            let checkout = Repository::checkout_of(&origin, reference, depth);
            let hephy = gitlab(&checkout, &variables).env("CI_MERGE_REQUEST_EVENT_TYPE", kind);
            let hephy = if kind == "detached" {
                hephy
            } else {
                hephy.env("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", &head)
            };
            assert_eq!(explained(hephy), [expected, APP], "{kind} {depth:?}");
        }
    }
}

#[test]
fn without_a_network_the_plan_is_the_same_and_says_what_is_missing() {
    let origin = origin();
    let before = origin.id("main~2");
    let checkout = Repository::checkout_of(&origin, MAIN, Some(1));
    drop(origin);
    let found = explained(github(&checkout, "push", MAIN, &push(&before, false)));
    let start = format!(
        "nothing nothing -: `{before}`, what the branch was before this push, is not in this clone, or not all of it (fetch"
    );
    assert!(found[0].starts_with(&start), "{found:?}");
    assert_eq!(found.len(), 1);
    let hephy = github(&checkout, "push", MAIN, &push(&before, false)).args(["--emit", "json"]);
    assert_eq!(hephy.run().exits(0).stdout.matches(r#""action": "build""#).count(), 2);
}

#[test]
fn what_the_user_names_is_found_where_ci_has_it() {
    let origin = origin();
    origin.git(["checkout", "--quiet", "-b", "fix", "main~1"]);
    origin.write("app/run", "3\n").commit("Fix").git(["tag", "v1", "main~2"]);
    for depth in [None, Some(1)] {
        let plan = |arguments: &[&str]| {
            let checkout = Repository::checkout_of(&origin, "refs/heads/fix", depth);
            explained(checkout.hephy(["plan"]).args(arguments))
        };
        // `main` is only `origin/main` here, or not there at all.
        let found = plan(&["--base", "main"]);
        assert!(
            found[0].starts_with("asked exact ") && found[0].ends_with(": named with `--base`"),
            "{found:?}"
        );
        assert_eq!(found[1..], [APP, WEB]);
        let found = plan(&["--since", "main"]);
        assert!(found[0].ends_with(": the last common commit, asked for with `--since`"), "{found:?}");
        assert_eq!(found[1..], [APP]);
        assert_eq!(plan(&["--base", "v1"])[1..], [APP]);
        assert_eq!(plan(&["--base", &origin.id("main~2")])[1..], [APP]);
    }
}

#[test]
fn a_plan_asks_git_four_times() {
    let origin = origin();
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    let hephy = github(&checkout, "push", MAIN, &push(&origin.id("main~2"), false));
    assert_eq!(git_processes(&checkout, hephy), 4);
}

#[test]
fn forgejo_runs_on_the_head_and_bitbucket_on_a_merge_of_its_own() {
    let (origin, payload) = pull_request();
    let left = origin.id("main~1");
    let base = format!("target likely {left}: a commit of the pull request's target branch");
    for depth in [None, Some(1)] {
        let checkout = Repository::checkout_of(&origin, "refs/pull/5/head", depth);
        let hephy = requested(&checkout, "pull_request", &payload).env("FORGEJO_ACTIONS", "true");
        assert_eq!(explained(hephy), [base.as_str(), APP], "{depth:?}");
    }
    // Bitbucket merges the target into the branch, and shortens the id of its newest commit.
    let checkout = Repository::checkout_of(&origin, "refs/pull/5/head", None);
    checkout.git(["merge", "--quiet", "--message", "Merge", "origin/main"]);
    let newest = origin.id("main")[..12].to_owned();
    let hephy = checkout.hephy(["plan"]).env("BITBUCKET_BUILD_NUMBER", "1").env("BITBUCKET_PR_ID", "5");
    let hephy = hephy.env("BITBUCKET_PR_DESTINATION_COMMIT", &newest).env("BITBUCKET_BRANCH", "fix");
    let base = format!("target likely {newest}: a commit of the pull request's target branch");
    assert_eq!(explained(hephy), [base.as_str(), APP]);
}

#[test]
fn histories_without_a_common_commit_are_compared_with_the_parent() {
    let origin = origin();
    origin.git(["checkout", "--quiet", "--orphan", "other"]);
    origin.write("app/run", "3\n").commit("Begin anew").write("web/run", "3\n").commit("Go on");
    let checkout = Repository::checkout_of(&origin, "refs/heads/other", None);
    let found = explained(github(&checkout, "push", "refs/heads/other", &push(ZEROS, false)));
    let start =
        "parent guess HEAD^1: the parent commit; `refs/remotes/origin/main`, the default branch, is not in";
    assert!(
        found[0].starts_with(start) && found[0].contains("has no commit in common with HEAD"),
        "{found:?}"
    );
    assert_eq!(found[1..], [WEB]);
}

#[test]
fn a_name_that_only_this_clone_could_know_fetches_nothing() {
    let origin = origin();
    let checkout = Repository::checkout_of(&origin, MAIN, None);
    origin.git(["branch", "new", "main"]);
    let refs = checkout.git(["for-each-ref"]);
    for arguments in [["--since", "HEAD~99"], ["--base", "HEAD~99"], ["--base", "HEAD@{99}"]] {
        checkout.hephy(["plan"]).args(arguments).run().exits(2).says("compare with the base `HEAD");
    }
    assert_eq!(checkout.git(["for-each-ref"]), refs);
}
