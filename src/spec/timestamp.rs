//! Points in time, as indexes and users write them (RFC 3339).
//!
//! Input: text. Output: a [`Timestamp`] that can be compared. Limits: years 1970 to 9999; fractions
//! of a second are dropped; a leap second counts as the next second.

use std::fmt;

use super::digits;

const SECONDS_PER_DAY: u64 = 86_400;

/// A second of universal time, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// A date of the Gregorian calendar and a time of day, both universal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilTime {
    /// The year.
    pub year: u16,
    /// The month, from 1.
    pub month: u16,
    /// The day of the month, from 1.
    pub day: u16,
    /// The hour, minute and second.
    pub hour: u16,
    /// The minute.
    pub minute: u16,
    /// The second.
    pub second: u16,
}

impl Timestamp {
    /// The date and time of day; the last second of the year 9999 if it is later.
    pub fn civil(self) -> CivilTime {
        const LAST: u64 = 253_402_300_799;
        let seconds = self.0.min(LAST);
        let small = |number: u64| u16::try_from(number).expect("the year is at most 9999");
        // In years that begin in March the leap day is the last one, and 400 years repeat. The
        // number of days begins with 0000-03-01.
        let days = seconds / SECONDS_PER_DAY + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let is_early = month >= 10;
        CivilTime {
            year: small(era * 400 + year + u64::from(is_early)),
            month: small(if is_early { month - 9 } else { month + 3 }),
            day: small(day - (153 * month + 2) / 5 + 1),
            hour: small(seconds / 3_600 % 24),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
        }
    }

    /// The instant this many seconds after the beginning of 1970.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Reads `2026-11-26T12:30:00.5Z`, with `+01:00` for `Z`, or a date alone, which means its
    /// first second in universal time. `None` if the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, time) = match text.find(['T', 't', ' ']) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let days = days(date)?;
        let seconds = time.map_or(Some((0, 0)), time_of_day)?;
        let all = i64::try_from(days * SECONDS_PER_DAY + seconds.0).ok()? - seconds.1;
        u64::try_from(all).ok().map(Self)
    }

    /// Whether a text is a date and time with a zone in the one form that TOML takes, too.
    pub fn is_plain(text: &str) -> bool {
        let is_part =
            |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 'Z' | '+');
        text.contains('T') && text.chars().all(is_part) && Self::parse(text).is_some()
    }

    /// The instant that lies this long before `now`: `P7D`, `PT12H`, `P1W` (ISO 8601), or the plain
    /// `7 days`, `12 hours`, `1 week`. `None` if the text is none of these.
    pub fn before(now: Self, text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let (number, unit) = if let Some(rest) = lower.strip_prefix('p') {
            let rest = rest.strip_prefix('t').unwrap_or(rest);
            rest.split_at_checked(rest.len().checked_sub(1)?)?
        } else {
            let end = lower.find(|c: char| !c.is_ascii_digit())?;
            let (number, unit) = lower.split_at(end);
            (number, unit.trim_start().trim_end_matches('s'))
        };
        let seconds = match unit {
            "w" | "week" => 7 * SECONDS_PER_DAY,
            "d" | "day" => SECONDS_PER_DAY,
            "h" | "hour" => 3600,
            _ => return None,
        };
        let length = digits::number::<u64>(number)?.checked_mul(seconds)?;
        Some(Self(now.0.saturating_sub(length)))
    }
}

/// The days from 1970 to a date of the Gregorian calendar.
/// As `2026-11-26T12:30:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / SECONDS_PER_DAY, self.0 % SECONDS_PER_DAY);
        // Years are counted from March here, so that the leap day is the last of its year; an era
        // has 400 years. 719,468 days lie between the first of March in year 0 and 1970.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 {
            (year, month + 3)
        } else {
            (year + 1, month - 9)
        };
        let year = era * 400 + year;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let second = second % 60;
        write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

fn days(date: &str) -> Option<u64> {
    let [year, month, day] = parts(date, '-')?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [
        31,
        if is_leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let length = *lengths.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if !(1970..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let before = year - 1;
    // The leap days of all earlier years, less those before 1970.
    let leaps = before / 4 - before / 100 + before / 400 - 477;
    let months: u64 = lengths.iter().take(usize::try_from(month).ok()? - 1).sum();
    Some((year - 1970) * 365 + leaps + months + day - 1)
}

/// The seconds of a time of day, and those that its zone is ahead of universal time.
fn time_of_day(text: &str) -> Option<(u64, i64)> {
    let at = text.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = text.split_at(at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    digits::number::<u128>(fraction)?;
    let [hour, minute, second] = parts(time, ':')?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let ahead = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (
                digits::number::<i64>(hours)?,
                digits::number::<i64>(minutes)?,
            );
            let seconds = (hours <= 23 && minutes <= 59).then_some(hours * 3600 + minutes * 60)?;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    Some((hour * 3600 + minute * 60 + second, ahead))
}

fn parts(text: &str, separator: char) -> Option<[u64; 3]> {
    let numbers: Option<Vec<u64>> = text.split(separator).map(digits::number).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again_as_the_same_second() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "2026-11-26T12:30:05Z",
            "2100-03-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            let read = Timestamp::parse(text).expect("it is a time");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn instants_are_read_with_their_zones() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2020-01-01T00:00:00.000000Z", Some(1_577_836_800)),
            ("2024-02-29T12:30:15+01:00", Some(1_709_206_215)),
            ("2024-02-29 12:30:15-00:30", Some(1_709_211_615)),
            ("2026-11-26", Some(1_795_651_200)),
            ("9999-12-31T23:59:60Z", Some(253_402_300_800)),
            ("2023-02-29", None),
            ("1969-12-31", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2024-13-01", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T10:00:00", None),
            ("2024-01-01T10:00:00Zx", None),
            ("yesterday", None),
            ("", None),
        ] {
            let read = Timestamp::parse(text).map(|instant| instant.0);
            assert_eq!(read, seconds, "{text}");
        }
    }

    #[test]
    fn instants_have_the_date_that_they_are_read_from() {
        for text in [
            "1970-01-01T00:00:00Z",
            "1980-01-01T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "2001-03-01T12:34:56Z",
            "2100-02-28T01:02:03Z",
            "2100-03-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            let civil = Timestamp::parse(text).expect("a time").civil();
            let CivilTime {
                year, month, day, ..
            } = civil;
            let (hour, minute, second) = (civil.hour, civil.minute, civil.second);
            let written = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
            assert_eq!(written, text);
        }
    }

    #[test]
    fn durations_lead_back_from_now() {
        let now = Timestamp::from_seconds(1_000_000);
        let back = |text: &str| Timestamp::before(now, text).map(|instant| 1_000_000 - instant.0);
        for (text, seconds) in [
            ("P7D", Some(604_800)),
            ("P1W", Some(604_800)),
            ("PT12H", Some(43_200)),
            ("7 days", Some(604_800)),
            ("1 week", Some(604_800)),
            ("P99999999D", Some(1_000_000)),
            ("7", None),
            ("P", None),
            ("days", None),
            ("7 months", None),
        ] {
            assert_eq!(back(text), seconds, "{text}");
        }
    }
}
