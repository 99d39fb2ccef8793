//! A Dockerfile in which the names of images are the images that the plan saw: for an engine that takes no other names
//! for them beside the file. Pure.

use parse_dockerfile::{Flag, Instruction};
use std::ops::Range;

/// A name, the ways in which it is written, and the image that it means.
type Pin<'a> = (&'a str, Vec<&'a str>, String);

/// `text` with each of `pins` in place; else the name of one that cannot be put there.
pub(super) fn rewritten(text: &str, pins: &[Pin<'_>]) -> Result<String, String> {
    let Some((first, ..)) = pins.first() else { return Ok(text.to_owned()) };
    let Ok(file) = parse_dockerfile::parse(text) else { return Err((*first).to_owned()) };
    let mut places: Vec<(Range<usize>, &str)> = vec![];
    let mut put = vec![false; pins.len()];
    for instruction in &file.instructions {
        for (written, span) in named(instruction) {
            let Some(number) = pins.iter().position(|(_, spellings, _)| spellings.contains(&written)) else {
                continue;
            };
            // An escape or a quote stands between the name and its place.
            if text.get(span.clone()) == Some(written) {
                places.push((span, &pins[number].2));
                put[number] = true;
            }
        }
    }
    if let Some((name, ..)) = pins.iter().zip(&put).find(|(_, is_put)| !**is_put).map(|(pin, _)| pin) {
        return Err((*name).to_owned());
    }
    let mut rewritten = text.to_owned();
    places.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, image) in places {
        rewritten.replace_range(span, image);
    }
    Ok(rewritten)
}

/// The images and stages that an instruction names, with their places.
fn named<'a>(instruction: &'a Instruction<'_>) -> Vec<(&'a str, Range<usize>)> {
    match instruction {
        Instruction::From(from) => vec![(&*from.image.value, from.image.span.clone())],
        Instruction::Copy(copy) => sources(&copy.options),
        Instruction::Add(add) => sources(&add.options),
        _ => vec![],
    }
}

fn sources<'a>(flags: &'a [Flag<'_>]) -> Vec<(&'a str, Range<usize>)> {
    let from = flags.iter().filter(|flag| flag.name.value == "from");
    from.filter_map(|flag| flag.value.as_ref()).map(|value| (&*value.value, value.span.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_images_that_the_plan_saw() {
        let pin = |name: &'static str, spellings: &[&'static str]| {
            (name, spellings.to_vec(), format!("{}@sha256:1", name.split(':').next().expect("a name")))
        };
        let pins = [pin("debian:12", &["debian:12", "debian:${V}"]), pin("busybox", &["busybox"])];
        for (text, expected) in [
            (
                "ARG V=12\nFROM debian:${V} AS one\nFROM debian:12\nCOPY --from=busybox /bin/sh /\nCOPY --from=one /a /\n",
                Ok(
                    "ARG V=12\nFROM debian@sha256:1 AS one\nFROM debian@sha256:1\nCOPY --from=busybox@sha256:1 /bin/sh /\nCOPY --from=one /a /\n",
                ),
            ),
            ("FROM debian:12\nRUN --mount=from=busybox,target=/b true\n", Err("busybox")),
            ("FROM busybox\n", Err("debian:12")),
        ] {
            assert_eq!(rewritten(text, &pins).as_deref().map_err(String::as_str), expected, "{text}");
        }
        assert_eq!(rewritten("FROM scratch\n", &[]).as_deref(), Ok("FROM scratch\n"));
    }
}
