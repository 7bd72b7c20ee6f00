//! Times of the files: the calendar, zones, maintenance windows, and which minutes of the week a rule is about.

use stead_core::desired::{Calendar, Days, Maintenance, Rule, Window};

use super::report::Report;
use crate::grammar::policy as grammar;
use crate::grammar::scalar;
use crate::grammar::when::{is_empty_window, is_zone};
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Minutes of a day.
const DAY: usize = 1440;

/// Whether each minute of the week, from Monday 00:00 on, is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Week(Vec<bool>);

impl Week {
    /// `days` and `window` as the core reads them: what runs over midnight belongs to the day it began on.
    fn of(days: Days, window: Option<Window>) -> Week {
        let minutes = (0..7 * DAY).map(|at| {
            let (day, minute) = (at / DAY, u16::try_from(at % DAY).unwrap_or(0));
            let over = window.is_some_and(|w| w.from > w.to && minute < w.to);
            let began = if over { (day + 6) % 7 } else { day };
            days.0 & (1 << began) != 0 && window.is_none_or(|w| w.contains(minute))
        });
        Week(minutes.collect())
    }

    pub fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    /// Whether all of it lies in `other`.
    pub fn within(&self, other: &Week) -> bool {
        self.0
            .iter()
            .zip(&other.0)
            .all(|(mine, theirs)| !mine || *theirs)
    }

    /// Whether the two have a minute in common.
    pub fn meets(&self, other: &Week) -> bool {
        self.0
            .iter()
            .zip(&other.0)
            .any(|(mine, theirs)| *mine && *theirs)
    }
}

/// When a rule holds, but for its `hours`.
pub(super) fn week(rule: &Rule) -> Week {
    Week::of(rule.days.unwrap_or(Days::EVERY), rule.between)
}

/// Business hours, but for holidays. Here a window over midnight belongs to each of its own days.
pub(super) fn business_week(calendar: &Calendar) -> Week {
    let minutes = (0..7 * DAY).map(|at| {
        let minute = u16::try_from(at % DAY).unwrap_or(0);
        calendar.days.0 & (1 << (at / DAY)) != 0 && calendar.business.contains(minute)
    });
    Week(minutes.collect())
}

pub(super) fn calendar(at: Cursor<'_>, file: &grammar::Calendar, report: &mut Report) -> Calendar {
    let defaults = Calendar::default();
    if let Some(name) = &file.timezone {
        zone(at.get("timezone"), name, report);
    }
    not_empty(at.get("business"), report);
    let business = file.business.map(|b| b.0);
    let mut holidays: Vec<i32> = file.holidays.iter().map(|d| d.0).collect();
    holidays.sort_unstable();
    holidays.dedup();
    Calendar {
        timezone: file.timezone.clone(),
        business: business.map_or(defaults.business, |(_, window)| window),
        days: business.map_or(defaults.days, |(days, _)| days),
        holidays,
    }
}

/// Refuses a time zone that no database has. The database is the machine's, else the one that is built in, so that files
/// mean the same on every machine.
pub(super) fn zone(at: Cursor<'_>, name: &str, report: &mut Report) {
    if is_zone(name) && jiff::tz::TimeZone::get(name).is_ok() {
        return;
    }
    let help = match report.near(name, ["UTC"]) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write it like Europe/Warsaw or UTC".to_owned(),
    };
    let message = format!("there is no time zone {:?}", shorten(name));
    report.value(at, Code::UnknownTimezone, message, help);
}

/// Refuses a window that begins and ends at the same minute: nobody knows whether it means never or always.
pub(super) fn not_empty(at: Cursor<'_>, report: &mut Report) {
    let Some(text) = at.text() else { return };
    let time = text.split_whitespace().find(|word| word.contains(':'));
    if time.is_some_and(is_empty_window) {
        report.value(
            at,
            Code::EmptyWindow,
            format!("{:?} begins and ends at the same minute", shorten(text)),
            "write 00:00-24:00 for the whole day, or a window with a length",
        );
    }
}

/// Maintenance windows of a node.
pub(super) fn maintenance(
    at: Cursor<'_>,
    list: &[scalar::Maintenance],
    report: &mut Report,
) -> Vec<Maintenance> {
    let mut windows: Vec<(Maintenance, Week)> = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let here = at.item(index);
        let Some(window) = text.parsed() else {
            continue;
        };
        if let Some(name) = &window.timezone {
            zone(here, name, report);
        }
        not_empty(here, report);
        let week = Week::of(window.days, Some(window.window));
        let other = windows
            .iter()
            .position(|(w, minutes)| w.timezone == window.timezone && minutes.meets(&week));
        if let Some(other) = other {
            let message = format!(
                "{:?} and {:?} have time in common",
                shorten(&list[other].0),
                shorten(&text.0)
            );
            report.value(
                here,
                Code::OverlappingWindows,
                message,
                "make one window of the two",
            );
        }
        windows.push((window, week));
    }
    windows.into_iter().map(|(window, _)| window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SATURDAY: Days = Days(0b010_0000);
    const SUNDAY: Days = Days(0b100_0000);

    fn window(from: u16, to: u16) -> Option<Window> {
        Some(Window {
            from: from * 60,
            to: to * 60,
        })
    }

    #[test]
    fn a_week_knows_what_lies_in_it() {
        let night = Week::of(SATURDAY, window(22, 6));
        assert!(
            night.meets(&Week::of(SUNDAY, window(5, 7))),
            "it ends on Sunday"
        );
        assert!(
            !night.meets(&Week::of(SATURDAY, window(0, 6))),
            "Friday's night is another"
        );
        assert!(Week::of(SATURDAY, window(23, 24)).within(&night));
        assert!(!night.within(&Week::of(SATURDAY, None)));
        assert!(night.within(&Week::of(Days::EVERY, None)));
        assert!(Week::of(Days(0), None).is_empty());
        let sunday_night = Week::of(SUNDAY, window(22, 6));
        assert!(
            sunday_night.meets(&Week::of(Days(1), window(5, 6))),
            "the week is a circle"
        );
    }
}
