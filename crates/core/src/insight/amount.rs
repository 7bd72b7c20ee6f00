//! Amounts as people read them. Never for machines: what a program reads back is a number with its unit in the name.

use alloc::format;
use alloc::string::{String, ToString};

use crate::time::Span;

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const TIB: u64 = 1 << 40;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

/// `1.5 GiB`, `512 MiB`, `0 B`: one decimal where it says something.
pub fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    match UNITS.iter().find(|(unit, _)| n >= *unit) {
        Some((unit, word)) => format!("{} {word}", number(n as f64 / *unit as f64)),
        None => format!("{n} B"),
    }
}

/// One decimal, and none where it is zero. What is no number is written as `?`.
pub fn number(x: f64) -> String {
    if !x.is_finite() {
        return "?".to_string();
    }
    let text = format!("{x:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_string()
    } else {
        text.to_string()
    }
}

/// `4 hours`, `1 day`, `3 months`, rounded to the nearest of the largest unit that shows at least two of it.
pub fn span(span: Span) -> String {
    let unit = unit_for(span.0);
    counted((span.0 + unit / 2) / unit, unit)
}

/// As [`span`], rounded down: what there is of something that is not enough.
pub fn span_down(span: Span) -> String {
    let unit = unit_for(span.0);
    counted(span.0 / unit, unit)
}

/// As [`span`], rounded up.
pub fn span_up(span: Span) -> String {
    let unit = unit_for(span.0);
    counted(span.0.div_ceil(unit), unit)
}

/// `9 to 14 days`: the first rounded down, the second up, in one unit, so that the range never promises more than it knows.
pub fn span_range(from: Span, to: Span) -> String {
    let unit = unit_for(from.0);
    let (low, high) = (from.0 / unit, to.0.div_ceil(unit));
    if low == high {
        counted(high, unit)
    } else {
        format!("{low} to {}", counted(high, unit))
    }
}

/// The largest unit of which there are two or more.
fn unit_for(millis: u64) -> u64 {
    [YEAR, MONTH, DAY, HOUR, 60_000]
        .into_iter()
        .find(|unit| millis >= 2 * unit)
        .unwrap_or(1000)
}

fn counted(n: u64, unit: u64) -> String {
    let word = match unit {
        YEAR => "year",
        MONTH => "month",
        DAY => "day",
        HOUR => "hour",
        60_000 => "minute",
        _ => "second",
    };
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_numbers_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536 * MIB), "1.5 GiB");
        assert_eq!(bytes(GIB), "1 GiB");
        assert_eq!(number(-0.01), "0");
        assert_eq!(number(f64::NAN), "?");
    }

    #[test]
    fn a_range_of_time_is_rounded_outwards_in_one_unit() {
        let day = |d: u64| Span::days(d);
        assert_eq!(span(Span::hours(26)), "26 hours");
        assert_eq!(span(Span::hours(60)), "3 days");
        assert_eq!(
            span_range(Span::hours(230), Span::hours(320)),
            "9 to 14 days"
        );
        assert_eq!(span_range(day(9), day(9)), "9 days");
        assert_eq!(span_range(Span::ZERO, Span::secs(1)), "0 to 1 second");
        assert_eq!(span_range(day(100), day(200)), "3 to 7 months");
    }
}
