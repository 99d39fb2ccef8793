use super::*;

fn check(seconds: i64, zone: &str, format: &str, expected: &str) {
    assert_eq!(super::format(seconds, zone, format).as_deref(), Ok(expected), "{seconds} {zone} {format}");
}

#[test]
fn dates_read_as_moment_writes_them() {
    // What moment-timezone 0.6 prints for these.
    let summer = 1_719_792_305; // 2024-07-01T00:05:05Z, a Monday
    for (zone, format, expected) in MOMENTS {
        check(summer, zone, format, expected);
    }
}

#[test]
fn weeks_at_the_turn_of_the_year() {
    for (seconds, expected) in WEEKS {
        check(seconds, "UTC", "gggg ww GGGG WW E e DDDD", expected);
    }
}

#[test]
fn an_unknown_zone_is_an_error() {
    let error = super::format(0, "Mars/Olympus", "YYYY").expect_err("no such zone");
    assert!(error.contains("Mars/Olympus"), "{error}");
}

const MOMENTS: [(&str, &str, &str); 20] = [
    ("UTC", "YYYYMMDD", "20240701"),
    ("UTC", "YYYY-MM-DD[T]HH:mm:ssZ", "2024-07-01T00:05:05+00:00"),
    ("Asia/Tokyo", "YYYYMMDD-HHmmss", "20240701-090505"),
    ("America/New_York", "YYYY-MM-DD HH:mm z ZZ", "2024-06-30 20:05 EDT -0400"),
    ("Europe/Berlin", "dddd Do MMMM YYYY h:mm A", "Monday 1st July 2024 2:05 AM"),
    ("Asia/Kolkata", "ddd dd d e E Z", "Mon Mo 1 1 1 +05:30"),
    ("UTC", "DDD DDDo DDDD", "183 183rd 183"),
    ("UTC", "w wo ww W Wo WW gggg GGGG gg GG", "27 27th 27 27 27th 27 2024 2024 24 24"),
    ("UTC", "M Mo MM MMM Q Qo D DD YY Y YYYYYY", "7 7th 07 Jul 3 3rd 1 01 24 2024 +002024"),
    (
        "UTC",
        "H HH h hh k kk m mm s ss S SSS SSSSSSSSS X x a",
        "0 00 12 12 24 24 5 05 5 05 0 000 000000000 1719792305 1719792305000 am",
    ),
    ("UTC", "Hmm hmm Hmmss hmmss", "005 1205 00505 120505"),
    ("UTC", "[at] YYYY [o'clock]", "at 2024 o'clock"),
    (
        "UTC",
        "L LT LTS LL LLL LLLL l ll lll llll",
        "07/01/2024 12:05 AM 12:05:05 AM July 1, 2024 July 1, 2024 12:05 AM Monday, July 1, 2024 12:05 AM 7/1/2024 Jul 1, 2024 Jul 1, 2024 12:05 AM Mon, Jul 1, 2024 12:05 AM",
    ),
    ("UTC", "X.Y.MMDD", "1719792305.2024.0701"),
    ("UTC", "build-\\YYYY.MM", "bui7/1/20241-YYYY.07"),
    ("America/Sao_Paulo", "z zz", "-03 -03"),
    ("UTC", "NNNN N y yyyy", "Anno Domini AD 2024 2024"),
    ("UTC", "YYYY[[MM", "2024[[07"),
    ("UTC", "nightly", "nig12t7/1/20242024"),
    ("UTC", "Dq#é-T", "1q#é-T"),
];
const WEEKS: [(i64, &str); 10] = [
    (1735603200, "2025 01 2025 01 2 2 366"),
    (1735689600, "2025 01 2025 01 3 3 001"),
    (1704067200, "2024 01 2024 01 1 1 001"),
    (1609459200, "2021 01 2020 53 5 5 001"),
    (1640995200, "2022 01 2021 52 6 6 001"),
    (1293840000, "2011 01 2010 52 6 6 001"),
    (1230768000, "2009 01 2009 01 4 4 001"),
    (1483228800, "2017 01 2016 52 7 0 001"),
    (1451520000, "2016 01 2015 53 4 4 365"),
    (951782400, "2000 10 2000 09 2 2 060"),
];
