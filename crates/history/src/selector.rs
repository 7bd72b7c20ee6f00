//! Series as people ask for them: `stead_node_cpu_percent{node="piha",mode=~"user|steal"}`, as in PromQL. Pure.
//!
//! Only what names series is read here: no functions, no ranges, no arithmetic.

use stead_ports::history::{Matcher, NAME, Op, Selector};

/// Bytes of a question.
const LONGEST: usize = 8 * 1024;
/// Matchers of one.
const MOST: usize = 32;

/// Why a text names no series, and where that was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}, at character {at}")]
pub struct Invalid {
    pub why: &'static str,
    pub at: usize,
}

/// Reads a selector. One that fits nearly every series is refused.
pub fn read(text: &str) -> Result<Selector, Invalid> {
    // Whatever any series fits would ask for all of them.
    let narrows = |op: Op, value: &str| match op {
        Op::Equal => !value.is_empty(),
        Op::Matches => !["", ".*", ".+"].contains(&value),
        Op::NotEqual | Op::Differs => false,
    };
    let selector = parse(text)?;
    if selector.matchers.iter().any(|m| narrows(m.op, &m.value)) {
        return Ok(selector);
    }
    Err(Rest::at_end(text).wrong("a metric, or a label with a value, must be named"))
}

/// Reads a selector as Prometheus takes it where names are listed: one may fit everything, but not what has no label.
pub fn read_wide(text: &str) -> Result<Selector, Invalid> {
    let selector = parse(text)?;
    let some = |matcher: &Matcher| {
        let alone = Selector {
            matchers: vec![matcher.clone()],
        };
        // What cannot be compiled is told by whoever asks.
        stead_ports::history::select::compile(&alone).map_or(true, |tests| !tests[0].fits(""))
    };
    if selector.matchers.iter().any(some) {
        return Ok(selector);
    }
    Err(Rest::at_end(text).wrong("one label at least must have a value"))
}

fn parse(text: &str) -> Result<Selector, Invalid> {
    let mut rest = Rest::of(text);
    if text.len() > LONGEST {
        return Err(rest.wrong("it is too long"));
    }
    let mut selector = Selector::default();
    rest.space();
    let name = rest.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    if !name.is_empty() {
        selector = selector.with(NAME, Op::Equal, name);
    }
    rest.space();
    if rest.eat("{") {
        selector = matchers(&mut rest, selector, value)?;
        if selector.matchers.len() > MOST {
            return Err(rest.wrong("there are too many labels"));
        }
    }
    rest.space();
    if !rest.left().is_empty() {
        return Err(rest.wrong("here nothing is expected any more"));
    }
    Ok(selector)
}

/// Adds what stands in braces, up to the closing one, to `selector`. `value` reads one with its quotes.
pub(crate) fn matchers<'a>(
    rest: &mut Rest<'a>,
    mut selector: Selector,
    value: impl Fn(&mut Rest<'a>) -> Result<String, Invalid>,
) -> Result<Selector, Invalid> {
    loop {
        rest.space();
        if rest.eat("}") {
            return Ok(selector);
        }
        let label = rest.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if label.is_empty() {
            return Err(rest.wrong("a label is expected"));
        }
        rest.space();
        let ops = [
            ("=~", Op::Matches),
            ("!~", Op::Differs),
            ("!=", Op::NotEqual),
            ("=", Op::Equal),
        ];
        let Some((_, op)) = ops.into_iter().find(|(sign, _)| rest.eat(sign)) else {
            return Err(rest.wrong("one of = != =~ !~ is expected"));
        };
        rest.space();
        let value = value(rest)?;
        selector = selector.with(label, op, &value);
        rest.space();
        if !rest.eat(",") && !rest.left().starts_with('}') {
            return Err(rest.wrong("a comma or } is expected"));
        }
    }
}

