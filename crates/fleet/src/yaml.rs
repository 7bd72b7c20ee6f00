//! The one place that knows the YAML library. Text in, [`Node`] out, or why not and where.
//!
//! Untrusted text: it is bounded in bytes before it comes here, and in depth, values and alias replay here. Nothing is
//! ever included, interpolated or executed.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Location, Spanned};
use std::fmt;

use crate::node::{Entry, Mark, Node, Scalar, Value};
use crate::problem::{Code, Problem};

/// Maps and lists within each other.
pub const MAX_DEPTH: usize = 32;
/// Values in one file.
pub const MAX_VALUES: usize = 200_000;
/// Values that aliases may add to one file.
pub const MAX_REPLAYED: usize = 20_000;
const TOO_MUCH: &str = "write it out with fewer aliases and less nesting (32 levels, 200000 values, 20000 through aliases)";
/// Longest key that is kept in a message.
const SHOWN: usize = 60;

/// Reads `text`. Duplicate keys are problems of their own: the tree is read on, with the first value.
pub fn parse(file: &str, text: &str) -> Result<(Node, Vec<Problem>), Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = Vec::new();
    // The library stops at the first duplicate; a second, tolerant reading finds all of them.
    let first = match read(text, DuplicateKeyPolicy::Error) {
        Ok(root) => return Ok((node(root, text, file, &mut problems), problems)),
        Err(error) => error,
    };
    let error = problem(file, &first);
    if error.code != Code::DuplicateKey {
        return Err(error);
    }
    let root = read(text, DuplicateKeyPolicy::LastWins).map_err(|e| problem(file, &e))?;
    let tree = node(root, text, file, &mut problems);
    // The tolerant reading collapses duplicates beside number keys before we see them.
    if !problems
        .iter()
        .any(|p| p.line == error.line && p.column == error.column)
    {
        problems.push(error);
    }
    Ok((tree, problems))
}

fn read(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Spanned<Any>, Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(crate::tree::MAX_FILE as usize),
            max_events: MAX_VALUES * 2,
            max_aliases: 2_000,
            max_anchors: 500,
            max_recorded_anchor_events: 50_000,
            max_recorded_anchor_bytes: 2 * 1024 * 1024,
            max_depth: MAX_DEPTH,
            max_documents: 8,
            flow_nesting_limit: MAX_DEPTH * 2,
            max_nodes: MAX_VALUES,
            max_total_scalar_bytes: 2 * 1024 * 1024,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        duplicate_keys: duplicate_keys,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// A value as the library types it.
enum Any {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Any>>),
    Map(Vec<(Spanned<Key>, Spanned<Any>)>),
}

