//! The owner's calendar: where they live, when they work, which days are free.
//!
//! Plain numbers, so that the core needs no time zone: whoever asks brings the local minute of the day and the local
//! day along ([`crate::policy::Now`]).

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::Window;

/// Time zone, business hours and holidays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calendar {
    /// IANA name (`Europe/Warsaw`); absent: the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Times of day on [`Calendar::days`] that are business hours.
    pub business: Window,
    pub days: Days,
    /// Local days since 1970-01-01 on which nobody works.
    pub holidays: Vec<i32>,
}

impl Default for Calendar {
    /// Monday to Friday, 09:00 to 17:00.
    fn default() -> Self {
        Self {
            timezone: None,
            business: Window {
                from: 9 * 60,
                to: 17 * 60,
            },
            days: Days::WEEKDAYS,
            holidays: Vec::new(),
        }
    }
}

impl Calendar {
    /// Whether minute-of-day `minute` of `day` (local days since 1970-01-01) is business time.
    pub fn is_business(&self, day: i32, minute: u16) -> bool {
        self.days.contains(day) && !self.holidays.contains(&day) && self.business.contains(minute)
    }
}

/// Days of the week as bits: 1 Monday … 64 Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Days(pub u8);

impl Days {
    pub const EVERY: Days = Days(0b111_1111);
    pub const WEEKDAYS: Days = Days(0b001_1111);

    /// Whether `day`, in days since 1970-01-01 (a Thursday), falls on one of them.
    pub fn contains(self, day: i32) -> bool {
        let weekday = (day + 3).rem_euclid(7);
        self.0 & (1 << weekday) != 0
    }
}

/// Within or outside business hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    Business,
    OutsideBusiness,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26 is a Thursday.
    const THURSDAY: i32 = 20_783;

    #[test]
    fn days_of_the_week_are_counted_from_monday() {
        assert!(Days(0b000_1000).contains(THURSDAY));
        assert!(!Days(0b000_1000).contains(THURSDAY + 1));
        assert!(Days(0b100_0000).contains(THURSDAY + 3), "Sunday");
        assert!(Days(0b000_1000).contains(-7), "before 1970 too");
    }

    #[test]
    fn a_holiday_and_a_weekend_are_no_business_time() {
        let calendar = Calendar {
            holidays: alloc::vec![THURSDAY + 1],
            ..Calendar::default()
        };
        assert!(calendar.is_business(THURSDAY, 9 * 60));
        assert!(!calendar.is_business(THURSDAY, 17 * 60));
        assert!(!calendar.is_business(THURSDAY + 1, 12 * 60), "a holiday");
        assert!(!calendar.is_business(THURSDAY + 2, 12 * 60), "Saturday");
    }
}
