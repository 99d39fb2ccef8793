//! A row for each event of facts 1.1 and 1.5: which bases are tried, in which order.

use super::*;
use crate::ci::Source;

const SELF: &str = "1111111111111111111111111111111111111111";
const BEFORE: &str = "2222222222222222222222222222222222222222";
const OTHER: &str = "3333333333333333333333333333333333333333";
const MAIN: &str = "refs/remotes/origin/main";

/// `kind confidence comparison reference` of each answer, and the last word.
fn answers(asked: Option<Asked<'_>>, trigger: &Trigger, head: &Head<'_>) -> Vec<String> {
    let choices = bases(asked, trigger, head);
    let line = |answer: &Answer| {
        let choice = match answer {
            Answer::Known(choice) => choice,
            Answer::Published(branch) => return format!("published {branch}"),
        };
        let comparison = match choice.comparison {
            Comparison::Tree => "tree",
            Comparison::MergeBase => "merge-base",
            Comparison::Ancestor => "ancestor",
        };
        let (kind, confidence) = (choice.kind.as_str(), choice.confidence.as_str());
        format!("{kind} {confidence} {comparison} {}", choice.reference)
    };
    let last = format!("else {}", choices.otherwise);
    choices.list.iter().map(line).chain([last]).collect()
}

#[track_caller]
fn check(trigger: &Trigger, head: &Head<'_>, expected: &[&str]) {
    let found = answers(None, trigger, head);
    assert_eq!(found[..found.len() - 1], *expected, "{trigger:?}");
}

fn push(before: Option<&str>, forced: bool) -> Trigger {
    Trigger::Push(Push { before: before.map(str::to_owned), forced })
}

#[test]
fn pushes() {
    let parents = [OTHER.to_owned()];
    let head = Head { id: SELF, parents: &parents, default_branch: Some(MAIN), ..Head::default() };
    let on_main = Head { is_on_default: true, ..head };
    let before = format!("before-push exact tree {BEFORE}");
    let (main, parent) =
        ("default-branch likely merge-base refs/remotes/origin/main", "parent guess tree HEAD^1");
    // To an existing branch, with one commit or several.
    check(&push(Some(BEFORE), false), &head, &[&before, main, parent]);
    check(&push(Some(BEFORE), false), &on_main, &[&before, parent]);
    // A new branch, and the first push of the default branch.
    check(&push(None, false), &head, &[main, parent]);
    check(&push(None, false), &on_main, &[parent]);
    // History was rewritten.
    check(&push(Some(BEFORE), true), &head, &[main, &before, parent]);
    check(&push(Some(BEFORE), true), &on_main, &[&before, parent]);
    // The first commit of a repository, and a clone of depth one.
    let first = Head { parents: &[], ..on_main };
    assert_eq!(answers(None, &push(None, false), &first), ["else the first commit"]);
    let shallow = Head { is_shallow: true, ..first };
    let only = "else this shallow clone has only the commit itself";
    assert_eq!(answers(None, &push(None, false), &shallow), [only]);
}

#[test]
fn published_images_are_asked_where_the_event_is_not_exact() {
    let parents = [OTHER.to_owned()];
    let head = Head { id: SELF, parents: &parents, default_branch: Some(MAIN), ..Head::default() };
    let head = Head { default_name: Some("main"), branch: Some("fix"), ..head };
    let on_main = Head { branch: Some("main"), is_on_default: true, ..head };
    let unnamed = Head { branch: None, ..head };
    let before = format!("before-push exact tree {BEFORE}");
    let (main, parent) =
        ("default-branch likely merge-base refs/remotes/origin/main", "parent guess tree HEAD^1");
    let of_main = "published main";
    check(&push(Some(BEFORE), false), &head, &[&before, "published fix", main, parent]);
    check(&push(Some(BEFORE), false), &on_main, &[&before, of_main, parent]);
    check(&push(Some(BEFORE), true), &head, &["published fix", main, &before, parent]);
    check(&push(Some(BEFORE), true), &on_main, &[&before, of_main, parent]);
    check(&push(None, false), &head, &[of_main, main, parent]);
    check(&push(None, false), &on_main, &[of_main, parent]);
    for trigger in [Trigger::Tag, Trigger::Release] {
        check(&trigger, &head, &[of_main]);
    }
    check(&Trigger::Schedule, &on_main, &[of_main]);
    check(&Trigger::Schedule, &unnamed, &[of_main]);
    check(
        &Trigger::Manual,
        &head,
        &["published fix", "default-branch guess merge-base refs/remotes/origin/main"],
    );
    check(&Trigger::Unknown, &head, &["published fix", main, parent]);
    check(&Trigger::Unknown, &Head { default_branch: None, ..on_main }, &[parent]);
    // What a pull request is compared with does not depend on what was published.
    let request = Trigger::PullRequest(PullRequest::default());
    check(&request, &head, &[parent]);
    let asked = answers(Some(Asked::Base("v1")), &Trigger::Schedule, &head);
    assert!(!asked.iter().any(|answer| answer.starts_with("published")), "{asked:?}");
}