/// A key as written.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Key, D::Error> {
        String::deserialize(d).map(Key)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Any, D::Error> {
        d.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }
    fn visit_none<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Any, D::Error> {
        Any::deserialize(d)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Any, E> {
        Ok(Any::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Any, E> {
        Ok(Any::Int(n))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Any, E> {
        Ok(i64::try_from(n).map_or(Any::Float(n as f64), Any::Int))
    }
    fn visit_i128<E>(self, n: i128) -> Result<Any, E> {
        Ok(i64::try_from(n).map_or(Any::Float(n as f64), Any::Int))
    }
    fn visit_u128<E>(self, n: u128) -> Result<Any, E> {
        Ok(i64::try_from(n).map_or(Any::Float(n as f64), Any::Int))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Any, E> {
        Ok(Any::Float(n))
    }
    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Any, E> {
        Ok(Any::Text(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Any::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Key>>()? {
            if key.value.0.len() > 4096 {
                return Err(A::Error::custom("a key is longer than 4096 bytes"));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Any::Map(entries))
    }
}

/// Puts marks and written texts to what the library read. Depth is bounded by the library's budget.
fn node(from: Spanned<Any>, text: &str, file: &str, problems: &mut Vec<Problem>) -> Node {
    let at = mark(from.referenced);
    let written = || {
        let span = from.defined.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        text.get(start..end)
            .map(str::trim)
            .filter(|t| !t.is_empty())
    };
    let raw = |fallback: String| written().map_or(fallback, str::to_owned);
    let value = match from.value {
        Any::Null => Value::Null,
        Any::Bool(b) => Value::Scalar(Scalar::Bool(b), raw(b.to_string())),
        Any::Int(n) => Value::Scalar(Scalar::Int(n), raw(n.to_string())),
        Any::Float(n) => Value::Scalar(Scalar::Float(n), raw(n.to_string())),
        Any::Text(t) => Value::Scalar(Scalar::Text, t),
        Any::List(items) => Value::List(
            items
                .into_iter()
                .map(|i| node(i, text, file, problems))
                .collect(),
        ),
        Any::Map(entries) => map(entries, text, file, problems),
    };
    Node {
        at,
        value,
        damaged: false,
    }
}

fn map(
    entries: Vec<(Spanned<Key>, Spanned<Any>)>,
    text: &str,
    file: &str,
    problems: &mut Vec<Problem>,
) -> Value {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut seen = std::collections::HashMap::with_capacity(entries.len());
    for (key, value) in entries {
        let key_at = mark(key.referenced);
        let name = key.value.0;
        if let Some(&line) = seen.get(&name) {
            let shown: String = name.chars().take(SHOWN).collect();
            problems.push(Problem::at(
                file,
                key_at,
                Code::DuplicateKey,
                format!("`{shown}` is given twice; first on line {line}"),
                "keep one of the two, or rename one",
            ));
            continue;
        }
        seen.insert(name.clone(), key_at.line);
        let mut value = node(value, text, file, problems);
        if value.value == Value::Null {
            value.at = key_at;
        }
        kept.push(Entry {
            key: name,
            key_at,
            value,
        });
    }
    Value::Map(kept)
}

fn mark(at: Location) -> Mark {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Mark {
        line: small(at.line()),
        column: small(at.column()),
        length: small(at.span().len()),
    }
}

/// What the library refused, in our words where they are better.
fn problem(file: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let at = error.location().map(mark).unwrap_or_default();
    // An alias wraps what went wrong behind it.
    let cause = match error {
        Error::AliasError { error, .. } => error.without_snippet(),
        error => error,
    };
    let (code, message, help): (_, String, _) = match cause {
        Error::DuplicateMappingKey { key, .. } => {
            let key: String = key
                .clone()
                .unwrap_or_default()
                .chars()
                .take(SHOWN)
                .collect();
            (
                Code::DuplicateKey,
                format!("`{key}` is given twice"),
                "keep one of the two, or rename one",
            )
        }
        Error::MultipleDocuments { .. } => (
            Code::YamlDocuments,
            "the file holds more than one document".into(),
            "remove the `---` line, or move what follows it to a file of its own",
        ),
        Error::ExternalMessage { msg, .. } if msg.contains("recursion limit") => {
            (Code::YamlLimits, "the file nests too deep".into(), TOO_MUCH)
        }
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => (Code::YamlLimits, "the file nests too deep".into(), TOO_MUCH),
        Error::Budget { .. } => (
            Code::YamlLimits,
            "the file has too many values, anchors or aliases".into(),
            TOO_MUCH,
        ),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (Code::YamlLimits, words(cause), TOO_MUCH),
        _ => (
            Code::YamlSyntax,
            words(cause),
            "check indentation, quotes and brackets at this place and just before it",
        ),
    };
    Problem::at(file, at, code, message, help)
}

/// The library's own words on one line, without the place, which we show ourselves.
fn words(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    let line = line.split_once(": line ").map_or(line, |(head, _)| head);
    line.trim()
        .trim_end_matches(':')
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Cursor;

    fn tree(text: &str) -> Node {
        let (mut node, problems) = parse("f", text).expect("valid");
        assert_eq!(problems, []);
        node.sort();
        node
    }

    #[test]
    fn values_keep_their_place_and_their_text() {
        let root = tree("a:\n  b: 1.10\n  c: [x, 0x1F, true, no]\n");
        let at = |c: Cursor<'_>| (c.at().line, c.at().column, c.at().length);
        let b = Cursor::root("f", &root).get("a").get("b");
        assert_eq!(at(b), (2, 6, 4));
        assert_eq!(
            (b.key_at().line, b.key_at().column, b.key_at().length),
            (2, 3, 1)
        );
        let Value::Map(top) = &root.value else {
            panic!("{root:?}")
        };
        let Value::Map(a) = &top[0].value.value else {
            panic!("{root:?}")
        };
        assert_eq!(
            a[0].value.value,
            Value::Scalar(Scalar::Float(1.1), "1.10".into())
        );
        let Value::List(items) = &a[1].value.value else {
            panic!("{root:?}")
        };
        assert_eq!(
            items[1].value,
            Value::Scalar(Scalar::Int(31), "0x1F".into())
        );
        assert_eq!(
            items[2].value,
            Value::Scalar(Scalar::Bool(true), "true".into())
        );
        assert_eq!(items[3].value, Value::Scalar(Scalar::Text, "no".into()));
        assert_eq!(
            at(Cursor::root("f", &root).get("a").get("c").item(3)),
            (3, 22, 2)
        );
    }

    #[test]
    fn aliases_and_merge_keys_are_read_and_point_to_where_they_are_used() {
        let root = tree("x: &x {k: 5m}\ny: {<<: *x, z: 1}\n");
        let k = Cursor::root("f", &root).get("y").get("k");
        assert_eq!(k.at().line, 2);
        assert!(Cursor::root("f", &root).get("y").has("z"));
    }

    #[test]
    fn an_empty_file_is_nothing() {
        for text in ["", "\n", "# only a comment\n", "---\n", "\u{feff}"] {
            assert_eq!(tree(text).value, Value::Null, "{text:?}");
        }
    }

    #[test]
    fn every_duplicate_is_named_even_beside_number_keys() {
        let (_, problems) =
            parse("f", "1: a\nb: 1\nb: 2\nc:\n  d: 1\n  d: 2\nb: 3\n").expect("readable");
        let lines: Vec<_> = problems.iter().map(|p| (p.code, p.line)).collect();
        assert!(lines.contains(&(Code::DuplicateKey, 6)), "{problems:?}");
        assert!(lines.contains(&(Code::DuplicateKey, 3)), "{problems:?}");
    }

    #[test]
    fn an_alias_bomb_is_refused_quickly() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let m = n - 1;
            let refs = vec![format!("*a{m}"); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
        }
        let started = tokio::time::Instant::now();
        let problem = parse("f", &text).expect_err("a bomb");
        assert_eq!(problem.code, Code::YamlLimits, "{problem:?}");
        assert!(started.elapsed().as_secs() < 2);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let problem = parse("f", &text).expect_err("too deep");
        assert_eq!(problem.code, Code::YamlLimits, "{problem:?}");
    }

    #[test]
    fn broken_text_says_where() {
        for (text, line, code) in [
            ("a: [1, 2\nb: 3\n", 2, Code::YamlSyntax),
            ("a: b\n---\nc: d\n", 3, Code::YamlDocuments),
            ("a: *nobody\n", 1, Code::YamlSyntax),
            ("a: !strange x\n", 1, Code::YamlSyntax),
            ("a: 1\n\tb: 2\n", 1, Code::YamlSyntax),
        ] {
            let problem = parse("f", text).expect_err(text);
            assert_eq!(
                (problem.code, problem.line),
                (code, line),
                "{text:?} {problem:?}"
            );
            assert!(!problem.message.contains('\n') && !problem.message.is_empty());
        }
    }
}
