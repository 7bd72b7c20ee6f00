//! A selector, ready to be asked. Regular expressions are bounded and match whole values.

use regex::{Regex, RegexBuilder};

use super::{Error, Matcher, Op, Selector};

/// Matchers at most.
const MATCHERS: usize = 32;
/// Bytes of one value or expression.
const TEXT: usize = 4096;
/// Bytes that a compiled expression may take: `[a-z]{1000}` nested a few times takes all there are.
const EXPRESSION: usize = 256 * 1024;

/// What one label must be.
#[derive(Debug)]
pub struct Test {
    pub label: String,
    how: How,
}

#[derive(Debug)]
enum How {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    Differs(Regex),
}

impl Test {
    /// `value` is empty where the label is not there.
    pub fn fits(&self, value: &str) -> bool {
        match &self.how {
            How::Equal(wanted) => value == wanted,
            How::NotEqual(other) => value != other,
            How::Matches(regex) => regex.is_match(value),
            How::Differs(regex) => !regex.is_match(value),
        }
    }

    /// The only value that fits, where there is just one and it is not empty.
    pub fn only(&self) -> Option<&str> {
        match &self.how {
            How::Equal(wanted) if !wanted.is_empty() => Some(wanted),
            _ => None,
        }
    }
}

/// Every test of a selector. An empty selector is refused rather than taken for everything.
pub fn compile(selector: &Selector) -> Result<Vec<Test>, Error> {
    let refused = |why: String| Error::Selector(why);
    if selector.matchers.is_empty() {
        let why = "it names nothing; give a metric or a label";
        return Err(refused(why.to_owned()));
    }
    if selector.matchers.len() > MATCHERS {
        return Err(refused(format!("{MATCHERS} matchers are the most")));
    }
    let test = |matcher: &Matcher| {
        if matcher.value.len() > TEXT || matcher.label.len() > TEXT {
            return Err(refused(format!("{TEXT} bytes are the most of a value")));
        }
        let how = match matcher.op {
            Op::Equal => How::Equal(matcher.value.clone()),
            Op::NotEqual => How::NotEqual(matcher.value.clone()),
            Op::Matches => How::Matches(expression(&matcher.value)?),
            Op::Differs => How::Differs(expression(&matcher.value)?),
        };
        Ok(Test {
            label: matcher.label.clone(),
            how,
        })
    };
    selector.matchers.iter().map(test).collect()
}

fn expression(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(&format!("^(?s:{text})$"))
        .size_limit(EXPRESSION)
        .build()
        .map_err(|why| Error::Selector(format!("`{text}` is no usable expression: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(op: Op, value: &str, is: &str) -> bool {
        let tests = compile(&Selector::default().with("a", op, value)).unwrap();
        tests[0].fits(is)
    }

    #[test]
    fn expressions_match_whole_values() {
        assert!(fits(Op::Matches, "sd.|nvme.*", "sda"));
        assert!(!fits(Op::Matches, "sd.|nvme.*", "sda1"));
        assert!(fits(Op::Differs, "sd.", "sda1"));
        assert!(!fits(Op::Matches, ".+", ""));
        assert!(fits(Op::Matches, ".*", ""));
    }

    #[test]
    fn what_cannot_be_bounded_is_refused_with_a_reason() {
        let nested = format!("{}{}", "(".repeat(50), "a{100}){100}".repeat(3));
        for bad in ["(", nested.as_str(), "((a{100}){100}){100}"] {
            let error = compile(&Selector::default().with("a", Op::Matches, bad)).unwrap_err();
            assert_eq!(error.code(), "history-selector", "{bad}");
        }
        assert!(compile(&Selector::default()).is_err(), "empty means none");
        let long = "x".repeat(TEXT + 1);
        assert!(compile(&Selector::metric(&long)).is_err());
    }
}
