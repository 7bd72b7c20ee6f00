//! Ways to write times: days of the week, times of day, dates, cron expressions. Only parsing; whether the machine knows
//! a time zone is found out in [`crate::load`].

use std::str::FromStr;

use stead_core::desired::{Days, Maintenance, Window};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// `22:00-07:00`
pub(super) fn window(text: &str) -> Result<Window, String> {
    let minute = |t: &str| {
        let (hours, minutes) = t.trim().split_once(':')?;
        let digits =
            |s: &str| s.len() <= 2 && !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(hours) || minutes.len() != 2 || !digits(minutes) {
            return None;
        }
        let (h, m): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (h < 24 && m < 60 || h == 24 && m == 0).then_some((h * 60 + m) % 1440)
    };
    text.split_once('-')
        .and_then(|(from, to)| {
            Some(Window {
                from: minute(from)?,
                to: minute(to)?,
            })
        })
        .ok_or_else(|| format!("{text:?} is not a time of day window"))
}

/// Whether `text`, which reads as a window, begins and ends at the same minute without being the whole day.
pub fn is_empty_window(text: &str) -> bool {
    let ends = |t: &str| t.trim_end().ends_with("24:00");
    window(text).is_ok_and(|w| w.from == w.to) && !ends(text)
}

/// `Sun`, `Mon-Fri`, `Sat,Sun`; a range may run over Sunday.
pub(super) fn days(text: &str) -> Result<Days, String> {
    let bad = || format!("{text:?} are not days of the week");
    let day = |word: &str| {
        let lower = word.trim().to_ascii_lowercase();
        DAYS.iter().position(|d| *d == lower).ok_or_else(bad)
    };
    let mut bits = 0u8;
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let count = (last + 7 - first) % 7;
        for step in 0..=count {
            bits |= 1 << ((first + step) % 7);
        }
    }
    Ok(Days(bits))
}

/// `[DAYS] HH:MM-HH:MM [ZONE]`
pub(super) fn maintenance(text: &str) -> Result<Maintenance, String> {
    let bad = |why: &str| Err(format!("{text:?} is not a maintenance window: {why}"));
    let mut words = text.split_whitespace().peekable();
    let mut on = Days::EVERY;
    match words.peek() {
        None => return bad("it is empty"),
        Some(first) if !first.contains(':') => match days(first) {
            Ok(some) => {
                on = some;
                words.next();
            }
            Err(_) => return bad("days are Mon, Tue, Wed, Thu, Fri, Sat, Sun"),
        },
        Some(_) => {}
    }
    let Some(Ok(time)) = words.next().map(window) else {
        return bad("it has no window such as 03:00-05:00");
    };
    let timezone = match (words.next(), words.next()) {
        (None, _) => None,
        (Some(zone), None) if is_zone(zone) => Some(zone.to_owned()),
        (Some(zone), None) => {
            return bad(&format!(
                "{zone:?} is not a time zone such as Europe/Warsaw or UTC"
            ));
        }
        _ => return bad("something follows the time zone"),
    };
    Ok(Maintenance {
        days: on,
        window: time,
        timezone,
    })
}

/// `[DAYS] HH:MM-HH:MM`; without days Monday to Friday.
pub(super) fn business(text: &str) -> Result<(Days, Window), String> {
    let bad = || format!("{text:?} are not business hours");
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(time), None, _) => Ok((Days::WEEKDAYS, window(time).map_err(|_| bad())?)),
        (Some(on), Some(time), None) => Ok((days(on)?, window(time).map_err(|_| bad())?)),
        _ => Err(bad()),
    }
}

/// `2026-12-25`, as days since 1970-01-01.
pub(super) fn date(text: &str) -> Result<i32, String> {
    let bad = || format!("{text:?} is not a date");
    // The library reads dates with a time behind them, too; a holiday is a whole day.
    if text.len() != 10 {
        return Err(bad());
    }
    let date: jiff::civil::Date = text.parse().map_err(|_| bad())?;
    let epoch = jiff::civil::date(1970, 1, 1);
    Ok(epoch.until(date).map_err(|_| bad())?.get_days())
}

/// Whether `zone` is written like an IANA time zone.
pub fn is_zone(zone: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic())
            && p.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    zone == "UTC" || zone.contains('/') && zone.len() <= 64 && zone.split('/').all(part)
}

