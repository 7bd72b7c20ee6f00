//! Instants as people write them: `2h`, `yesterday 03:00`, `2026-11-21T08:30:00Z`. Pure: the clock is an argument.

use stead_core::policy::Now;
use stead_core::time::{Span, Time};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an instant: write a span ago like 2h or 3d, a time of day like 03:00 or yesterday 03:00, or \
     2026-11-21T08:30:00Z"
)]
pub struct InvalidInstant(pub String);

/// Reads `text`. A span is so long ago; a time of day is the latest one that has been, in the owner's zone, for which
/// `local` answers.
pub fn instant(text: &str, now: Now, local: impl Fn(Time) -> Now) -> Result<Time, InvalidInstant> {
    let text = text.trim();
    let bad = || InvalidInstant(text.chars().take(80).collect());
    if text == "now" {
        return Ok(now.at);
    }
    if let Ok(ago) = text.parse::<Span>() {
        let ago = i64::try_from(ago.0).map_err(|_| bad())?;
        return Ok(Time(now.at.0.saturating_sub(ago)));
    }
    // A `+` of an offset arrives as a space where somebody forgot to escape it.
    if text.contains('T') {
        return text.replace(' ', "+").parse().map_err(|_| bad());
    }
    let (day, clock) = match text.split_once(' ') {
        Some((day, clock)) => (Some(day), clock.trim()),
        None if text.contains(':') => (None, text),
        None => (Some(text), "00:00"),
    };
    let minute = minute(clock).ok_or_else(bad)?;
    let day = match day {
        None if minute > now.minute => now.day - 1,
        None | Some("today") => now.day,
        Some("yesterday") => now.day - 1,
        Some(date) => date_of(date).ok_or_else(bad)?,
    };
    Ok(at(day, minute, local))
}

/// `03:00` as a minute of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `2026-11-21` in days since 1970-01-01.
fn date_of(text: &str) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    let midnight: Time = format!("{text}T00:00:00Z").parse().ok()?;
    i32::try_from(midnight.0.div_euclid(DAY)).ok()
}

/// The instant at which the owner's clock shows `minute` of `day`. Where summer time skips it, the nearest there is.
fn at(day: i32, minute: u16, local: impl Fn(Time) -> Now) -> Time {
    let wanted = i64::from(day) * DAY + i64::from(minute) * MINUTE;
    let mut guess = Time(wanted);
    // The offset at the guess brings it home; the second round is for a guess on the other side of a change.
    for _ in 0..2 {
        let there = local(guess);
        let shown = i64::from(there.day) * DAY + i64::from(there.minute) * MINUTE;
        guess = Time(guess.0 + wanted - shown);
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An owner two hours ahead of UTC.
    fn local(at: Time) -> Now {
        Now {
            at,
            ..Now::utc(Time(at.0 + 2 * 60 * MINUTE))
        }
    }

    fn read(text: &str) -> Result<String, InvalidInstant> {
        let now: Time = "2026-11-26T10:30:00Z".parse().expect("a time");
        instant(text, local(now), local).map(|t| t.to_string())
    }

    #[test]
    fn instants_are_read_as_people_write_them() {
        for (text, at) in [
            ("now", "2026-11-26T10:30:00.000Z"),
            ("2h", "2026-11-26T08:30:00.000Z"),
            ("1d2h", "2026-11-25T08:30:00.000Z"),
            ("2026-11-21T08:30:00Z", "2026-11-21T08:30:00.000Z"),
            ("2026-11-21T08:30:00 02:00", "2026-11-21T06:30:00.000Z"),
            ("03:00", "2026-11-26T01:00:00.000Z"),
            ("23:00", "2026-11-25T21:00:00.000Z"),
            ("today 03:00", "2026-11-26T01:00:00.000Z"),
            ("yesterday 03:00", "2026-11-25T01:00:00.000Z"),
            ("2026-11-20 12:00", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20", "2026-11-19T22:00:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_said_with_what_would_be() {
        for text in [
            "",
            "soon",
            "25:00",
            "2026-13-01",
            "2026-11-21T99:00:00Z",
            "-2h",
            "12",
        ] {
            let error = read(text).expect_err(text);
            assert!(error.to_string().contains("yesterday 03:00"));
        }
    }
}
