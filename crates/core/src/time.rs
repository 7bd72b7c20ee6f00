//! Instants and lengths of time, as arguments: nothing here reads a clock.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

/// An instant: milliseconds since the Unix epoch, UTC. Written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// A length of time in milliseconds. Written as a number of milliseconds in events, as `10s`, `5m`, `1h` in files.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Time {
    pub const ZERO: Time = Time(0);

    /// Time since `earlier`; zero where the clock went back.
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// The UTC day this instant falls on, `YYYY-MM-DD`.
    pub fn day(self) -> String {
        let text = self.to_string();
        text.get(..10).unwrap_or("1970-01-01").to_string()
    }
}

impl core::ops::Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(
            self.0
                .saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)),
        )
    }
}

impl Span {
    pub const ZERO: Span = Span(0);
    /// For serde.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }
    pub const fn millis(n: u64) -> Span {
        Span(n)
    }
    pub const fn secs(n: u64) -> Span {
        Span(n * 1000)
    }
    pub const fn mins(n: u64) -> Span {
        Span(n * 60_000)
    }
    pub const fn hours(n: u64) -> Span {
        Span(n * 3_600_000)
    }
    pub const fn days(n: u64) -> Span {
        Span(n * 86_400_000)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: write it like 2026-11-21T08:30:00Z")]
pub struct InvalidTime(pub String);

impl FromStr for Time {
    type Err = InvalidTime;
    fn from_str(text: &str) -> Result<Time, InvalidTime> {
        let at: jiff::Timestamp = text.parse().map_err(|_| InvalidTime(text.to_string()))?;
        Ok(Time(at.as_millisecond()))
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        struct V;
        impl serde::de::Visitor<'_> for V {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time or milliseconds since 1970")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Time, E> {
                Ok(Time(n))
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Time, E> {
                i64::try_from(n).map(Time).map_err(E::custom)
            }
        }
        d.deserialize_any(V)
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides it: `90s`, `5m`, `1h`, `250ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1000, "s"),
        ];
        let n = self.0;
        let text = match UNITS
            .iter()
            .find(|(unit, _)| n > 0 && n.is_multiple_of(*unit))
        {
            Some((unit, word)) => format!("{}{word}", n / unit),
            None if n == 0 => "0s".to_string(),
            None => format!("{n}ms"),
        };
        f.pad(&text)
    }
}

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time: write it like 250ms, 10s, 5m, 1h or 7d")]
pub struct InvalidSpan(pub String);

impl FromStr for Span {
    type Err = InvalidSpan;
    /// Accepts one or more numbers with a unit (`ms s m h d w`), largest first or not: `1h30m`.
    fn from_str(text: &str) -> Result<Span, InvalidSpan> {
        let bad = || InvalidSpan(text.to_string());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let unit_len = rest
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(rest.len());
            let unit: u64 = match &rest[..unit_len] {
                "ms" => 1,
                "s" => 1000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 604_800_000,
                _ => return Err(bad()),
            };
            rest = &rest[unit_len..];
            total = number
                .checked_mul(unit)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(bad)?;
        }
        Ok(Span(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_with_milliseconds_and_read_back() {
        let at = Time(1_795_000_000_123);
        assert_eq!(at.to_string(), "2026-11-18T11:06:40.123Z");
        assert_eq!(at.to_string().parse(), Ok(at));
        assert_eq!(at.day(), "2026-11-18");
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        assert_eq!("1h30m".parse(), Ok(Span::mins(90)));
        assert_eq!("250ms".parse(), Ok(Span::millis(250)));
        assert!("10".parse::<Span>().is_err());
        assert!("ten".parse::<Span>().is_err());
        assert!("99999999999999999999d".parse::<Span>().is_err());
        assert_eq!(Span::secs(90).to_string(), "90s");
    }
}