/// A five-field cron expression, or one of the `@` words.
pub(super) fn schedule(text: &str) -> Result<(), String> {
    let bad = |why: String| Err(format!("{text:?} is not a cron expression: {why}"));
    if let Some(word) = text.strip_prefix('@') {
        let known = [
            "yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly",
        ];
        return if known.contains(&word) {
            Ok(())
        } else {
            bad(format!("@{word} is not one of @{}", known.join(", @")))
        };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return bad(format!("it has {} fields", fields.len()));
    }
    let bounds: [(&str, u32, u32, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day of month", 1, 31, &[]),
        ("month", 1, 12, &MONTHS),
        ("weekday", 0, 7, &DAYS),
    ];
    for (field, (what, low, high, names)) in fields.iter().zip(bounds) {
        if !field
            .split(',')
            .all(|part| cron_part(part, low, high, names))
        {
            return bad(format!("{field:?} is not a {what}"));
        }
    }
    // What is to run by it reads it with this library, so it has the last word.
    match croner::Cron::from_str(text) {
        Ok(_) => Ok(()),
        Err(error) => bad(error.to_string()),
    }
}

/// Whether a sound cron expression names an instant that comes: `0 0 30 2 *` does not.
pub fn ever(text: &str) -> bool {
    let from = jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0);
    croner::Cron::from_str(text).is_ok_and(|c| c.find_next_occurrence(&from, true).is_ok())
}

fn cron_part(part: &str, low: u32, high: u32, names: &[&str]) -> bool {
    let value = |v: &str| match v.parse::<u32>() {
        Ok(n) => (low..=high).contains(&n) && v.bytes().all(|b| b.is_ascii_digit()),
        Err(_) => names.contains(&v.to_ascii_lowercase().as_str()),
    };
    let (range, step) = part
        .split_once('/')
        .map_or((part, None), |(r, s)| (r, Some(s)));
    let range_fits = match range.split_once('-') {
        Some((from, to)) => value(from) && value(to),
        None => range == "*" || value(range),
    };
    range_fits && step.is_none_or(|s| s.parse::<u32>().is_ok_and(|n| n > 0 && n <= high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        assert_eq!(
            window("22:00-07:00"),
            Ok(Window {
                from: 1320,
                to: 420
            })
        );
        assert_eq!(window("00:00-24:00"), Ok(Window { from: 0, to: 0 }));
        for bad in [
            "22-07",
            "25:00-01:00",
            "22:0-07:00",
            "22:00",
            "+1:00-02:00",
            "24:01-01:00",
        ] {
            assert!(window(bad).is_err(), "{bad}");
        }
        assert!(is_empty_window("07:00-07:00") && is_empty_window("00:00-00:00"));
        assert!(!is_empty_window("00:00-24:00") && !is_empty_window("07:00-08:00"));
    }

    #[test]
    fn days_of_the_week() {
        assert_eq!(days("Mon-Fri"), Ok(Days::WEEKDAYS));
        assert_eq!(days("Sun"), Ok(Days(0b100_0000)));
        assert_eq!(days("sat,SUN"), Ok(Days(0b110_0000)));
        assert_eq!(days("Sat-Mon"), Ok(Days(0b110_0001)), "over Sunday");
        assert_eq!(days("Mon,Wed-Thu"), Ok(Days(0b000_1101)));
        for bad in ["", "Monday", "Mon-", "Mon-Fri-Sun", "Mon;Tue", "1"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_and_business_hours() {
        assert_eq!(date("1970-01-01"), Ok(0));
        assert_eq!(date("2026-11-26"), Ok(20_783));
        assert_eq!(date("1969-12-31"), Ok(-1));
        for bad in [
            "",
            "2026-13-01",
            "2026-02-29",
            "25.12.2026",
            "20261225",
            "2026-12-25T00:00",
        ] {
            assert!(date(bad).is_err(), "{bad}");
        }
        let nine_to_five = Window {
            from: 540,
            to: 1020,
        };
        assert_eq!(
            business("Mon-Fri 09:00-17:00"),
            Ok((Days::WEEKDAYS, nine_to_five))
        );
        assert_eq!(business("09:00-17:00"), Ok((Days::WEEKDAYS, nine_to_five)));
        assert!(business("Mon-Fri").is_err() && business("Mon 09:00-17:00 UTC").is_err());
    }

    #[test]
    fn maintenance_windows() {
        let sunday = Maintenance {
            days: Days(0b100_0000),
            window: Window { from: 180, to: 300 },
            timezone: Some("Europe/Warsaw".into()),
        };
        assert_eq!(maintenance("Sun 03:00-05:00 Europe/Warsaw"), Ok(sunday));
        let every = maintenance("03:00-05:00").expect("every day");
        assert_eq!((every.days, every.timezone), (Days::EVERY, None));
        for good in [
            "Mon-Fri 22:00-23:00",
            "03:00-05:00 UTC",
            "Sat,Sun 01:00-02:00",
        ] {
            assert!(maintenance(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Sunday 03:00-05:00",
            "Sun",
            "Sun 03:00-05:00 Warsaw!",
            "Sun 03:00-05:00 UTC UTC",
        ] {
            assert!(maintenance(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn schedules() {
        for good in [
            "0 4 * * 0",
            "*/5 8-18 1,15 jan-jun mon",
            "@daily",
            "30 2 * * *",
        ] {
            assert_eq!(schedule(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "@noon",
            "a b c d e",
            "+1 * * * *",
        ] {
            assert!(schedule(bad).is_err(), "{bad}");
        }
        assert!(ever("0 5 * * *") && ever("@daily") && ever("0 0 29 2 *"));
        assert!(!ever("0 0 30 2 *"));
    }
}