#[test]
fn runs_without_a_push() {
    let parents = [OTHER.to_owned()];
    let head = Head { id: SELF, parents: &parents, default_branch: Some(MAIN), ..Head::default() };
    let on_main = Head { is_on_default: true, ..head };
    for trigger in [Trigger::Tag, Trigger::Release, Trigger::Schedule] {
        check(&trigger, &head, &[]);
        check(&trigger, &on_main, &[]);
    }
    check(&Trigger::Manual, &head, &["default-branch guess merge-base refs/remotes/origin/main"]);
    check(&Trigger::Manual, &on_main, &[]);
    let laptop = ["default-branch likely merge-base refs/remotes/origin/main", "parent guess tree HEAD^1"];
    check(&Trigger::Unknown, &head, &laptop);
}

#[test]
fn pull_requests_by_what_is_checked_out() {
    let request = PullRequest {
        merge: Some(SELF.to_owned()),
        head: Some(OTHER.to_owned()),
        target_commit: Some(BEFORE.to_owned()),
        target: Some("main".to_owned()),
        source: Source::Own,
        ..PullRequest::default()
    };
    let commit = format!("target likely merge-base {BEFORE}");
    let (merge, main, parent) = (
        "merge-parent exact tree HEAD^1",
        "target likely merge-base refs/remotes/origin/main",
        "parent guess tree HEAD^1",
    );
    let trigger = Trigger::PullRequest(request.clone());
    // The merge, whole and in a clone of depth one.
    let both = [BEFORE.to_owned(), OTHER.to_owned()];
    let whole = Head { id: SELF, parents: &both, ..Head::default() };
    check(&trigger, &whole, &[merge, &commit, main, parent]);
    check(&trigger, &Head { parents: &[], is_shallow: true, ..whole }, &[merge, &commit, main]);
    // The head.
    let one = [BEFORE.to_owned()];
    let head = Head { id: OTHER, parents: &one, ..Head::default() };
    check(&trigger, &head, &[&commit, main, parent]);
    // The event of a request that was squashed: the last commit of the target branch.
    check(&trigger, &Head { id: SELF, ..head }, &[&commit, main, parent]);
    // `pull_request_target`: the target branch, or the merge that the workflow checked out itself.
    let on_target =
        Trigger::PullRequest(PullRequest { merge: None, target_tip: Some(BEFORE.to_owned()), ..request });
    check(&on_target, &Head { id: BEFORE, ..head }, &[parent]);
    check(&on_target, &whole, &[merge, &commit, main, parent]);
    check(&on_target, &head, &[&commit, main, parent]);
}

#[test]
fn merge_requests_and_merge_queues() {
    let merged = PullRequest {
        merge: Some(SELF.to_owned()),
        fork_point: Some(BEFORE.to_owned()),
        target: Some("main".to_owned()),
        ..PullRequest::default()
    };
    let detached = PullRequest { merge: None, head: Some(SELF.to_owned()), ..merged.clone() };
    let both = [BEFORE.to_owned(), OTHER.to_owned()];
    let head = Head { id: SELF, parents: &both, ..Head::default() };
    let fork_point = format!("fork-point exact tree {BEFORE}");
    let main = "target likely merge-base refs/remotes/origin/main";
    let parent = "parent guess tree HEAD^1";
    let merge = "merge-parent exact tree HEAD^1";
    check(&Trigger::PullRequest(merged), &head, &[merge, &fork_point, main, parent]);
    check(&Trigger::PullRequest(detached), &head, &[&fork_point, main, parent]);
    let queue = Trigger::MergeQueue { base: Some(BEFORE.to_owned()), target: Some("main".to_owned()) };
    check(&queue, &head, &[&format!("queue likely tree {BEFORE}"), main, parent]);
    let strange = Trigger::MergeQueue { base: None, target: Some("main..other".to_owned()) };
    check(&strange, &head, &[parent]);
}

#[test]
fn what_the_user_names_comes_before_any_event() {
    let head = Head { id: SELF, default_branch: Some(MAIN), ..Head::default() };
    for (asked, expected) in [
        (Asked::Base("main"), vec!["asked exact tree main", "asked exact tree refs/remotes/origin/main"]),
        (Asked::Base("HEAD~3"), vec!["asked exact tree HEAD~3"]),
        (Asked::Base("-x"), vec!["asked exact tree -x"]),
        (
            Asked::Since("release/1"),
            vec!["asked exact merge-base release/1", "asked exact merge-base refs/remotes/origin/release/1"],
        ),
    ] {
        let found = answers(Some(asked), &push(Some(BEFORE), false), &head);
        assert_eq!(found[..found.len() - 1], expected);
    }
}
