//! Dates in the format of moment.js, in its English locale, with the time zones that are compiled in.

use jiff::tz::TimeZoneDatabase;
use jiff::{Timestamp, Zoned, civil::Weekday};

/// What a format may hold; of several that fit, the longest counts.
const TOKENS: [&str; 74] = [
    "Hmmss", "hmmss", "Hmm", "hmm", "MMMM", "MMM", "MM", "Mo", "M", "DDDD", "DDDo", "DDD", "DD", "Do", "D",
    "dddd", "ddd", "dd", "do", "d", "ww", "wo", "w", "WW", "Wo", "W", "Qo", "Q", "YYYYYY", "YYYYY", "YYYY",
    "YY", "Y", "yyyy", "yyy", "yy", "yo", "y", "NNNNN", "NNNN", "NNN", "NN", "N", "ggggg", "gggg", "gg",
    "GGGGG", "GGGG", "GG", "e", "E", "a", "A", "hh", "h", "HH", "H", "kk", "k", "mm", "m", "ss", "s", "x",
    "X", "zz", "z", "ZZ", "Z", "LTS", "LT", "LLLL", "LLL", "LL",
];
/// The tokens that stand for other formats.
const LONG: [(&str, &str); 10] = [
    ("LTS", "h:mm:ss A"),
    ("LT", "h:mm A"),
    ("LLLL", "dddd, MMMM D, YYYY h:mm A"),
    ("LLL", "MMMM D, YYYY h:mm A"),
    ("LL", "MMMM D, YYYY"),
    ("L", "MM/DD/YYYY"),
    ("llll", "ddd, MMM D, YYYY h:mm A"),
    ("lll", "MMM D, YYYY h:mm A"),
    ("ll", "MMM D, YYYY"),
    ("l", "M/D/YYYY"),
];

/// The time `seconds` after 1970 in the zone of this name.
pub(super) fn format(seconds: i64, zone: &str, format: &str) -> Result<String, String> {
    let zone = TimeZoneDatabase::bundled()
        .get(zone)
        .map_err(|_| format!("`{zone}` is no time zone; write it like `Europe/Berlin`"))?;
    let time = Timestamp::from_second(seconds).map_err(|_| "its time is out of range".to_owned())?;
    Ok(written(&time.to_zoned(zone), format))
}

fn written(time: &Zoned, format: &str) -> String {
    let (mut out, mut rest) = (String::new(), format);
    while let Some(first) = rest.chars().next() {
        if let Some((text, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']'))
            && !text.contains('[')
        {
            out.push_str(text);
            rest = after;
            continue;
        }
        if let Some(escaped) = rest.strip_prefix('\\') {
            let length = token(escaped).map_or(escaped.chars().next().map_or(0, char::len_utf8), str::len);
            out.push_str(&escaped[..length]);
            rest = &escaped[length..];
            continue;
        }
        let found = token(rest).unwrap_or(&rest[..first.len_utf8()]);
        out.push_str(&value(time, found));
        rest = &rest[found.len()..];
    }
    out
}

/// The token that `text` starts with.
fn token(text: &str) -> Option<&str> {
    let fraction = text.len() - text.trim_start_matches('S').len();
    if fraction > 0 {
        return Some(&text[..fraction.min(9)]);
    }
    let known = TOKENS.iter().copied().chain(LONG.iter().map(|(name, _)| *name));
    known
        .filter(|token| text.starts_with(token))
        .max_by_key(|token| token.len())
        .map(|token| &text[..token.len()])
}

