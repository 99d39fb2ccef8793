//! What the user can do about errors of programs, by the words that they end with.

/// What helps against the errors that build tools end with most often, by words of theirs. The first that fits counts, so
/// those stand first that are about one thing only.
const KNOWN_WORDS: [(&[&str], &str); 10] = [
    // Cargo says "because --locked was passed", which only hephy did.
    (&["--locked"], "run `cargo update --workspace` and commit `Cargo.lock`"),
    (
        &["error: linking with"],
        "for another platform than this machine's, install `cargo-zigbuild` and zig (`pip install cargo-zigbuild`)",
    ),
    (
        &["exec format error"],
        "install an emulator for that platform (`qemu-user-static`), or build it on a runner of its own",
    ),
    // BuildKit; Docker; buildah; ko.
    (
        &[
            "no match for platform in manifest",
            "no matching manifest for",
            "no image found in manifest list",
            "no image found in image index",
            "no matching platforms in base image index",
        ],
        "name a base image that has this platform, or leave the platform out of `platforms` in hephy.yaml",
    ),
    (
        &["is not 'package main'", "is not `package main`"],
        "name the folder of the program in hephy.yaml: `path`, or `main` in its `.ko.yaml`",
    ),
    (
        &["; gotoolchain=local)"],
        "install the Go that `go.mod` asks for, or let Go fetch it: `GOTOOLCHAIN=auto`",
    ),
    (
        &["no space left on device"],
        "make room where images are built (`docker system prune`, `buildctl prune`, `buildah rmi --prune`), or take a bigger disk",
    ),
    (
        &["toomanyrequests", "429 too many requests"],
        "log in to the registry of the base image, which allows more then (`docker login`), or take the image from a mirror",
    ),
    (
        &[
            "permission denied while trying to connect to the docker daemon",
            "permission denied while trying to connect to the docker api",
        ],
        "let this user use Docker's socket (group `docker`), or name another daemon: `DOCKER_HOST`",
    ),
    // Docker's classic builder.
    (
        &["requires buildkit", "unknown flag: link", "unknown flag: exclude", "unknown flag: parents"],
        "this Dockerfile wants BuildKit: start a builder with `docker buildx create --use`, or install `buildah`",
    ),
];

/// The hint for the last words of a program.
pub(super) fn of_words(lines: &[String]) -> Option<&'static str> {
    let lines: Vec<String> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
    let is_said = |word: &&str| lines.iter().any(|line| line.contains(*word));
    KNOWN_WORDS.iter().find(|(words, _)| words.iter().any(&is_said)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_build_tools_end_with_have_a_hint() {
        for (line, expected) in [
            (
                "error: the lock file needs to be updated but --locked was passed to prevent this",
                "run `cargo update",
            ),
            ("error: linking with `cc` failed: exit status: 1", "for another platform than"),
            ("exec /bin/sh: exec format error", "install an emulator"),
            (
                "standard_init_linux.go:228: exec user process caused: exec format error",
                "install an emulator",
            ),
            (
                "ERROR: failed to solve: alpine:3: no match for platform in manifest: not found",
                "name a base image that has this platform",
            ),
            (
                "no matching manifest for linux/arm64/v8 in the manifest list entries",
                "name a base image that has this platform",
            ),
            (
                "choosing an image from manifest list docker://a: no image found in manifest list for architecture arm64",
                "name a base image that has this platform",
            ),
            ("Error: no matching platforms in base image index", "name a base image that has this platform"),
            (
                "Error: importpath ko://example.com/lib is not `package main`",
                "name the folder of the program",
            ),
            (
                "Error: importpath ko://example.com/lib is not 'package main'",
                "name the folder of the program",
            ),
            ("go: go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)", "install the Go that"),
            ("write /x: no space left on device", "make room where images are built"),
            (
                "toomanyrequests: You have reached your pull rate limit.",
                "log in to the registry of the base image",
            ),
            ("unexpected status: 429 Too Many Requests", "log in to the registry of the base image"),
            (
                "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
                "let this user use Docker's socket",
            ),
            (
                "the --mount option requires BuildKit. Refer to https://docs.docker.com",
                "this Dockerfile wants BuildKit",
            ),
            ("Unknown flag: link", "this Dockerfile wants BuildKit"),
            // Nobody knows what is wrong there: `again` says how to see it.
            ("make: *** [all] Error 2", ""),
        ] {
            let lines = ["before".to_owned(), line.to_owned(), "after".to_owned()];
            let hint = of_words(&lines).unwrap_or_default();
            assert!(hint.starts_with(expected) && hint.is_empty() == expected.is_empty(), "{line}: {hint}");
        }
    }
}
