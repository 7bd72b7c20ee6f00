//! Selectors of a query under names of their own, so that the library finds for each just the series it selects. It would
//! compile a regular expression anew for every series at every step.

use stead_ports::history::{Error, NAME, Op, Selector};
use tsink::Label;
use tsink::promql::PromqlValue;

use super::When;
use super::memory::METRIC;
use crate::selector::{self, Invalid, Rest};

/// Begins the names; no metric is called so.
const PREFIX: &str = "stead:selector:";

/// A query whose selectors have names.
#[derive(Debug)]
pub struct Rewritten {
    pub text: String,
    /// By their number: the selector, and the metric's name where it says one.
    selectors: Vec<(Selector, Option<String>)>,
}

impl Rewritten {
    /// The selector that is called `metric`; one that has no braces is all series of that metric.
    pub fn selector(&self, metric: &str) -> Selector {
        self.number(metric)
            .and_then(|number| self.selectors.get(number))
            .map_or_else(
                || Selector::metric(metric),
                |(selector, _)| selector.clone(),
            )
    }

    fn number(&self, metric: &str) -> Option<usize> {
        metric.strip_prefix(PREFIX)?.parse().ok()
    }

    /// What the metric is called that a selector is about.
    fn name(&self, metric: &mut String) {
        if let Some(number) = self.number(metric) {
            let name = self
                .selectors
                .get(number)
                .and_then(|(_, name)| name.clone());
            *metric = name.unwrap_or_default();
        }
    }

    /// Whether `metric` is what the query calls a selector that says which metric it means.
    pub fn names(&self, metric: &str) -> bool {
        let of = self.number(metric).and_then(|n| self.selectors.get(n));
        of.is_none_or(|(_, name)| name.is_some())
    }

    /// A value with the metrics' own names, or without.
    pub fn named(&self, mut value: PromqlValue, named: bool) -> Result<PromqlValue, Error> {
        let name = |metric: &mut String, labels: &mut Vec<Label>| {
            let told = labels.iter().position(|label| label.name == METRIC);
            let told = told.map(|at| labels.remove(at).value);
            match (named, told) {
                (true, Some(told)) => *metric = told,
                (true, None) => self.name(metric),
                (false, _) => metric.clear(),
            }
        };
        let alone = match &mut value {
            PromqlValue::InstantVector(all) => {
                all.iter_mut()
                    .for_each(|s| name(&mut s.metric, &mut s.labels));
                different(all.iter().map(|s| (&s.metric, &s.labels)))
            }
            PromqlValue::RangeVector(all) => {
                all.iter_mut()
                    .for_each(|s| name(&mut s.metric, &mut s.labels));
                different(all.iter().map(|s| (&s.metric, &s.labels)))
            }
            PromqlValue::Scalar(..) | PromqlValue::String(..) => true,
        };
        if alone {
            return Ok(value);
        }
        let why = "several series come to the same labels: name the metric";
        Err(Error::Query(why.to_owned()))
    }

    /// A message without names that nobody gave.
    pub fn original(&self, message: &str) -> String {
        let names = self.selectors.iter().enumerate().rev();
        names.fold(message.to_owned(), |message, (n, (_, name))| {
            message.replace(&format!("{PREFIX}{n}"), name.as_deref().unwrap_or("{…}"))
        })
    }
}

/// Whether each series is there once.
fn different<'a>(all: impl ExactSizeIterator<Item = (&'a String, &'a Vec<Label>)>) -> bool {
    let count = all.len();
    let mut sorted: Vec<(&String, &Vec<Label>)> = all.collect();
    sorted.sort();
    sorted.dedup();
    sorted.len() == count
}

