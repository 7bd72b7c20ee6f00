//! Values written as one word: lengths of time, sizes, percentages, windows, commands.
//!
//! Each has a `parse` that says what is wrong with a text. Its schema names that form in `x-stead`, so that the shape
//! check and the typed reading agree by construction.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use stead_core::desired::{self, Days, Window};
use stead_core::time::Span;

use super::when;
use crate::problem::Code;

/// A way to write a value in one text, with its parser and the code of what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Duration,
    Size,
    Percent,
    Window,
    Days,
    Business,
    Date,
    Maintenance,
    Schedule,
    Level,
}

impl Form {
    pub const ALL: [Form; 10] = [
        Form::Duration,
        Form::Size,
        Form::Percent,
        Form::Window,
        Form::Days,
        Form::Business,
        Form::Date,
        Form::Maintenance,
        Form::Schedule,
        Form::Level,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Form::Duration => "duration",
            Form::Size => "size",
            Form::Percent => "percent",
            Form::Window => "window",
            Form::Days => "days",
            Form::Business => "business hours",
            Form::Date => "date",
            Form::Maintenance => "maintenance",
            Form::Schedule => "schedule",
            Form::Level => "level",
        }
    }

    pub fn of_word(word: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|f| f.word() == word)
    }

    pub fn code(self) -> Code {
        match self {
            Form::Duration => Code::BadDuration,
            Form::Size => Code::BadSize,
            Form::Percent => Code::BadPercent,
            Form::Window => Code::BadWindow,
            Form::Days => Code::BadDays,
            Form::Business => Code::BadBusinessHours,
            Form::Date => Code::BadDate,
            Form::Maintenance => Code::BadMaintenance,
            Form::Schedule => Code::BadSchedule,
            Form::Level => Code::BadLevel,
        }
    }

    /// What to write instead.
    pub fn help(self) -> &'static str {
        match self {
            Form::Duration => "write a number with its unit: 250ms, 10s, 5m, 1h30m, 7d",
            Form::Size => {
                "write bytes, or a number with its unit: 64m and 1g (binary, as in Compose), 1MB (decimal), 1GiB"
            }
            Form::Percent => "write a percentage from 0 to 100: 70%",
            Form::Window => "write two times of day: 22:00-07:00",
            Form::Days => "write days as Sun, Mon-Fri or Sat,Sun",
            Form::Business => "write days and a window: Mon-Fri 09:00-17:00",
            Form::Date => "write year, month and day: 2026-12-25",
            Form::Maintenance => {
                "write days, a window and a time zone: Sun 03:00-05:00 Europe/Warsaw"
            }
            Form::Schedule => {
                "write five fields (minute hour day month weekday) or @daily: 30 2 * * *"
            }
            Form::Level => "write 0 (observe), 1 (locks, edge and DNS) or 2 (restarts)",
        }
    }

    /// What is wrong with `text`, if anything.
    pub fn check(self, text: &str) -> Result<(), String> {
        match self {
            Form::Duration => duration(text).map(drop),
            Form::Size => size(text).map(drop),
            Form::Percent => percent(text).map(drop),
            Form::Window => when::window(text).map(drop),
            Form::Days => when::days(text).map(drop),
            Form::Business => when::business(text).map(drop),
            Form::Date => when::date(text).map(drop),
            Form::Maintenance => when::maintenance(text).map(drop),
            Form::Schedule => when::schedule(text),
            Form::Level => level(text).map(drop),
        }
    }
}

fn duration(text: &str) -> Result<Span, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a length of time"))
}

/// Bytes. `k m g t` alone are binary, as Compose has them; `kB MB GB TB` decimal; `KiB MiB GiB TiB` binary.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a size");
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(bad()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(bad);
    }
    let bytes = number.parse::<f64>().map_err(|_| bad())? * unit as f64;
    if bytes.is_finite() && (0.0..1e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(bad())
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(n) if (0.0..=100.0).contains(&n) => Ok(n),
        Ok(_) => Err(format!("{text:?} is not between 0 and 100 %")),
        Err(_) => Err(format!("{text:?} is not a percentage")),
    }
}

/// How far a repair reaches. What reaches furthest is never automatic, so no file may say it.
fn level(text: &str) -> Result<u8, String> {
    match text.parse::<u8>() {
        Ok(level) if level <= 2 => Ok(level),
        Ok(3) => Err("level 3 is never automatic: it restores, rebuilds or destroys".to_owned()),
        _ => Err(format!("there is no level {text}")),
    }
}

macro_rules! written {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $form:ident, $parse:path, [$($type:literal),+], $example:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let Text(text) = Text::deserialize(d)?;
                $parse(&text).map($name).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
            fn inline_schema() -> bool { true }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": [$($type),+], "x-stead": Form::$form.word(), "examples": [$example] })
            }
        }
    )*};
}

