//! Exit codes: what a run's end tells the CI system that called it.

/// How the process ends. The codes are part of hephy's interface: `docs/exit-codes.md` is generated from
/// [`ExitCode::ALL`] and a test compares the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    Done,
    Unexpected,
    Usage,
    Build,
    Registry,
    Cluster,
    Unhealthy,
    TimedOut,
    Superseded,
    AwaitingPromotion,
    Infrastructure,
    Interrupted,
    Terminated,
}

impl ExitCode {
    /// Every code with its number and its meaning, in the order of the documentation.
    pub(crate) const ALL: [(Self, u8, &'static str); 13] = [
        (Self::Done, 0, "done, or nothing to do"),
        (Self::Unexpected, 1, "unexpected: a fault of hephy itself, please report it"),
        (Self::Usage, 2, "wrong use or configuration"),
        (Self::Build, 3, "a build failed"),
        (Self::Registry, 4, "the registry refused"),
        (Self::Cluster, 5, "the cluster refused"),
        (Self::Unhealthy, 6, "the release is not healthy"),
        (Self::TimedOut, 7, "the release was not healthy in time"),
        (Self::Superseded, 8, "another release took this one's place"),
        (Self::AwaitingPromotion, 9, "the release waits for a person"),
        (Self::Infrastructure, 75, "infrastructure was out of reach or unwell; safe to retry"),
        (Self::Interrupted, 130, "interrupted (SIGINT)"),
        (Self::Terminated, 143, "cancelled (SIGTERM)"),
    ];

    /// The number the operating system sees.
    pub(crate) fn number(self) -> u8 {
        Self::ALL.iter().find(|(code, ..)| *code == self).map_or(1, |(_, number, _)| *number)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_of_its_own() {
        let mut numbers: Vec<u8> = ExitCode::ALL.iter().map(|(code, ..)| code.number()).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), ExitCode::ALL.len());
        assert_eq!(ExitCode::AwaitingPromotion.number(), 9);
    }

    #[test]
    fn the_documentation_has_every_code() {
        let rows = ExitCode::ALL.map(|(_, number, meaning)| format!("| {number} | {meaning} |\n"));
        let expected = format!(
            "# Exit codes\n\n\
            How `hephy` ends, for the script or the CI system that called it. Generated from `src/exit.rs`: `UPDATE_DOCS=1 cargo test`.\n\n\
            | code | meaning |\n|---:|---|\n{}\nAll other codes are reserved.\n",
            rows.concat()
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/exit-codes.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &expected).expect("write the documentation");
        }
        assert_eq!(std::fs::read_to_string(path).expect("docs/exit-codes.md"), expected);
    }
}
