//! What the user can do where a tool failed and nobody knows what helps against its words: see them again, alone.

use super::Failure;
use crate::backends;
use crate::component::{Backend, Component, Leg};

impl Failure {
    /// Adds how `leg` is tried again, if it failed because its tool did and there is no better hint.
    pub(crate) fn again(mut self, backend: Backend, component: &Component, leg: &Leg) -> Self {
        let Some(program) = self.program.take() else { return self };
        let words = ["hephy", "build", component.name.as_str(), "--platform", &leg.platform.to_string()];
        let alone = command(&words.map(str::to_owned)).map(|line| format!("; `{line}` tries it alone"));
        let without = without_hephy(backend, component);
        let ways = [alone, without].into_iter().flatten().collect::<String>();
        self.hint(format!("what `{program}` says is the reason{ways}"))
    }
}

/// How the errors of the compiler are seen again by the compiler's own command, and where.
fn without_hephy(backend: Backend, component: &Component) -> Option<String> {
    let line = command(&backends::by_hand(backend, &component.recipe)?)?;
    let place = match component.path.as_str() {
        "" => "the root of the repository".to_owned(),
        path if path.contains(is_unfit) => return None,
        path => format!("the folder `{path}`"),
    };
    Some(format!("; errors of the compiler show with `{line}` in {place} too"))
}

/// The words as a line for a shell, in which each stays what it is; `None` if a message cannot hold it.
fn command(words: &[String]) -> Option<String> {
    if words.iter().any(|word| word.contains(is_unfit)) {
        return None;
    }
    Some(words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" "))
}

/// Breaks a line, or the quotes of a message.
fn is_unfit(c: char) -> bool {
    c.is_control() || c == '`'
}

fn escaped(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::BuildError;
    use crate::component::Recipe;
    use crate::exec::ExecError;
    use crate::platform::Platform;

    #[test]
    fn what_nobody_knows_is_tried_again_by_a_command_for_its_backend() {
        let only = "what `tool` says is the reason; `hephy build api --platform linux/arm64` tries it alone";
        for (backend, path, line, expected) in [
            (
                Backend::Cargo,
                "apps/api",
                "error: mismatched types",
                "; errors of the compiler show with `cargo build --locked --profile=small --bin=api '--features=a b'` in the \
                 folder `apps/api` too",
            ),
            (
                Backend::Ko,
                "",
                "main.go:3: undefined: x",
                "; errors of the compiler show with `go build -o /dev/null ./...` in the root of the repository too",
            ),
            (Backend::Cargo, "a\nb", "error: mismatched types", ""),
            (Backend::Buildpacks, "apps/api", "ERROR: failed to build", ""),
            (Backend::Dockerfile, "apps/api", "make: *** [all] Error 2", ""),
        ] {
            let recipe = Recipe {
                bin: Some("api".to_owned()),
                features: vec!["a b".to_owned()],
                profile: Some("small".to_owned()),
                ..Recipe::default()
            };
            let component = Component { recipe, ..Component::new("api".parse().expect("a name"), path, "") };
            let leg = Leg { component: component.name.clone(), platform: Platform::new("linux", "arm64") };
            let failed = |line: &str| {
                let (program, last_lines) = ("tool".to_owned(), vec![line.to_owned()]);
                let status = std::os::unix::process::ExitStatusExt::from_raw(2 << 8);
                let error = BuildError::Exec(ExecError::Failed { program, status, last_lines });
                Failure::from(error).again(backend, &component, &leg).hints
            };
            assert_eq!(failed(line), [format!("{only}{expected}")], "{backend} {path}");
            // Where somebody knows better, that is enough.
            assert_eq!(failed("no space left on device").len(), 1);
            assert!(!failed("no space left on device")[0].contains("tries it alone"));
        }
    }

    #[test]
    fn a_shell_takes_each_word_as_it_is() {
        for (word, expected) in [
            ("--features=a,b/c", Some("--features=a,b/c")),
            ("linux/arm/v$(reboot)", Some("'linux/arm/v$(reboot)'")),
            ("a b;c", Some("'a b;c'")),
            ("it's", Some(r"'it'\''s'")),
            ("~", Some("'~'")),
            ("", Some("''")),
            ("a\nb", None),
            ("a\u{1b}[31m", None),
            ("`reboot`", None),
        ] {
            assert_eq!(command(&[word.to_owned()]).as_deref(), expected, "{word}");
        }
    }
}
