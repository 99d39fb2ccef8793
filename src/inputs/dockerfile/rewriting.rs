//! A Dockerfile with the images that a plan saw in the place of their names, for an engine that cannot be told in another
//! way, and with the arguments that BuildKit would have given it.

use super::Reading;
use crate::image::Image;
use crate::platform::Platform;
use parse_dockerfile::{ArgInstruction, Flag, Instruction, UnescapedString};
use std::collections::BTreeMap;
use std::ops::Range;

/// The text with each name of `images` replaced by its image, as a build for `platform` on such a machine reads it. An
/// error is the name of an image that cannot be replaced everywhere.
pub(crate) fn with_images(
    text: &str,
    reading: &Reading,
    images: &BTreeMap<String, Image>,
    platform: &Platform,
) -> Result<String, String> {
    let Ok(file) = parse_dockerfile::parse(text) else {
        // If nothing is pinned either, the engine will say what is wrong with it.
        return images
            .keys()
            .find(|name| reading.images.contains_key(*name))
            .cloned()
            .map_or(Ok(text.to_owned()), Err);
    };
    let pins = Pins { reading, images };
    let mut edits = vec![];
    let mut is_global = true;
    for instruction in &file.instructions {
        match instruction {
            Instruction::From(from) => {
                is_global = false;
                edits.extend(pins.edit(&from.image)?);
            }
            Instruction::Copy(copy) => {
                for name in copy.options.iter().filter_map(from) {
                    edits.extend(pins.edit(name)?);
                }
            }
            // Engines that need this mount nothing; one that did would mount what the name means by now.
            Instruction::Run(run) => {
                if let Some(name) = run.options.iter().find_map(|flag| pins.name(mounted(flag)?)) {
                    return Err(name.to_owned());
                }
            }
            // It becomes a part of the image, and means there what it says here.
            Instruction::Onbuild(onbuild) => {
                if let Instruction::Copy(copy) = &*onbuild.instruction
                    && let Some(name) =
                        copy.options.iter().filter_map(from).find_map(|name| pins.name(&name.value))
                {
                    return Err(name.to_owned());
                }
            }
            Instruction::Arg(argument) if is_global => edits.extend(valued(argument, platform)),
            _ => {}
        }
    }
    let first = file.instructions.first().and_then(|instruction| match instruction {
        Instruction::Arg(argument) => Some(argument.arg.span.start),
        Instruction::From(from) => Some(from.from.span.start),
        _ => None,
    });
    edits.extend(first.map(|at| (at..at, declared(text, platform))));
    Ok(edited(text, edits))
}

type Edit = (Range<usize>, String);

/// What the plan knows of the images of a Dockerfile.
struct Pins<'a> {
    reading: &'a Reading,
    images: &'a BTreeMap<String, Image>,
}

impl<'a> Pins<'a> {
    /// The image that is written so, if the plan knows what it is.
    fn name(&self, written: &str) -> Option<&'a str> {
        let is_it = |name: &&String| {
            self.reading.images.get(*name).is_some_and(|spellings| spellings.contains(written))
        };
        self.images.keys().find(is_it).map(String::as_str)
    }

    fn edit(&self, written: &UnescapedString<'_>) -> Result<Option<Edit>, String> {
        let Some(name) = self.name(&written.value) else { return Ok(None) };
        match self.images.get(name).filter(|_| self.reading.is_replaceable(name)) {
            Some(image) => Ok(Some((written.span.clone(), image.to_string()))),
            None => Err(name.to_owned()),
        }
    }
}

fn from<'a, 'b>(flag: &'b Flag<'a>) -> Option<&'b UnescapedString<'a>> {
    flag.value.as_ref().filter(|_| flag.name.value == "from")
}

/// The image or stage that `RUN --mount` reads.
fn mounted<'a>(flag: &'a Flag<'_>) -> Option<&'a str> {
    let options = flag.value.as_ref().filter(|_| flag.name.value == "mount")?;
    options.value.split(',').find_map(|option| option.strip_prefix("from="))
}

/// What BuildKit says of platforms without being asked. The machine that builds is one of the platform.
fn platform_arguments(platform: &Platform) -> impl Iterator<Item = (String, String)> {
    ["TARGET", "BUILD"].into_iter().flat_map(|whose| {
        let values = [
            ("PLATFORM", Some(platform.to_string())),
            ("OS", Some(platform.os.clone())),
            ("ARCH", Some(platform.architecture.clone())),
            ("VARIANT", platform.variant.clone()),
        ];
        values.into_iter().filter_map(move |(what, value)| Some((format!("{whose}{what}"), value?)))
    })
}

