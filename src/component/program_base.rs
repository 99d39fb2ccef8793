//! What a program is put on.

/// The word for [`ProgramBase::Scratch`].
const SCRATCH: &str = "scratch";
/// The word for [`ProgramBase::Static`].
const STATIC: &str = "static";

/// What a program is put on: one of two words, or an image. An image of such a name has a longer one,
/// `docker.io/library/static`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProgramBase {
    /// Nothing at all.
    #[default]
    Scratch,
    /// The layer that this version of hephy has in itself.
    Static,
    /// An image of a registry, by its name.
    Image(String),
}

impl ProgramBase {
    /// The base that `text` means.
    pub(crate) fn new(text: String) -> Self {
        match text.as_str() {
            SCRATCH => Self::Scratch,
            STATIC => Self::Static,
            _ => Self::Image(text),
        }
    }

    /// What one writes for it; none for what is there anyway.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Scratch => None,
            Self::Static => Some(STATIC),
            Self::Image(name) => Some(name),
        }
    }

    /// The name of the image, if it is one.
    pub(crate) fn image(&self) -> Option<&str> {
        if let Self::Image(name) = self { Some(name) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_are_no_images() {
        for (written, image, text) in [
            ("scratch", None, None),
            ("static", None, Some("static")),
            ("static:1", Some("static:1"), Some("static:1")),
            ("docker.io/library/static", Some("docker.io/library/static"), Some("docker.io/library/static")),
        ] {
            let base = ProgramBase::new(written.to_owned());
            assert_eq!((base.image(), base.text()), (image, text), "{written}");
        }
    }
}
