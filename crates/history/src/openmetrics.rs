//! The text in which programs show their metrics, read: Prometheus' older form and OpenMetrics. Pure.
//!
//! A line that cannot be read is counted and costs nothing but itself: what a scrape brings is somebody else's. Exemplars,
//! help and units are passed over; native histograms are not there.

use stead_core::time::Time;
use stead_ports::history::{Entry, Labels, NAME, Sample};

/// Bytes of one line.
const LINE: usize = 64 * 1024;
/// Labels of one line.
const LABELS: usize = 128;

/// In which a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Times are whole milliseconds.
    Prometheus,
    /// Times are seconds, and the text ends in `# EOF`.
    OpenMetrics,
}

impl Form {
    /// What a `Content-Type` says; the older form where it says nothing.
    pub fn of(content_type: &str) -> Form {
        if content_type
            .trim_start()
            .starts_with("application/openmetrics-text")
        {
            Form::OpenMetrics
        } else {
            Form::Prometheus
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    pub entries: Vec<Entry>,
    /// Lines that are none of the form.
    pub unreadable: u64,
    /// Samples beyond those that may be.
    pub beyond: u64,
    /// Whether the text came to its end; always in the older form, which has none.
    pub whole: bool,
}

/// Reads `text`. What has no time of its own is of `at`; at most `most` samples are taken.
pub fn read(text: &str, form: Form, at: Time, most: usize) -> Read {
    let mut read = Read {
        whole: form == Form::Prometheus,
        ..Read::default()
    };
    for line in text.lines() {
        let line = line.trim();
        if form == Form::OpenMetrics && line == "# EOF" {
            read.whole = true;
            break;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match sample(line, form, at).filter(|_| line.len() <= LINE) {
            None => read.unreadable += 1,
            Some(_) if read.entries.len() >= most => read.beyond += 1,
            Some(entry) => read.entries.push(entry),
        }
    }
    read
}

/// `name{label="value",…} value [time] [# exemplar]`
fn sample(line: &str, form: Form, at: Time) -> Option<Entry> {
    let end = line.find(|c: char| !is_of_name(c)).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut pairs: Vec<(&str, String)> = Vec::new();
    if let Some(inner) = rest.trim_start().strip_prefix('{') {
        rest = labels(inner, &mut pairs)?;
    } else if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let rest = match form {
        Form::OpenMetrics => rest.split_once(" # ").map_or(rest, |(before, _)| before),
        Form::Prometheus => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    let value = number(words.next()?)?;
    let at = match words.next() {
        None => at,
        Some(word) => time(word, form)?,
    };
    if words.next().is_some() {
        return None;
    }
    let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
    Some(Entry {
        labels: Labels::from_pairs(pairs.chain([(NAME, name)])),
        sample: Sample { at, value },
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Labels up to the closing brace, and what is behind it.
fn labels<'a>(mut rest: &'a str, pairs: &mut Vec<(&'a str, String)>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end();
        if name.is_empty() || !name.chars().all(is_of_name) || pairs.len() >= LABELS {
            return None;
        }
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        pairs.push((name, value));
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after,
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
}

/// A value up to its closing quote, and what is behind it.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &rest[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            _ => value.push(c),
        }
    }
    None
}

/// As Go reads it, as far as programs write it.
fn number(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => word
            .parse()
            .ok()
            .filter(|_| !word.contains(['i', 'n', 'I', 'N'])),
    }
}

fn time(word: &str, form: Form) -> Option<Time> {
    match form {
        Form::Prometheus => word.parse().ok().map(Time),
        Form::OpenMetrics => {
            let seconds = number(word).filter(|seconds| seconds.is_finite())?;
            Some(Time((seconds * 1000.0).round() as i64))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Time = Time(1_795_000_000_000);

    fn lines(text: &str, form: Form) -> Vec<(String, f64, i64)> {
        let read = read(text, form, AT, 1000);
        assert_eq!(read.unreadable, 0, "{text}");
        let entry = |entry: &Entry| {
            (
                entry.labels.to_string(),
                entry.sample.value,
                entry.sample.at.0,
            )
        };
        read.entries.iter().map(entry).collect()
    }

    #[test]
    fn the_older_form_is_read() {
        let text = "# HELP http_requests_total All of them.\n# TYPE http_requests_total counter\n\
            http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
            path{file=\"C:\\\\DIR\",error=\"Cannot find\\n\\\"FILE\\\"\",} 1.458255915e9\n\
            something_weird{problem=\"division by zero\"} +Inf -3982045\n\
            metric_without_labels 12.47\n\n\
            bucket {le=\"+Inf\"}  144320 ";
        let found = lines(text, Form::Prometheus);
        assert_eq!(found.len(), 5);
        assert_eq!(
            found[0].0,
            r#"http_requests_total{code="200",method="post"}"#
        );
        assert_eq!((found[0].1, found[0].2), (1027.0, 1_395_066_363_000));
        assert_eq!(
            found[1].0,
            r#"path{error="Cannot find\n\"FILE\"",file="C:\\DIR"}"#
        );
        assert_eq!((found[2].1, found[2].2), (f64::INFINITY, -3_982_045));
        assert_eq!(found[3], ("metric_without_labels".to_owned(), 12.47, AT.0));
    }

    #[test]
    fn openmetrics_has_seconds_exemplars_and_an_end() {
        let text = "# TYPE foo histogram\nfoo_bucket{le=\"10\"} 17 # {trace=\"a b\"} 9.8 1.5\n\
            foo_count 17 1520879607.789\n# EOF\nrest 1";
        let found = lines(text, Form::OpenMetrics);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].1, found[1].2), (17.0, 1_520_879_607_789));
        assert!(read(text, Form::OpenMetrics, AT, 9).whole);
        assert!(
            !read("a 1\n", Form::OpenMetrics, AT, 9).whole,
            "it was cut off"
        );
        assert_eq!(
            Form::of("application/openmetrics-text; version=1.0.0"),
            Form::OpenMetrics
        );
        assert_eq!(Form::of("text/plain; version=0.0.4"), Form::Prometheus);
    }

    #[test]
    fn a_line_that_cannot_be_read_costs_only_itself() {
        let long = format!("a{{b=\"{}\"}} 1", "x".repeat(LINE));
        let bad = [
            "1a 1",
            "a",
            "a{b=\"c\"",
            "a{b=c} 1",
            "a{b} 1",
            "a one",
            "a infinity",
            "a 1 2 3",
            "a 1 x",
            "{a=\"b\"} 1",
            "a{b=\"c\"d=\"e\"} 1",
            "a-b 1",
            long.as_str(),
        ];
        for line in bad {
            let found = read(&format!("ok 1\n{line}\nok_too 2"), Form::Prometheus, AT, 9);
            assert_eq!(
                (found.entries.len(), found.unreadable),
                (2, 1),
                "{line:.40}"
            );
        }
        let many = "a 1\n".repeat(10);
        let found = read(&many, Form::Prometheus, AT, 3);
        assert_eq!((found.entries.len(), found.beyond), (3, 7));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_counted(text in "(\\PC|[\n{}\"\\\\=, #]){0,200}") {
            for form in [Form::Prometheus, Form::OpenMetrics] {
                drop(read(&text, form, AT, 10));
            }
        }

        #[test]
        fn what_is_written_comes_back(name in "[a-z_][a-z0-9_]{0,10}", value in any::<f64>(), label in "\\PC{1,20}") {
            let escaped = label.replace('\\', "\\\\").replace('"', "\\\"");
            let found = read(&format!("{name}{{l=\"{escaped}\"}} {value}"), Form::Prometheus, AT, 9);
            prop_assert_eq!(found.entries.len(), 1);
            let entry = &found.entries[0];
            prop_assert_eq!(entry.labels.get("l"), Some(label.as_str()));
            prop_assert!(entry.sample.value == value || value.is_nan() && entry.sample.value.is_nan());
        }
    }
}