/// A line for each of these arguments that the file mentions. Below `FROM`, a stage has to ask for it as with BuildKit.
fn declared(text: &str, platform: &Platform) -> String {
    let mentioned = platform_arguments(platform).filter(|(name, _)| text.contains(name.as_str()));
    mentioned.map(|(name, value)| format!("ARG {name}={value}\n")).collect()
}

/// An argument of these that is declared once more above `FROM` would lose its value.
fn valued(argument: &ArgInstruction<'_>, platform: &Platform) -> Option<Edit> {
    let known: BTreeMap<String, String> = platform_arguments(platform).collect();
    let written = &argument.arguments;
    let with_value = |word: &str| match known.get(word) {
        Some(value) => format!("{word}={value}"),
        None => word.to_owned(),
    };
    let is_bare = written.value.split_whitespace().any(|word| known.contains_key(word));
    let words: Vec<String> = written.value.split_whitespace().map(with_value).collect();
    is_bare.then(|| (written.span.clone(), words.join(" ")))
}

fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, new) in edits {
        text.replace_range(range, &new);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    fn rewritten(text: &str, names: &[&str]) -> Result<String, String> {
        let platform = Platform::new("linux", "amd64");
        let reading = super::super::read(text, &BTreeMap::new(), None, &platform);
        let image = |name: &&str| {
            let repository = "reg.io/pinned".parse().expect("a repository");
            ((*name).to_owned(), Image { repository, digest: Digest::of(name.as_bytes()) })
        };
        let images: BTreeMap<String, Image> = names.iter().map(image).collect();
        let mut text = with_images(text, &reading, &images, &platform)?;
        for (name, image) in &images {
            text = text.replace(&image.to_string(), &format!("[{name}]"));
        }
        Ok(text)
    }

    #[test]
    fn every_name_that_the_plan_knows_becomes_its_image() {
        for (text, names, expected) in [
            ("FROM a:1\nCOPY . .\n", &["a:1"][..], "FROM [a:1]\nCOPY . .\n"),
            (
                "# syntax=docker/dockerfile:1\n# escape=`\nARG TAG=1\nfrom --platform=linux/amd64 `\n a:${TAG} AS a1\n\
                 FROM scratch\nCOPY --chown=1 --from=b:2 /x /y\nCOPY --from=a1 /x /a:1\nRUN echo a:1\n",
                &["a:1", "b:2"],
                "# syntax=docker/dockerfile:1\n# escape=`\nARG TAG=1\nfrom --platform=linux/amd64 `\n [a:1] AS a1\n\
                 FROM scratch\nCOPY --chown=1 --from=[b:2] /x /y\nCOPY --from=a1 /x /a:1\nRUN echo a:1\n",
            ),
            // What the plan does not know stays.
            ("FROM a:1\nCOPY --from=b /x /\n", &["b"], "FROM a:1\nCOPY --from=[b] /x /\n"),
            ("FROM a\nONBUILD COPY --from=b /x /\n", &["a"], "FROM [a]\nONBUILD COPY --from=b /x /\n"),
            ("not a Dockerfile\n", &["a"], "not a Dockerfile\n"),
        ] {
            assert_eq!(rewritten(text, names).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_cannot_be_replaced_everywhere_is_named() {
        for (text, names, expected) in [
            // The name of an image that is that of a stage too.
            ("FROM a AS a\nFROM scratch\nCOPY --from=a /x /\n", &["a"][..], "a"),
            // One spelling that means two images.
            ("ARG T=1\nFROM a:$T\nARG T=2\n", &["a:1"], ""),
            ("FROM a\nONBUILD COPY --from=b /x /\n", &["a", "b"], "b"),
            ("FROM a\nRUN --mount=type=bind,from=b,target=/b true\n", &["a", "b"], "b"),
        ] {
            let rewritten = rewritten(text, names);
            assert_eq!(rewritten.err().unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn arguments_of_the_platform_have_the_values_that_buildkit_gives() {
        for (text, expected) in [
            (
                "FROM --platform=$BUILDPLATFORM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n",
                "ARG TARGETARCH=amd64\nARG BUILDPLATFORM=linux/amd64\n\
                 FROM --platform=$BUILDPLATFORM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n",
            ),
            (
                "ARG A=1 TARGETOS\nARG TARGETOS=plan9\nFROM scratch\n",
                "ARG TARGETOS=linux\nARG A=1 TARGETOS=linux\nARG TARGETOS=plan9\nFROM scratch\n",
            ),
            ("FROM scratch\nARG TARGETVARIANT\n", "FROM scratch\nARG TARGETVARIANT\n"),
        ] {
            assert_eq!(rewritten(text, &[]).as_deref(), Ok(expected));
        }
    }
}
