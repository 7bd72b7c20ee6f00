//! Reading Rust as text: comments and literals blanked, so that a word is found only where it is code.

/// The same text, line by line, with comments and the insides of string literals replaced by spaces.
pub fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest));
        match skipped {
            Some(length) => {
                out.extend(
                    rest[..length]
                        .chars()
                        .map(|c| if c == '\n' { '\n' } else { ' ' }),
                );
                rest = &rest[length..];
            }
            None => {
                // A whole word at once: the `r` of `for` must not open a raw string.
                let word = rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                let length = word.max(first.len_utf8());
                out.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    out
}

/// What stands before the unit tests at the end of a file.
pub fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ")
        .map_or(text, |at| &text[..at])
}

/// Whether `word` stands in `line` and is not the tail of a longer path or name.
pub fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let starts_inside = word.starts_with(|c: char| c.is_alphanumeric());
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let glued_before =
            starts_inside && before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        let ends_inside = word.ends_with(|c: char| c.is_alphanumeric());
        let glued_after = ends_inside && after.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !glued_before && !glued_after
    })
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |at| at + 2));
    }
    None
}

fn literal(rest: &str) -> Option<usize> {
    if let Some(body) = rest.strip_prefix('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        if !body[hashes..].starts_with('"') {
            return None;
        }
        let closing = format!("\"{}", "#".repeat(hashes));
        let start = 1 + hashes + 1;
        return Some(
            rest[start..]
                .find(&closing)
                .map_or(rest.len(), |at| start + at + closing.len()),
        );
    }
    if let Some(body) = rest.strip_prefix('"') {
        return Some(1 + quoted(body, '"'));
    }
    // A quote opens a character, unless it is a lifetime: `'a` has no closing quote two places on.
    let body = rest.strip_prefix('\'')?;
    let second = body.chars().nth(1);
    (body.starts_with('\\') || second == Some('\'')).then(|| 1 + quoted(body, '\''))
}

fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_and_strings_are_not_code() {
        let code = code_only(
            "let a = \"std::x \\\" y\"; // std::y\n/* std::z */ r#\"std::\"#; b('\"', 'c); std::w",
        );
        assert_eq!(code.matches("std::").count(), 1, "{code}");
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn a_word_is_not_found_inside_a_longer_one() {
        assert!(has_word("use std::fs;", "std::"));
        assert!(!has_word("use crate::log::Entry;", "log::"));
        assert!(has_word("log::info!()", "log::"));
        assert!(has_word("Timestamp::now()", "::now"));
        assert!(!has_word("x::nowhere()", "::now"));
    }
}