fn value(rest: &mut Rest<'_>) -> Result<String, Invalid> {
    let Some(quote) = rest.left().chars().next().filter(|c| "\"'".contains(*c)) else {
        return Err(rest.wrong("a value in quotes is expected"));
    };
    rest.at += 1;
    let mut value = String::new();
    loop {
        let Some(c) = rest.next() else {
            return Err(rest.wrong("the quote is not closed"));
        };
        if c == quote {
            return Ok(value);
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => value.push('\n'),
            Some('t') => value.push('\t'),
            Some(c) if "\\\"'".contains(c) => value.push(c),
            _ => return Err(rest.wrong("after \\ one of \\ \" ' n t is expected")),
        }
    }
}

/// What of a text was not read yet.
pub(crate) struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    pub(crate) fn of(text: &'a str) -> Rest<'a> {
        Rest { text, at: 0 }
    }

    fn at_end(text: &'a str) -> Rest<'a> {
        Rest {
            text,
            at: text.len(),
        }
    }

    /// Passes over bytes, which must end between characters.
    #[cfg(feature = "promql")]
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(crate) fn left(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.left().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn space(&mut self) {
        let left = self.left();
        self.at += left.len() - left.trim_start().len();
    }

    fn eat(&mut self, sign: &str) -> bool {
        let there = self.left().starts_with(sign);
        self.at += if there { sign.len() } else { 0 };
        there
    }

    fn word(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let left = self.left();
        let end = left.find(|c| !of(c)).unwrap_or(left.len());
        self.at += end;
        &left[..end]
    }

    pub(crate) fn wrong(&self, why: &'static str) -> Invalid {
        let at = self.text.get(..self.at).unwrap_or(self.text);
        Invalid {
            why,
            at: at.chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use stead_ports::history::Labels;

    use super::*;

    fn why(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_selector_reads_as_in_promql() {
        let read = read(r#" up{node="piha", mode=~'user|steal',x!="a\"\\b",} "#).unwrap();
        let told: Vec<(&str, Op, &str)> = read
            .matchers
            .iter()
            .map(|m| (m.label.as_str(), m.op, m.value.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (NAME, Op::Equal, "up"),
                ("node", Op::Equal, "piha"),
                ("mode", Op::Matches, "user|steal"),
                ("x", Op::NotEqual, "a\"\\b"),
            ]
        );
        assert_eq!(super::read("up").unwrap(), Selector::metric("up"));
        assert_eq!(super::read("{node=\"a\"}").unwrap().matchers.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert!(why("").contains("must be named"));
        assert!(why("{}").contains("must be named"));
        assert!(why("{node=~\".*\"}").contains("must be named"));
        assert!(why("{node!=\"a\"}").contains("must be named"));
        assert!(why("up{").contains("a label is expected, at character 4"));
        assert!(why("up{node}").contains("one of = != =~ !~"));
        assert!(why("up{node=piha}").contains("in quotes"));
        assert!(why("up{node=\"piha}").contains("not closed"));
        assert!(why("up{node=\"a\" mode=\"b\"}").contains("a comma"));
        assert!(why("rate(up[5m])").contains("nothing is expected"));
        assert!(why("up{é=\"a\"}").contains("at character 4"));
        assert!(why(&format!("up{{a=\"{}\"}}", "x".repeat(LONGEST))).contains("too long"));
        assert!(why(&format!("up{{{}}}", "a=\"b\",".repeat(MOST + 1))).contains("too many"));
    }

    #[test]
    fn where_names_are_listed_everything_may_be_meant_but_not_nothing() {
        for wide in [
            "{__name__=~\".+\"}",
            "{__name__!=\"\"}",
            "{a!=\"\"}",
            "up{a=\"\"}",
            "{a=\"b\"}",
        ] {
            assert!(read_wide(wide).is_ok(), "{wide}");
        }
        for bad in ["", "{}", "{a=\"\"}", "{a=~\".*\"}", "{a!=\"b\"}", "up["] {
            assert!(read_wide(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_series_is_found_by_its_selector() {
        let labels = Labels::new("up", [("name", "a \"b\" \\ <i>\n"), ("node", "piha")]);
        let found = read(&labels.to_string()).unwrap();
        for matcher in &found.matchers {
            assert_eq!(labels.get(&matcher.label), Some(matcher.value.as_str()));
        }
        assert_eq!(found.matchers.len(), labels.len());
    }
}
