//! What a series is called. Cheap to clone, to compare and to look up, since every sample carries it.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";

/// Labels with their values, sorted by name, each name once and no value empty.
#[derive(Clone)]
pub struct Labels(Arc<Inner>);

struct Inner {
    hash: u64,
    pairs: Box<[(Box<str>, Box<str>)]>,
}

impl Labels {
    /// The series of `metric` with these labels.
    pub fn new<'a>(
        metric: &'a str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Labels {
        Labels::from_pairs(std::iter::once((NAME, metric)).chain(labels))
    }

    /// From pairs in any order. A label without a value is none; of one that is named twice, the last counts.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
        let mut all: Vec<(Box<str>, Box<str>)> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        all.reverse();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|a, b| a.0 == b.0);
        all.retain(|(_, value)| !value.is_empty());
        let hash = fingerprint(&all);
        Labels(Arc::new(Inner {
            hash,
            pairs: all.into(),
        }))
    }

    /// The metric's name; empty where there is none.
    pub fn metric(&self) -> &str {
        self.get(NAME).unwrap_or_default()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self
            .0
            .pairs
            .binary_search_by(|(label, _)| (**label).cmp(name))
            .ok()?;
        Some(&self.0.pairs[at].1)
    }

    /// All of them, the metric's name among them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    pub fn len(&self) -> usize {
        self.0.pairs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.pairs.is_empty()
    }

    /// The same for the same labels, in every process.
    pub fn fingerprint(&self) -> u64 {
        self.0.hash
    }
}

/// FNV-1a. Names and values are kept apart by a byte that no text holds.
fn fingerprint(pairs: &[(Box<str>, Box<str>)]) -> u64 {
    let texts = pairs.iter().flat_map(|(name, value)| [name, value]);
    texts.fold(0xCBF2_9CE4_8422_2325, |hash, text| {
        let bytes = text.bytes().chain([0xFF]);
        bytes.fold(hash, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        })
    })
}

impl PartialEq for Labels {
    fn eq(&self, other: &Labels) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.0.pairs == other.0.pairs)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Labels) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Labels) -> Ordering {
        (self.metric(), &self.0.pairs).cmp(&(other.metric(), &other.0.pairs))
    }
}

/// As PromQL writes it: `cpu_percent{mode="steal",node="piha"}`, which selects exactly this series.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        let mut before = "{";
        for (name, value) in self.iter().filter(|(name, _)| *name != NAME) {
            write!(f, "{before}{name}={}", Quoted(value))?;
            before = ",";
        }
        f.write_str(if before == "{" { "" } else { "}" })
    }
}

/// A value in quotes, as PromQL writes it.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repetition_make_no_other_series() {
        let one = Labels::new("cpu", [("node", "a"), ("mode", "x"), ("empty", "")]);
        let same = Labels::new("cpu", [("mode", "y"), ("node", "a"), ("mode", "x")]);
        assert_eq!(one, same);
        assert_eq!(one.fingerprint(), same.fingerprint());
        assert_eq!(one.to_string(), r#"cpu{mode="x",node="a"}"#);
        assert_eq!((one.metric(), one.get("node")), ("cpu", Some("a")));
        assert_eq!(one.get("empty"), None);
    }

    #[test]
    fn names_and_values_are_kept_apart() {
        let one = Labels::new("m", [("ab", "c")]);
        let other = Labels::new("m", [("a", "bc")]);
        assert_ne!(one, other);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(Labels::new("m", []).to_string(), "m");
    }
}
