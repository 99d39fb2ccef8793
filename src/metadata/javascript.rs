//! Regular expressions of JavaScript, on an engine of another dialect.

use super::RuleError;
use fancy_regex::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// How often a match may go back. Patterns come from files that anybody may have written.
const MOST_BACKTRACKS: usize = 100_000;
/// How long a pattern or a text may be, in bytes; nobody who writes tags by hand comes near.
const LONGEST: usize = 4096;
/// How large the program of a pattern may become, in bytes.
const LARGEST: usize = 1 << 20;

/// The groups of the first match in `text`, or, with the flag `g`, all matches. `/pattern/flags`, or a pattern alone.
pub(super) fn find(pattern: &str, text: &str) -> Result<Option<Vec<Option<String>>>, RuleError> {
    let fault = |problem: String| RuleError::Pattern { pattern: pattern.to_owned(), problem };
    if pattern.len() > LONGEST {
        return Err(fault(format!("it is longer than {LONGEST} bytes")));
    }
    if text.len() > LONGEST {
        return Err(fault(format!("the text is longer than {LONGEST} bytes")));
    }
    let (body, flags) = split(pattern);
    let regex = compile(body, flags).map_err(fault)?;
    let slow = |error: fancy_regex::Error| fault(error.to_string());
    if flags.contains('g') {
        let matches = regex.find_iter(text).map(|found| Ok(Some(found.map_err(slow)?.as_str().to_owned())));
        let matches = matches.collect::<Result<Vec<_>, RuleError>>()?;
        return Ok(Some(matches).filter(|matches| !matches.is_empty()));
    }
    let captures = regex.captures(text).map_err(slow)?;
    Ok(captures
        .map(|groups| groups.iter().map(|group| group.map(|group| group.as_str().to_owned())).collect()))
}

/// The pattern and its flags.
fn split(pattern: &str) -> (&str, &str) {
    let between = pattern.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    between.filter(|(body, _)| !body.is_empty()).unwrap_or((pattern, ""))
}

fn compile(body: &str, flags: &str) -> Result<Regex, String> {
    let mut inline = String::new();
    for flag in flags.chars() {
        match flag {
            'i' | 'm' | 's' => inline.push(flag),
            'g' | 'u' | 'v' | 'd' | 'y' => {}
            other => return Err(format!("its flag `{other}` is unknown")),
        }
    }
    let start = if flags.contains('y') { "\\A" } else { "" };
    let options = if inline.is_empty() { String::new() } else { format!("(?{inline})") };
    let translated = format!("{options}{start}(?:{})", translate(body, flags));
    RegexBuilder::new(&translated)
        .backtrack_limit(MOST_BACKTRACKS)
        .delegate_size_limit(LARGEST)
        .build()
        .map_err(|error| error.to_string())
}

/// The same pattern in the engine's dialect. Where JavaScript knows ASCII only, so does the result.
fn translate(body: &str, flags: &str) -> String {
    let (multiline, unicode) = (flags.contains('m'), flags.contains(['u', 'v']));
    let mut out = String::new();
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str(&escape(&mut chars, Place { in_class: false, unicode })),
            '[' => class(&mut chars, unicode, &mut out),
            // Without the flag `m`, the end is the very end, also before a line end.
            '$' if !multiline => out.push_str("\\z"),
            '{' if !is_quantifier(chars.clone()) => out.push_str("\\{"),
            '}' if !ends_quantifier(&out) => out.push_str("\\}"),
            // White space and `#` are themselves in every mode.
            c => out.push(c),
        }
    }
    out
}

/// A class in brackets: the engine would see nested classes and set operations that JavaScript does not have.
fn class(chars: &mut Peekable<Chars<'_>>, unicode: bool, out: &mut String) {
    let negated = chars.next_if_eq(&'^').is_some();
    if chars.next_if_eq(&']').is_some() {
        // `[]` fits nothing and `[^]` everything.
        out.push_str(if negated { "(?s:.)" } else { "(?!)" });
        return;
    }
    out.push_str(if negated { "[^" } else { "[" });
    while let Some(c) = chars.next() {
        match c {
            ']' => {
                out.push(']');
                return;
            }
            '\\' => out.push_str(&escape(chars, Place { in_class: true, unicode })),
            '[' | '&' | '~' | '#' | ' ' => {
                out.push('\\');
                out.push(c);
            }
            '-' if chars.peek() == Some(&'-') => out.push_str("\\-"),
            c => out.push(c),
        }
    }
}

/// Where an escape stands.
struct Place {
    in_class: bool,
    /// The flag `u` gives `\u{...}` and `\p{...}` a meaning.
    unicode: bool,
}

/// What follows a backslash.
fn escape(chars: &mut Peekable<Chars<'_>>, place: Place) -> String {
    let Place { in_class, unicode } = place;
    let Some(c) = chars.next() else { return "\\\\".to_owned() };
    let wrapped = |inside: &str| if in_class { inside.to_owned() } else { format!("[{inside}]") };
    match c {
        'd' => wrapped("0-9"),
        'w' => wrapped("0-9A-Za-z_"),
        'D' => "[^0-9]".to_owned(),
        'W' => "[^0-9A-Za-z_]".to_owned(),
        'b' if in_class => "\\x08".to_owned(),
        'b' => "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))".to_owned(),
        'B' => "(?:(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<![0-9A-Za-z_])(?![0-9A-Za-z_]))".to_owned(),
        'u' if chars.peek() == Some(&'{') && !unicode => "u".to_owned(),
        'u' | 'p' | 'P' if unicode && chars.peek() == Some(&'{') => {
            let braced: String = chars.by_ref().take_while(|c| *c != '}').collect();
            format!("\\{c}{braced}}}")
        }
        's' | 'S' | 'n' | 'r' | 't' | 'f' | 'v' | 'x' | 'u' | 'k' => format!("\\{c}"),
        '0' => "\\x00".to_owned(),
        '1'..='9' if !in_class => {
            let mut number = c.to_string();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number.push(digit);
            }
            // In a group of its own, so that a digit after it does not belong to it.
            format!("(?:\\{number})")
        }
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c if c.is_ascii_punctuation() || c == ' ' => format!("\\{c}"),
        c => c.to_string(),
    }
}

/// Whether what follows `{` makes it a number of repetitions.
fn is_quantifier(chars: Peekable<Chars<'_>>) -> bool {
    let inside: String = chars.take_while(|c| *c != '}').take(24).collect();
    let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

/// Whether `}` after `out` closes a number of repetitions.
fn ends_quantifier(out: &str) -> bool {
    out.rfind('{').is_some_and(|open| !out[open..].contains('}') && !out[..open].ends_with('\\'))
}
