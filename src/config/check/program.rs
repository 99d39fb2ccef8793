//! The keys about a program and what is in its image beside it.

use crate::component::{ProgramBase, Recipe};
use crate::config::ConfigError;
use crate::config::file::ComponentFile;
use crate::config::source::{Source, hint, spot};
use serde_saphyr::Spanned;

impl Source<'_> {
    /// Adds to `recipe` what is said about the program and its image.
    pub(super) fn program(&self, keys: &ComponentFile, recipe: Recipe) -> Result<Recipe, ConfigError> {
        let named = |texts: &[Spanned<String>]| {
            texts.iter().map(|text| self.word(text)).collect::<Result<Vec<_>, _>>()
        };
        let base = keys.base.as_ref().map(|text| self.word(text)).transpose()?;
        let mut recipe = Recipe {
            bins: named(&keys.bins)?,
            features: named(&keys.features)?,
            profile: keys.profile.as_ref().map(|text| self.word(text)).transpose()?,
            base: base.map(ProgramBase::new).unwrap_or_default(),
            user: keys.user.as_ref().map(|text| self.word(text)).transpose()?,
            ..recipe
        };
        for (source, place) in &keys.assets {
            let (source, place) = self.asset(source, place)?;
            recipe.assets.insert(source, place);
        }
        Ok(recipe)
    }

    /// A name that goes to a tool or into an image: never empty, and never an option.
    fn word(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if text.value.is_empty() || text.value.starts_with('-') || text.value.contains(is_odd) {
            let problem = format!("`{}` is not a name", text.value);
            return Err(self.fault(spot(text), problem, None));
        }
        Ok(text.value.clone())
    }

    /// A file or folder of the repository, and its place in the image.
    fn asset(&self, source: &str, place: &Spanned<String>) -> Result<(String, String), ConfigError> {
        let path = Spanned::new(source.to_owned(), place.referenced, place.defined);
        self.inside(&path)?;
        let parts: Vec<&str> = source.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() {
            let problem = "the whole repository cannot be an asset: its history would be in the image";
            return Err(self.fault(spot(place), problem, hint("name folders in it, one by one")));
        }
        let is_odd = |part: &str| matches!(part, "." | "..");
        if !place.value.starts_with('/') || place.value.split('/').any(is_odd) {
            let problem = format!("`{}` is not a place in an image", place.value);
            return Err(self.fault(spot(place), problem, hint("write a path that begins with `/`")));
        }
        Ok((parts.join("/"), place.value.clone()))
    }
}