/// Gives a name to every selector with braces, and says which instants `@ start()` and `@ end()` are: the library, asked for
/// one instant at a time, would take that one for both.
pub fn rewrite(query: &str, when: When) -> Result<Rewritten, Error> {
    let mut text = String::new();
    let mut selectors = Vec::new();
    let mut rest = query;
    while let Some(next) = rest.chars().next() {
        match next {
            '"' | '\'' | '`' => {
                let end = quoted(rest)?;
                text.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            '@' => {
                rest = &rest[1..];
                text.push('@');
                if let Some((at, after)) = edge(rest, when) {
                    text.push_str(&format!(" {}.{:03}", at / 1_000, at % 1_000));
                    rest = after;
                }
            }
            '#' => rest = rest.split_once('\n').map_or("", |(_, after)| after),
            '{' => {
                let before = text.trim_end_matches(is_of_name).len();
                let name = text.split_off(before);
                let (selector, after) = braces(&name, &rest[1..])?;
                let metric = selector
                    .matchers
                    .iter()
                    .find(|m| m.label == NAME && m.op == Op::Equal)
                    .map(|m| m.value.clone());
                text.push_str(&format!("{PREFIX}{}", selectors.len()));
                selectors.push((selector, metric));
                rest = after;
            }
            _ => {
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    Ok(Rewritten { text, selectors })
}

/// The instant that `start()` or `end()` is, where `rest` begins with one, and what is behind it.
fn edge(rest: &str, when: When) -> Option<(i64, &str)> {
    let rest = rest.trim_start();
    let (at, rest) = match rest.strip_prefix("start") {
        Some(rest) => (when.from, rest),
        None => (when.to, rest.strip_prefix("end")?),
    };
    let rest = rest.trim_start().strip_prefix('(')?;
    let rest = rest.trim_start().strip_prefix(')')?;
    // Times before 1970 are left to the library.
    (at >= 0).then_some((at, rest))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Where a text in quotes ends that `rest` begins with.
fn quoted(rest: &str) -> Result<usize, Error> {
    let quote = rest.chars().next().unwrap_or('"');
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return Ok(at + c.len_utf8()),
            _ => {}
        }
    }
    Err(Error::Query("a text in quotes has no end".to_owned()))
}

/// The selector of metric `name` (which may be empty) and what is behind its braces.
fn braces<'a>(name: &str, rest: &'a str) -> Result<(Selector, &'a str), Error> {
    let selector = if name.is_empty() {
        Selector::default()
    } else {
        Selector::metric(name)
    };
    let mut rest = Rest::of(rest);
    match selector::matchers(&mut rest, selector, value) {
        Ok(selector) => Ok((selector, rest.left())),
        Err(wrong) => {
            let why = format!("in the braces of a selector {}", wrong.why);
            Err(Error::Query(why))
        }
    }
}

/// A value as queries have it: raw between backticks, and what an escape does not name stands for itself.
fn value(rest: &mut Rest<'_>) -> Result<String, Invalid> {
    let left = rest.left();
    if !left.starts_with(['"', '\'', '`']) {
        return Err(rest.wrong("a value in quotes is expected"));
    }
    let end = quoted(left).map_err(|_| rest.wrong("the quote is not closed"))?;
    rest.skip(end);
    Ok(unescaped(&left[..end]))
}

/// What stands between the quotes.
fn unescaped(quoted: &str) -> String {
    let inner = &quoted[1..quoted.len() - 1];
    if quoted.starts_with('`') {
        return inner.to_owned();
    }
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                other => text.extend(other),
            },
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: When = When {
        from: 1_500,
        to: 60_000,
        step: 1_000,
    };

    fn rewrite(query: &str) -> Result<Rewritten, Error> {
        super::rewrite(query, WHEN)
    }

    #[test]
    fn the_edges_of_a_range_are_instants() {
        let text = |query| rewrite(query).unwrap().text;
        assert_eq!(
            text("up @ start ( ) + 1"),
            "up@ 1.500 + 1".replace("up@", "up @")
        );
        assert_eq!(text("up @end()"), "up @ 60.000");
        assert_eq!(text("up @ 5"), "up @ 5");
    }

    #[test]
    fn selectors_get_names_and_nothing_else_changes() {
        let query =
            r#"sum by (mode) (rate(cpu_total{node="a\"}", mode!~`i.*`,}[5m])) / up # {x="y"}"#;
        let rewritten = rewrite(query).unwrap();
        assert_eq!(
            rewritten.text,
            "sum by (mode) (rate(stead:selector:0[5m])) / up "
        );
        let wanted = Selector::metric("cpu_total")
            .with("node", Op::Equal, "a\"}")
            .with("mode", Op::Differs, "i.*");
        assert_eq!(rewritten.selector("stead:selector:0"), wanted);
        assert_eq!(rewritten.selector("up"), Selector::metric("up"));
        assert_eq!(
            rewritten.original("no stead:selector:0 here"),
            "no cpu_total here"
        );
    }

    #[test]
    fn texts_are_left_alone_and_nonsense_is_told() {
        let query = r#"label_replace(up, "a", "{b='c'}", 'd', "")"#;
        assert_eq!(rewrite(query).unwrap().text, query);
        for bad in [
            "a{",
            "a{b}",
            "a{b=c}",
            "a{=\"c\"}",
            "a{b=\"c}",
            "a{b=\"c\" d=\"e\"}",
            "\"x",
        ] {
            assert_eq!(rewrite(bad).unwrap_err().code(), "history-query", "{bad}");
        }
        assert_eq!(
            rewrite("{__name__=~\"a.*\"}").unwrap().text,
            "stead:selector:0"
        );
    }
}
