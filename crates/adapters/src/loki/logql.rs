//! A question in Loki's language: which streams, and which of their lines. Pure.
//!
//! Whatever people look for is a literal in it and cannot end it. The literals are those of Go: everything but plain ASCII is
//! written as an escape, so that no scanner trips over it.

use std::fmt::{self, Write};

/// A text as a literal.
pub struct Literal<'a>(pub &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                ' '..='~' => f.write_char(c)?,
                c if u32::from(c) <= 0xffff => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "\\U{:08x}", u32::from(c))?,
            }
        }
        f.write_char('"')
    }
}

/// `label=~"…"` for any of `values`, each as it is; the expression fits the whole value.
pub fn any_of<'a>(label: &str, before: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(regex::escape).collect();
    let expression = format!("{before}(?:{})", values.join("|"));
    format!("{label}=~{}", Literal(&expression))
}

/// `label` has a value.
pub fn some(label: &str) -> String {
    format!("{label}=~{}", Literal(".+"))
}

/// Lines of the streams that all `matchers` take; with `text` those that hold it, whatever its case.
pub fn query(matchers: &[String], text: Option<&str>) -> String {
    let selector = format!("{{{}}}", matchers.join(","));
    match text {
        Some(text) => {
            let expression = format!("(?i){}", regex::escape(text));
            format!("{selector} |~ {}", Literal(&expression))
        }
        None => selector,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Go's `strconv.Unquote` of an interpreted literal, as far as literals may hold what it knows; and where it ends.
    fn unquoted(text: &str) -> Option<(String, &str)> {
        let mut rest = text.strip_prefix('"')?;
        let mut out = String::new();
        loop {
            let c = rest.chars().next()?;
            rest = &rest[c.len_utf8()..];
            match c {
                '"' => return Some((out, rest)),
                '\n' | '\0' | '\u{feff}' => return None,
                '\\' => {
                    let kind = rest.chars().next()?;
                    rest = &rest[kind.len_utf8()..];
                    let digits = match kind {
                        '\\' | '"' => {
                            out.push(kind);
                            continue;
                        }
                        'u' => 4,
                        'U' => 8,
                        _ => return None,
                    };
                    let code = u32::from_str_radix(rest.get(..digits)?, 16).ok()?;
                    out.push(char::from_u32(code)?);
                    rest = &rest[digits..];
                }
                c => out.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn a_literal_is_what_was_meant_and_ends_where_it_should(text in any::<String>(), after in "[ -~]{0,8}") {
            let written = format!("{}{after}", Literal(&text));
            let (read, rest) = unquoted(&written).expect("a literal");
            prop_assert_eq!(read, text);
            prop_assert_eq!(rest, after);
        }

        #[test]
        fn a_text_that_is_looked_for_finds_itself_and_nothing_that_lacks_it(text in "\\PC{1,40}", other in "[a-z]{0,10}") {
            let written = query(&["a=~\"b\"".to_owned()], Some(&text));
            let literal = written.strip_prefix("{a=~\"b\"} |~ ").expect("one filter");
            let (expression, rest) = unquoted(literal).expect("a literal");
            prop_assert_eq!(rest, "");
            let expression = regex::Regex::new(&expression).expect("an expression");
            let line = format!("before {text} after");
            prop_assert!(expression.is_match(&line));
            if !other.to_lowercase().contains(&text.to_lowercase()) {
                prop_assert!(!expression.is_match(&other));
            }
        }

        #[test]
        fn names_are_taken_as_they_are(names in proptest::collection::vec("[ -~]{1,12}", 1..5), other in "[a-z]{1,6}") {
            let written = any_of("host", "/?", names.iter().map(String::as_str));
            let (expression, rest) = unquoted(written.strip_prefix("host=~").expect("a matcher")).expect("a literal");
            prop_assert_eq!(rest, "");
            // Loki's expressions fit the whole value.
            let whole = regex::Regex::new(&format!("^(?:{expression})$")).expect("an expression");
            for name in &names {
                prop_assert!(whole.is_match(name), "{}", name);
                let slashed = format!("/{name}");
                prop_assert!(whole.is_match(&slashed));
            }
            if !names.iter().any(|name| name.trim_start_matches('/') == other) {
                prop_assert!(!whole.is_match(&other));
            }
        }
    }

    #[test]
    fn a_text_that_tries_to_leave_stays_a_text() {
        let wicked = "\"} or {job=~\".+\"} |= `x`\n# \\";
        let written = query(&[some("host")], Some(wicked));
        assert_eq!(written.matches("|~ \"").count(), 1);
        assert!(written.is_ascii() && !written.contains('\n'));
        assert!(written.starts_with("{host=~\".+\"} |~ \"(?i)"));
    }
}
