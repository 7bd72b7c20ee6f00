//! Where the owner lives: an instant as their day and time of day. Summer time included, so that "nine o'clock" in a
//! rule is nine o'clock all year. Pure, but for [`machine`], which asks this machine where it is.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use stead_core::policy::Now;
use stead_core::time::Time;

/// The zone with this IANA name (`Europe/Warsaw`), if there is one.
pub fn named(name: &str) -> Option<TimeZone> {
    // The library knows more ways to name one than people should write into files.
    TimeZone::get(name).ok()
}

/// Always `minutes` ahead of UTC, summer and winter.
pub fn offset(minutes: i64) -> TimeZone {
    let seconds = i32::try_from(minutes.saturating_mul(60)).unwrap_or(0);
    Offset::from_seconds(seconds).map_or(TimeZone::UTC, TimeZone::fixed)
}

/// Where this machine says it is.
pub fn machine() -> TimeZone {
    TimeZone::system()
}

/// `at`, as the clock on the wall in `zone` shows it.
pub fn local(zone: &TimeZone, at: Time) -> Now {
    let ahead =
        Timestamp::from_millisecond(at.0).map_or(0, |instant| zone.to_offset(instant).seconds());
    let shown = Time(at.0.saturating_add(i64::from(ahead) * 1_000));
    Now {
        at,
        ..Now::utc(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Local hour and minute in `zone` at an instant of UTC.
    fn shown(zone: &TimeZone, at: &str) -> (u16, u16) {
        let at: Timestamp = at.parse().expect("an instant");
        let now = local(zone, Time(at.as_millisecond()));
        (now.minute / 60, now.minute % 60)
    }

    #[test]
    fn summer_time_begins_and_ends_when_the_zone_says() {
        let warsaw = named("Europe/Warsaw").expect("known");
        assert_eq!(shown(&warsaw, "2026-03-29T00:59:59Z"), (1, 59));
        assert_eq!(shown(&warsaw, "2026-03-29T01:00:00Z"), (3, 0));
        assert_eq!(shown(&warsaw, "2026-10-25T00:59:00Z"), (2, 59));
        assert_eq!(shown(&warsaw, "2026-10-25T01:00:00Z"), (2, 0));
        let noon = "2026-01-01T12:00:00Z";
        assert_eq!(
            shown(&named("Asia/Kathmandu").expect("known"), noon),
            (17, 45)
        );
        assert_eq!(
            shown(&named("America/St_Johns").expect("known"), noon),
            (8, 30)
        );
    }

    #[test]
    fn a_fixed_offset_knows_no_summer_and_nonsense_is_utc() {
        for at in ["2026-01-01T23:30:00Z", "2026-07-01T23:30:00Z"] {
            assert_eq!(shown(&offset(90), at), (1, 0));
            assert_eq!(shown(&offset(-90), at), (22, 0));
            assert_eq!(shown(&offset(i64::MAX), at), (23, 30));
        }
        assert_eq!(local(&TimeZone::UTC, Time(-1)).minute, 1439);
        let late = Time(23 * 3_600_000);
        assert_eq!(local(&offset(60), late).day, 1, "their day, not UTC's");
        assert_eq!(local(&offset(-60), Time(0)).day, -1);
        local(&TimeZone::UTC, Time(i64::MIN));
        local(&offset(90), Time(i64::MAX));
        assert!(named("Middle/Earth").is_none() && named("").is_none());
    }
}