fn value(time: &Zoned, token: &str) -> String {
    if let Some((_, meaning)) = LONG.iter().find(|(name, _)| *name == token) {
        return written(time, meaning);
    }
    let year = i64::from(time.year());
    let (hour, twelve) = (i64::from(time.hour()), i64::from((time.hour() + 11) % 12 + 1));
    let (minute, second) = (i64::from(time.minute()), i64::from(time.second()));
    let (month, day, day_of_year) =
        (i64::from(time.month()), i64::from(time.day()), i64::from(time.day_of_year()));
    let weekday = i64::from(time.weekday().to_sunday_zero_offset());
    let quarter = (month + 2) / 3;
    let (iso_year, iso_week) =
        (i64::from(time.date().iso_week_date().year()), i64::from(time.date().iso_week_date().week()));
    match token {
        "M" => month.to_string(),
        "D" => day.to_string(),
        "Mo" => ordinal(month),
        "Do" => ordinal(day),
        "MM" => padded(month, 2),
        "DD" => padded(day, 2),
        "MMM" => month_name(month)[..3].to_owned(),
        "MMMM" => month_name(month).to_owned(),
        "DDD" => day_of_year.to_string(),
        "DDDo" => ordinal(day_of_year),
        "DDDD" => padded(day_of_year, 3),
        "d" | "e" => weekday.to_string(),
        "do" => ordinal(weekday),
        "dd" => weekday_name(time.weekday())[..2].to_owned(),
        "ddd" => weekday_name(time.weekday())[..3].to_owned(),
        "dddd" => weekday_name(time.weekday()).to_owned(),
        "E" => time.weekday().to_monday_one_offset().to_string(),
        "Q" => quarter.to_string(),
        "Qo" => ordinal(quarter),
        "w" => week(time).1.to_string(),
        "wo" => ordinal(week(time).1),
        "ww" => padded(week(time).1, 2),
        "W" => iso_week.to_string(),
        "Wo" => ordinal(iso_week),
        "WW" => padded(iso_week, 2),
        "gg" => padded(week(time).0 % 100, 2),
        "gggg" => padded(week(time).0, 4),
        "ggggg" => padded(week(time).0, 5),
        "GG" => padded(iso_year % 100, 2),
        "GGGG" => padded(iso_year, 4),
        "GGGGG" => padded(iso_year, 5),
        "YY" | "yy" => padded(year % 100, 2),
        "YYYY" => padded(year, 4),
        "YYYYY" => padded(year, 5),
        "YYYYYY" => format!("+{year:06}"),
        "Y" | "y" => year.to_string(),
        "yo" => ordinal(year),
        "yyy" => padded(year, 3),
        "yyyy" => padded(year, 4),
        "N" | "NN" | "NNN" | "NNNNN" => "AD".to_owned(),
        "NNNN" => "Anno Domini".to_owned(),
        "A" if hour < 12 => "AM".to_owned(),
        "A" => "PM".to_owned(),
        "a" if hour < 12 => "am".to_owned(),
        "a" => "pm".to_owned(),
        "H" => hour.to_string(),
        "HH" => padded(hour, 2),
        "h" => twelve.to_string(),
        "hh" => padded(twelve, 2),
        "k" => (if hour == 0 { 24 } else { hour }).to_string(),
        "kk" => padded(if hour == 0 { 24 } else { hour }, 2),
        "m" => minute.to_string(),
        "mm" => padded(minute, 2),
        "s" => second.to_string(),
        "ss" => padded(second, 2),
        "Hmm" => format!("{hour}{minute:02}"),
        "hmm" => format!("{twelve}{minute:02}"),
        "Hmmss" => format!("{hour}{minute:02}{second:02}"),
        "hmmss" => format!("{twelve}{minute:02}{second:02}"),
        "X" => time.timestamp().as_second().to_string(),
        "x" => time.timestamp().as_millisecond().to_string(),
        "Z" => time.strftime("%:z").to_string(),
        "ZZ" => time.strftime("%z").to_string(),
        "z" | "zz" => time.strftime("%Z").to_string(),
        // Times of commits and runs are whole seconds.
        fraction if fraction.starts_with('S') => "0".repeat(fraction.len()),
        other => other.to_owned(),
    }
}

fn padded(number: i64, width: usize) -> String {
    format!("{number:0width$}")
}

fn ordinal(number: i64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Year and number of the week as Americans count: it starts on Sunday, and the first one has the first of January.
fn week(time: &Zoned) -> (i64, i64) {
    let date = time.date();
    let sunday_offset = |date: jiff::civil::Date| i64::from(date.weekday().to_sunday_zero_offset());
    // The Saturday of a week tells whose it is.
    let days = 6 - sunday_offset(date);
    let saturday = date.checked_add(jiff::Span::new().days(days)).unwrap_or(date);
    (i64::from(saturday.year()), (i64::from(saturday.day_of_year()) - 1) / 7 + 1)
}

fn month_name(month: i64) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    usize::try_from(month - 1).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or(NAMES[0])
}

fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Sunday => "Sunday",
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
    }
}

#[cfg(test)]
mod tests;