written! {
    /// A length of time: `10s`, `5m`, `1h30m`.
    Duration(Span) = Duration, duration, ["string"], "10s";
    /// Bytes, plain or with a unit: `64m` and `1g` are binary as in Compose, `1MB` is decimal, `1GiB` is binary.
    Size(u64) = Size, size, ["string", "integer"], "64m";
    /// A percentage from 0 to 100: `70%`.
    Percent(f64) = Percent, percent, ["string", "number"], "70%";
    /// A time of day window: `22:00-07:00`.
    TimeWindow(Window) = Window, when::window, ["string"], "22:00-07:00";
    /// Business hours: `Mon-Fri 09:00-17:00`.
    Business((Days, Window)) = Business, when::business, ["string"], "Mon-Fri 09:00-17:00";
    /// A day: `2026-12-25`.
    Date(i32) = Date, when::date, ["string"], "2026-12-25";
    /// A level that may be automatic, 0 to 2.
    Level(u8) = Level, level, ["integer"], "1";
}

macro_rules! checked_text {
    ($($(#[$doc:meta])* $name:ident = $form:ident, $example:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name(pub String);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let Text(text) = Text::deserialize(d)?;
                Form::$form.check(&text).map_err(de::Error::custom)?;
                Ok($name(text))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
            fn inline_schema() -> bool { true }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-stead": Form::$form.word(), "examples": [$example] })
            }
        }
    )*};
}

checked_text! {
    /// A maintenance window: `Sun 03:00-05:00 Europe/Warsaw`.
    Maintenance = Maintenance, "Sun 03:00-05:00 Europe/Warsaw";
    /// A cron expression: `30 2 * * *`.
    Schedule = Schedule, "30 2 * * *";
}

impl Maintenance {
    /// What it says; it was checked when it was read.
    pub fn parsed(&self) -> Option<desired::Maintenance> {
        when::maintenance(&self.0).ok()
    }
}

/// A text, number or truth value, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Text, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        // The tree answers `bytes` with the text as written.
        d.deserialize_bytes(V)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A command: a list of words, or one text that is split into words as a shell would, without a shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    List(Vec<Text>),
    Line(String),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Words, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Words;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command as a list of words or as one text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Words, E> {
                Ok(Words::Line(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = seq.next_element()? {
                    words.push(word);
                }
                Ok(Words::List(words))
            }
        }
        d.deserialize_any(V)
    }
}

impl JsonSchema for Words {
    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": ["string", "number", "boolean"] } })
    }
}

/// Days of the week: `Mon-Fri`, or a list of such texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weekdays(pub Days);

impl<'de> Deserialize<'de> for Weekdays {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Weekdays, D::Error> {
        let parts = match Words::deserialize(d)? {
            Words::Line(text) => vec![Text(text)],
            Words::List(texts) => texts,
        };
        let mut bits = 0;
        for Text(part) in parts {
            bits |= when::days(&part).map_err(de::Error::custom)?.0;
        }
        Ok(Weekdays(Days(bits)))
    }
}

impl JsonSchema for Weekdays {
    fn schema_name() -> Cow<'static, str> {
        "Weekdays".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"], "x-stead": Form::Days.word(), "examples": ["Mon-Fri"],
            "items": { "type": "string", "x-stead": Form::Days.word(), "examples": ["Sun"] }
        })
    }
}

/// Names with values, as a map or as a list of `NAME=VALUE`, as Compose has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Pairs {
    Map(BTreeMap<String, Text>),
    List(Vec<Text>),
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Pairs, D::Error> {
        struct V(PhantomData<Pairs>);
        impl<'de> Visitor<'de> for V {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map, or a list of NAME=VALUE")
            }
            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::List(Vec::new()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Pairs::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    entries.insert(key, value);
                }
                Ok(Pairs::Map(entries))
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

impl JsonSchema for Pairs {
    fn schema_name() -> Cow<'static, str> {
        "Pairs".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["object", "array"],
            "additionalProperties": { "type": ["string", "number", "boolean"] },
            "items": { "type": "string" }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_compose_for_single_letters_and_the_si_for_the_rest() {
        assert_eq!(size("64m"), Ok(64 << 20));
        assert_eq!(size("1MB"), Ok(1_000_000));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("1.5g"), Ok(3 << 29));
        assert_eq!(size("1024"), Ok(1024));
        for bad in [
            "",
            "m",
            "64 apples",
            "-1m",
            "1e3m",
            "99999999999t",
            "1.2.3k",
            ".",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages_and_levels() {
        assert_eq!(percent("70%"), Ok(70.0));
        assert_eq!(percent("0.5"), Ok(0.5));
        assert!(percent("101%").is_err() && percent("NaN").is_err() && percent("-1").is_err());
        assert_eq!(level("0"), Ok(0));
        assert_eq!(level("2"), Ok(2));
        assert!(level("3").is_err_and(|why| why.contains("never automatic")));
        assert!(level("4").is_err() && level("-1").is_err() && level("").is_err());
    }
}
