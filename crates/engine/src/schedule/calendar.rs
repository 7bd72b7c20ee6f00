//! What the calendar says: maintenance windows and drills, as instants. Pure.
//!
//! Windows and schedules are meant in local time. On the two days a year on which the clock on the wall is set, a window
//! begins as soon as the wall shows its beginning or a later time, and ends once its end is over for good: what is
//! skipped is not waited for, what happens twice counts whole.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use stead_core::desired::{Fleet, Maintenance};
use stead_core::ids::NodeName;
use stead_core::time::{Span, Time};

use crate::zone;

/// A drill this much too late is one that was missed.
pub const LATE: Span = Span::mins(2);
/// How far ahead the next window is looked for: each comes weekly.
const AHEAD: i32 = 8;

/// What the calendar says at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The node on which a drill is to begin.
    pub drill: Option<NodeName>,
    /// The windows that are open, by their node.
    pub windows: BTreeMap<NodeName, Window>,
    /// When this may say something else, at the earliest.
    pub next: Option<Time>,
}

/// One occurrence of a maintenance window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub begins: Time,
    pub ends: Time,
    /// For people: `maintenance window Sun 03:00-05:00`.
    pub why: String,
}

/// What is due at `now`. `last`: the instant asked about before; drills of the time between are due, once.
pub fn due(fleet: &Fleet, zone: &TimeZone, last: Time, now: Time) -> Due {
    let mut due = Due::default();
    let mut next: Vec<Time> = Vec::new();
    if let Some(drill) = &fleet.drill
        && let Some(cron) = &drill.schedule
    {
        let fired = latest(cron, zone, last, now);
        if fired.is_some_and(|at| now.since(at) <= LATE) {
            due.drill = Some(drill.node.clone());
        }
        next.extend(after(cron, zone, now));
    }
    for (name, node) in &fleet.nodes {
        for maintenance in &node.maintenance {
            for window in around(maintenance, zone, now) {
                if now < window.begins {
                    next.push(window.begins);
                    continue;
                }
                next.push(window.ends);
                let open = due.windows.get(name);
                if open.is_none_or(|other| other.ends < window.ends) {
                    due.windows.insert(name.clone(), window);
                }
            }
        }
    }
    due.next = next.into_iter().min();
    due
}

/// The latest instant in `(last, now]` that a cron expression names.
fn latest(cron: &str, zone: &TimeZone, last: Time, now: Time) -> Option<Time> {
    // No further back than counts: a machine that slept for a year has not to be walked through.
    let since = Time(now.0.saturating_sub(2 * LATE.0 as i64));
    let mut found = None;
    let mut at = last.max(since);
    while let Some(next) = after(cron, zone, at).filter(|next| *next <= now && *next > at) {
        found = Some(next);
        at = next;
    }
    found
}

/// The next instant after `at`.
fn after(cron: &str, zone: &TimeZone, at: Time) -> Option<Time> {
    let cron: croner::Cron = cron.parse().ok()?;
    let from = Timestamp::from_millisecond(at.0)
        .ok()?
        .to_zoned(zone.clone());
    let next = cron.find_next_occurrence(&from, false).ok()?;
    Some(Time(next.timestamp().as_millisecond()))
}

/// The occurrences of a window that are open at `now` or begin within the days to come.
fn around(maintenance: &Maintenance, zone: &TimeZone, now: Time) -> Vec<Window> {
    let own = maintenance.timezone.as_deref().and_then(zone::named);
    let zone = own.as_ref().unwrap_or(zone);
    let Ok(instant) = Timestamp::from_millisecond(now.0) else {
        return Vec::new();
    };
    let today = instant.to_zoned(zone.clone()).date();
    // One that began yesterday may still be open.
    let days = (-1..AHEAD).filter_map(|ahead| today.checked_add(ahead.days()).ok());
    days.filter(|day| falls_on(maintenance, *day))
        .filter_map(|day| occurrence(maintenance, zone, day))
        .filter(|window| now < window.ends)
        .collect()
}

fn falls_on(maintenance: &Maintenance, day: Date) -> bool {
    let bit = 1u8 << day.weekday().to_monday_zero_offset();
    maintenance.days.0 & bit != 0
}

/// The window that begins on `day`; none where the clock on the wall skips all of it.
fn occurrence(maintenance: &Maintenance, zone: &TimeZone, day: Date) -> Option<Window> {
    let (from, to) = (maintenance.window.from, maintenance.window.to);
    let last_day = if from < to { day } else { day.tomorrow().ok()? };
    let begins = edge(zone, at_minute(day, from)?, Edge::Begins)?;
    let ends = edge(zone, at_minute(last_day, to)?, Edge::Ends)?;
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let day = match day.weekday() {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    };
    (begins < ends).then(|| Window {
        begins,
        ends,
        why: format!("maintenance window {day} {}-{}", clock(from), clock(to)),
    })
}

