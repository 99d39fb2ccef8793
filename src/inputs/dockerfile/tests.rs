use super::*;
use proptest::prelude::*;

fn reading(text: &str) -> Reading {
    let build_args = BTreeMap::from([("TOLD".to_owned(), "told".to_owned())]);
    read(text, &build_args, None, &Platform::new("linux", "arm64"))
}

/// Each source as `LINE VERB PATH`; `mount` after a path says that it is not filtered, `*` means everything.
#[track_caller]
fn check(text: &str, sources: &[&str], images: &[&str]) {
    let read = reading(text);
    let shown = |source: &Source| {
        let what = match &source.what {
            What::Copied(path) => path.clone(),
            What::Mounted(path) => format!("{path} (mount)"),
            What::Everything(because) => format!("* because of {because}"),
        };
        format!("{} {} {what}", source.line, source.verb)
    };
    assert_eq!(read.sources.iter().map(shown).collect::<Vec<_>>(), sources, "{text}");
    assert_eq!(read.images.keys().collect::<Vec<_>>(), images, "{text}");
}

#[test]
fn sources_are_those_of_copy_and_add() {
    check(
        "# syntax=docker/dockerfile:1\nFROM alpine:3 AS base\nCOPY a b/ /x/\nadd --chown=1 c.tar /\n\
         COPY [\"with space\", \"/x\"]\nCOPY \\\n  # a comment\n  d \\\n  e /x\nCOPY . .\nRUN cp f g\n",
        &[
            "3 copies a",
            "3 copies b/",
            "4 adds c.tar",
            "5 copies with space",
            "6 copies d",
            "6 copies e",
            "10 copies .",
        ],
        &["alpine:3"],
    );
    check("# escape=`\nFROM scratch\nCOPY a `\n b /x\n", &["3 copies a", "3 copies b"], &[]);
}

#[test]
fn lines_that_surely_run_on_the_platform_are_noticed() {
    for (text, expected) in [
        ("FROM a\nrun make\n", true),
        ("FROM a\nCOPY run /\n", false),
        ("FROM a\nONBUILD RUN make\n", false),
        ("FROM --platform=$BUILDPLATFORM a\nRUN make\n", false),
        ("FROM --platform=linux/amd64 a AS b\nFROM b\nRUN make\n", false),
        ("FROM --platform=linux/amd64 a AS b\nRUN make\nFROM c\nCOPY --from=b /x /\n", false),
        ("FROM --platform=$TARGETPLATFORM a\nRUN make\n", true),
        ("FROM --platform=arm64 a AS b\nFROM b\nRUN make\n", true),
        // A stage that nobody needs is not built.
        ("FROM a\nRUN make\nFROM b\n", false),
        // It is not known which stage is meant.
        ("FROM a AS b\nRUN make\nFROM $UNKNOWN\n", false),
        ("no Dockerfile", false),
    ] {
        assert_eq!(reading(text).runs, expected, "{text}");
    }
}

#[test]
fn other_stages_images_and_the_network_are_not_the_context() {
    check(
        "FROM golang:1 AS Build\nFROM build\nFROM scratch\nCOPY --from=build a /\nCOPY --from=0 a /\n\
         COPY --from=nginx:1 --link b /\nADD https://example.com/x.tar.gz /\nRUN --mount=type=bind,from=busybox,target=/x true\n",
        &[],
        &["busybox", "golang:1", "nginx:1"],
    );
    check(
        "FROM scratch\nADD https://example.com/x.git#main /\n",
        &["2 adds * because of a git repository"],
        &[],
    );
    check("FROM scratch\nADD git@example.com:x /\n", &["2 adds * because of a git repository"], &[]);
}

#[test]
fn mounts_read_the_context() {
    check(
        "FROM a\nRUN --mount=type=bind,source=go.mod,target=go.mod --mount=type=cache,target=/c go build\n\
         RUN --mount=target=/x ls\nRUN --mount=type=bind,src=./y,dst=/y,rw ls\nRUN --mount=type=secret,id=x ls\n",
        &["2 mounts go.mod (mount)", "3 mounts  (mount)", "4 mounts ./y (mount)"],
        &["a"],
    );
    check(
        "FROM a\nRUN --mount=type=new,source=x ls\n",
        &["2 mounts * because of `type=new,source=x`"],
        &["a"],
    );
}

#[test]
fn only_the_stages_that_the_target_needs_count() {
    let text = "FROM a AS base\nCOPY base /x\nFROM base AS test\nCOPY tests /x\nFROM b AS assets\nCOPY assets /x\n\
                FROM base AS prod\nCOPY --from=Assets /x /x\nRUN --mount=type=bind,from=0,target=/y true\nCOPY prod /x\n\
                FROM prod AS debug\nCOPY debug /x\n";
    for (text, target, sources, images) in [
        (text, Some("base"), "base", "a"),
        (text, Some("Test"), "base tests", "a"),
        (text, Some("prod"), "base assets prod", "a b"),
        (text, Some("3"), "base assets prod", "a b"),
        (text, None, "base assets prod debug", "a b"),
        // A stage that is not there leaves nothing out.
        (text, Some("none"), "base tests assets prod debug", "a b"),
        // Nobody knows which stage is meant, or that a here-document is none.
        ("FROM a\nCOPY x /\nFROM b\nCOPY --from=$X y /\n", None, "x", "$X a b"),
        ("FROM a AS one\nCOPY x /\nARG Y\nFROM $X\n", None, "x", "$X a"),
        ("FROM a\nRUN <<E\nFROM b\nE\nCOPY x /\nFROM c\nCOPY y /\n", None, "* x y", "a c"),
    ] {
        let read = read(text, &BTreeMap::new(), target, &Platform::new("linux", "amd64"));
        let shown = |source: &Source| match &source.what {
            What::Copied(path) | What::Mounted(path) => path.clone(),
            What::Everything(_) => "*".to_owned(),
        };
        let found: Vec<String> = read.sources.iter().map(shown).collect();
        assert_eq!(found.join(" "), sources, "{target:?} of {text}");
        let found: Vec<&str> = read.images.keys().map(String::as_str).collect();
        assert_eq!(found.join(" "), images, "{target:?} of {text}");
    }
}

