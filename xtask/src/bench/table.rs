//! A part's figures as a table for people, and its place in the document.

use anyhow::{Context, Result};

/// One figure, with its goal or its comparison.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    value: f64,
    unit: String,
    /// What it is held against, in the same unit: the goal or the peer.
    against: Option<(String, f64)>,
    /// `None`: only told.
    met: Option<bool>,
}

impl Row {
    pub fn told(what: impl Into<String>, value: f64, unit: &str) -> Row {
        Row {
            what: what.into(),
            value,
            unit: unit.to_owned(),
            against: None,
            met: None,
        }
    }

    pub fn at_most(what: impl Into<String>, value: f64, unit: &str, goal: f64) -> Row {
        let against = Some((format!("goal ≤ {}", number(goal)), goal));
        Row {
            against,
            met: Some(value <= goal),
            ..Row::told(what, value, unit)
        }
    }

    pub fn at_least(what: impl Into<String>, value: f64, unit: &str, goal: f64) -> Row {
        let against = Some((format!("goal ≥ {}", number(goal)), goal));
        Row {
            against,
            met: Some(value >= goal),
            ..Row::told(what, value, unit)
        }
    }

    /// A figure beside the same figure of somebody else.
    pub fn beside(what: impl Into<String>, value: f64, unit: &str, peer: &str, theirs: f64) -> Row {
        Row {
            against: Some((format!("{peer} {}", number(theirs)), theirs)),
            ..Row::told(what, value, unit)
        }
    }

    /// A figure that may be at most `times` that of somebody else.
    pub fn at_most_beside(
        what: impl Into<String>,
        value: f64,
        unit: &str,
        (peer, theirs): (&str, f64),
        times: f64,
    ) -> Row {
        let goal = format!("{peer} {}, goal ≤ {} ×", number(theirs), number(times));
        Row {
            against: Some((goal, theirs)),
            met: Some(value <= theirs * times),
            ..Row::told(what, value, unit)
        }
    }

    /// A figure that has to be at least `times` that of somebody else.
    pub fn at_least_beside(
        what: impl Into<String>,
        value: f64,
        unit: &str,
        (peer, theirs): (&str, f64),
        times: f64,
    ) -> Row {
        let goal = format!("{peer} {}, goal ≥ {} ×", number(theirs), number(times));
        Row {
            against: Some((goal, theirs)),
            met: Some(value >= theirs * times),
            ..Row::told(what, value, unit)
        }
    }

    fn line(&self) -> String {
        let (against, ratio) = match &self.against {
            Some((text, other)) if *other != 0.0 => {
                (text.clone(), format!("{:.2}", self.value / other))
            }
            Some((text, _)) => (text.clone(), String::new()),
            None => (String::new(), String::new()),
        };
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        format!(
            "| {} | {} {} | {against} | {ratio} | {met} |",
            self.what,
            number(self.value),
            self.unit
        )
    }
}

/// Three digits that matter, thousands apart.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == v.trunc() => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let (sign, whole) = whole
        .strip_prefix('-')
        .map_or(("", whole), |rest| ("-", rest));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or_else(
        || format!("{sign}{grouped}"),
        |f| format!("{sign}{grouped}.{f}"),
    )
}

/// What one part of `make bench` found.
#[derive(Debug)]
pub struct Table {
    pub machine: String,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn markdown(&self) -> String {
        let mut text = format!("Measured {}.\n\n", self.machine);
        text.push_str("| what | Stead | against | ratio | |\n|---|---:|---|---:|---|\n");
        for row in &self.rows {
            text.push_str(&row.line());
            text.push('\n');
        }
        text
    }
}

/// `document` with what stands between the marks of `part` replaced.
pub fn replace(document: &str, part: &str, text: &str) -> Result<String> {
    let (from, to) = (
        format!("<!-- {part}: measured -->"),
        format!("<!-- {part}: end -->"),
    );
    let missing =
        || format!("docs/benchmarks.md has no place for `{part}`: it needs {from} and {to}");
    let (head, rest) = document.split_once(&from).with_context(missing)?;
    let (_, tail) = rest.split_once(&to).with_context(missing)?;
    Ok(format!("{head}{from}\n\n{text}\n{to}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(0.0312), "0.031");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(150.0), "150");
        assert_eq!(number(-1.5), "-1.50");
    }

    #[test]
    fn a_missed_goal_is_said_with_its_ratio() {
        let line = Row::at_most("x", 12.0, "ms", 10.0).line();
        assert!(line.contains("missed") && line.contains("1.20"), "{line}");
        assert!(
            Row::at_least("x", 12.0, "ms", 10.0)
                .line()
                .contains("| met |")
        );
        assert!(
            !Row::beside("x", 1.0, "MiB", "peer", 2.0)
                .line()
                .contains("met")
        );
    }

    #[test]
    fn a_goal_can_be_a_multiple_of_somebody_elses_figure() {
        let line = Row::at_least_beside("x", 30.0, "/s", ("peer", 10.0), 2.0).line();
        assert!(line.contains("peer 10, goal ≥ 2 × | 3.00 | met"), "{line}");
        let line = Row::at_most_beside("x", 30.0, "MiB", ("peer", 10.0), 2.0).line();
        assert!(line.contains("missed"), "{line}");
    }

    #[test]
    fn only_the_part_that_was_measured_is_replaced() {
        let before = "a\n<!-- x: measured -->\nold\n<!-- x: end -->\nb\n<!-- y: measured -->1<!-- y: end -->\n";
        let after = replace(before, "x", "new").unwrap();
        assert!(
            after.contains("new") && !after.contains("old") && after.contains(">1<"),
            "{after}"
        );
        assert!(replace(before, "z", "new").is_err());
    }
}
