//! Regular expressions with bounds: an owner's slip must not cost the machine its memory.

use regex::bytes::{Regex, RegexBuilder};

use crate::probe::Miss;

/// Bytes a compiled pattern, and its cache, may take.
const SIZE: usize = 256 * 1024;
/// Bytes of the pattern itself.
const TEXT: usize = 4096;

/// Matching takes time linear in the line, whatever the pattern.
pub(super) fn compile(pattern: &str) -> Result<Regex, Miss> {
    let refuse = |why: String| {
        Err(Miss::Unknown(format!(
            "the pattern {why}: correct it in the fleet's files"
        )))
    };
    if pattern.len() > TEXT {
        return refuse(format!("is longer than {TEXT} bytes"));
    }
    match RegexBuilder::new(pattern)
        .size_limit(SIZE)
        .dfa_size_limit(SIZE)
        .build()
    {
        Ok(regex) => Ok(regex),
        Err(regex::Error::CompiledTooBig(_)) => refuse("is too large".into()),
        Err(error) => refuse(format!(
            "cannot be read ({})",
            error.to_string().lines().last().unwrap_or("")
        )),
    }
}

/// A line for people.
pub(super) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    crate::redact::redact(text.trim(), 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_without_bounds_are_refused() {
        assert!(compile("ERROR|panicked at").is_ok());
        for bad in ["(", "a{1000}{1000}{1000}", &"x".repeat(TEXT + 1)] {
            assert!(matches!(compile(bad), Err(Miss::Unknown(_))), "{:.20}", bad);
        }
    }
}