#[test]
fn variables_are_those_of_the_file() {
    check(
        "ARG TAG=3\nARG NAME=alpine\nFROM ${NAME}:$TAG AS one\nARG TAG\nENV DIR=src\nCOPY $DIR/$TAG /x\n\
         FROM one\nCOPY $DIR /x\nCOPY $TAG /x\n",
        &["6 copies src/3", "8 copies src", "9 copies * because of `$TAG`"],
        &["alpine:3"],
    );
    check("FROM scratch\nARG TOLD=x\nCOPY $TOLD /x\n", &["3 copies told"], &[]);
    check("FROM scratch\nARG TARGETARCH\nCOPY app-$TARGETARCH /x\n", &["3 copies app-arm64"], &[]);
    check("FROM base-$TARGETARCH\n", &[], &["base-arm64"]);
    check("FROM x:$UNKNOWN\nCOPY --from=$UNKNOWN a /\n", &[], &["$UNKNOWN", "x:$UNKNOWN"]);
    check("FROM scratch\nARG X=\"a b\"\nCOPY $X /x\n", &["3 copies * because of `$X`"], &[]);
    // An image may have a variable of this name, which would come first.
    assert_eq!(reading("FROM a\nARG X=1\nCOPY $X /x\n").assumed, BTreeSet::from(["X".to_owned()]));
    assert_eq!(reading("FROM scratch\nARG X=1\nCOPY $X /x\n").assumed, BTreeSet::new());
}

#[test]
fn here_documents_are_no_sources() {
    check(
        "FROM scratch\nCOPY <<EOF <<\"B\" c /x/\nhello\nEOF\nworld\nB\nCOPY d /x\n",
        &["2 copies c", "7 copies d"],
        &[],
    );
    check("FROM a\nRUN <<EOF\ncp x y\nEOF\n", &[], &["a"]);
    check("FROM a\nRUN <<EOF\nCOPY x y\nEOF\n", &["3 reads * because of a here-document"], &["a"]);
}

#[test]
fn what_is_not_understood_reads_everything() {
    for text in ["", "FROM", "NONSENSE a\n", "COPY a b\n", "FROM a\nCOPY\n"] {
        check(text, &["1 reads * because of the file"], &["$unknown"]);
    }
    check("FROM scratch\nCOPY ../x /\n", &["2 copies * because of `../x`"], &[]);
    check("FROM scratch\nCOPY a\\*b /\n", &["2 copies * because of `a\\*b`"], &[]);
    check(
        "FROM scratch\nCOPY \"a b\" /\n",
        &["2 copies * because of `\"a`", "2 copies * because of `b\"`"],
        &[],
    );
    check("FROM scratch\nCOPY --from= x /\n", &["2 copies * because of `--from`"], &[]);
    check("FROM scratch\nONBUILD COPY x /\n", &["2 copies x"], &[]);
    check(
        "#!/usr/bin/env\n# syntax=example.com/other\nFROM scratch\n",
        &["1 reads * because of `syntax=example.com/other`", "1 reads * because of by what `#!` hides"],
        &[],
    );
    check(
        "# syntax=example.com/other\nFROM scratch\n",
        &["1 reads * because of `syntax=example.com/other`"],
        &[],
    );
}

/// Coverage-guided with `./dev fuzz`, some random bytes in an ordinary run.
#[test]
fn fuzz_dockerfile() {
    bolero::check!().for_each(|bytes: &[u8]| drop(reading(&String::from_utf8_lossy(bytes))));
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s).{0,200}") {
        reading(&text);
    }

    /// Lines that nearly are instructions, so that more than the first error is reached.
    #[test]
    fn any_instructions_are_read(lines in prop::collection::vec(
        "(FROM|COPY|ADD|RUN|ENV|ARG|ONBUILD|# escape=|EOF)[ =](--from=|--mount=|<<-?)?[\"\\[$`{}:a-b=,./\\\\ é-]{0,12}", 0..8
    )) {
        reading(&lines.join("\n"));
    }

    /// A line that copies a plain path always makes it a source, whatever stands around it.
    #[test]
    fn a_plain_copy_is_never_missed(before in "[ -~]{0,30}", path in "[a-z]{1,8}") {
        // These two go on in the next line.
        prop_assume!(!before.trim_end().ends_with('\\') && !before.contains("<<"));
        let read = reading(&format!("FROM scratch\nRUN {before}\n\nCOPY {path} /x\n"));
        let is_covered = |source: &Source| match &source.what {
            What::Copied(copied) => *copied == path,
            What::Mounted(_) => false,
            What::Everything(_) => true,
        };
        prop_assert!(read.sources.iter().any(is_covered));
    }
}