/// Minute of the day as a time on `day`; 24:00 is the next day's midnight.
fn at_minute(day: Date, minute: u16) -> Option<DateTime> {
    day.at(0, 0, 0, 0)
        .checked_add(i64::from(minute).minutes())
        .ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Begins,
    Ends,
}

/// The instant at which the wall shows `local`.
fn edge(zone: &TimeZone, local: DateTime, edge: Edge) -> Option<Time> {
    let instant = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        // Never shown: the wall jumps over it.
        AmbiguousOffset::Gap { after, .. } => {
            let before = after.to_timestamp(local).ok()?;
            zone.following(before).next()?.timestamp()
        }
        AmbiguousOffset::Fold { before, after } => match edge {
            Edge::Begins => before.to_timestamp(local).ok()?,
            Edge::Ends => after.to_timestamp(local).ok()?,
        },
    };
    Some(Time(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::desired::{Days, Drill, Node, Window as Minutes};

    fn warsaw() -> TimeZone {
        zone::named("Europe/Warsaw").expect("a zone")
    }

    fn time(text: &str) -> Time {
        text.parse().expect("an instant")
    }

    /// Sundays, in minutes since midnight.
    fn sundays(from: u16, to: u16) -> Fleet {
        windows(&[(0b100_0000, from, to)])
    }

    fn windows(all: &[(u8, u16, u16)]) -> Fleet {
        let maintenance = |(days, from, to): &(u8, u16, u16)| Maintenance {
            days: Days(*days),
            window: Minutes {
                from: *from,
                to: *to,
            },
            timezone: None,
        };
        let node = Node {
            maintenance: all.iter().map(maintenance).collect(),
            ..Node::default()
        };
        let mut fleet = Fleet::default();
        fleet.nodes.insert("nas".parse().expect("a name"), node);
        fleet
    }

    fn open(fleet: &Fleet, at: &str) -> Option<Window> {
        let now = time(at);
        let due = due(fleet, &warsaw(), now, now);
        due.windows.values().next().cloned()
    }

    fn drills(schedule: &str) -> Fleet {
        Fleet {
            drill: Some(Drill {
                node: "nas".parse().expect("a name"),
                image: "busybox".to_string(),
                command: None,
                schedule: Some(schedule.to_string()),
                within: Span::mins(2),
            }),
            ..Fleet::default()
        }
    }

    /// The instants at which a drill is due when it is asked every minute.
    fn fired(schedule: &str, from: &str, to: &str) -> Vec<String> {
        let fleet = drills(schedule);
        let (mut last, end) = (time(from), time(to));
        let mut found = Vec::new();
        while last < end {
            let now = last + Span::mins(1);
            if due(&fleet, &warsaw(), last, now).drill.is_some() {
                found.push(now.to_string()[..16].to_string());
            }
            last = now;
        }
        found
    }

    #[test]
    fn a_window_is_open_between_its_local_times() {
        let fleet = sundays(3 * 60, 5 * 60);
        // 2026-11-29 is a Sunday; Warsaw is an hour ahead of UTC.
        assert_eq!(open(&fleet, "2026-11-29T01:59:59Z"), None);
        let found = open(&fleet, "2026-11-29T02:00:00Z").expect("open");
        assert_eq!(found.begins, time("2026-11-29T02:00:00Z"));
        assert_eq!(found.ends, time("2026-11-29T04:00:00Z"));
        assert_eq!(found.why, "maintenance window Sun 03:00-05:00");
        assert_eq!(open(&fleet, "2026-11-29T04:00:00Z"), None);
        assert_eq!(open(&fleet, "2026-11-30T02:30:00Z"), None, "Monday");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let fleet = sundays(23 * 60, 60);
        let found = open(&fleet, "2026-11-29T23:30:00Z").expect("Monday, half past midnight");
        assert_eq!(found.ends, time("2026-11-30T00:00:00Z"));
        assert_eq!(open(&fleet, "2026-11-28T23:30:00Z"), None);
        let whole = sundays(0, 0);
        let found = open(&whole, "2026-11-29T12:00:00Z").expect("all of Sunday");
        assert_eq!(found.begins, time("2026-11-28T23:00:00Z"));
        assert_eq!(found.ends, time("2026-11-29T23:00:00Z"));
    }

    #[test]
    fn of_two_open_windows_the_longer_counts() {
        let fleet = windows(&[(0b100_0000, 180, 300), (0b100_0000, 240, 360)]);
        let at = |text| open(&fleet, text).expect("open").ends;
        assert_eq!(at("2026-11-29T02:30:00Z"), time("2026-11-29T04:00:00Z"));
        assert_eq!(at("2026-11-29T03:30:00Z"), time("2026-11-29T05:00:00Z"));
    }

    #[test]
    fn the_next_change_is_known() {
        let fleet = sundays(180, 300);
        let next = |at| due(&fleet, &warsaw(), time(at), time(at)).next;
        let begins = Some(time("2026-11-29T02:00:00Z"));
        assert_eq!(next("2026-11-26T12:00:00Z"), begins);
        assert_eq!(
            next("2026-11-29T02:00:00Z"),
            Some(time("2026-11-29T04:00:00Z"))
        );
        assert_eq!(
            next("2026-11-29T04:00:00Z"),
            Some(time("2026-12-06T02:00:00Z"))
        );
        assert_eq!(
            due(&Fleet::default(), &warsaw(), Time(0), Time(0)),
            Due::default()
        );
    }

    /// 2026-03-29: at 02:00 the wall jumps to 03:00, which is 01:00 UTC.
    #[test]
    fn in_spring_a_window_begins_when_the_wall_has_passed_its_time() {
        let jump = time("2026-03-29T01:00:00Z");
        let found = open(&sundays(150, 240), "2026-03-29T01:30:00Z").expect("02:30 to 04:00");
        assert_eq!(
            (found.begins, found.ends),
            (jump, time("2026-03-29T02:00:00Z"))
        );
        let found = open(&sundays(60, 150), "2026-03-29T00:30:00Z").expect("01:00 to 02:30");
        assert_eq!(
            (found.begins, found.ends),
            (time("2026-03-29T00:00:00Z"), jump)
        );
        let skipped = sundays(125, 170);
        for at in [
            "2026-03-29T00:59:59Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:05:00Z",
        ] {
            assert_eq!(open(&skipped, at), None, "02:05 to 02:50 does not happen");
        }
        let found = open(&sundays(180, 300), "2026-03-29T01:00:00Z").expect("03:00 to 05:00");
        assert_eq!(
            found.ends,
            time("2026-03-29T03:00:00Z"),
            "summer time by then"
        );
    }

    /// 2026-10-25: at 03:00 the wall is set back to 02:00, which is 01:00 UTC.
    #[test]
    fn in_autumn_what_happens_twice_counts_whole() {
        let found = open(&sundays(60, 150), "2026-10-25T00:45:00Z").expect("01:00 to 02:30");
        assert_eq!(found.begins, time("2026-10-24T23:00:00Z"));
        assert_eq!(found.ends, time("2026-10-25T01:30:00Z"), "the second 02:30");
        let found = open(&sundays(130, 240), "2026-10-25T00:10:00Z").expect("02:10 to 04:00");
        assert_eq!(
            found.begins,
            time("2026-10-25T00:10:00Z"),
            "the first 02:10"
        );
        assert_eq!(found.ends, time("2026-10-25T03:00:00Z"));
    }

    #[test]
    fn a_window_has_its_own_zone_where_the_file_names_one() {
        let mut fleet = sundays(180, 300);
        let node = fleet.nodes.values_mut().next().expect("a node");
        node.maintenance[0].timezone = Some("Asia/Tokyo".to_string());
        let found = open(&fleet, "2026-11-28T18:00:00Z").expect("03:00 on Sunday in Tokyo");
        assert_eq!(found.ends, time("2026-11-28T20:00:00Z"));
    }

    #[test]
    fn a_drill_is_due_once_at_its_local_time() {
        // Mondays at 09:00, in winter and in summer.
        let mondays = fired("0 9 * * 1", "2026-11-29T00:00:00Z", "2026-12-02T00:00:00Z");
        assert_eq!(mondays, ["2026-11-30T08:00"]);
        let summer = fired("0 9 * * 1", "2026-06-28T00:00:00Z", "2026-07-01T00:00:00Z");
        assert_eq!(summer, ["2026-06-29T07:00"]);
    }

    #[test]
    fn on_the_days_the_clock_is_set_a_drill_is_due_exactly_once() {
        let spring = fired("30 2 * * *", "2026-03-28T22:00:00Z", "2026-03-29T20:00:00Z");
        assert_eq!(spring.len(), 1, "{spring:?}");
        let autumn = fired("30 2 * * *", "2026-10-24T22:00:00Z", "2026-10-25T20:00:00Z");
        assert_eq!(autumn.len(), 1, "{autumn:?}");
    }

    #[test]
    fn a_drill_that_was_missed_is_not_made_up_for() {
        let fleet = drills("0 9 * * *");
        let ask = |last, now| due(&fleet, &warsaw(), time(last), time(now)).drill;
        let late = ask("2026-11-26T07:00:00Z", "2026-11-26T08:02:01Z");
        assert_eq!(late, None, "the server was down at nine");
        assert!(ask("2026-11-26T07:00:00Z", "2026-11-26T08:02:00Z").is_some());
        assert_eq!(
            ask("2026-11-26T08:00:00Z", "2026-11-26T08:00:30Z"),
            None,
            "it was"
        );
        let back = ask("2026-11-26T09:00:00Z", "2026-11-26T07:59:00Z");
        assert_eq!(back, None, "the clock was set back");
    }
}
