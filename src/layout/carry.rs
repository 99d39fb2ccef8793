//! What a build tool attested about its image, carried on to the image with labels, which has another digest.

use super::flatten::Flat;
use super::{Contents, Descriptor, Layout, LayoutError};
use crate::attestation::{Attachment, IN_TOTO, PREDICATE};
use crate::image::Digest;
use serde_json::Value;

impl Layout {
    /// Attaches to `stamped` every statement that came with the image it was made of, byte for byte, unless it would speak
    /// of another digest there. Returns of each that is left behind what it is, and why.
    pub(crate) fn carry(&self, flat: &Flat, stamped: &Descriptor) -> Result<Vec<String>, LayoutError> {
        let mut left = vec![];
        for attestation in &flat.attestations {
            let manifest = self.read(&self.digest_of(attestation)?)?;
            let contents = Contents::read(&manifest)
                .map_err(|source| LayoutError::Json { path: self.root.join(&attestation.digest), source })?;
            for layer in contents.layers() {
                let statement = self.read(&self.digest_of(layer)?)?;
                match why_left(layer, &statement, &flat.image, stamped) {
                    None => {
                        let kind = layer.annotations.get(PREDICATE);
                        let kind = kind.map(|kind| (PREDICATE.to_owned(), kind.clone()));
                        let annotations = kind.into_iter().collect();
                        let attachment = Attachment { artifact_type: IN_TOTO, annotations, bytes: statement };
                        self.attach(stamped, &attachment)?;
                    }
                    Some(why) => {
                        let what = layer.annotations.get(PREDICATE).unwrap_or(&layer.media_type);
                        left.push(format!("`{what}`: {why}"));
                    }
                }
            }
        }
        Ok(left)
    }
}

/// Why a statement about the image `before` is none about the image `after`, which has the same layers. Without a name the
/// exporter of BuildKit writes statements that name no digest, and those are as true of the one as of the other.
fn why_left(
    layer: &Descriptor,
    statement: &[u8],
    before: &Descriptor,
    after: &Descriptor,
) -> Option<&'static str> {
    if layer.media_type != IN_TOTO {
        return Some("it is signed, or of a kind that hephy cannot read");
    }
    let Ok(value) = serde_json::from_slice::<Value>(statement) else {
        return Some("it is no statement");
    };
    let subjects = value["subject"].as_array().into_iter().flatten();
    let mut digests = subjects.filter_map(|subject| subject["digest"].as_object()).flatten();
    let hex = |image: &Descriptor| image.digest().map(|digest: Digest| digest.hex().to_owned());
    let (Ok(before), Ok(after)) = (hex(before), hex(after)) else { return Some("its image has no digest") };
    let names_other = digests.any(|(_, digest)| *digest != after.as_str());
    let mentions = before != after && String::from_utf8_lossy(statement).contains(&before);
    (names_other || mentions)
        .then_some("it names the digest that the image had before it got its labels and annotations")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_statement_is_carried_only_where_it_is_true() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let image = |digest: &Digest| Descriptor::new("m", digest, 1);
        let about = |digest: &Digest| json!({"subject": [{"name": "_", "digest": {"sha256": digest.hex()}}]});
        let nobody = json!({"subject": [], "predicate": {}});
        let nameless = json!({"subject": [{"name": "_"}]});
        let deep = json!({"subject": [], "predicate": {"image": old.to_string()}});
        for (kind, statement, after, is_carried) in [
            (IN_TOTO, &nobody, &new, true),
            (IN_TOTO, &nameless, &new, true),
            (IN_TOTO, &about(&old), &new, false),
            (IN_TOTO, &deep, &new, false),
            (IN_TOTO, &about(&new), &new, true),
            (IN_TOTO, &about(&old), &old, true),
            (IN_TOTO, &deep, &old, true),
            (IN_TOTO, &about(&new), &old, false),
            ("application/vnd.dsse.envelope.v1+json", &nobody, &new, false),
        ] {
            let layer = Descriptor::new(kind, &Digest::of(b""), 0);
            let why = why_left(&layer, statement.to_string().as_bytes(), &image(&old), &image(after));
            assert_eq!(why.is_none(), is_carried, "{kind} {statement} {after}: {why:?}");
        }
        let layer = Descriptor::new(IN_TOTO, &Digest::of(b""), 0);
        assert_eq!(why_left(&layer, b"x", &image(&old), &image(&new)), Some("it is no statement"));
    }
}
